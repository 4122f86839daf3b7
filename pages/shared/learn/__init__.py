"""What the lessons are made of: their common frame, and one module a lesson."""
