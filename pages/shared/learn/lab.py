"""What stands in the design lab: decisions to turn, what moves, the steps taken, the code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from html import escape
from math import isfinite
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import streamlit as st

from explorer.analysis.roofline import devices
from explorer.analysis.units import compact, count, memory, rounded, shape_text
from explorer.diagram.heat import DEFAULT_DEVICE
from explorer.diagram.interactive import theme_data
from explorer.diagram.marks import Status, marks_data
from explorer.errors import OptionError
from explorer.figures.lesson_curves import Axes, Curve, lesson_curves
from explorer.latency import DeviceQueue
from explorer.lessons.gradients import Flow, gradient_flow
from explorer.lessons.lab import (
    GROUPS,
    Decision,
    Group,
    Measures,
    Step,
    decisions,
    source,
    turned,
)
from explorer.models._registry import ModelSpec, OptionValue
from explorer.zoo import get_spec
from pages.shared import address
from pages.shared.cache import lab as cache
from pages.shared.cache.traces import evaluated, failure
from pages.shared.choice import Choice, chosen_options, native_choice, option_text
from pages.shared.component import draw
from pages.shared.jobs import Job
from pages.shared.learn.lesson import Lesson, kept
from pages.shared.sidebar import apply
from pages.shared.text import N_, _, n_
from pages.shared.view import MAX_TOGGLED
from pages.shared.widgets import plain, theme

MOST_STEPS: Final = 24
"""Steps that a link carries; the oldest go first."""
_MOST_TEXT: Final = 24
"""Characters of a value that is typed."""
_BACKWARD: Final = DeviceQueue()
"""One visitor's backward passes at a time."""
_JOB, _ASKED, _FLOWS = "lab_job", "lab_asked", "lab_flows"
_HEIGHT: Final = 520
"""Of the picture, in pixels."""
_LOW: Final = 380
"""The same in a talk, where everything else is larger."""

_TITLES: Final[dict[Group, str]] = {
    "size": N_("Depth and width"),
    "convolution": N_("Convolutions and attention"),
    "block": N_("Shortcuts, normalization, activation"),
    "ends": N_("Stem and head"),
}

