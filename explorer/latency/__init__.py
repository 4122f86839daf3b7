"""How long a forward pass takes on this machine, measured so that it can be trusted."""

from explorer.latency.calibration import Calibration, calibrate, recorded_calibrations
from explorer.latency.device import DeviceQueue, available_devices, default_threads
from explorer.latency.files import parse_records, read_records, recorded
from explorer.latency.many import Step, Work, measure_all
from explorer.latency.measure import measure_latency, measure_layers
from explorer.latency.peaks import MeasuredPeaks, measure_peaks
from explorer.latency.plan import DTYPES, Room, room
from explorer.latency.records import (
    Environment,
    LatencyRecord,
    LayerLatencies,
    LayerTime,
    Progress,
    from_json,
    to_json,
)
from explorer.latency.ways import Way, recorded_ways, times, way_of

__all__ = [
    "DTYPES",
    "Calibration",
    "DeviceQueue",
    "Environment",
    "LatencyRecord",
    "LayerLatencies",
    "LayerTime",
    "MeasuredPeaks",
    "Progress",
    "Room",
    "Step",
    "Way",
    "Work",
    "available_devices",
    "calibrate",
    "default_threads",
    "from_json",
    "measure_all",
    "measure_latency",
    "measure_layers",
    "measure_peaks",
    "parse_records",
    "read_records",
    "recorded",
    "recorded_calibrations",
    "recorded_ways",
    "room",
    "times",
    "to_json",
    "way_of",
]
