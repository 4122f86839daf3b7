"""Scaling: depth, width and resolution."""

from pages.shared.learn import scaling
from pages.shared.learn.lesson import open_lesson
from pages.shared.text import _

lesson = open_lesson("scaling")
view = scaling.open_view()
if lesson.part(_("Deeper, wider, sharper: EfficientNet's three knobs")):
    scaling.knobs(view)
    scaling.shape(lesson, view)
if lesson.part(_("What the rule says, and what is counted")):
    if lesson.present:
        scaling.knobs(view)
    scaling.rule(lesson, view)
if lesson.part(_("One dimension or all three, at equal MACs")):
    scaling.equal(lesson, view)
if lesson.part(_("Thinner and smaller: MobileNet's two multipliers")):
    scaling.thinner(lesson, view)
if lesson.part(_("Widths along a line: RegNet")):
    scaling.regnet(lesson, view)
lesson.close(
    tries=[
        _(
            "Set “Each alone” and move the depth from 1 to 1.1. Why do the MACs grow by more than "
            "a third?"
        ),
        _("Make the network twice as wide. Which numbers grow by about 4, which by about 2?"),
        _("Find two settings of the same MACs whose activations differ most."),
        _("MobileNet: is α = 0.5 at 224 pixels dearer or cheaper than α = 1 at 96 or 128 pixels?"),
        _("RegNet: lower w_m to 1.5. How many stages are there, and how small is the last map?"),
    ],
    sources=[
        "explorer.lessons.scaling:scale",
        "explorer.lessons.scaling:steps",
        "explorer.lessons.scaling:line",
        "explorer.models.efficientnet:_scaled",
    ],
)
