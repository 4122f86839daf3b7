"""Lanes that lessons share: what costs seconds of a server's few cores goes one by one."""

from __future__ import annotations

from typing import Final

from explorer.latency import DeviceQueue

PASSES: Final = DeviceQueue()
"""Of jobs that run a real model on the CPU and hold its weights and activations in memory."""
