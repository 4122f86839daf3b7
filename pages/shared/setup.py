"""What performance is shown for: device, number type, ways to train; all of it in the link."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import streamlit as st

from explorer.analysis.memory import OPTIMIZERS
from explorer.analysis.recorded import calibrated_device
from explorer.analysis.roofline import DTYPES, Device, devices, get_device
from explorer.diagram.heat import DEFAULT_DEVICE
from explorer.latency import Calibration
from pages.shared import address, reading
from pages.shared.text import N_, _

OWN: Final = "custom"
"""Name in the link of the device whose numbers are typed in."""
OWN_NAME: Final = N_("Custom device")
TABS: Final = {
    "why": N_("Why is it slow?"),
    "roofline": N_("Roofline"),
    "layers": N_("Time by layer"),
    "memory": N_("Memory"),
    "training": N_("Training"),
    "measured": N_("Measured"),
    "agreement": N_("Predicted vs recorded"),
}
"""Name in the link -> title."""
TRAINERS: Final = dict(zip(OPTIMIZERS, ("SGD", N_("Momentum"), "Adam", "AdamW"), strict=True))
PRECISIONS: Final = {
    "float32": "float32", "mixed": N_("Mixed 16-bit"), "16bit": N_("All 16-bit")
}  # fmt: skip
_SHORT: Final = {"float32": "float32", "mixed": N_("mixed"), "16bit": N_("16-bit")}
_LONG: Final = {"float32": "float32", "mixed": N_("mixed 16-bit"), "16bit": N_("all 16-bit")}
MOST_BUDGET: Final = 100_000
"""GB."""

CALIBRATION: Final = "performance_calibration"
"""Key in the session of what this machine was found to reach."""

_TAB_WIDGET: Final = "performance_tab_widget"
_BUDGET_WIDGET: Final = "performance_budget_widget"
_LAST: Final = "_performance_last_device"


class Field(NamedTuple):
    """A number of a device that can be typed in."""

    label: str
    low: float
    high: float
    scale: float
    """Its unit in operations, bytes or seconds."""


FIELDS: Final = {
    "float32": Field("float32, T/s", 0.001, 1e6, 1e12),
    "tf32": Field("TF32, T/s", 0.0, 1e6, 1e12),
    "float16": Field("float16, T/s", 0.0, 1e6, 1e12),
    "bfloat16": Field("bfloat16, T/s", 0.0, 1e6, 1e12),
    "int8": Field("int8, T/s", 0.0, 1e6, 1e12),
    "bandwidth": Field(N_("Bandwidth, GB/s"), 0.1, 1e6, 1e9),
    "memory": Field(N_("Memory, GB"), 0.1, MOST_BUDGET, 1e9),
    "launch": Field(N_("Launch, µs"), 0.0, 1e5, 1e-6),
}
"""Name in the link -> what it is. Peaks count tera-operations a second; 0 is none."""
_REQUIRED: Final = ("float32", "bandwidth", "memory", "launch")

Numbers = tuple[float, ...]
"""One number for each of `FIELDS`."""
_NOTHING: Final[Numbers] = ()


class Setup(NamedTuple):
    """What a prediction of time is made for."""

    device: Device
    dtype: str
    tf32: bool
    launch: bool


class Training(NamedTuple):
    """How a training step is done."""

    optimizer: str
    precision: str
    checkpoint: bool

    @property
    def arguments(self) -> dict[str, Any]:
        """As `training_memory` and `largest_batch` take them."""
        return {
            "optimizer": self.optimizer,
            "dtype": "float32" if self.precision == "float32" else "float16",
            "mixed_precision": self.precision == "mixed",
            "checkpoint": self.checkpoint,
        }

    @property
    def short(self) -> str:
        """For example "Adam, mixed + ckpt"."""
        optimizer, kind = _(TRAINERS[self.optimizer]), _(_SHORT[self.precision])
        text = _("{optimizer}, {kind} + ckpt") if self.checkpoint else _("{optimizer}, {kind}")
        return text.format(optimizer=optimizer, kind=kind)

    @property
    def name(self) -> str:
        """For example "Adam, mixed 16-bit, checkpoints"."""
        parts = [_(TRAINERS[self.optimizer]), _(_LONG[self.precision])]
        return _(", ").join([*parts, _("checkpoints")] if self.checkpoint else parts)


class View(NamedTuple):
    """How the chosen model's performance is looked at."""

    setup: Setup
    training: Training
    budget: float
    """GB that a batch must fit into."""
    own: bool
    """Whether the device's numbers are typed in."""
    tab: str
    layer: str
    """Key of the selected layer or module, "" if none is."""


# ------------------------------------------------------------------- reading


