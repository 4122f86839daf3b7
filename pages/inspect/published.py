"""Published vs exact: what papers print, beside what their networks cost, and why they differ."""

from pages.shared import published, widgets

view = published.open_view()
widgets.page_title(
    "Published vs exact",
    "What papers and their repositories print, beside the exact counts at the paper's input, "
    "computed live from the models here.",
)
opened = published.tabs()
if opened["papers"].open:
    with opened["papers"]:
        published.papers(view)
if opened["reid"].open:
    with opened["reid"]:
        published.reidentification()
