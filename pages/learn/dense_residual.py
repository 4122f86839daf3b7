"""Dense or residual: what it costs to concatenate where others add."""

from pages.shared.learn.lesson import open_lesson

lesson = open_lesson("dense_residual")
lesson.close(tries=[], sources=[])
