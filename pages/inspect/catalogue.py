"""Catalogue: every architecture with its year, its cost at a size, its idea and its paper."""

from pages.shared import catalogue, widgets
from pages.shared.text import _

view = catalogue.open_view()
widgets.page_title(
    _("Catalogue"),
    _(
        "Every architecture written here, counted live at the size you choose. "
        "Click one to open its layers."
    ),
)
catalogue.controls()
entries = catalogue.counted(view)
opened = catalogue.tabs()
if opened["table"].open:
    with opened["table"]:
        catalogue.table(view, entries)
if opened["timeline"].open:
    with opened["timeline"]:
        catalogue.timeline(view, entries)
