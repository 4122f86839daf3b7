"""Parameters and MACs by hand: any layer, worked step by step."""

from pages.shared.learn.lesson import open_lesson

lesson = open_lesson("by_hand")
lesson.close(tries=[], sources=[])