_TABS: Final[dict[Group, str]] = {
    "size": N_("Size"),
    "convolution": N_("Convolution"),
    "block": N_("Block"),
    "ends": N_("Ends"),
}
"""The same where there is little room."""

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "depths": (
        N_("Blocks of the stages"),
        N_("How many blocks follow each other at one resolution."),
    ),
    "depth": (N_("Depth"), N_("How many blocks follow each other.")),
    "depth_mult": (N_("Depth factor"), N_("Scales the number of blocks in every stage.")),
    "num_layers": (N_("Layers"), N_("Blocks of attention and MLP, one after the other.")),
    "modules": (
        N_("Exchanges"),
        N_("How often the resolutions of a stage exchange what they see."),
    ),
    "widths": (N_("Widths"), N_("Channels of each stage.")),
    "width": (N_("Width"), N_("Channels of the first stage; the others follow from it.")),
    "width_mult": (N_("Width factor"), N_("Scales the channels of every layer.")),
    "widen_factor": (N_("Widening"), N_("Scales the channels of every block.")),
    "bottleneck_width": (
        N_("Bottleneck width"),
        N_("Channels of the 3 × 3 inside a block of the first stage; it doubles with the stages."),
    ),
    "width_per_group": (
        N_("Width per group"),
        N_("Channels of one group of the 3 × 3 in the first stage."),
    ),
    "growth_rate": (N_("Growth rate"), N_("Maps that each layer adds to those before it.")),
    "compression": (N_("Compression"), N_("Share of the channels that a transition keeps.")),
    "w_0": (N_("First width"), N_("Width at which the straight line of widths begins.")),
    "w_a": (N_("Slope"), N_("By how much the width grows from block to block.")),
    "w_m": (N_("Step"), N_("Factor between the widths of two stages.")),
    "hidden_dim": (N_("Token width"), N_("Numbers in each token.")),
    "embed_dim": (N_("Token width"), N_("Numbers in each token.")),
    "inner_dim": (N_("Inner token width"), N_("Numbers in each token inside a patch.")),
    "tokens": (N_("Tokens"), N_("Visual tokens that a map is gathered into.")),
    "streams": (N_("Streams"), N_("Parallel ways through a block, each with one 3 × 3 more.")),
    "block": (
        N_("Block"),
        N_("Two 3 × 3 convolutions, or 1 × 1, 3 × 3, 1 × 1 with few channels in the middle."),
    ),
    "bottleneck": (N_("Bottleneck"), N_("A 1 × 1 thins the maps before each 3 × 3.")),
    "kernel_size": (N_("Kernel"), N_("Side of the window of the convolutions that look around.")),
    "groups": (
        N_("Groups"),
        N_("Into how many parts a convolution divides its channels; each sees only its own."),
    ),
    "group_width": (N_("Group width"), N_("Channels that one group of the 3 × 3 sees.")),
    "depthwise": (
        N_("Depthwise"),
        N_("The convolution that looks around leaves the channels apart; off, it mixes them."),
    ),
    "fused": (
        N_("Fused blocks"),
        N_("Early blocks expand with a full 3 × 3; off, with a 1 × 1 and a depthwise 3 × 3."),
    ),
    "expansion": (
        N_("Expansion"),
        N_("How many times wider a block is inside than at its ends."),
    ),
    "squeeze_ratio": (
        N_("Squeeze ratio"),
        N_("Channels of the squeezing 1 × 1, to those that the block returns."),
    ),
    "share_3x3": (N_("Share of 3 × 3"), N_("Part of the expanding filters that are 3 × 3.")),
    "patch_size": (N_("Patch size"), N_("Pixels on a side of the patch that becomes one token.")),
    "num_heads": (
        N_("Heads"),
        N_("Into how many parts attention divides a token; each attends by itself."),
    ),
    "num_heads_inner": (N_("Inner heads"), N_("Heads of the attention inside a patch.")),
    "mlp_dim": (N_("MLP width"), N_("Numbers in a token inside the MLP.")),
    "mlp_ratio": (N_("MLP expansion"), N_("How many times wider a token is inside the MLP.")),
    "tokenizer": (N_("Tokenizer"), N_("Whether tokens come from earlier ones or from filters.")),
    "shortcut": (
        N_("Shortcut"),
        N_("How a block's input reaches its sum where the shape changes; none makes a plain net."),
    ),
    "bypass": (N_("Bypass"), N_("A shortcut around the fire modules.")),
    "residual": (N_("Shortcut"), N_("A block adds its input to its result.")),
    "stride_on": (N_("Stride on"), N_("Which convolution of a bottleneck halves the map.")),
    "preactivation": (
        N_("Pre-activation"),
        N_(
            "Normalization and activation come before each convolution, and the sum stays as it is."
        ),
    ),
    "norm": (N_("Normalization"), N_("Over what mean and variance are taken.")),
    "batch_norm": (N_("Batch normalization"), N_("Behind every convolution.")),
    "normalization": (
        N_("Response normalization"),
        N_("Divides each value by those at its place in neighbouring channels."),
    ),
    "activation": (N_("Activation"), N_("The function between the layers.")),
    "intermediate": (
        N_("Between the two"),
        N_("The function between a depthwise convolution and its 1 × 1."),
    ),
    "hard_swish": (N_("Hard swish"), N_("The activation of the deeper layers; off, it is ReLU.")),
    "linear": (N_("Linear ends"), N_("No activation follows a block's last 1 × 1.")),
    "se": (
        N_("Squeeze-and-excitation"),
        N_("Each channel is weighted by what the averages of all channels say."),
    ),
    "reduction": (
        N_("Squeeze by"),
        N_("How many times fewer channels the squeeze has than the block."),
    ),
    "pooling": (N_("Pooling"), N_("What becomes of each window of 2 × 2.")),
    "ceil_mode": (N_("Round up"), N_("Pooling keeps an incomplete window at the rim.")),
    "stem": (N_("Stem"), N_("What reads the image.")),
    "head": (
        N_("Head"),
        N_("Large linear layers that read the map, or its average and a single one."),
    ),
    "hidden_features": (N_("Hidden features"), N_("Width of the hidden linear layers.")),
    "classifier": (N_("Classifier"), N_("A last layer for the classes.")),
    "aux_logits": (
        N_("Auxiliary classifiers"),
        N_("Further classifiers in the middle of the network, for training."),
    ),
}
"""Name of a decision -> what it is called, and what it means."""

_PLACES: Final = {
    "depths": N_("Blocks in stage {n}"),
    "modules": N_("Exchanges in stage {n}"),
    "widths": N_("Width {n}"),
}
"""What each of several numbers is called."""
_VALUES: Final[dict[tuple[str, str], str]] = {
    ("shortcut", "A"): N_("A: zeros"),
    ("shortcut", "B"): N_("B: project"),
    ("shortcut", "C"): N_("C: project all"),
    ("shortcut", "D"): N_("D: pool, project"),
    ("stem", "deep"): N_("three 3 × 3"),
    ("stem", "patch"): N_("4 × 4 patches"),
    ("stem", "7x7"): N_("7 × 7"),
    ("head", "linear"): N_("linear layers"),
    ("head", "average"): N_("average"),
}
_WORDS: Final = {
    "true": N_("on"), "false": N_("off"), "none": N_("none"), "basic": N_("basic"),
    "bottleneck": N_("bottleneck"), "batch": N_("batch"), "group": N_("group"),
    "layer": N_("layer"), "average": N_("average"), "max": N_("maximum"),
    "searched": N_("as searched"), "simple": N_("simple"), "complex": N_("complex"),
    "recurrent": N_("recurrent"), "filter": N_("filters"), "sigmoid": N_("sigmoid"),
}  # fmt: skip

