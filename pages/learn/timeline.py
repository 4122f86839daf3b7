"""From LeNet to ViT: one decision after the other, each with what it costs."""

from pages.shared.learn.lesson import open_lesson

lesson = open_lesson("timeline")
lesson.close(tries=[], sources=[])
