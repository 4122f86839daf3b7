"""One forward pass taken apart by hooks that read the device's clock."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from explorer.latency.clock import Marks
from explorer.latency.records import LatencyRecord, LayerLatencies, LayerTime
from explorer.trace.records import Trace


def leaf_classes(trace: Trace) -> dict[str, str]:
    """Return path and class of every module that calls no other: those with a row of their own.

    Whether a module has children does not tell: an attention module may read its output
    projection's weights without ever calling it.
    """
    inner = {call.path for call in trace.calls if call.children}
    return {
        call.path: call.module_class
        for call in trace.calls
        if call.parent >= 0 and call.path not in inner
    }


class LayerProbe:
    """Makes passes with a pair of hooks round every leaf, and keeps what they read.

    Args:
        module: whose leaves are watched, on its device.
        leaves: path and class of each.
        run: one forward pass of it.
        marks: the clock of its device.
    """

    def __init__(
        self,
        module: nn.Module,
        leaves: Mapping[str, str],
        run: Callable[[], object],
        marks: Marks,
    ) -> None:
        self._module: nn.Module | None = module
        self._run: Callable[[], object] | None = run
        self._leaves = leaves
        self._marks = marks
        self._totals: list[int] = []
        self._times: dict[tuple[str, int], list[int]] = {}

    def one_pass(self) -> float:
        """Make one pass with hooks; return its seconds."""
        assert self._module is not None
        assert self._run is not None
        marks = self._marks
        read: list[tuple[str, Any, Any]] = []
        begun: list[Any] = []

        def before(*_: object) -> None:
            begun.append(marks.mark())

        def after_of(path: str) -> Callable[..., None]:
            def after(*_: object) -> None:
                end = marks.mark()
                start = begun.pop()
                if not begun:  # inside another leaf it is that leaf's time already
                    read.append((path, start, end))

            return after

        hooks = []
        try:
            for path in self._leaves:
                leaf = self._module.get_submodule(path)
                hooks.append(leaf.register_forward_pre_hook(before))
                hooks.append(leaf.register_forward_hook(after_of(path)))
            marks.settle()
            start = marks.mark()
            self._run()
            end = marks.mark()
            marks.settle()
        finally:
            for hook in hooks:
                hook.remove()
        calls: Counter[str] = Counter()
        for path, first, last in read:
            times = self._times.setdefault((path, calls[path]), [])
            times.append(marks.nanoseconds(first, last))
            calls[path] += 1
        self._totals.append(marks.nanoseconds(start, end))
        return self._totals[-1] / 1e9

    def let_go(self) -> None:
        """Forget the module, whose memory would otherwise stay as long as the readings."""
        self._module = self._run = None

    def result(self, record: LatencyRecord) -> LayerLatencies:
        """Return the medians of all passes.

        Args:
            record: of the passes without hooks.
        """
        layers = tuple(
            LayerTime(
                key=f"{path}@{nth}" if nth else path,
                path=path,
                nth=nth,
                module_class=self._leaves[path],
                nanoseconds=_median(times),
            )
            for (path, nth), times in self._times.items()
        )
        hooked = _median(self._totals)
        overhead = max(hooked - round(record.median_ms * 1e6), 0)
        return LayerLatencies(
            record=record,
            layers=layers,
            passes=len(self._totals),
            hooked_ns=hooked,
            overhead_ns=overhead,
            rest_ns=hooked - overhead - sum(layer.nanoseconds for layer in layers),
        )


def _median(nanoseconds: list[int]) -> int:
    return round(statistics.median(nanoseconds))
