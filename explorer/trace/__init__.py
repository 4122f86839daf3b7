"""One forward pass of a real model, on the meta device -> one frozen `Trace`."""

from explorer.trace.records import Trace
from explorer.trace.tracing import trace_model

__all__ = ["Trace", "trace_model"]
