"""Choose: limits leave some of all models, and the front shows what no other model beats."""

from pages.shared import landscape, widgets
from pages.shared.text import _

view = landscape.open_view()
widgets.page_title(
    _("Choose"),
    _(
        "Set limits in the sidebar; the line is the front, which no other model "
        "that is left beats on both axes. Click a dot to mark a model, and a "
        "second one to compare."
    ),
)
landscape.controls(view)
landscape.axes()
place = landscape.places()
candidates = landscape.candidates(view, place)
if candidates:
    verdict = landscape.headline(view, candidates, place)
    landscape.chart(view, place)
    landscape.cards(view, candidates)
    landscape.table(view, verdict)
