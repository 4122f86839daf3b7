"""Import torchvision whether or not its compiled operators load.

torchvision registers shape functions for two of its C++ operators while it is imported. Where
the compiled library does not load (a wheel built for another torch, or for CUDA on a machine
without it), those operators do not exist and the import fails, although no classification model
needs them. Declaring their schemas is enough: the models import, and only a call of such an
operator still fails.
"""

from __future__ import annotations

import importlib
import re
import sys
import threading
from types import ModuleType

import torch

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}

_lock = threading.Lock()
_library: torch.library.Library | None = None  # a schema lives as long as its library object


def import_torchvision() -> ModuleType:
    """Return the torchvision package, declaring the operators that its import misses.

    Nothing is declared where the compiled operators load. Import timm, which imports
    torchvision itself, only after this.

    Raises:
        ImportError: torchvision is not installed.
        RuntimeError: torchvision misses an operator that this module does not know.
    """
    with _lock:
        for _ in _SCHEMAS:
            try:
                return importlib.import_module("torchvision")
            except RuntimeError as error:
                missing = re.search(r"operator torchvision::(\w+) does not exist", str(error))
                if missing is None or missing[1] not in _SCHEMAS:
                    raise
                _declare(missing[1])
                _forget_torchvision()
        return importlib.import_module("torchvision")


def _declare(operator: str) -> None:
    global _library
    if _library is None:
        _library = torch.library.Library("torchvision", "FRAGMENT")
    _library.define(_SCHEMAS[operator])


def _forget_torchvision() -> None:
    """Drop the submodules that a failed import leaves behind, so that the next one is whole."""
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
