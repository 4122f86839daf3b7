"""Everything a user can cause is an ExplorerError, and reads as one sentence.

ExplorerError
├── UnknownModelError      a name that no source knows
├── OptionError            an option outside its legal range
├── TraceError             a forward pass that cannot be followed
│   └── InputSizeError     the input shape does not fit the model
├── MeasurementError       a latency that cannot be measured here
├── SweepError             a sweep that cannot be started or carried on
├── RecordError            a file of measurements that cannot be read
└── in explorer.lessons    WindowError and LayerError (a layer that cannot be), PictureError and
                           WeightsError (a file that cannot be used)

Anything else that is raised is a bug.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from explorer.text import _

if TYPE_CHECKING:
    from explorer.trace.records import Trace

Shape = tuple[int, ...]


class ExplorerError(Exception):
    """Base of all errors that are the user's to mend; `str(error)` is one sentence for them."""


class UnknownModelError(ExplorerError):
    """A model name that is not registered.

    Attributes:
        name: the name received.
        nearest: registered names that look like it, best first.
    """

    def __init__(
        self, name: str, known: Iterable[str], *, what: str = "model", install: bool = False
    ) -> None:
        self.name = name
        self.nearest = tuple(difflib.get_close_matches(name, list(known), n=3, cutoff=0.4))
        if install:
            text = _(
                "There is no {what} called {name!r}: it is not installed here; pip install {name}."
            )
        elif self.nearest:
            text = _("There is no {what} called {name!r}: did you mean {nearest}?")
        else:
            text = _("There is no {what} called {name!r}: see list_models().")
        super().__init__(text.format(what=_(what), name=name, nearest=", ".join(self.nearest)))


class OptionError(ExplorerError):
    """An option that the model does not have, or a value outside its legal range.

    Attributes:
        option: the option's name.
    """

    def __init__(self, message: str, option: str = "") -> None:
        self.option = option
        super().__init__(message)


class TraceError(ExplorerError):
    """A forward pass that could not be followed to its end.

    Attributes:
        partial: everything recorded before the failing op, or None if nothing was.
        layer: path of the module in which it failed ("" is the model itself).
        op: name of the failing op, or "" when Python code raised outside any op.
        operand_shapes: shapes of the tensors that the failing op received.
    """

    def __init__(
        self,
        message: str,
        *,
        partial: Trace | None = None,
        layer: str = "",
        op: str = "",
        operand_shapes: tuple[Shape, ...] = (),
    ) -> None:
        self.partial = partial
        self.layer = layer
        self.op = op
        self.operand_shapes = operand_shapes
        super().__init__(message)


class InputSizeError(TraceError):
    """The input shape does not fit the model.

    Attributes:
        input_shape: the shape received.
        culprit: path of the layer whose output has the size that does not fit.
        suggested_shape: the nearest input shape that was tried and works, or None.
        suggested_in_features: what the failing linear layer's `in_features` would have to be.
    """

    def __init__(
        self,
        message: str,
        *,
        input_shape: Shape,
        culprit: str = "",
        suggested_shape: Shape | None = None,
        suggested_in_features: int | None = None,
        partial: Trace | None = None,
        layer: str = "",
        op: str = "",
        operand_shapes: tuple[Shape, ...] = (),
    ) -> None:
        self.input_shape = input_shape
        self.culprit = culprit
        self.suggested_shape = suggested_shape
        self.suggested_in_features = suggested_in_features
        super().__init__(
            message, partial=partial, layer=layer, op=op, operand_shapes=operand_shapes
        )


class MeasurementError(ExplorerError):
    """A latency measurement that is impossible here (no such device, not enough memory)."""


class SweepError(ExplorerError):
    """A sweep that cannot go on: no such cluster, a file that is not its own, no worker starts.

    A point that cannot be computed is no such error: it is a row that says why.
    """


class RecordError(ExplorerError):
    """A file of measurements that is none, or that lacks what a record needs."""