EXAMPLES: Final[tuple[tuple[str, str, tuple[Step, ...]], ...]] = (
    (N_("ResNet-50 becomes ResNeXt-50"), "resnet50",
     (Step("bottleneck_width", 128), Step("groups", 32))),
    (N_("ResNet-50 with squeeze-and-excitation"), "resnet50", (Step("se", True),)),
    (N_("ResNet-50 on its way to ConvNeXt"), "resnet50",
     (Step("depths", (3, 3, 9, 3)), Step("stem", "patch"), Step("kernel_size", 7))),
    (N_("Plain-34 gets its shortcuts"), "plain34", (Step("shortcut", "A"),)),
    (N_("MobileNet v1 with full convolutions"), "mobilenetv1_100", (Step("depthwise", False),)),
    (N_("VGG-16 without its large head"), "vgg16", (Step("head", "average"),)),
    (N_("DenseNet-121 without bottleneck and compression"), "densenet121",
     (Step("bottleneck", False), Step("compression", 1.0))),
    (N_("ViT-B with patches of 32"), "vit_b_16", (Step("patch_size", 32),)),
)  # fmt: skip
"""What it is called, the start, the steps."""


class View(NamedTuple):
    """A start, the steps taken from it, and how the result is looked at."""

    start: Choice
    steps: tuple[Step, ...]
    at: int
    """How many of the steps are taken; the others are undone."""
    device: str
    """That times are predicted for."""
    side: str
    """"after" or "before": which network is drawn."""
    depth: int
    """How far the picture is open; 0 leaves it to the network."""
    toggled: tuple[str, ...]

    def after(self, steps: int | None = None) -> Choice:
        """The network after so many steps, or after all that are taken."""
        number = self.at if steps is None else steps
        options = turned(dict(self.start.options), self.steps[:number])
        return self.start._replace(options=chosen_options(self.start.spec, options))


def where_from(lesson: Lesson) -> None:
    """Say which of the two sets of controls is which."""
    if not lesson.present:
        st.caption(_("The sidebar sets the network that you start from; what you turn here is "
                     "applied to it, step by step."))  # fmt: skip


def kept_steps(view: View) -> None:
    """Say that what was turned is not lost while the start cannot be built."""
    if view.steps:
        st.caption(n_("Your step is kept: mend the network to start from in the sidebar.",
                      "Your {n} steps are kept: mend the network to start from in the sidebar.",
                      len(view.steps)).format(n=len(view.steps)))  # fmt: skip


# ------------------------------------------------------------------- the link


def open_view(start: Choice) -> View:
    """Read the steps from the session, or from the address where that speaks, and record them."""
    state = st.session_state
    spec = start.spec

    def read(text: str) -> tuple[Step, ...] | None:
        return _read_steps(spec, text)

    steps: tuple[Step, ...] = address.restore("steps", "lab_steps", read, ())
    at: int = address.restore("at", "lab_at", _number, MOST_STEPS)
    if state.get("lab_of", start.model) != start.model and not address.speaks():
        steps, at = (), MOST_STEPS  # another model has other decisions
        state["lab_toggled"] = []
    state["lab_of"] = start.model
    at = min(at, len(steps))
    state["lab_steps"], state["lab_at"] = steps, at if at < len(steps) else MOST_STEPS
    names = [device.name for device in devices()]
    device = address.restore("device", "lab_device", _one_of(names), DEFAULT_DEVICE)
    side = address.restore("side", "lab_side", _one_of(("after", "before")), "after")
    depth = address.restore("open", "lab_depth", _number, 0)
    toggled: list[str] = address.restore("toggled", "lab_toggled", _keys, [])
    address.record(
        {
            "steps": ";".join(f"{s.name}:{option_text(s.value)}" for s in steps) or None,
            "at": str(at) if at < len(steps) else None,
            "device": device if device != DEFAULT_DEVICE else None,
            "side": side if side != "after" else None,
            "open": str(depth) if depth else None,
            "toggled": ",".join(toggled) or None,
        }
    )
    return View(start, steps, at, device, side, depth, tuple(toggled))


def _read_steps(spec: ModelSpec, text: str) -> tuple[Step, ...] | None:
    """Read "se:true;depths:3,4,6,3"; a sentence for each part that is no decision of the model."""
    known = {decision.name for decision in decisions(spec, {})}
    steps: list[Step] = []
    for part in filter(None, text.split(";")):
        name, _colon, value = part.partition(":")
        if name not in known:
            address.report(
                (
                    _("The link turns {name}, which is no decision of {model}.").format(
                        name=repr(name), model=spec.title
                    ),
                )
            )
            continue
        found = _read_value(spec, name, value)
        if found is not None:
            steps.append(Step(name, found))
    return tuple(steps[-MOST_STEPS:])


def _read_value(spec: ModelSpec, name: str, text: str) -> OptionValue | None:
    """The value, or the text of a number that is none: the builder says what it should be."""
    option = spec.options[name]
    try:
        return option.parse(text, spec.title)
    except OptionError as error:
        if option.kind in ("int", "float"):
            return text[:_MOST_TEXT]
        address.report((str(error),))
        return None


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 3 else None


