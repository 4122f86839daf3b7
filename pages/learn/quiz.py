"""Quiz: shapes, parameters and MACs, predicted before they are shown."""

from pages.shared.learn import quiz as page
from pages.shared.learn.lesson import open_lesson
from pages.shared.text import _

quiz = page.open_quiz()  # first: what a link gets wrong is said under the title
lesson = open_lesson("quiz")
if lesson.present:
    page.talk(lesson, quiz)
else:
    page.controls(quiz)
    page.play(lesson, quiz)
lesson.close(
    tries=[
        _("Send the link to a class: everybody gets the same ten questions."),
        _("Present it, and let the class write the answer down before you reveal it."),
        _("Answer to two digits, in your head: 64 · 64 · 9 is about 37 K."),
    ],
    sources=["explorer.lessons.quiz:question"],
)