def open_view() -> View:
    """Read the view from the session, or from the address where that speaks, and record it."""
    setup, numbers = _open_setup()
    training = _open_training()
    layer = address.restore("layer", "layer", str, "")
    tab = address.restore("show", "performance_tab", reading.one_of(tuple(TABS)), "why")
    budget = address.restore("budget", "performance_budget", _budget, 0.0)
    st.session_state[_TAB_WIDGET] = _(TABS[tab])
    own = numbers is not None
    device = OWN if own else setup.device.name
    address.record(
        {
            "device": device if device != DEFAULT_DEVICE else None,
            "custom": _spelled(numbers) if numbers else None,
            "dtype": setup.dtype if setup.dtype != "float32" else None,
            "tf32": "yes" if setup.tf32 else None,
            "launch": None if setup.launch else "no",
            "optimizer": training.optimizer if training.optimizer != "adam" else None,
            "precision": training.precision if training.precision != "float32" else None,
            "checkpoint": "yes" if training.checkpoint else None,
            "budget": f"{budget:.10g}" if budget else None,
            "show": tab if tab != "why" else None,
            "layer": layer or None,
        }
    )
    return View(setup, training, budget or setup.device.memory / 1e9, own, tab, layer)


def _open_setup() -> tuple[Setup, Numbers | None]:
    """The setup, and the numbers of the visitor's own device if that is chosen."""
    state = st.session_state
    name = address.restore(
        "device", "performance_device", reading.one_of(device_names()), DEFAULT_DEVICE
    )
    numbers = address.restore("custom", "performance_own", _numbers, _NOTHING)
    own = name == OWN
    if own and not numbers:
        numbers = numbers_of(get_device(state.get(_LAST, DEFAULT_DEVICE)))
        state["performance_own"] = numbers
    device = _own_device(numbers) if own else get_device(name)
    if not own:
        state[_LAST] = name
    dtype = address.restore(
        "dtype", "performance_dtype", reading.one_of(dtypes_of(device)), "float32"
    )
    if dtype not in dtypes_of(device):
        dtype = state["performance_dtype"] = "float32"
    tf32 = address.restore("tf32", "performance_tf32", {"no": False, "yes": True}.get, False)
    tf32 = state["performance_tf32"] = tf32 and has_tf32(device, dtype)
    launch = address.restore("launch", "performance_launch", {"no": False, "yes": True}.get, True)
    return Setup(device, dtype, tf32, launch), numbers if own else None


def _open_training() -> Training:
    return Training(
        address.restore("optimizer", "performance_optimizer", reading.one_of(OPTIMIZERS), "adam"),
        address.restore(
            "precision", "performance_precision", reading.one_of(tuple(PRECISIONS)), "float32"
        ),
        address.restore(
            "checkpoint", "performance_checkpoint", {"no": False, "yes": True}.get, False
        ),
    )


def device_names() -> tuple[str, ...]:
    """Every device that can be chosen, the visitor's own last."""
    return (*(device.name for device in devices()), OWN)


def dtypes_of(device: Device) -> tuple[str, ...]:
    """The number types that a device has a peak rate for."""
    return tuple(dtype for dtype in DTYPES if getattr(device, dtype))


def is_calibrated(device: Device) -> bool:
    """Whether its numbers were measured here, rather than looked up or typed in."""
    return device.name != _(OWN_NAME) and device.name not in device_names()


def has_tf32(device: Device, dtype: str) -> bool:
    """Whether TF32 can be switched on."""
    return dtype == "float32" and bool(device.tf32)


def numbers_of(device: Device) -> Numbers:
    """A device's numbers in the units of `FIELDS`."""
    values = {**device._asdict(), "launch": device.launch_seconds}
    return tuple(
        max(float(f"{(values[name] or 0) / field.scale:.6g}"), field.low)
        for name, field in FIELDS.items()
    )


def _own_device(numbers: Numbers) -> Device:
    """The device of one's own: a machine that was measured, as long as nothing is changed."""
    found: Calibration | None = st.session_state.get(CALIBRATION)
    machine = calibrated_device(found) if found else None
    typed = _typed_device(numbers)
    if machine is None or numbers_of(machine) != numbers:
        return typed
    return typed._replace(
        name=machine.name,
        kind=machine.kind,
        source=machine.source,
        checked=machine.checked,
        launch_measured=machine.launch_measured,
    )


def _typed_device(numbers: Numbers) -> Device:
    values = {
        name: number * field.scale
        for (name, field), number in zip(FIELDS.items(), numbers, strict=True)
    }
    return Device(
        name=_(OWN_NAME),
        kind="GPU",
        float32=values["float32"],
        tf32=values["tf32"] or None,
        float16=values["float16"] or None,
        bfloat16=values["bfloat16"] or None,
        int8=values["int8"] or None,
        bandwidth=values["bandwidth"],
        memory=values["memory"],
        launch_seconds=values["launch"],
        source=_("Typed in"),
        checked="",
    )


def _spelled(numbers: Numbers) -> str:
    """For example "float32:8.1,bandwidth:320,memory:16,launch:4"."""
    pairs = zip(FIELDS, numbers, strict=True)
    return ",".join(
        f"{name}:{number:.10g}" for name, number in pairs if number or name in _REQUIRED
    )