def _keys(text: str) -> list[str]:
    return [key for key in text.split(",") if key][:MAX_TOGGLED]


def _one_of(allowed: Sequence[str]) -> Callable[[str], str | None]:
    return lambda text: next((name for name in allowed if name == text), None)


# -------------------------------------------------------------------- the bench


def has_decisions(view: View) -> bool:
    """Whether there is anything to turn."""
    return bool(decisions(view.start.spec, {}))


def nothing(view: View) -> str:
    """Why there is nothing to turn."""
    if view.start.spec.new:
        return _(
            "{model} is built as its paper has it, and none of its decisions is an option. Choose "
            "another architecture at the side, or an example."
        ).format(model=view.start.spec.title)
    return _(
        "{model} comes from another library, which decides everything itself. Choose one of ours "
        "at the side, or an example."
    ).format(model=plain(view.start.spec.title))


def bench(lesson: Lesson, view: View) -> None:
    """Decisions on one side; what moves, and the steps taken, on the other."""
    turn, moves = st.columns([5, 7], gap="medium")
    with turn, st.container(key="lab_turn", gap="small"):
        controls(view, tabs=lesson.present)
    with moves, st.container(key="lab_moves", gap="small"):
        with st.container(
            horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute",
            gap="small",
        ):  # fmt: skip
            buttons(view, short=lesson.present)
            examples()
        if not failed(view):
            chips(lesson, view)
            if not lesson.present:
                statement(view)
        history(lesson, view)
        device()


def network(lesson: Lesson, view: View) -> None:
    """Where in the network it changes."""
    if failure(evaluated(view.start)) or failure(evaluated(view.after())):
        st.caption(_("There is nothing to draw until the network can be built."))
    else:
        if view.after() != view.start:
            st.markdown(touched(view))
        elif has_decisions(view):
            st.caption(_("Turn a decision, and the blocks that it changes light up here."))
        picture(view, height=_HEIGHT if not lesson.present else _LOW)


# ----------------------------------------------------------------- what is said


def label(name: str) -> str:
    """What a decision is called."""
    return _(TEXTS[name][0])


def value_text(name: str, value: OptionValue) -> str:
    """What a value of a decision is called."""
    text = option_text(value)
    known = _VALUES.get((name, text)) or _WORDS.get(text)
    if known:
        return _(known)
    return text.replace(",", ", ").replace("x", " × ") if text[:1].isdigit() else text


def _step_text(view: View, number: int) -> str:
    """For example "Squeeze-and-excitation: off → on"."""
    step = view.steps[number]
    before = turned(dict(view.start.options), view.steps[:number]).get(
        step.name, view.start.spec.options[step.name].default
    )
    return (
        f"{label(step.name)}: {value_text(step.name, before)} → {value_text(step.name, step.value)}"
    )


# -------------------------------------------------------------------- controls


def examples() -> None:
    """Starts and steps that show something."""
    with st.popover(_("Examples"), icon=":material/lightbulb:"):
        for number, (title, model, steps) in enumerate(EXAMPLES):
            st.button(
                _(title), key=f"lab_example_{number}", type="tertiary", on_click=_show,
                args=(model, steps),
            )  # fmt: skip


def _show(model: str, steps: tuple[Step, ...]) -> None:
    _forget()
    apply(native_choice(model))
    state = st.session_state
    state["lab_of"], state["lab_steps"], state["lab_at"] = model, steps, MOST_STEPS


def controls(view: View, *, tabs: bool) -> None:
    """Every decision of the model, grouped; turning one is a step."""
    current = dict(view.after().options)
    found = decisions(view.start.spec, current)
    groups = [group for group in GROUPS if any(each.group == group for each in found)]
    titles = [_((_TABS if tabs else _TITLES)[group]) for group in groups]
    places = st.tabs(titles) if tabs else [st.container(gap="xsmall") for _group in groups]
    for group, title, place in zip(groups, titles, places, strict=True):
        with place:
            if not tabs:
                st.markdown(f"**{title}**")
            _group([each for each in found if each.group == group])


def _group(found: Sequence[Decision]) -> None:
    several = [each for each in found if each.option.kind == "ints"]
    for decision in several:
        _several(decision)
    others = [each for each in found if each.option.kind != "ints"]
    with st.container(key=f"lab_grid_{others[0].group}" if others else None):
        for pair in zip(others[::2], [*others[1::2], None], strict=False):
            for column, each in zip(st.columns(2, gap="small"), pair, strict=True):
                if each is not None:
                    with column:
                        _single(each)


def _help(decision: Decision) -> str:
    return f"{_(TEXTS[decision.name][1])} {decision.paper}."


