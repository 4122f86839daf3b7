"""What a record of a measurement is of: which model, and which machine as a device."""

from __future__ import annotations

from explorer.analysis.roofline import Device, get_device
from explorer.analysis.units import threads_text
from explorer.errors import ExplorerError
from explorer.latency.calibration import Calibration
from explorer.latency.records import LatencyRecord
from explorer.models._registry import OptionValue
from explorer.text import _
from explorer.zoo import get_spec

_ASSUMED_LIKE = {"cpu": "Intel Core i7-1185G7 (laptop CPU)"}
"""Kind of device -> the row of the device table whose launch stands in for one not measured."""
_LAUNCH_LIKE_ELSEWHERE = "NVIDIA T4"

TIMM_NAMES = {
    "mnasnet_050": "mnasnet0_5",
    "mnasnet_075": "mnasnet0_75",
    "mnasnet_100": "mnasnet1_0",
    "mobilenetv2_100": "mobilenet_v2",
    "mobilenetv3_large_100": "mobilenet_v3_large",
    "mobilenetv3_small_100": "mobilenet_v3_small",
    "vit_base_patch16_224": "vit_b_16",
    "vit_base_patch32_224": "vit_b_32",
    "vit_large_patch16_224": "vit_l_16",
    "vit_large_patch32_224": "vit_l_32",
}
"""timm's name of a model that is registered here under another."""


def calibrated_device(found: Calibration) -> Device:
    """A machine's measured rates as a device to predict for.

    What was not measured is assumed: vector units reach the float32 product's rate, and a launch
    whose time is not known costs what the device table assumes for a device of its kind.

    Raises:
        ExplorerError: without a float32 rate there is nothing to predict with.
    """
    peaks, environment = dict(found.peaks), found.environment
    if "float32" not in peaks:
        raise ExplorerError(
            _("The calibration of {device} has no float32 rate.").format(
                device=environment.device_name
            )
        )
    kind = environment.device.partition(":")[0]
    launch = found.launch_seconds
    if launch is None:
        launch = get_device(_ASSUMED_LIKE.get(kind, _LAUNCH_LIKE_ELSEWHERE)).launch_seconds
    threads = f", {threads_text(environment.threads)}" if kind == "cpu" else ""
    return Device(
        name=_("{device}{threads}, calibrated {date}").format(
            device=environment.device_name, threads=threads, date=environment.date[:10]
        ),
        kind="CPU" if kind == "cpu" else "GPU",
        float32=peaks["float32"],
        tf32=peaks.get("tf32"),
        float16=peaks.get("float16"),
        bfloat16=peaks.get("bfloat16"),
        int8=None,
        bandwidth=found.bytes_per_second,
        memory=float(found.memory_bytes or 0),
        launch_seconds=launch,
        source=_("Measured on {date} with torch {torch}").format(
            date=environment.date[:10], torch=environment.torch
        ),
        checked=_("A product in each number type and a copy; a call of a tiny layer.")
        if found.launch_seconds
        else _("A product in each number type and a copy; the launch is assumed."),
        launch_measured=found.launch_seconds is not None,
    )


def registered_name(record: LatencyRecord) -> str | None:
    """The model that a record is of, as this library calls it; None if it has none such.

    An imported record may carry timm's own name, which then means timm's own definition where
    timm is installed, and the same architecture of ours where it is not.
    """
    plain = record.model.partition(".")[0]
    ours = (record.model, TIMM_NAMES.get(plain, plain))
    is_timm = record.source == "imported" and record.clock.startswith("mean of timm")
    wanted = (f"timm:{plain}", *ours) if is_timm else (*ours, f"timm:{plain}")
    return next(filter(_is_registered, wanted), None)


def _is_registered(name: str) -> bool:
    try:
        get_spec(name)
    except ExplorerError:
        return False
    return True


def options_of(record: LatencyRecord, name: str) -> dict[str, OptionValue]:
    """The options that a registered model is to be built with to be what the record was of."""
    known = get_spec(name).options
    return {key: value for key, value in record.options if key in known}  # type: ignore[misc]
