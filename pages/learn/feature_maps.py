"""Feature maps: a picture on its way through a model."""

from pages.shared.learn.lesson import open_lesson

lesson = open_lesson("feature_maps")
lesson.close(tries=[], sources=[])
