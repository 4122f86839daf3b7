"""Side by side: two to four architectures, aligned, with every difference named."""

import streamlit as st

from pages.shared import beside, comparing, comparison, widgets
from pages.shared.text import _

view = comparing.open_view()
widgets.page_title(
    _("Side by side"),
    _("Two to four architectures, stage by stage and layer by layer, with every difference named."),
)
comparing.controls(view)
shown = comparison.possible(view)
if len(shown) < 2:
    st.info(_("A comparison needs two models that can be traced."), icon=":material/compare:")
    st.stop()
comparison.summaries(view, shown)
widgets.counting(0)
beside.totals(view, shown, lambda: comparison.export(view, shown))
opened = comparing.tabs()
if opened["layers"].open:
    with opened["layers"]:
        comparison.layer_by_layer(view, shown)
if opened["stages"].open:
    with opened["stages"]:
        comparison.stages(view, shown)
if opened["curves"].open:
    with opened["curves"]:
        comparison.curves(view, shown)
if opened["diagrams"].open:
    with opened["diagrams"]:
        comparison.diagrams(view, shown)
