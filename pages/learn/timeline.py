"""From LeNet to ViT: one decision after the other, each with what it costs."""

from pages.shared.learn import timeline
from pages.shared.learn.lesson import open_lesson
from pages.shared.text import _

chosen = timeline.open_stop()
lesson = open_lesson("timeline")
if lesson.present:
    for stop in timeline.STOPS:
        if lesson.part(timeline.heading(stop)):
            timeline.show(lesson, stop)
    if lesson.part(_("The whole journey")):
        timeline.chart(lesson)
else:
    timeline.choose(chosen)
    if lesson.part(timeline.heading(chosen)):
        timeline.show(lesson, chosen)
        timeline.chart(lesson, chosen)
lesson.close(
    tries=[
        _("Go from stop to stop and guess first: does the next one cost more or less?"),
        _("Which architectures have fewer parameters and a higher accuracy than an earlier one?"),
        _("Find the stop whose MACs fall much further than its predicted time. *Depthwise "
          "separable and grouped convolution* says why."),
        _("Open a pair **side by side** and change the input to 256 × 128: what stays as it is?"),
    ],
    sources=[
        "explorer.lessons.timeline:cost",
        "explorer.lessons.timeline:with_global_pooling",
        "explorer.lessons.timeline:without_reductions",
        "explorer.lessons.timeline:with_full_convolutions",
    ],
)  # fmt: skip
