"""How long a forward pass takes on this machine, measured so that it can be trusted."""

from explorer.latency.device import available_devices
from explorer.latency.files import parse_records, read_records, recorded
from explorer.latency.many import Step, Work, measure_all
from explorer.latency.measure import measure_latency, measure_layers
from explorer.latency.peaks import MeasuredPeaks, measure_peaks
from explorer.latency.plan import DTYPES
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
    "Environment",
    "LatencyRecord",
    "LayerLatencies",
    "LayerTime",
    "MeasuredPeaks",
    "Progress",
    "Step",
    "Way",
    "Work",
    "available_devices",
    "from_json",
    "measure_all",
    "measure_latency",
    "measure_layers",
    "measure_peaks",
    "parse_records",
    "read_records",
    "recorded",
    "recorded_ways",
    "times",
    "to_json",
    "way_of",
]
