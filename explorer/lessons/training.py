"""Short real trainings on the bundled digits, small enough for two cores and a lesson.

The recipe is that of He et al. 2015 (arXiv:1512.03385, section 4.2) cut short: SGD with momentum
0.9, weight decay 0.0001, a batch of 128, a learning rate of 0.1. The images are 8x8 instead of
32x32 and there are 1,437 of them instead of 45,000, so an epoch has 11 steps, and nothing is
augmented. What a run shows holds for these digits.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer.errors import OptionError, RecordError
from explorer.lessons.digits import CLASSES, TRAINED_ON, digits, enlarged
from explorer.lessons.gradients import fresh_model
from explorer.lessons.initialization import Init
from explorer.models._registry import OptionValue
from explorer.text import _

Schedule = Literal["constant", "cosine"]
SCHEDULES: Final[tuple[Schedule, ...]] = get_args(Schedule)
Ending = Literal["done", "stopped", "diverged"]

MOMENTUM: Final = 0.9
WEIGHT_DECAY: Final = 1e-4
MOST_EPOCHS: Final = 60
RATES: Final = (1e-5, 10.0)
"""Smallest and largest learning rate."""
BATCHES: Final = (8, 512)
SIZES: Final = (8, 32)
_FOLDER: Final = Path(__file__).parents[1] / "data" / "training"


class Setup(NamedTuple):
    """All that a training is determined by, on one machine with one version of torch."""

    model: str
    options: tuple[tuple[str, OptionValue], ...] = ()
    """Of its builder, but for the number of classes and of input channels."""
    init: Init = "he"
    zero_gamma: bool = False
    rate: float = 0.1
    """Learning rate; what a cosine schedule begins with."""
    schedule: Schedule = "constant"
    epochs: int = 20
    batch: int = 128
    size: int = 8
    """Height and width of the images."""
    seed: int = 0
    """Of the weights and of the order of the images."""

    @property
    def steps(self) -> int:
        """Updates in all; the rest of an epoch that does not fill a batch is left out."""
        return self.epochs * (TRAINED_ON // self.batch)


class Point(NamedTuple):
    """How far a training is at the end of an epoch; errors are shares of wrong answers."""

    epoch: int
    step: int
    loss: float
    """Mean cross-entropy over the epoch's batches, while the weights change."""
    train_error: float
    """Over the same batches: as papers draw it, in training mode and while the weights change."""
    test_error: float
    """On the 360 images held back, in evaluation mode."""


class Run(NamedTuple):
    """One training, as far as it came. Plain values only."""

    setup: Setup
    points: tuple[Point, ...]
    ending: Ending
    step: int
    """Updates that were made."""
    loss: float
    """Of the last batch; not finite if the training diverged."""
    seconds: float


class Recorded(NamedTuple):
    """A run that somebody made before, and where."""

    run: Run
    device_name: str
    threads: int
    torch: str
    date: str
    """In UTC, ISO 8601."""


def train(
    setup: Setup,
    progress: Callable[[Run], None] | None = None,
    cancel: threading.Event | None = None,
) -> Run:
    """Train a fresh network on the digits.

    Args:
        setup: what to train, and how.
        progress: is told the run so far after every epoch.
        cancel: ends the run after the step that it is in.

    Returns:
        The run: to its end, until it was cancelled, or until the loss was no number.

    Raises:
        UnknownModelError, OptionError: the setup cannot be built, or is out of bounds.
    """
    _check(setup)
    generator = torch.Generator().manual_seed(setup.seed)
    options = {**dict(setup.options), "num_classes": CLASSES, "in_channels": 1}
    model = fresh_model(setup.model, options, setup.init, generator, zero_gamma=setup.zero_gamma)
    with torch.enable_grad():
        return _Training(setup, model, generator).run(progress, cancel)


def learning_rate(setup: Setup, step: int) -> float:
    """Return the learning rate of a step: constant, or half a cosine from `rate` to 0."""
    if setup.schedule == "constant":
        return setup.rate
    return setup.rate * (1 + math.cos(math.pi * step / setup.steps)) / 2


def _check(setup: Setup) -> None:
    for name, value, (low, high) in (
        ("rate", setup.rate, RATES),
        ("epochs", setup.epochs, (1, MOST_EPOCHS)),
        ("batch", setup.batch, BATCHES),
        ("size", setup.size, SIZES),
    ):
        if not low <= value <= high:
            raise OptionError(
                _("{name}={value!r} should be from {low:g} to {high:g}.").format(
                    name=name, value=value, low=low, high=high
                ),
                name,
            )
    if setup.schedule not in SCHEDULES:
        raise OptionError(
            _("schedule={schedule!r} should be 'constant' or 'cosine'.").format(
                schedule=setup.schedule
            ),
            "schedule",
        )


