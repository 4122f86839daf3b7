"""Lanes that lessons share: what costs seconds of a server's few cores goes one by one."""

from __future__ import annotations

import threading
from typing import Final

PASSES: Final = threading.BoundedSemaphore(1)
"""Of jobs that run a real model on the CPU and hold its weights and activations in memory."""
