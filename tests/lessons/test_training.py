"""Short trainings: the steps are SGD's, they end when they should, and the records are real."""

from __future__ import annotations

import math
import threading

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from explorer.errors import OptionError, RecordError
from explorer.lessons.arms import ARMS
from explorer.lessons.digits import TRAINED_ON, digits
from explorer.lessons.gradients import fresh_model
from explorer.lessons.training import (
    Recorded,
    Run,
    Setup,
    from_json,
    learning_rate,
    recorded,
    to_json,
    train,
)

TINY = (("depths", (1, 1, 1)),)


def test_the_steps_are_those_of_momentum_and_weight_decay_written_out() -> None:
    setup = Setup("resnet20", TINY, epochs=2, batch=400, rate=0.05, schedule="cosine", seed=5)
    run = train(setup)

    generator = torch.Generator().manual_seed(5)
    model = fresh_model("resnet20", {**dict(TINY), "in_channels": 1}, "he", generator)
    speed = [torch.zeros_like(p) for p in model.parameters()]
    errors, losses = [], []
    for epoch in range(2):
        order = torch.randperm(TRAINED_ON, generator=generator)
        for at in range(3):
            chosen = order[400 * at : 400 * at + 400]
            scores = model(digits().images[chosen])
            loss = F.cross_entropy(scores, digits().labels[chosen])
            gradients = torch.autograd.grad(loss, list(model.parameters()))
            rate = 0.05 * (1 + math.cos(math.pi * (3 * epoch + at) / 6)) / 2
            with torch.no_grad():
                for p, v, g in zip(model.parameters(), speed, gradients, strict=True):
                    v.mul_(0.9).add_(g + 1e-4 * p)
                    p.sub_(rate * v)
            losses.append(loss.item())
            errors.append((scores.argmax(1) != digits().labels[chosen]).double().mean().item())
    assert run.points[1].loss == pytest.approx(sum(losses[3:]) / 3, rel=1e-4)
    assert run.points[1].train_error == pytest.approx(sum(errors[3:]) / 3, abs=2e-3)
    assert run.loss == pytest.approx(losses[-1], rel=1e-4)
    answers = model.eval()(digits().images[TRAINED_ON:]).argmax(1)
    expected = (answers != digits().labels[TRAINED_ON:]).double().mean().item()
    assert run.points[1].test_error == pytest.approx(expected, abs=6e-3)
    assert (run.ending, run.step) == ("done", 6)


def test_the_cosine_is_torch_s() -> None:
    setup = Setup("resnet20", epochs=3, schedule="cosine", rate=0.2)
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.2)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, setup.steps)
    for step in range(setup.steps):
        assert learning_rate(setup, step) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    assert learning_rate(setup._replace(schedule="constant"), 7) == 0.2


def test_it_learns_and_says_so_after_every_epoch() -> None:
    heard: list[Run] = []
    run = train(Setup("resnet20", TINY, epochs=4, seed=1), heard.append)
    assert [each.points for each in heard] == [run.points[:n] for n in (1, 2, 3, 4)]
    assert [each.ending for each in heard] == ["stopped"] * 3 + ["done"]
    assert run.points[-1].train_error < 0.1 < run.points[0].train_error
    assert run.points[-1].step == run.step == 44


def test_a_run_can_be_stopped_and_keeps_what_it_has() -> None:
    cancel = threading.Event()
    run = train(Setup("resnet20", TINY, epochs=9), lambda _: cancel.set(), cancel)
    assert (run.ending, len(run.points), run.step) == ("stopped", 1, 11)
    assert train(Setup("resnet20", TINY), None, cancel).points == ()


def test_a_loss_that_is_no_number_ends_the_run() -> None:
    run = train(Setup("resnet56", (("norm", "none"),), rate=0.1))
    assert run.ending == "diverged"
    assert not math.isfinite(run.loss)
    assert 0 < run.step < 11


