"""What a comparison and a difference are made of: plain values."""

from __future__ import annotations

from typing import Literal, NamedTuple

from explorer.analysis._units import CountedBlock
from explorer.analysis.layers import Layer
from explorer.analysis.stages import Stage
from explorer.text import N_, _

Shape = tuple[int, ...]

MOST = 4
"""Models that one comparison takes."""
NOT_RUN = N_("not run")
"""Stage of what holds parameters and never ran."""

# --- several models ------------------------------------------------------------------------


class Count(NamedTuple):
    """One total of one model, and what it is to the first model's."""

    value: int
    difference: int
    """This model's minus the first one's."""
    ratio: float | None
    """This model's over the first one's; None where the first has 0."""


class ComparedModel(NamedTuple):
    """The totals of one model."""

    name: str
    """As registered, with its input where the same name is compared twice."""
    input_shape: Shape | tuple[Shape, ...]
    output_shape: Shape | tuple[Shape, ...]
    params: Count
    cost: Count
    """In `Comparison.unit`."""
    activation_bytes: Count
    depth: Count
    """Most weighted layers on any path from input to output."""
    layers: Count
    """Rows of `layers(trace)`."""
    lower_bound: bool
    """An op without a cost rule makes `cost` a lower bound."""


class AlignedStage(NamedTuple):
    """What the models have at one resolution, relative to their inputs."""

    name: str
    """Of the first model that has it."""
    stages: tuple[Stage | None, ...]
    """One for each model; None if it has no such stage."""


class Curve(NamedTuple):
    """Running sums over the rows of one model, in execution order."""

    name: str
    keys: tuple[str, ...]
    position: tuple[float, ...]
    """Place of each row, 0 to 1 for the last, so that models of any depth share an axis."""
    params: tuple[int, ...]
    """Without those of modules that never ran."""
    cost: tuple[int, ...]
    activation_bytes: tuple[int, ...]


class Comparison(NamedTuple):
    """Two to four models side by side; everything is relative to the first."""

    unit: str
    """"MACs" or "FLOPs"."""
    models: tuple[ComparedModel, ...]
    stages: tuple[AlignedStage, ...]
    curves: tuple[Curve, ...]


# --- two models, layer by layer -------------------------------------------------------------

Status = Literal["same", "changed", "left", "right"]


CHANGED = (
    N_("kernel"), N_("stride"), N_("padding"), N_("dilation"), N_("groups"), N_("bias"),
    N_("heads"), N_("input width"), N_("width"), N_("size"), N_("parameters"), N_("cost"),
    N_("activation"), N_("normalization"), N_("pooling"), N_("operation"),
)  # fmt: skip
"""What a change can be of."""
VALUES = (
    N_("none"), N_("yes"), N_("no"), N_("max"), N_("average"), N_("average of the map"),
    N_("convolution"), N_("linear"), N_("attention"),
)  # fmt: skip
"""What it can be from and to, besides numbers and names."""


class Change(NamedTuple):
    """One property in which two aligned layers differ."""

    what: str
    """"kernel", "stride", "padding", "dilation", "groups", "bias", "heads", "input width",
    "width" (channels of the result), "size" (its resolution, tokens too), "parameters" (their
    number, where nothing else explains it), "cost" (likewise), or what the function is:
    "activation", "normalization", "pooling", "operation"."""
    before: str
    after: str

    def __str__(self) -> str:
        return f"{_(self.what)} {_(self.before)} -> {_(self.after)}"


class DiffRow(NamedTuple):
    """Two aligned layers, or one that has no partner."""

    stage: str
    """Of the left model, or of the right one where only that has it; "not run" for a module
    that holds parameters and never ran."""
    status: Status
    """"left" and "right": only that model has it."""
    left: Layer | None
    right: Layer | None
    changes: tuple[Change, ...]
    params: int
    """Right minus left, as are the two below."""
    cost: int
    activation_bytes: int
    left_block: int
    """Index in `Side.blocks`; -1 outside all blocks."""
    right_block: int
    role: str
    """"main", "shortcut", "gate" or "join": what part of its block the row is."""


class Side(NamedTuple):
    """One of the two models of a difference."""

    name: str
    input_shape: Shape | tuple[Shape, ...]
    output_shape: Shape | tuple[Shape, ...]
    params: int
    cost: int
    activation_bytes: int
    lower_bound: bool
    """An op without a cost rule makes `cost` a lower bound."""
    blocks: tuple[CountedBlock, ...]
    block_stages: tuple[str, ...]
    """Name of the aligned stage of each block."""
    preactivated: tuple[bool, ...]
    """For each block: normalization or activation comes before its first weights."""


class Diff(NamedTuple):
    """Two models aligned: first their stages, then the layers inside each."""

    left: Side
    right: Side
    unit: str
    """Of the costs: "MACs" or "FLOPs"."""
    rewritten: bool
    """Both compute the same in the same order, with as many parameters and MACs; how that is
    written down, by which modules and operations, may differ."""
    stages: tuple[AlignedStage, ...]
    rows: tuple[DiffRow, ...]
    """Stage by stage; parallel paths in one order for both, wherever they ran. Their `params`,
    `cost` and `activation_bytes` add up to the differences of the totals."""
