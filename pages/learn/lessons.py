"""Lessons: the course at a glance."""

from pages.shared.learn import index

index.show()
