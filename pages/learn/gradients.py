"""Degradation and gradient flow: plain networks against residual ones."""

from pages.shared.learn.lesson import open_lesson

lesson = open_lesson("gradients")
lesson.close(tries=[], sources=[])
