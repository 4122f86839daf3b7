"""The aligned layers of two models as a table."""

from __future__ import annotations

from typing import TypeGuard

import pandas as pd

from explorer.analysis._facts import layer_name
from explorer.analysis.compare import Diff, DiffRow
from explorer.analysis.layers import Layer
from explorer.analysis.units import shape_text
from explorer.text import N_, _

STATUS = {
    "same": N_("same"),
    "changed": N_("changed"),
    "left": N_("only left"),
    "right": N_("only right"),
}
"""`DiffRow.status` in words."""


def diff_frame(diff: Diff) -> pd.DataFrame:
    """Return one row for each row of the difference, in its order.

    Columns: Stage, Status, Left, Right (keys of the layers), Kind, Difference (what changed, or
    what stands on one side alone), Shape, Left params, Right params, and what the right one has
    more: Params, MACs (or FLOPs) and Activation bytes, each called "more".
    """
    rows = diff.rows
    return pd.DataFrame(
        {
            "Stage": [_(row.stage) for row in rows],
            "Status": [STATUS[row.status] for row in rows],
            "Left": [row.left.key if row.left else "" for row in rows],
            "Right": [row.right.key if row.right else "" for row in rows],
            "Kind": [_either(row).kind for row in rows],
            "Difference": [_difference(row) for row in rows],
            "Shape": [_shapes(row) for row in rows],
            "Left params": [_params(row.left) for row in rows],
            "Right params": [_params(row.right) for row in rows],
            "More params": [row.params for row in rows],
            f"More {diff.unit}": [row.cost for row in rows],
            "More activation bytes": [row.activation_bytes for row in rows],
        }
    )


def _either(row: DiffRow) -> Layer:
    found = row.left or row.right
    assert found is not None
    return found


def _difference(row: DiffRow) -> str:
    """What changed; of a layer without a partner, what it is."""
    if row.left and row.right:
        return _(", ").join(map(str, row.changes))
    return ("- " if row.left else "+ ") + layer_name(_either(row))


def _shapes(row: DiffRow) -> str:
    shapes = [shape_text(side.output_shape) for side in (row.left, row.right) if _has_shape(side)]
    return " -> ".join(dict.fromkeys(shapes))


def _has_shape(layer: Layer | None) -> TypeGuard[Layer]:
    return bool(layer and layer.output_shape)


def _params(layer: Layer | None) -> int:
    return layer.params if layer else 0
