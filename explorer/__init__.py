"""Layerwise: exact shapes, parameters, MACs and dataflow of vision architectures."""

from explorer.errors import ExplorerError
from explorer.latency import measure_latency
from explorer.trace import Trace, trace_model
from explorer.zoo import build_model, get_spec, list_models

__all__ = [
    "ExplorerError",
    "Trace",
    "build_model",
    "get_spec",
    "list_models",
    "measure_latency",
    "trace_model",
]
