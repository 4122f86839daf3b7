"""Pages that put models beside each other."""
