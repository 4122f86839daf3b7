"""What the page Performance asks for beside one prediction: rooms, layers, many runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

import streamlit as st

from explorer import trace_model
from explorer.analysis.agreement import Agreement, Compared, agreement
from explorer.analysis.apart import Parts, parts_of
from explorer.analysis.layer_memory import (
    LayerMemory,
    LayerTraining,
    layer_memory,
    layer_training,
)
from explorer.analysis.profiles import Profile, Setting, predicted_ms, profile_trace
from explorer.analysis.recorded import calibrated_device, options_of, registered_name
from explorer.analysis.roofline import Device
from explorer.errors import ExplorerError
from explorer.figures.agreement import predicted_against_taken
from explorer.figures.apart import part_bars
from explorer.latency import (
    Calibration,
    LatencyRecord,
    LayerLatencies,
    Room,
    recorded_calibrations,
)
from explorer.latency import room as room_of
from explorer.zoo import get_spec
from pages.shared import cache
from pages.shared.cache.keep import keep
from pages.shared.cache.predicted import prediction
from pages.shared.cache.traces import Theme, evaluated, trace_of, trained
from pages.shared.choice import MAX_BATCH, MAX_CHANNELS, MAX_SIZE, Choice
from pages.shared.text import N_, _

if TYPE_CHECKING:
    from pages.shared.setup import Setup, Training

PREDICTED: Final = ("float32", "float16", "bfloat16")
"""Number types of a measurement that a prediction can be made for."""


# ------------------------------------------------------------- one layer's memory


@keep(256)
def memory_of(choice: Choice, dtype: str, key: str) -> LayerMemory | None:
    """What a layer or module holds in a forward pass; None if there is no such."""
    return layer_memory(trace_of(evaluated(choice)), cache.inference(choice, dtype), key)


@keep(256)
def training_of(choice: Choice, how: Training, key: str) -> LayerTraining | None:
    """What a layer or module holds in a training step; None if there is no such."""
    mixed = bool(how.arguments["mixed_precision"])
    trace = trace_of(trained(choice))
    return layer_training(trace, cache.training(choice, how), key, mixed_precision=mixed)


# ---------------------------------------------------------------- before measuring


def room(choice: Choice, device: str, dtype: str) -> Room | None:
    """What a pass needs and what is free at this moment, so nothing is kept.

    Returns:
        None if the choice has no complete pass.

    Raises:
        MeasurementError: no such device.
    """
    passed = evaluated(choice)
    if cache.failure(passed):
        return None
    return room_of(trace_of(passed), device, dtype)


# ------------------------------------------------------------ a pass taken apart


@st.cache_data(max_entries=64, show_spinner=False)
def parts(choice: Choice, setup: Setup, measured: LayerLatencies) -> Parts:
    """Each measured layer beside its prediction."""
    return parts_of(prediction(evaluated(choice), setup), measured)


@keep(64, N_("Drawing"))
def parts_json(found: Parts, theme: Theme, selected: str) -> str:
    """The measured layers as bars, as Plotly's JSON."""
    return str(part_bars(found, theme=theme, selected=selected).to_json())


# ---------------------------------------------------------- predicted and taken


@st.cache_data(max_entries=1, show_spinner=False)
def calibrations() -> list[Calibration]:
    """The machines that the recorded runs are of."""
    return recorded_calibrations()


class Wanted(NamedTuple):
    """What must be traced for a run to have a prediction."""

    model: str
    """Registered name."""
    input_shape: tuple[int, ...]
    options: tuple[tuple[str, object], ...]
    """Those that are not the model's own."""


