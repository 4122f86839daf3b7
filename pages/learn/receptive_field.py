"""Receptive field: the pixels that one value sees, and how much each counts."""

from pages.shared.learn.lesson import open_lesson

lesson = open_lesson("receptive_field")
lesson.close(tries=[], sources=[])
