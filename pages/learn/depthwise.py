"""Depthwise separable and grouped convolution, counted and timed."""

from pages.shared.learn import depthwise as shown
from pages.shared.learn.lesson import open_lesson
from pages.shared.text import _

view = shown.open_view()
lesson = open_lesson("depthwise")
if not lesson.present:
    shown.controls(view)
if lesson.part(_("Look around, then mix")):
    shown.cost(lesson, view)
if lesson.part(_("From one group to a group a channel")):
    shown.groups(lesson, view)
if lesson.part(_("What is left is 1 × 1")):
    shown.shares(lesson)
if lesson.part(_("Groups never meet, unless they are shuffled")):
    shown.shuffle(lesson)
if lesson.part(_("Why the time falls less than the work")):
    shown.time(lesson, view)
if lesson.part(_("Measure it here")):
    shown.measurement(view)
lesson.close(
    tries=[
        _("Go to 7 × 7: why does the separable one hardly get dearer?"),
        _("Set one group: why is the pair dearer than the full convolution now?"),
        _("Choose the H100 and one image on maps of 14 × 14: what is the time spent on?"),
        _("Measure 56 × 56 with few channels here: is the pair faster at all?"),
    ],
    sources=[
        "explorer.lessons.depthwise:separable",
        "explorer.lessons.depthwise:reach",
        "explorer.lessons.depthwise:timed",
        "explorer.models.mobilenet_v1:DepthwiseSeparableConv",
    ],
)  # fmt: skip