def wanted(record: LatencyRecord) -> Wanted | str:
    """What a record's prediction needs, or in a few words why there can be none."""
    if record.dtype not in PREDICTED:
        return _("no prediction for {dtype}").format(dtype=record.dtype)
    name = registered_name(record)
    shape = record.input_shape
    if name is None:
        return _("a model that is not known here")
    if len(shape) != 4 or not all(isinstance(extent, int) for extent in shape):
        return _("an input that is not one batch of images")
    batch, channels, height, width = shape
    bounds = ((batch, MAX_BATCH), (channels, MAX_CHANNELS), (height, MAX_SIZE), (width, MAX_SIZE))
    if any(extent > most for extent, most in bounds):  # type: ignore[operator]
        return _("an input larger than this page takes")
    spec = get_spec(name)
    options = {k: v for k, v in options_of(record, name).items() if v != spec.options[k].default}
    return Wanted(name, shape, tuple(options.items()))  # type: ignore[arg-type]


def is_plain(need: Wanted) -> bool:
    """Whether the survey of all models has it: own options, own number of channels."""
    spec = get_spec(need.model)
    size = {"image_size": tuple(need.input_shape[2:])}
    others = {k: v for k, v in need.options if size.get(k) != v}
    return not others and need.input_shape[1] == spec.input_shape[1]


def surveyed(needs: Iterable[Wanted]) -> Iterator[tuple[Wanted, Profile]]:
    """Yield the profile of each as soon as it has been traced, once for all visitors."""
    by_size: dict[tuple[int, int] | None, dict[str, list[Wanted]]] = {}
    for need in dict.fromkeys(needs):
        if not is_plain(need):
            yield need, _profile(need._replace(input_shape=(1, *need.input_shape[1:])))
            continue
        native = get_spec(need.model).input_shape[2:]
        own = need.input_shape[2:] == native
        place = by_size.setdefault(None if own else (need.input_shape[2], need.input_shape[3]), {})
        place.setdefault(need.model, []).append(need)
    for size, models in by_size.items():
        for profile in cache.choosing.survey().profiles(list(models), size):
            for need in models[profile.name]:
                yield need, profile


@keep(256)
def _profile(need: Wanted) -> Profile:
    """The profile of a model with options of its own."""
    height, width = need.input_shape[2:]
    try:
        trace = trace_model(need.model, need.input_shape, options=dict(need.options))
        return profile_trace(trace, need.model, (height, width))
    except ExplorerError as error:
        return Profile(need.model, height, width, None, None, (), (), False, str(error))


def compared(
    record: LatencyRecord, need: Wanted, profile: Profile, device: Device
) -> Compared | str:
    """A run beside its prediction, or in a few words why there is none."""
    if profile.problem or profile.macs is None:
        return _("a model that fails at this size")
    dtype = "tf32" if record.tf32 else record.dtype
    try:
        ms = predicted_ms(profile, Setting(device, dtype, record.batch))
    except ExplorerError:
        return _("no {dtype} rate of this device").format(dtype="TF32" if record.tf32 else dtype)
    height, width = need.input_shape[2:]
    label = _("batch {batch}, {height} × {width}").format(
        batch=record.batch, height=height, width=width
    )
    extras = {_("compiled"): record.compiled, _("channels last"): record.channels_last}
    label = _(", ").join([label, *(word for word, taken in extras.items() if taken)])
    return Compared(
        name=record.model,
        family=get_spec(need.model).family,
        predicted_ms=ms,
        taken_ms=record.median_ms,
        macs=record.batch * profile.macs,
        label=label,
    )


@st.cache_data(max_entries=64, show_spinner=False)
def agreement_of(found: tuple[Compared, ...]) -> Agreement | None:
    """What many comparisons say together."""
    return agreement(found)


@keep(32, N_("Drawing"))
def agreement_json(found: tuple[Compared, ...], took: str, theme: Theme, marked: str) -> str:
    """The scatter of predicted and taken times, as Plotly's JSON."""
    drawn = predicted_against_taken(found, took=took, theme=theme, marked=marked)
    return str(drawn.to_json())


def device_of(found: Calibration) -> Device:
    """A measured machine as a device to predict for."""
    return calibrated_device(found)
