"""Design lab: one decision of a real architecture is turned, and everything moves."""

from pages.shared.learn.lesson import open_lesson

lesson = open_lesson("lab")
lesson.close(tries=[], sources=[])
