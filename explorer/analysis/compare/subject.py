"""One model, ready to be compared: what all comparisons with it need is computed once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property

from explorer.analysis.compare.scales import Scales
from explorer.analysis.compare.tables import Table, input_shapes
from explorer.analysis.layers import layers
from explorer.analysis.totals import DEFAULT, Convention
from explorer.analysis.units import shape_text
from explorer.errors import ExplorerError
from explorer.trace.records import Trace


class Subject:
    """One traced model. It holds the trace and is not to be kept."""

    def __init__(self, trace: Trace, convention: Convention = DEFAULT) -> None:
        """Take a trace.

        Raises:
            ExplorerError: it has no layers.
        """
        self.trace = trace
        self.convention = convention
        self.rows = layers(trace, convention=convention)
        if not self.rows:
            raise ExplorerError(f"{trace.model} has no layers that could be compared.")

    @cached_property
    def scales(self) -> Scales:
        """Its stages."""
        return Scales(self.trace, self.convention, self.rows)

    @cached_property
    def table(self) -> Table:
        """Its rows as they are aligned, modules of attention taken apart."""
        if not any(row.kind == "attention" and row.module_class for row in self.rows):
            return Table(self.trace, self.scales)
        rows = layers(self.trace, convention=self.convention, apart=True)
        return Table(self.trace, Scales(self.trace, self.convention, rows))


def subjects(models: Sequence[Trace | Subject], convention: Convention) -> list[Subject]:
    """Make those ready that are not."""
    return [each if isinstance(each, Subject) else Subject(each, convention) for each in models]


def display_names(traces: Sequence[Trace]) -> tuple[str, ...]:
    """Return the models' names, with the input size where a name stands for several."""
    names = [trace.model for trace in traces]
    twice = {name for name, times in Counter(names).items() if times > 1}
    sized = len({trace.input_shape for trace in traces}) > 1
    named = [
        f"{trace.model} at {_input_text(trace)}" if sized and trace.model in twice else trace.model
        for trace in traces
    ]
    seen: Counter[str] = Counter()
    unique = []
    for name in named:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(unique)


def _input_text(trace: Trace) -> str:
    """The spatial size of an image, with its batch unless that is 1; else the whole shape."""
    shape = trace.input_shape
    if any(isinstance(n, tuple) for n in shape):
        return ", ".join(shape_text(one, batch=True) for one in input_shapes(trace))
    batch, *rest = input_shapes(trace)[0] or (1,)
    text = " × ".join(map(str, rest[1:] or rest))
    return text if batch == 1 else f"{text}, batch {batch}"