def _numbers(text: str) -> Numbers | None:
    found = {name: 0.0 for name in FIELDS if name not in _REQUIRED}
    for part in text.split(","):
        name, _colon, number = part.partition(":")
        field = FIELDS.get(name)
        value = _number(number)
        if field is None or value is None or not field.low <= value <= field.high:
            return None
        found[name] = value
    return tuple(found[name] for name in FIELDS) if len(found) == len(FIELDS) else None


def _budget(text: str) -> float | None:
    value = _number(text)
    return value if value is not None and 0.1 <= value <= MOST_BUDGET else None


def _number(text: str) -> float | None:
    try:
        return float(text)  # "nan" is within no bounds
    except ValueError:
        return None


# ------------------------------------------------------------------- widgets


def tabs() -> dict[str, Any]:
    """Draw the tabs; only the open one's content is made."""
    drawn = st.tabs([_(title) for title in TABS.values()], key=_TAB_WIDGET, on_change=_change_tab)
    return dict(zip(TABS, drawn, strict=True))


def _change_tab() -> None:
    address.touch()
    titles = {_(title): name for name, title in TABS.items()}
    st.session_state["performance_tab"] = titles[st.session_state[_TAB_WIDGET]]


def controls(view: View, beside: Callable[[], None]) -> None:
    """Device, number type, TF32 and launches; the numbers of a device of one's own.

    Args:
        view: what is chosen.
        beside: draws what else stands in the first row.
    """
    setup = view.setup
    known = dtypes_of(setup.device)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.selectbox(
            _("Device"),
            device_names(),
            key="performance_device",
            format_func=lambda name: _(OWN_NAME) if name == OWN else name,
            on_change=address.touch,
            width=270,
        )
        st.segmented_control(
            _("Number type"), known, key="performance_dtype", required=True, on_change=address.touch
        )
        with st.container(key="switches", width="content", gap=None):
            st.toggle(
                _("TF32"),
                key="performance_tf32",
                on_change=address.touch,
                disabled=not has_tf32(setup.device, setup.dtype),
                help=_("Multiply float32 tensors with 10 bits of mantissa on the tensor cores."),
            )
            st.toggle(
                _("Launch overhead"),
                key="performance_launch",
                on_change=address.touch,
                help=_(
                    "Add the time from one kernel to the next; without it, as if the whole "
                    "pass were one captured graph."
                ),
            )
        beside()
    missing = [dtype for dtype in DTYPES if dtype not in known]
    missing += [] if setup.device.tf32 else ["TF32"]
    text = ""
    if missing:
        text = _("The {device} has no peak rate for {types}.").format(
            device=setup.device.name, types=_listed(missing)
        )
    if view.own:
        _own_numbers()
        text = _("T/s: 10¹² operations a second, a multiply-accumulate being two; 0 is none.")
    if text:
        st.caption(text)


def _listed(names: Sequence[str]) -> str:
    return _(" or ").join(filter(None, (_(", ").join(names[:-1]), names[-1])))


def _own_numbers() -> None:
    """One field for each number; what is typed goes into the link."""
    state = st.session_state
    with st.grid(8, min_column_width=102, gap="xsmall", key="own"):
        for (name, field), value in zip(FIELDS.items(), state["performance_own"], strict=True):
            state[f"own_{name}"] = value
            st.number_input(
                _(field.label),
                field.low,
                float(field.high),
                key=f"own_{name}",
                on_change=_change_own,
                format="%g" if value < 1e5 else "%.0f",
            )


def _change_own() -> None:
    address.touch()
    state = st.session_state
    state["performance_own"] = tuple(state[f"own_{name}"] for name in FIELDS)


def training_controls(view: View) -> None:
    """Optimizer, precision, checkpoints, and the memory that there is."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.segmented_control(
            _("Optimizer"), OPTIMIZERS, key="performance_optimizer", required=True,
            format_func=lambda name: _(TRAINERS[name]), on_change=address.touch,
        )  # fmt: skip
        st.segmented_control(
            _("Precision"), list(PRECISIONS), key="performance_precision", required=True,
            format_func=lambda name: _(PRECISIONS[name]), on_change=address.touch,
        )  # fmt: skip
        st.toggle(
            _("Checkpoints"),
            key="performance_checkpoint",
            on_change=address.touch,
            help=_(
                "Keep what goes into a run of ops, and compute the run again for the backward pass."
            ),
        )
        budget_field(view)


def budget_field(view: View) -> None:
    """GB that a batch must fit into; the device's own unless typed in."""
    st.session_state[_BUDGET_WIDGET] = float(view.budget)
    st.number_input(
        _("Memory, GB"), 0.1, float(MOST_BUDGET), key=_BUDGET_WIDGET, format="%g",
        on_change=_change_budget, args=(view.setup.device.memory / 1e9,), width=130,
        help=_("Of 10⁹ bytes, as vendors count. Leave room for the kernels' scratch."),
    )  # fmt: skip


def _change_budget(of_device: float) -> None:
    address.touch()
    value = st.session_state[_BUDGET_WIDGET]
    st.session_state["performance_budget"] = 0.0 if value == of_device else value
