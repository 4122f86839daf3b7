"""Published vs exact: what papers print, beside what their networks cost, and why they differ."""

from pages.shared import published, widgets
from pages.shared.text import _

view = published.open_view()
widgets.page_title(
    _("Published vs exact"),
    _(
        "What papers and their repositories print, beside the exact counts at "
        "the paper's input, computed live from the models here."
    ),
)
opened = published.tabs()
if opened["papers"].open:
    with opened["papers"]:
        published.papers(view)
if opened["reid"].open:
    with opened["reid"]:
        published.reidentification()
