"""The networks that the lesson on degradation compares: each differs in a few named things.

An arm is spelled as a link says it, "resnet56.none.small": the model, then what is not usual.
"""

from __future__ import annotations

from itertools import product
from typing import Final, NamedTuple

from explorer.lessons.initialization import INITS, Init
from explorer.models._registry import OptionValue

MODELS: Final = ("plain20", "plain56", "resnet20", "resnet56")


class Arm(NamedTuple):
    """A network with its initialization."""

    model: str
    """One of `MODELS`."""
    norm: bool = True
    """Whether there is batch normalization."""
    init: Init = "he"
    order: str = ""
    """Of a residual network: "zero" closes its blocks at first, "pre" activates first."""

    @property
    def code(self) -> str:
        """As `parse` reads it."""
        parts = (
            self.model,
            "" if self.norm else "none",
            "" if self.init == "he" else self.init,
            self.order,
        )
        return ".".join(part for part in parts if part)

    @property
    def options(self) -> tuple[tuple[str, OptionValue], ...]:
        """Of the model's builder, but for those that have their default."""
        norm = () if self.norm else (("norm", "none"),)
        return (*norm, *((("preactivation", True),) if self.order == "pre" else ()))

    @property
    def zero_gamma(self) -> bool:
        """Whether each block is the identity at first."""
        return self.order == "zero"


def _legal(arm: Arm) -> bool:
    residual = arm.model.startswith("resnet")
    return not arm.order or (residual and (arm.norm or arm.order == "pre"))


ARMS: Final[dict[str, Arm]] = {
    arm.code: arm
    for arm in map(Arm._make, product(MODELS, (True, False), INITS, ("", "zero", "pre")))
    if _legal(arm)
}
"""All arms, by their code."""
