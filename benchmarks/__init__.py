"""Measurements against other tools; see README.md here."""