class _Training:
    """A training under way."""

    def __init__(self, setup: Setup, model: nn.Module, generator: torch.Generator) -> None:
        self._setup = setup
        self._model = model
        self._generator = generator
        self._optimizer = torch.optim.SGD(
            model.parameters(), lr=setup.rate, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
        )
        stored = digits()
        self._images = enlarged(stored.images, setup.size, setup.size, 1)
        self._labels = stored.labels
        self._points: list[Point] = []
        self._step = 0
        self._loss = math.nan
        self._started = time.monotonic()

    def run(self, progress: Callable[[Run], None] | None, cancel: threading.Event | None) -> Run:
        for epoch in range(1, self._setup.epochs + 1):
            ending = self._epoch(epoch, cancel)
            if ending != "done":
                return self._so_far(ending)
            if progress:
                progress(self._so_far("done" if epoch == self._setup.epochs else "stopped"))
        return self._so_far("done")

    def _so_far(self, ending: Ending) -> Run:
        seconds = time.monotonic() - self._started
        return Run(self._setup, tuple(self._points), ending, self._step, self._loss, seconds)

    def _epoch(self, epoch: int, cancel: threading.Event | None) -> Ending:
        batch = self._setup.batch
        order = torch.randperm(TRAINED_ON, generator=self._generator)
        losses, wrong = 0.0, 0
        steps = TRAINED_ON // batch
        for at in range(steps):
            if cancel is not None and cancel.is_set():
                return "stopped"
            chosen = order[at * batch : (at + 1) * batch]
            wrong += self._update(self._images[chosen], self._labels[chosen])
            if not math.isfinite(self._loss):
                return "diverged"
            losses += self._loss
        self._points.append(
            Point(epoch, self._step, losses / steps, wrong / (steps * batch), self._test())
        )
        return "done"

    def _update(self, images: Tensor, labels: Tensor) -> int:
        """Make one step; return how many answers were wrong before it."""
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self._setup, self._step)
        scores = self._model(images)
        loss = F.cross_entropy(scores, labels)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self._step += 1
        self._loss = loss.item()
        return int((scores.argmax(1) != labels).sum())

    def _test(self) -> float:
        """The error on the images held back."""
        training = [layer for layer in self._model.modules() if layer.training]
        self._model.eval()
        with torch.inference_mode():
            answers = self._model(self._images[TRAINED_ON:]).argmax(1)
        for layer in training:
            layer.training = True
        return float((answers != self._labels[TRAINED_ON:]).double().mean())


# ---------------------------------------------------------------------- records


def to_json(records: Iterable[Recorded]) -> str:
    """Write records, one JSON object a line."""
    lines = []
    for record in records:
        run = record.run._asdict()
        run["setup"] = {**run["setup"]._asdict(), "options": dict(record.run.setup.options)}
        # Five digits are more than an error counted on some hundred images holds.
        run["points"] = [[*point[:2], *map(_short, point[2:])] for point in record.run.points]
        run["loss"] = _short(run["loss"]) if math.isfinite(run["loss"]) else str(run["loss"])
        run["seconds"] = round(run["seconds"], 1)
        lines.append(json.dumps({**record._asdict(), "run": run}))
    return "\n".join(lines) + "\n"


def from_json(text: str) -> list[Recorded]:
    """Read what `to_json` wrote.

    Raises:
        RecordError: a line holds no such record.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            found.append(_read(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            raise RecordError(
                _("Line {number} is no record of a training: {error!r}.").format(
                    number=number, error=error
                )
            ) from error
    return found


def recorded() -> list[Recorded]:
    """The runs that come with the library, in the order of their files."""
    return [
        record
        for path in sorted(_FOLDER.glob("*.jsonl"))
        for record in from_json(path.read_text(encoding="utf-8"))
    ]


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def _read(line: Mapping[str, Any]) -> Recorded:
    run = line["run"]
    options = tuple((name, _option(value)) for name, value in run["setup"]["options"].items())
    setup = Setup(**{**run["setup"], "options": options})
    points = tuple(Point(*point) for point in run["points"])
    return Recorded(
        **{
            **line,
            "run": Run(**{**run, "setup": setup, "points": points, "loss": float(run["loss"])}),
        }
    )


def _option(value: Any) -> OptionValue:
    return tuple(value) if isinstance(value, list) else value
