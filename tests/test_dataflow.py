from __future__ import annotations

import dataclasses

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from explorer.dataflow import ROOT, Dataflow
from explorer.trace import trace_model
from explorer.trace.records import OpRecord, TensorRecord, Trace, Value

Graph = list[list[int]]
"""Predecessors of every node, all smaller; the first has none and is the input."""


def _op(index: int, preds: list[int], tensor: TensorRecord) -> OpRecord:
    name = "add" if preds else "input"
    read = tuple(Value(source, 0) for source in preds)
    return OpRecord(
        index, name, name, 0, read, (tensor,) * len(preds), (tensor,), (), (),
        0, 0, 0, 0, 0, 0, False, False, (index,),
    )  # fmt: skip


def trace_of(graph: Graph) -> Trace:
    """A trace with the given edges and nothing else."""
    tensor = TensorRecord((1,), "float32", 4)
    ops = tuple(_op(index, preds, tensor) for index, preds in enumerate(graph))
    return Trace(
        "graph", (1,), (1,), "eval", "meta", (), ops, (), (), (), (), (),
        (Value(len(graph) - 1, 0),), 0, 0, 0, 0,
    )  # fmt: skip


def reachable(graph: Graph, without: int) -> set[int]:
    """Nodes that a path from the input reaches if one node is taken out."""
    found: set[int] = set()
    for node, preds in enumerate(graph):
        if node != without and (not preds or found.intersection(preds)):
            found.add(node)
    return found


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    size = draw(st.integers(2, 14))
    return [
        [],
        *(
            draw(st.lists(st.integers(0, node - 1), min_size=1, max_size=3, unique=True))
            for node in range(1, size)
        ),
    ]


@given(graphs())
def test_a_dominator_is_what_cuts_off_a_node_when_it_is_taken_out(graph: Graph):
    flow = Dataflow(trace_of(graph))
    for node in range(len(graph)):
        cutting = [d for d in range(len(graph)) if node not in reachable(graph, d)]
        assert flow.dominators(node) == cutting
        assert flow.idom[node] == (cutting[-2] if len(cutting) > 1 else ROOT)
        for other in range(len(graph)):
            assert flow.dominates(other, node) == (other in cutting)


@given(graphs())
def test_what_lies_between_is_on_a_path_and_nothing_else_is(graph: Graph):
    flow = Dataflow(trace_of(graph))
    end = len(graph) - 1
    fork = flow.idom[end]
    leads_to_end = {end}
    for node in range(end, -1, -1):
        if node in leads_to_end:
            leads_to_end.update(graph[node])
    expected = {node for node in leads_to_end if node > fork}
    # The fork dominates the end, so every node behind it that leads to the end is between.
    assert flow.between(fork, end) == expected
    assert flow.between(end, end) == set()


@given(graphs())
def test_the_longest_path_is_the_longest_of_all_paths(graph: Graph):
    def paths(node: int) -> list[list[int]]:
        before = [path for p in graph[node] for path in paths(p)] or [[]]
        return [[*path, node] for path in before]

    weights = [(node * 7) % 3 for node in range(len(graph))]
    longest = max(sum(weights[node] for node in path) for path in paths(len(graph) - 1))
    assert Dataflow(trace_of(graph)).longest_path(weights) == longest


def test_a_value_that_comes_from_no_input_opens_no_path():
    class Embedded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.position = nn.Parameter(torch.ones(4))

        def forward(self, x: Tensor) -> Tensor:
            return x + (self.position * 2)

    trace = trace_model(Embedded(), (1, 4))
    flow = Dataflow(trace)
    names = [op.name for op in trace.ops]
    assert not flow.live[names.index("mul")]
    assert flow.preds[names.index("add")] == [names.index("input")]


def test_an_op_that_reads_only_a_shape_opens_no_path():
    class Masked(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.relu() + torch.zeros_like(x)

    trace = trace_model(Masked(), (1, 4))
    flow = Dataflow(trace)
    names = [op.name for op in trace.ops]
    assert flow.preds[names.index("add")] == [names.index("relu")]


def test_an_in_place_write_through_a_view_is_read_by_whoever_reads_the_whole():
    class Sliced(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x * 1
            y[:, :2] = x[:, 2:].relu()
            return y + 1

    trace = trace_model(Sliced(), (1, 4))
    flow = Dataflow(trace)
    names = [op.name for op in trace.ops]
    written = names.index("copy_")
    assert written in flow.preds[names.index("add")]


def test_the_trunk_is_what_every_path_passes():
    #    1 - 2
    # 0 <     > 4 - 5      the input, the join and the end
    #    3 ---
    graph: Graph = [[], [0], [1], [0], [2, 3], [4]]
    assert Dataflow(trace_of(graph)).trunk() == [0, 4, 5]


def test_a_pass_that_broke_off_ends_where_it_broke_off():
    broken = dataclasses.replace(trace_of([[], [0], [1]]), outputs=())
    assert Dataflow(broken).trunk() == [0, 1, 2]
