"""Colours for boxes by a quantity instead of by their kind."""

from __future__ import annotations

from typing import Final, NamedTuple

from explorer.analysis.roofline import get_device, predict
from explorer.analysis.totals import DEFAULT, Convention
from explorer.analysis.units import compact, memory
from explorer.diagram.scene import Scene
from explorer.figures.theme import KIND_COLORS, tint
from explorer.text import _
from explorer.trace.records import Trace

HEATS: Final = ("params", "cost", "activations", "latency")
DEFAULT_DEVICE: Final = "NVIDIA T4"
"""What times are predicted for unasked: the GPU that is met most often for nothing."""
_DEEPEST, _STEPS = {"light": 0.75, "dark": 0.55}, 5
"""How much of the colour the largest amount has: text on it keeps a contrast of 4.5."""


class Heat(NamedTuple):
    """The colours of one picture, and what they mean."""

    title: str
    """The quantity; a prediction says that it is one, and for which device."""
    colors: dict[str, str]
    """Key of a node -> its colour."""
    scale: tuple[str, ...]
    """Colours from nothing to the most."""
    most: str
    """The largest amount, with its unit."""
    shares: dict[str, float]
    """Key of a node -> its depth of colour, 0 to 1, the square root of its part of the most."""


def heat_title(measure: str, convention: Convention = DEFAULT, device: str = DEFAULT_DEVICE) -> str:
    """What boxes are coloured by."""
    return {
        "params": _("Parameters"),
        "cost": convention.unit,
        "activations": _("Activation memory"),
        "latency": _("Predicted time on {device}, float32").format(device=device),
    }[measure]


def scene_heat(
    scene: Scene,
    trace: Trace,
    measure: str,
    theme: str,
    convention: Convention = DEFAULT,
    device: str = DEFAULT_DEVICE,
) -> Heat:
    """Colour boxes: the more of the quantity, the deeper.

    Of a box that stands for several equal ones, the amount is that of one.

    Args:
        scene: the boxes.
        trace: what they are drawn from.
        measure: one of `HEATS`.
        theme: "light" or "dark".
        convention: what "cost" counts.
        device: that "latency" is predicted for, by the roofline; see `analysis.roofline`.

    Raises:
        OptionError: there is no such device.
    """
    amounts = _amounts(scene, trace, measure, device)
    most = max(amounts.values(), default=0.0)
    # The square root shows small ones, too.
    shares = {key: (amount / (most or 1.0)) ** 0.5 for key, amount in amounts.items()}
    color = KIND_COLORS[theme]["linear"]
    return Heat(
        title=heat_title(measure, convention, device),
        colors={key: tint(color, theme, _DEEPEST[theme] * share) for key, share in shares.items()},
        scale=tuple(
            tint(color, theme, _DEEPEST[theme] * step / (_STEPS - 1)) for step in range(_STEPS)
        ),
        most=_text(most, measure),
        shares=shares,
    )


def heat_words(heat: Heat | None) -> str:
    """A sentence behind a caption that says what the colours mean."""
    if heat is None:
        return ""
    return " " + _("Colour: {title}, from 0 to {most}.").format(title=heat.title, most=heat.most)


def _amounts(scene: Scene, trace: Trace, measure: str, device: str) -> dict[str, float]:
    nodes = [node for node in scene.nodes if node.key]
    if measure == "latency":
        times = [op.ms for op in predict(trace, get_device(device)).ops]
        return {node.key: sum(times[op] for op in node.ops) / node.times for node in nodes}
    field = {"params": "params", "cost": "cost", "activations": "activation_bytes"}[measure]
    return {node.key: float(getattr(node, field)) for node in nodes}


def _text(amount: float, measure: str) -> str:
    if measure == "latency":
        return f"{1000 * amount:.3g} µs"
    return memory(int(amount)) if measure == "activations" else compact(int(amount))
