"""Inception and branches: what the 1 x 1 convolutions save."""

from pages.shared.learn import branches as shown
from pages.shared.learn.lesson import open_lesson
from pages.shared.text import _

view = shown.open_view()
lesson = open_lesson("branches")
if lesson.part(_("Branch by branch, with and without the 1 × 1")):
    shown.branch_by_branch(lesson, view)
if lesson.part(_("All nine blocks of GoogLeNet")):
    shown.all_blocks(lesson, view)
if lesson.part(_("Inception-v3: smaller windows for a large one")):
    shown.factorizations(lesson, view)
if lesson.part(_("ResNeXt: branches of one shape are a grouped convolution")):
    shown.cardinality(lesson, view)
lesson.close(
    tries=[
        _("Go from 3a to 5b: in which branch do the 1 × 1 save most, and why there?"),
        _("Switch from MACs to parameters: which blocks are cheap in one and dear in the other?"),
        _("From which window on do stacked 3 × 3 cost less than half of n × n?"),
        _("From 1 path to 32 the width of each falls to 4: what stays the same?"),
    ],
    sources=[
        "explorer.models.googlenet:Inception",
        "explorer.lessons.timeline:without_reductions",
        "explorer.lessons.branches:grouped_from",
    ],
)  # fmt: skip
