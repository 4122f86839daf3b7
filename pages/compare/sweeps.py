"""Sweeps: what a few models cost as one thing changes, an input size, a batch or an option."""

from pages.shared import sweeps, widgets
from pages.shared.text import _

view = sweeps.open_view()
widgets.page_title(
    _("Sweeps"),
    _(
        "What models cost as one thing changes: the input size, the batch, or a "
        "number that they are built with."
    ),
)
sweeps.controls(view)
sweeps.results(view)
