"""Attention and patches: tokens, and where a transformer's MACs go."""

from pages.shared.learn.lesson import open_lesson

lesson = open_lesson("attention")
lesson.close(tries=[], sources=[])
