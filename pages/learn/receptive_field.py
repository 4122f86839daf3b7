"""Receptive field: the pixels that one value sees, and how much each counts."""

import streamlit as st

from pages.shared import sidebar, widgets
from pages.shared.cache.traces import failure
from pages.shared.learn import receptive_field
from pages.shared.learn.lesson import open_lesson
from pages.shared.text import _

choice = receptive_field.plain(sidebar.current())
failed = failure(choice)
view = None if failed else receptive_field.open_view(choice)
lesson = open_lesson("receptive_field")
if failed or view is None:
    if failed:
        widgets.failed(choice, failed)
    st.stop()
if lesson.part(_("The window of one cell")):
    receptive_field.window(lesson, view)
if lesson.part(_("How it grows")):
    receptive_field.growth(lesson, view)
if lesson.part(_("How much each pixel counts")):
    receptive_field.effective(lesson, view)
if lesson.part(_("The architectures compared")):
    receptive_field.architectures(lesson)
lesson.close(
    tries=[
        _("Move through the first layers of ResNet-50. Which layers widen the window, and which "
          "double its step? A 1 × 1 convolution does neither."),
        _("A stride early on is felt by all that follows: compare VGG-16, whose strides come "
          "late, with ResNet-18, whose first two layers divide the picture by four. Both have "
          "convolutions of 3 × 3."),
        _("Choose ResNet-50 and the option that places the stride on the first 1 × 1 convolution "
          "(resnet50_v1): the window of the last features grows from 427 to 483 pixels."),
        _("With dilation d a kernel k reaches as far as one of (k − 1) · d + 1, so the window "
          "grows without a stride. Work out what a dilation of 2 in the last stage of a ResNet "
          "would give in place of its stride."),
        _("Open SE-ResNet-50 or ViT-B/16. From which layer on does every cell see everything?"),
    ],
    sources=[
        "explorer.analysis._grid:through",
        "explorer.analysis._field_rules:_windows",
        "explorer.analysis.receptive_field:path",
        "explorer.lessons.effective_field:effective_field",
    ],
)  # fmt: skip
