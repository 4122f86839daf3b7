"""A quiz about real layers: the same seed asks the same questions everywhere.

Every answer is read from the trace of the real model, every wrong choice is worked out to be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final, Literal, NamedTuple

from explorer.analysis import Layer, layers
from explorer.lessons.by_hand import Work, work
from explorer.lessons.convolution import WindowError, output_size
from explorer.trace import trace_model
from explorer.trace.records import Trace
from explorer.zoo import get_spec, list_models

Shape = tuple[int, ...]
Kind = Literal["shape", "params", "macs", "times", "window", "more"]
Measure = Literal["params", "macs"]
Level = Literal["easy", "medium", "hard"]

KINDS: Final[tuple[Kind, ...]] = ("shape", "params", "macs", "window", "times", "more")
LEVELS: Final[tuple[Level, ...]] = ("easy", "medium", "hard")
LENGTH: Final = 10
"""Questions of one quiz."""
MOST_SEED: Final = 999_999

_EASY: Final = (
    "lenet5", "alexnet", "zfnet", "nin_imagenet", "nin_cifar10", "vgg11", "vgg13", "vgg16",
    "vgg19", "simple_cnn", "resnet18", "squeezenet1_1",
)  # fmt: skip
_MEDIUM: Final = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnext50_32x4d", "wide_resnet50_2",
    "googlenet", "inception_v3", "densenet121", "densenet169", "mobilenet_v2", "mnasnet1_0",
    "mobilenetv1_100", "squeezenet1_0", "shufflenet_v2_x1_0", "efficientnet_b0", "vit_b_16",
    "vgg16_bn", "preresnet164",
)  # fmt: skip
_WINDOWS: Final = tuple(
    (kernel, stride, padding)
    for kernel in (1, 2, 3, 5, 7, 11)
    for stride in (1, 2, 3, 4)
    for padding in range(kernel // 2 + 1)
)
"""What a wrong choice of a window is drawn from: (kernel, stride, padding)."""
_FAR: Final = (1.2, 8.0)
"""How many times as many MACs one of two models has: neither a toss-up nor obvious."""


class Question(NamedTuple):
    """One question with its answer."""

    kind: Kind
    model: str
    work: Work | None
    """The layer that is asked about, with its numbers; None if it is whole models."""
    answer: int | Shape | str
    choices: tuple[int | Shape | str, ...]
    """() if the answer is typed; else the answer is one of them."""
    measure: Measure | None = None
    """For "times": what is compared."""
    other: Work | None = None
    """For "times" the layer it is compared with."""
    other_model: str = ""
    """For "more" the model it is compared with."""
    totals: tuple[int, int] = (0, 0)
    """For "more" the MACs of both, at their own input sizes."""


def pool(level: Level) -> tuple[str, ...]:
    """The models that a level asks about."""
    if level == "easy":
        return _EASY
    return _MEDIUM if level == "medium" else tuple(list_models())


def traced(model: str) -> Trace:
    """Trace a model at its own input size."""
    return trace_model(model, get_spec(model).input_shape)


def question(
    seed: int, n: int, level: Level, trace_of: Callable[[str], Trace] = traced
) -> Question:
    """The n-th question of a quiz.

    Args:
        seed: of the quiz, from 0.
        n: from 1 to `LENGTH`.
        level: which models it is about.
        trace_of: traces a model at its own size; a caller may keep traces.
    """
    quiz = Random(f"layerwise quiz {seed} {level}")  # a text seeds alike on every machine
    models = list(pool(level))
    quiz.shuffle(models)
    kinds: list[Kind] = []
    while len(kinds) < LENGTH:
        kinds += quiz.sample(KINDS, len(KINDS))
    kind = kinds[n - 1]
    one = Random(f"layerwise quiz {seed} {level} {n}")
    # The models of one quiz differ; one that has nothing to ask passes it on.
    order = models[n - 1 :] + models[: n - 1]
    found = (made for model in order for made in [_asked(kind, model, one, order, trace_of)])
    return next(made for made in found if made)


def _asked(
    kind: Kind, model: str, one: Random, models: Sequence[str], trace_of: Callable[[str], Trace]
) -> Question | None:
    """A question of this kind about a model, if there is one."""
    trace = trace_of(model)
    if kind == "more":
        return _which_has_more(model, trace, one, models, trace_of)
    if kind == "times":
        return _how_many_times(model, trace, one)
    rows = [row for row in layers(trace) if _can_be_asked(kind, row)]
    one.shuffle(rows)
    for row in rows:
        worked = work(trace, row)
        made = _about(kind, model, worked, one)
        if made:
            return made
    return None


def _can_be_asked(kind: Kind, row: Layer) -> bool:
    if kind == "params":
        return bool(row.params) and bool(row.module_class)
    if kind == "macs":
        return bool(row.macs) and row.kind in ("convolution", "linear")
    if kind == "window":
        return bool(row.kernel) and len(row.output_shape) == 4
    return row.kind in ("convolution", "pooling") and len(row.output_shape) == 4


def _about(kind: Kind, model: str, worked: Work, one: Random) -> Question | None:
    if kind == "shape":
        sides = worked.of("size")
        rules = {step.rule for step in sides}
        if len(sides) == 2 and rules <= {"floor", "ceil", "transposed"}:
            return Question(kind, model, worked, worked.output_shape[1:], ())
    elif kind == "window":
        return _which_window(model, worked, one)
    else:
        steps = worked.of("params" if kind == "params" else "macs")
        if len(steps) == 1 and steps[0].terms:
            return Question(kind, model, worked, steps[0].result, ())
    return None


# ----------------------------------------------------------------------- choices


def _which_window(model: str, worked: Work, one: Random) -> Question | None:
    kernel, stride, padding, dilation, _ = worked.window
    sides = {step.rule for step in worked.of("size")}
    if sides != {"floor"} or not (kernel and stride and isinstance(padding, tuple)):
        return None
    values = (kernel, stride, padding, dilation or (1,))
    if any(len(set(value)) > 1 for value in values) or values[3][0] != 1:
        return None
    right = (kernel[0], stride[0], padding[0])
    before, after = worked.input_shapes[0][2:], worked.output_shape[2:]
    wrong = [each for each in _WINDOWS if _sizes(before, each) not in (None, after)]
    near = [each for each in wrong if sum(a != b for a, b in zip(each, right, strict=True)) < 3]
    if len(near) < 3:
        return None
    chosen = [right, *one.sample(near, 3)]
    one.shuffle(chosen)
    return Question("window", model, worked, right, tuple(chosen))


def _sizes(before: Shape, window: Shape) -> Shape | None:
    """Height and width that a window gives; None if it does not fit."""
    kernel, stride, padding = window
    try:
        return tuple(output_size(side, kernel, stride, padding) for side in before)
    except WindowError:
        return None


def _how_many_times(model: str, trace: Trace, one: Random) -> Question | None:
    measure: Measure = one.choice(("params", "macs"))
    rows = [row for row in layers(trace) if row.kind in ("convolution", "linear")]
    by_value = {getattr(row, measure): row for row in rows if row.module_class}
    pairs = sorted(
        (large, small)
        for large in by_value
        for small in by_value
        if small and large > small and large % small == 0 and large // small <= 64
    )
    if not pairs:
        return None
    large, small = one.choice(pairs)
    right = large // small
    wrong = sorted({right * 2, right * 4, right * 3, right + 1, right // 2, right * 9} - {right, 0})
    choices = sorted([right, *one.sample(wrong, 3)])
    return Question(
        "times",
        model,
        work(trace, by_value[large]),
        right,
        tuple(choices),
        measure,
        work(trace, by_value[small]),
    )


def _which_has_more(
    model: str,
    trace: Trace,
    one: Random,
    models: Sequence[str],
    trace_of: Callable[[str], Trace],
) -> Question | None:
    others = [name for name in models if name != model]
    one.shuffle(others)
    for other in others[:12]:
        second = trace_of(other)
        pair = sorted([(trace.macs, model), (second.macs, other)])
        if _FAR[0] <= pair[1][0] / pair[0][0] <= _FAR[1]:
            names = [model, other]
            one.shuffle(names)
            return Question(
                "more",
                model,
                None,
                pair[1][1],
                tuple(names),
                other_model=other,
                totals=(trace.macs, second.macs),
            )
    return None
