"""Several threads at once get the numbers that each gets alone: nothing is process-wide."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer import Trace, trace_model
from explorer.errors import InputSizeError
from explorer.trace.plans import forget
from tests.trace.checks import assert_same_picture, picture_of, process_picture
from tests.trace.nets import CASES

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(autouse=True)
def _often_interrupted() -> Iterator[None]:
    """Let threads take turns every few bytecodes, so that a race is met in a short test."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(*functions: Callable[[], Any]) -> list[Any]:
    """Start all functions at the same moment, each in its thread, and return their results."""
    barrier = threading.Barrier(len(functions))

    def run(function: Callable[[], Any]) -> Any:
        barrier.wait(60)
        return function()

    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result(120) for future in [pool.submit(run, f) for f in functions]]


class RealWork:
    """Convolves for real until it is told to stop, and compares each result with the first."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
        self.x = torch.randn(1, 3, 9, 9, generator=generator)
        self.expected = self.net(self.x).detach()
        self.stop = threading.Event()

    def __call__(self) -> int:
        rounds = 0
        while not self.stop.is_set() or not rounds:
            out = self.net(self.x)
            assert out.requires_grad
            assert torch.allclose(out, self.expected, atol=1e-6)
            assert torch.zeros(2).device.type == "cpu"
            assert type(F.relu(self.x)) is Tensor
            rounds += 1
        return rounds


def test_two_threads_trace_different_models_while_a_third_convolves() -> None:
    cases = ("resnet18", (1, 3, 64, 64)), ("densenet121", (1, 3, 64, 64))
    alone = [trace_model(name, shape) for name, shape in cases]
    work = RealWork()
    busy = [2]

    def traces(name: str, shape: tuple[int, ...]) -> list[Trace]:
        try:
            return [trace_model(name, shape) for _ in range(4)]
        finally:
            busy[0] -= 1
            if not busy[0]:
                work.stop.set()

    forget()
    process = process_picture()
    first, second, rounds = together(lambda: traces(*cases[0]), lambda: traces(*cases[1]), work)
    assert first == [alone[0]] * 4
    assert second == [alone[1]] * 4
    assert rounds > 0
    assert process_picture() == process


def test_one_instance_is_traced_by_three_threads_at_once() -> None:
    case = CASES["TransformerEncoderLayer"]
    model = case.build()
    alone, before = case.trace(model), picture_of(model)
    forget()
    results = together(*[lambda: [case.trace(model) for _ in range(5)] for _ in range(3)])
    assert results == [[alone] * 5] * 3
    assert_same_picture(before, picture_of(model))


def test_every_net_is_traced_among_all_others() -> None:
    names = [name for name in CASES if name not in ("VeryDeep", "VeryWide")]
    models = {name: CASES[name].build() for name in names}
    alone = {name: CASES[name].trace(models[name]) for name in names}
    forget()

    def in_order(start: int) -> dict[str, Trace]:
        turn = names[start:] + names[:start]
        return {name: CASES[name].trace(models[name]) for name in turn}

    third = len(names) // 3
    for found in together(*[lambda k=k: in_order(k * third) for k in range(3)]):
        assert found == alone


def test_registered_names_are_traced_by_four_threads() -> None:
    shape = (1, 3, 64, 64)
    names = ("resnet18", "vgg11", "densenet121", "alexnet")
    alone = {name: trace_model(name, shape) for name in names}
    forget()
    results = together(
        *[lambda k=k: {n: trace_model(n, shape) for n in names[k:] + names[:k]} for k in range(4)]
    )
    assert results == [alone] * 4


def test_a_real_run_in_one_thread_does_not_disturb_meta_runs_in_others() -> None:
    real, meta = CASES["FastPath"], CASES["MultiheadAttention"]
    models = real.build(), meta.build()
    alone = real.trace(models[0]), meta.trace(models[1])
    encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    x = torch.linspace(-1, 1, 80).reshape(2, 5, 8)
    with torch.inference_mode():
        expected = encoder(x)

    def fast_path() -> bool:
        with torch.inference_mode():
            return all(torch.allclose(encoder(x), expected, atol=1e-5) for _ in range(20))

    found = together(
        lambda: [real.trace(models[0]) for _ in range(5)],
        lambda: [meta.trace(models[1]) for _ in range(5)],
        fast_path,
    )
    assert found == [[alone[0]] * 5, [alone[1]] * 5, True]


def test_random_numbers_of_another_thread_are_its_own() -> None:
    # In training, forward draws for real; another thread's own generator must not notice.
    class Draws(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * torch.rand(3)

    model = Draws()
    generator = torch.Generator().manual_seed(1)
    expected = [torch.rand(3, generator=generator).tolist() for _ in range(50)]
    generator.manual_seed(1)
    _, drawn = together(
        lambda: [trace_model(model, (2, 3), mode="train") for _ in range(20)],
        lambda: [torch.rand(3, generator=generator).tolist() for _ in range(50)],
    )
    assert drawn == expected


def test_failures_in_one_thread_are_its_own() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    alone = trace_model(model, (1, 3, 8, 8))  # 4 * 6*6 = 144

    def fails() -> list[tuple[str, Any]]:
        found = []
        for _ in range(3):
            with pytest.raises(InputSizeError) as caught:
                trace_model(model, (1, 3, 9, 9))
            found.append((str(caught.value), caught.value.suggested_shape))
        return found

    failed, traced = together(fails, lambda: [trace_model(model, (1, 3, 8, 8)) for _ in range(20)])
    assert traced == [alone] * 20
    assert len(set(failed)) == 1
    assert failed[0][1] == (1, 3, 8, 8)
