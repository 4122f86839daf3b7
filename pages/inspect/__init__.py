"""Pages about one architecture."""
