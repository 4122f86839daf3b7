"""Feature maps: a picture on its way through a model."""

import streamlit as st

from pages.shared import sidebar, widgets
from pages.shared.cache.traces import failure
from pages.shared.learn import feature_maps
from pages.shared.learn.lesson import open_lesson
from pages.shared.text import _

choice = feature_maps.plain(sidebar.current())
failed = failure(choice)
view = None if failed else feature_maps.open_view(choice)
lesson = open_lesson("feature_maps")
if failed or view is None:
    if failed:
        widgets.failed(choice, failed)
    st.stop()
if lesson.part(_("The maps of one layer")):
    feature_maps.maps(lesson, view)
if lesson.part(_("One channel over the picture")):
    feature_maps.channel(lesson, view)
if lesson.part(_("The filters behind it")):
    feature_maps.filters(lesson, view)
lesson.close(
    tries=[
        _("Go from the first layer to the last: where do edges stop being recognizable, and what "
          "is left of the picture in 7 × 7 cells?"),
        _("Change the seed. Which of what you saw came from the weights, and which from the "
          "architecture alone?"),
        _("Compare a convolution with the ReLU after it. How many of the values become 0?"),
        _("Load weights of your own, saved with torch.save(model.state_dict(), ...), and look at "
          "the first convolution: trained filters are edges, colours and bars."),
    ],
    sources=[
        "explorer.lessons.taps:run_to",
        "explorer.lessons.feature_maps:feature_maps",
        "explorer.lessons.weights:read_weights",
        "explorer.lessons.inputs:as_input",
    ],
)  # fmt: skip