@pytest.mark.parametrize(
    ("more", "said"),
    [({"rate": 0.0}, "rate=0.0 should be from 1e-05 to 10"), ({"epochs": 61}, "from 1 to 60"),
     ({"batch": 4}, "from 8 to 512"), ({"size": 64}, "from 8 to 32"),
     ({"schedule": "step"}, "'constant' or 'cosine'"), ({"init": "best"}, "init='best'")],
)  # fmt: skip
def test_a_setup_out_of_bounds_is_one_sentence(more, said) -> None:
    with pytest.raises(OptionError, match=said):
        train(Setup("resnet20", **more))


def test_records_go_to_json_and_back() -> None:
    runs = [
        train(Setup("resnet20", TINY, epochs=1, batch=512)),
        train(Setup("resnet20", (("norm", "none"),), rate=10.0, epochs=1)),
    ]
    records = [Recorded(run, "CPU", 1, "2", "2026-01-01T00:00:00+00:00") for run in runs]
    read = from_json(to_json(records))
    assert [each.run.setup for each in read] == [run.setup for run in runs]
    assert read[0].run.points[0].epoch == 1
    assert read[0].run.points[0].loss == pytest.approx(runs[0].points[0].loss, rel=1e-4)
    assert not math.isfinite(read[1].run.loss)
    assert from_json(to_json(read[:1])) == read[:1]


@pytest.mark.parametrize("text", ["{", "[]", '{"run": {}}', '{"run": 3}'])
def test_a_file_that_holds_no_record_is_said_with_its_line(text: str) -> None:
    with pytest.raises(RecordError, match="Line 1 is no record of a training"):
        from_json(text)


# ---------------------------------------------------------------------- recorded


def final(code: str, rate: float, epochs: int = 20) -> list[float]:
    """Training errors at the end of the recorded runs of an arm."""
    arm = ARMS[code]
    return [
        record.run.points[-1].train_error
        for record in recorded()
        if (record.run.setup.model, record.run.setup.options) == (arm.model, arm.options)
        and record.run.setup.zero_gamma == arm.zero_gamma
        and (record.run.setup.init, record.run.setup.rate) == (arm.init, rate)
        and record.run.setup.epochs == epochs
        and record.run.ending == "done"
    ]


def test_what_the_lesson_says_of_the_recorded_runs_holds() -> None:
    for rate in (0.1, 0.02):
        deep, shallow = final("plain56", rate), final("plain20", rate)
        assert len(deep) == len(shallow) == 3
        assert min(deep) > max(shallow) + 0.3  # degradation: the deeper one trains worse
        assert max(final("resnet56", rate)) < min(deep)
    # Three times as long does not mend it.
    assert min(final("plain56", 0.1, 60)) > 0.25 > 0.01 > max(final("plain20", 0.1, 60))
    assert max(final("resnet56.pre", 0.1)) <= min(final("resnet56", 0.1))
    assert min(final("plain56.none", 0.1)) > 0.85  # at chance


def test_every_record_says_where_and_when_and_belongs_to_an_arm() -> None:
    known = {(arm.model, arm.options, arm.init, arm.zero_gamma) for arm in ARMS.values()}
    assert len(recorded()) >= 60
    for record in recorded():
        setup = record.run.setup
        assert record.device_name
        assert record.date[:2] == "20"
        assert record.run.ending in ("done", "diverged")
        assert (setup.model, setup.options, setup.init, setup.zero_gamma) in known
        assert len(record.run.points) == (setup.epochs if record.run.ending == "done" else 0)
        assert all(0 <= p.train_error <= 1 and 0 <= p.test_error <= 1 for p in record.run.points)


def test_a_recorded_run_comes_out_again() -> None:
    known = next(r.run for r in recorded() if r.run.ending == "diverged")
    again = train(known.setup)
    assert (again.ending, again.step) == (known.ending, known.step)