def _several(decision: Decision) -> None:
    """One number for each stage."""
    state = st.session_state
    value = decision.value
    assert isinstance(value, tuple)
    name, option = decision.name, decision.option
    across = 3 if len(value) % 3 == 0 else 2
    for first in range(0, len(value), across):
        columns = st.columns(across, gap="small")
        for place, column in zip(range(first, len(value)), columns, strict=False):
            state[f"lab_{name}_{place}"] = value[place]
            column.number_input(
                _(_PLACES.get(name, "{n}")).format(n=place + 1), int(option.low), int(option.high),
                step=1 if name in ("depths", "modules") else 8, key=f"lab_{name}_{place}",
                on_change=_turn_several, args=(name, len(value)), help=_help(decision),
            )  # fmt: skip


def _single(decision: Decision) -> None:
    """A switch, a choice, or a number of which some values are offered."""
    state = st.session_state
    name, option = decision.name, decision.option
    key = f"lab_{name}"
    how: dict[str, Any] = {"key": key, "on_change": _turn, "args": (name,), "help": _help(decision)}
    if option.kind == "bool":
        state[key] = decision.value
        st.segmented_control(
            label(name), [False, True], required=True, width="stretch",
            format_func=lambda value: value_text(name, value), **how,
        )  # fmt: skip
        return
    if option.kind == "choice":
        state[key] = decision.value
        _choose(decision, how)
        return
    state[key] = option_text(decision.value)
    numbers = sorted(each for each in decision.alternatives if isinstance(each, int | float))
    offered = [option_text(number) for number in numbers]
    st.selectbox(
        label(name),
        sorted({*offered, state[key]}, key=_order),
        accept_new_options=True,
        **how,
    )


def _choose(decision: Decision, how: dict[str, Any]) -> None:
    """A few short choices beside each other, or a list."""
    name, choices = decision.name, decision.option.choices
    texts = {value: value_text(name, value) for value in choices}
    if len(texts) < 4 and sum(map(len, texts.values())) < 15:
        st.segmented_control(
            label(name), choices, required=True, width="stretch", format_func=texts.__getitem__,
            **how,
        )  # fmt: skip
    else:
        st.selectbox(label(name), choices, format_func=texts.__getitem__, **how)


