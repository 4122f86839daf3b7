"""Dense or residual: what it costs to concatenate where others add."""

from pages.shared.learn import dense_residual as shown
from pages.shared.learn.lesson import open_lesson
from pages.shared.text import _

setting = shown.open_setting()
lesson = open_lesson("dense_residual")
if not lesson.present:
    shown.controls()
if lesson.part(_("Add, or concatenate")):
    shown.diagrams(lesson, setting)
if lesson.part(_("Each layer reads all before it")):
    shown.reading(lesson, setting)
if lesson.part(_("What it costs")):
    shown.costs(lesson, setting)
if lesson.part(_("Memory to train")):
    shown.training(lesson, setting)
lesson.close(
    tries=[
        _("Double the layers: connections grow nearly fourfold. And parameters?"),
        _("Halve the growth rate and double the layers: which of the two stays cheaper?"),
        _("Leave out the bottleneck, with 4 layers and with 24: when do its 1 × 1 pay off?"),
        _("Go through the four blocks of DenseNet-121: where are its parameters, and where is its "
          "memory?"),
    ],
    sources=[
        "explorer.models.densenet:DenseBlock",
        "explorer.lessons.connections:residual_width",
        "explorer.lessons.connections:memory_curve",
    ],
)  # fmt: skip
