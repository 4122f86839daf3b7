"""Scaling: depth, width and resolution."""

from pages.shared.learn.lesson import open_lesson

lesson = open_lesson("scaling")
lesson.close(tries=[], sources=[])
