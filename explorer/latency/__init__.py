"""How long a forward pass takes on this machine, measured so that it can be trusted."""

from explorer.latency.device import available_devices
from explorer.latency.measure import DTYPES, measure_latency
from explorer.latency.peaks import MeasuredPeaks, measure_peaks
from explorer.latency.records import Environment, LatencyRecord, Progress

__all__ = [
    "DTYPES",
    "Environment",
    "LatencyRecord",
    "MeasuredPeaks",
    "Progress",
    "available_devices",
    "measure_latency",
    "measure_peaks",
]