def _order(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("inf")


def _turn(name: str) -> None:
    state = st.session_state
    value = state[f"lab_{name}"]
    option = get_spec(state["lab_of"]).options[name]
    if option.kind in ("int", "float"):
        value = str(value).replace(";", "").replace(":", "").strip()[:_MOST_TEXT]
        with suppress(OptionError):  # what would be legal is said where the network is built
            value = option.parse(value, "")
    _step(Step(name, value))


def _turn_several(name: str, size: int) -> None:
    state = st.session_state
    _step(Step(name, tuple(state[f"lab_{name}_{place}"] for place in range(size))))


def _step(step: Step) -> None:
    """Take a step; those that were undone are forgotten."""
    state = st.session_state
    at = min(state["lab_at"], len(state["lab_steps"]))
    _forget()
    state["lab_steps"] = (*state["lab_steps"][:at], step)[-MOST_STEPS:]
    state["lab_at"] = MOST_STEPS


def _jump(at: int) -> None:
    """Undo or redo, until so many steps are taken."""
    _forget()
    st.session_state["lab_at"] = at


def _clear() -> None:
    _forget()
    st.session_state["lab_steps"], st.session_state["lab_at"] = (), MOST_STEPS


def _adopt(choice: Choice) -> None:
    """Go on from the edited network."""
    _clear()
    apply(choice)


def _forget() -> None:
    """What was revealed or opened belongs to the network before."""
    address.touch()
    state = st.session_state
    state["lesson_revealed"] = False
    state["lab_toggled"] = []


# ----------------------------------------------------------------------- chips


class _Chip(NamedTuple):
    label: str
    before: str
    after: str
    ratio: float | None
    """After to before; None if that says nothing."""
    cost: bool
    """Whether less is better."""


_HERE: Final = Path(__file__).parent


def style() -> None:
    """Add the rules of the page."""
    st.html(_HERE / "lab.css")


def chips(lesson: Lesson, view: View) -> None:
    """Every quantity before and after; in a talk what it became is hidden until it is revealed."""
    before, after = (
        cache.measured(view.start, view.device),
        cache.measured(view.after(), view.device),
    )
    if before is None or after is None:
        return
    moved = view.after() != view.start
    hidden = moved and lesson.hides
    shown = "".join(_chip(each, hidden=hidden) for each in _quantities(before, after))
    st.html(f'<div class="lab-chips {theme()}">{shown}</div>')


def statement(view: View) -> None:
    """What the chips count."""
    st.caption(
        _("For a batch of {n}. MACs of convolutions, linear layers, matrix products and attention. "
          "Time: a roofline prediction for the {device}, float32, not a measurement. Peak "
          "activations: those alive at once. Training memory: a step with Adam, float32. "
          "Receptive field: pixels that one value of the last map sees, beyond the border too.")
        .format(n=view.start.input_shape[0], device=view.device)
    )  # fmt: skip


def _quantities(before: Measures, after: Measures) -> Iterator[_Chip]:
    def number(
        title: str, one: float, other: float, text: Callable[[Any], str], *, cost: bool = True
    ) -> _Chip:
        return _Chip(title, text(one), text(other), other / one if one else None, cost)

    yield number(_("Parameters"), before.params, after.params, compact)
    yield number(_("MACs"), before.macs, after.macs, compact)
    yield number(
        _("Predicted time"), before.milliseconds, after.milliseconds, lambda ms: f"{rounded(ms)} ms"
    )
    yield number(_("Activations"), before.activation_bytes, after.activation_bytes, memory)
    yield number(_("Peak activations"), before.peak_bytes, after.peak_bytes, memory)
    if before.training_bytes and after.training_bytes:
        yield number(_("Training memory"), before.training_bytes, after.training_bytes, memory)
    if before.field and after.field:
        ratio = after.field[0] * after.field[1] / (before.field[0] * before.field[1])
        yield _Chip(
            _("Receptive field"), _sides(before.field), _sides(after.field), ratio**0.5, cost=False
        )
    yield number(_("Depth"), before.depth, after.depth, count, cost=False)
    yield _Chip(
        _("Last map"), shape_text(before.map_shape), shape_text(after.map_shape), None, cost=False
    )
    yield _Chip(
        _("Output"), shape_text(before.output_shape), shape_text(after.output_shape), None,
        cost=False,
    )  # fmt: skip


def _sides(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"


def _chip(chip: _Chip, *, hidden: bool) -> str:
    name = f"<span>{escape(chip.label)}</span>"
    if hidden:
        return f'<div class="lab-chip">{name}<small>{escape(chip.before)} →</small><b>?</b></div>'
    if chip.before == chip.after and (chip.ratio is None or abs(chip.ratio - 1) < 0.0001):
        return (
            f'<div class="lab-chip same">{name}<small></small><b>{escape(chip.after)}</b>'
            "<i>=</i></div>"
        )
    way = ""
    if chip.ratio is not None and chip.cost:
        way = "more" if chip.ratio > 1 else "less"
    told = f"<i>{escape(_change(chip.ratio))}</i>" if chip.ratio is not None else "<i></i>"
    return (
        f'<div class="lab-chip {way}">{name}<small>{escape(chip.before)} →</small>'
        f"<b>{escape(chip.after)}</b>{told}</div>"
    )


def _change(ratio: float) -> str:
    """For example "+9.9%", "×2.79", "×0.11"."""
    if ratio >= 2 or ratio <= 0.5:
        return f"×{rounded(ratio)}"
    change = 100 * (ratio - 1)
    size = f"{change:+.1f}" if abs(change) >= 0.05 else f"{change:+.1g}"
    return size.replace("-", "−") + "%"


def failed(view: View) -> bool:
    """Say in the builder's sentence why the last steps make no network; the way back is offered."""
    reason = failure(evaluated(view.after()))
    if reason is None:
        return False
    st.error(plain(reason.sentence), icon=":material/error:")
    if view.at:
        st.button(
            _("Undo this step"), key="lab_undo_failed", type="primary", icon=":material/undo:",
            on_click=_jump, args=(view.at - 1,),
        )  # fmt: skip
    return True


# --------------------------------------------------------------------- history


def buttons(view: View, *, short: bool) -> None:
    """Undo, redo and, unless there is little room, start over and go on from here."""
    with st.container(horizontal=True, gap="xsmall", key="lab_buttons"):
        st.button(
            _("Undo"), key="lab_undo", icon=":material/undo:", disabled=view.at == 0,
            on_click=_jump, args=(view.at - 1,),
        )  # fmt: skip
        st.button(
            _("Redo"), key="lab_redo", icon=":material/redo:",
            disabled=view.at == len(view.steps), on_click=_jump, args=(view.at + 1,),
        )  # fmt: skip
        if short:
            return
        st.button(
            _("Start over"), key="lab_clear", icon=":material/restart_alt:",
            disabled=not view.steps, on_click=_clear,
        )  # fmt: skip
        st.button(
            _("Use as start"), key="lab_adopt", icon=":material/flag:",
            disabled=view.after() == view.start or failure(evaluated(view.after())) is not None,
            on_click=_adopt, args=(view.after(),),
            help=_("The network as it is now becomes what further steps are compared with."),
        )  # fmt: skip


def history(lesson: Lesson, view: View) -> None:
    """Every step with what it did; a click goes to it."""
    if not view.steps:
        st.caption(_("Nothing is turned yet. Each turn becomes a step, listed here."))
        return
    hidden = lesson.hides
    with st.container(key="lab_history", gap=None):
        _entry(0, view, view.start.spec.title, "")
        for number in range(1, len(view.steps) + 1):
            _entry(number, view, f"{number}. {_step_text(view, number - 1)}",
                   "?" if hidden else _effect(view, number))  # fmt: skip


def _entry(number: int, view: View, text: str, effect: str) -> None:
    here, undone = number == view.at, number > view.at
    icon = "radio_button_checked" if here else "undo" if undone else "check_circle"
    with st.container(horizontal=True, vertical_alignment="center", gap="xxsmall"):
        st.button(
            plain(text), key=f"lab_step_{number}", type="tertiary", icon=f":material/{icon}:",
            on_click=_jump, args=(number,),
        )  # fmt: skip
        if effect:
            st.caption(effect)


def _effect(view: View, number: int) -> str:
    """What one step changed: "parameters +9.9%, MACs +0.1%, time +25.0%"."""
    one = cache.measured(view.after(number - 1), view.device)
    other = cache.measured(view.after(number), view.device)
    if other is None:
        return _("not possible")
    if one is None:
        return ""
    parts = [
        f"{name} {_change(after / before)}"
        for name, before, after in (
            (_("parameters"), one.params, other.params),
            (_("MACs"), one.macs, other.macs),
            (_("time"), one.milliseconds, other.milliseconds),
        )
        if before and after and after != before
    ]
    return ", ".join(parts) or _("no count changes")


def device() -> None:
    """Choose what times are predicted for."""
    st.selectbox(
        _("Time predicted on"), [each.name for each in devices()], key="lab_device",
        on_change=address.touch, width=230,
        help=_("A roofline prediction in float32, not a measurement."),
    )  # fmt: skip


# --------------------------------------------------------------------- picture


def touched(view: View) -> str:
    """How much of the network is another."""
    found = cache.changed(view.start, view.after())
    parts = []
    if found.blocks:
        parts.append(
            _("{n} of {all} blocks touched").format(n=found.blocks_touched, all=found.blocks)
        )
    if found.layers_changed:
        parts.append(n_("{n} layer changed", "{n} layers changed", found.layers_changed))
    if found.layers_new:
        parts.append(n_("{n} layer new", "{n} layers new", found.layers_new))
    if found.layers_gone:
        parts.append(n_("{n} layer gone", "{n} layers gone", found.layers_gone))
    return _("{parts}; the network has {n} layers.").format(
        parts=_(", ").join(parts) or _("No layer computes anything else"), n=found.layers
    )


def picture(view: View, height: int) -> None:
    """The network as its blocks, what differs lit."""
    before, after = view.start, view.after()
    shown, other = (after, before) if view.side == "after" else (before, after)
    drawn = cache.picture(
        shown, other, is_after=view.side == "after", depth=view.depth, toggled=view.toggled
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if before != after:
            st.segmented_control(
                _("Drawn network"), ["before", "after"], key="lab_side", required=True,
                format_func={"before": _("before"), "after": _("after")}.__getitem__,
                on_change=address.touch,
            )  # fmt: skip
        if drawn.depths > 1:
            names = {1: _("closed"), 2: _("open"), 3: _("all")}
            st.session_state["lab_depth_widget"] = drawn.depth
            st.segmented_control(
                _("Blocks"), list(range(1, drawn.depths + 1)), key="lab_depth_widget",
                required=True, format_func=lambda depth: names.get(depth, str(depth)),
                on_change=_open_to_depth,
            )  # fmt: skip
    words: dict[Status | Literal["same"], str] = {
        "changed": _("changed"),
        "own": _("new") if view.side == "after" else _("gone afterwards"),
        "same": _("the same"),
    }
    draw(
        key="lab_diagram",
        data={
            "subject": f"{shown} {view.side}",
            "scene": drawn.scene,
            "theme": theme_data(theme()),
            "heat": marks_data(drawn.marks, theme(), words) if before != after else None,
            "selected": "",
            "focus": next(iter(drawn.marks), ""),
            "layer": "",
            "signature": f"{drawn.signature} {theme()}",
            "height": height,
        },
        on_act_change=_act,
        height="content",
    )


def _open_to_depth() -> None:
    address.touch()
    st.session_state["lab_depth"] = st.session_state["lab_depth_widget"]
    st.session_state["lab_toggled"] = []


def _act() -> None:
    """Open or close what was clicked in the picture."""
    address.touch()
    state = st.session_state
    done = state["lab_diagram"].get("act") or {}
    if done.get("what") == "toggle":
        key = str(done.get("key", ""))
        others = [each for each in state["lab_toggled"] if each != key]
        same = len(others) == len(state["lab_toggled"])
        state["lab_toggled"] = [*others, key][-MAX_TOGGLED:] if same else others


# --------------------------------------------------------------- gradient flow


def gradients(lesson: Lesson, view: View) -> None:
    """One backward pass of both networks, when it is asked for."""
    before, after = view.start, view.after()
    if failure(evaluated(before)) or failure(evaluated(after)):
        st.caption(_("There is nothing to run until the network can be built."))
        return
    if before == after:
        st.caption(_("Turn a decision first: then the gradients of both networks are compared."))
        return
    state = st.session_state
    job: Job[tuple[Flow, ...]] | None = state.get(_JOB)
    if job is not None and not job.running:
        _collect(job)
        job = None
    asked, flows, sentence = state.get(_FLOWS, ((), (), ""))
    if job is not None:
        _watch(job)
    elif asked != (before, after):
        st.button(
            _("Run both networks backward once"), key="lab_gradients", type="primary",
            icon=":material/play_arrow:", on_click=_start_flow, args=(before, after),
        )  # fmt: skip
        st.caption(
            _("Fresh weights (He initialization), {n} images of digits at {height} × {width}, one "
              "real forward and backward pass of each network; it takes seconds.")
            .format(n=cache.FLOW_BATCH, height=cache.flow_size(before, after)[0],
                    width=cache.flow_size(before, after)[1])
        )  # fmt: skip
    elif sentence:
        st.error(plain(sentence), icon=":material/error:")
    else:
        _flow(lesson, flows)


def _start_flow(before: Choice, after: Choice) -> None:
    address.touch()
    size = cache.flow_size(before, after)

    def work(job: Job[tuple[Flow, ...]]) -> tuple[Flow, ...]:
        done: list[Flow] = []
        for choice in (before, after):
            if not job.cancelled.is_set():
                job.report(len(done))
                done.append(
                    gradient_flow(
                        choice.model, choice.build_options, batch=cache.FLOW_BATCH, size=size
                    )
                )
        return tuple(done)

    st.session_state[_ASKED] = (before, after)
    st.session_state[_JOB] = Job(work, lane=_BACKWARD)


def _collect(job: Job[tuple[Flow, ...]]) -> None:
    """Keep what a job leaves, as plain numbers, and forget the job."""
    state = st.session_state
    if job.sentence or len(job.result or ()) == 2:
        state[_FLOWS] = (state[_ASKED], job.result or (), job.sentence)
    state[_JOB] = None


@st.fragment(run_every=0.5)
def _watch(job: Job[tuple[Flow, ...]]) -> None:
    """Follow the passes; this part alone runs again until they are over."""
    if not job.running:
        st.rerun()
    done = job.progress if isinstance(job.progress, int) else 0
    told, bar = st.columns([1, 5], vertical_alignment="center", gap="small")
    told.button(_("Stop"), key="lab_stop", icon=":material/stop:", on_click=job.cancel)
    text = (
        _("Another visitor's passes run on this server; yours are next.") if job.waiting
        else _("The network after") if done else _("The network before")
    )  # fmt: skip
    bar.progress(done / 2, text)


def _flow(lesson: Lesson, flows: Sequence[Flow]) -> None:
    names = (_("before"), _("after"))
    curves = [
        Curve(
            name,
            # Both from the image to the classes, however many layers each has.
            tuple(place / max(1, len(flow.layers) - 1) for place in range(len(flow.layers))),
            tuple(layer.output_grad_rms for layer in flow.layers),
            tuple(
                f"<b>{name}</b><br>{layer.key}<br>{rounded(layer.output_grad_rms)}"
                for layer in flow.layers
            ),
            look,
        )
        for look, (name, flow) in enumerate(zip(names, flows, strict=True))
    ]
    axes = Axes(
        title=_("Gradient by the outputs of each layer, root mean square"),
        x_title=_("from the image (0) to the classes (1)"),
        y_title="",
        log_y=True,
        zero=_("exactly 0"),
    )
    drawn = str(lesson_curves(curves, axes, theme=theme()).to_json())
    lesson.plot(drawn, "lab_flow", _("Gradient of each layer, before and after"))
    lesson.numbers(
        [
            (
                name,
                _first_to_last(flow),
                _("first layer's gradient over the last's; loss {loss}").format(
                    loss=rounded(flow.loss)
                ),
            )
            for name, flow in zip(names, flows, strict=True)
        ],
        key="lab_flow",
    )


def _first_to_last(flow: Flow) -> str:
    first, last = flow.layers[0].output_grad_rms, flow.layers[-1].output_grad_rms
    return f"× {rounded(first / last)}" if last and isfinite(first / last) else "–"


# -------------------------------------------------------------------- take along


def take_along(view: View) -> None:
    """The source of the edited network, and the way to the full comparison."""
    after = view.after()
    if failure(evaluated(after)):
        st.caption(_("There is no code to copy until the network can be built."))
        return
    options = {
        name: value
        for name, value in after.build_options.items()
        if value != after.spec.options[name].default
    }
    st.code(source(after.model, options), language="python")
    if after != view.start:
        height, width = after.input_shape[2:]
        st.page_link(
            "pages/compare/side_by_side.py",
            label=_("Before and after, side by side"),
            icon=":material/compare:",
            query_params={
                "models": f"{_token(view.start)},{_token(after)}",
                "size": f"{height}x{width}",
                **kept(),
            },
        )


def _token(choice: Choice) -> str:
    """A model and its options as the link of the comparison spells them."""
    options = ";".join(f"{name}={option_text(value)}" for name, value in choice.options)
    return f"{choice.model}({options})" if options else choice.model
