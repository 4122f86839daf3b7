"""What the design lab asks for: a network measured, two compared, and one drawn with marks."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import streamlit as st

from explorer.analysis import layers
from explorer.analysis.roofline import get_device
from explorer.diagram.interactive import scene_data, signature
from explorer.diagram.marks import Status, scene_marks
from explorer.diagram.views import depths, view_scene
from explorer.lessons.lab import Changes, Measures, changes, measures
from pages.shared.cache.keep import keep
from pages.shared.cache.traces import evaluated, failure, trace_of, trained
from pages.shared.choice import Choice
from pages.shared.text import N_


@st.cache_data(max_entries=512, show_spinner=False)
def measured(choice: Choice, device: str) -> Measures | None:
    """Measure a network; None if it cannot be traced."""
    choice = evaluated(choice)
    if failure(choice):
        return None
    training = trained(choice)
    return measures(
        trace_of(choice), None if failure(training) else trace_of(training), get_device(device)
    )


@st.cache_data(max_entries=128, show_spinner=False)
def changed(before: Choice, after: Choice) -> Changes:
    """Which layers and blocks differ between two networks that can be traced."""
    return changes(trace_of(evaluated(before)), trace_of(evaluated(after)))


class Picture(NamedTuple):
    """One network drawn, and which of its boxes differ from another network's."""

    scene: dict[str, Any]
    """As the component draws it."""
    signature: str
    marks: dict[str, Status]
    depth: int
    """How far it is open, see `explorer.diagram.views.depths`."""
    depths: int
    """The greatest depth."""


MOST_MACS: Final = 1_500_000_000
"""Of a forward pass whose gradient is asked for; a few seconds on two cores, back and forth."""
FLOW_BATCH: Final = 4


@st.cache_data(max_entries=256, show_spinner=False)
def flow_size(before: Choice, after: Choice) -> tuple[int, int]:
    """Height and width at which both networks' gradients are soon computed.

    That of the input, or that halved as often as needed, as long as both networks take it.
    """
    height, width = before.input_shape[2:]
    while True:
        passes = [
            evaluated(c._replace(input_shape=(FLOW_BATCH, c.input_shape[1], height, width)))
            for c in (before, after)
        ]
        smaller = [
            c._replace(input_shape=(FLOW_BATCH, c.input_shape[1], height // 2, width // 2))
            for c in passes
        ]
        if (
            max(trace_of(c).macs for c in passes) <= MOST_MACS
            or min(height, width) < 32
            or any(failure(c) for c in smaller)
        ):
            return height, width
        height, width = height // 2, width // 2


@keep(max_entries=48, spinner=N_("Drawing"))
def picture(
    shown: Choice, other: Choice, *, is_after: bool, depth: int, toggled: tuple[str, ...]
) -> Picture:
    """Draw a network as its blocks, and mark what another one does not have like this.

    Args:
        shown: the network.
        other: that it is compared with.
        is_after: whether `shown` came from `other`, or the other way round.
        depth: how far it is open; 0 leaves it to the network.
        toggled: boxes opened or closed by hand.
    """
    found = changed(other, shown) if is_after else changed(shown, other)
    part = found.after if is_after else found.before
    trace = trace_of(evaluated(shown))
    first, most = depths(trace, "blocks")
    depth = min(depth or first, most)
    scene = view_scene(trace, "blocks", depth, toggled)
    data = scene_data(scene, trace, {row.key: row for row in layers(trace)})
    return Picture(data, signature(data), scene_marks(scene, part.changed, part.own), depth, most)
