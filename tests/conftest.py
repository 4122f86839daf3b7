"""What every test shares: one torch thread, repeatable properties, a scheduler of its own."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from explorer._torchvision import import_torchvision

# Test processes run side by side; torch's own threads would only fight over the cores.
torch.set_num_threads(1)

# A run is the same run everywhere: fixed examples, and no limit on the wall-clock time of one.
settings.register_profile(
    "layerwise",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("layerwise")


class _Scheduling(LoadScopeScheduling):
    """Hands out test by test, but all browser tests to one process: they share one server.

    pytest-xdist has `--dist loadgroup` for this, which groups nothing under pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        browser = nodeid.startswith("tests/e2e/")
        return "browser" if browser else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Scheduling:
    """Distribute the tests over the processes of `pytest -n`."""
    return _Scheduling(config, log)


@pytest.fixture(scope="session")
def torchvision() -> ModuleType:
    return import_torchvision()
