from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer import trace_model
from explorer.errors import OptionError
from explorer.models import build_model

State = dict[str, Tensor]
C, L, GROUPS = 1024, 16, 16


def _transformers(state: State, x: Tensor, count: int) -> Tensor:
    """Equations 1 to 5 of the paper, as one function of the weights."""
    tokens = torch.empty(0)
    for i in range(count):
        name = f"transformers.{i}"
        if i == 0:
            look_for = state[f"{name}.tokenizer.attention.weight"].T
            shares = (x @ look_for).softmax(dim=1)
        else:
            look_for = tokens @ state[f"{name}.tokenizer.weights.weight"].T
            shares = torch.einsum("npc,ntc->npt", x, look_for).softmax(dim=1)
        tokens = torch.einsum("npt,npc->ntc", shares, x)
        key, query, first, second = (
            state[f"{name}.transformer.{part}.weight"].T
            for part in ("key", "query", "linear1", "linear2")
        )
        attention = torch.einsum("ntc,nsc->nts", tokens @ key, tokens @ query).softmax(dim=-1)
        tokens = tokens + attention @ tokens
        tokens = tokens + (tokens @ first).relu() @ second
        if i < count - 1:
            grouped = F.conv1d(
                x.transpose(1, 2), state[f"{name}.projector.query.weight"], groups=GROUPS
            )
            keys = tokens @ state[f"{name}.projector.key.weight"].T
            shares = torch.einsum("ncp,ntc->npt", grouped, keys).softmax(dim=-1)
            x = x + shares @ tokens
    return F.linear(tokens.mean(dim=1), state["fc.weight"], state["fc.bias"])


def test_the_network_is_the_paper_s_on_top_of_torchvision_s_resnet(
    torchvision: ModuleType,
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    with torch.device("meta"):
        ours = build_model("vt_resnet50")
        body = torchvision.models.resnet50()
    body.layer4, body.avgpool, body.fc = nn.Identity(), nn.Identity(), nn.Identity()
    weights = with_random_weights(ours).state_dict()
    mine = {key: t for key, t in weights.items() if not key.startswith(("transformers", "fc"))}
    body.load_state_dict(mine, strict=True, assign=True)
    body.eval()

    def reference(x: Tensor) -> Tensor:
        height, width = (side // 16 for side in x.shape[-2:])
        pixels = body(x).reshape(len(x), C, height * width).transpose(1, 2)
        return _transformers(weights, pixels, 3)

    assert_same_scores(ours, reference, (64, 64))
    assert_same_scores(ours, reference, (64, 96))


def test_the_parameters_of_each_part_by_hand() -> None:
    trace = trace_model("vt_resnet50", (1, 3, 224, 224))

    def held(path: str) -> int:
        return sum(call.params for call in trace.calls if call.path.startswith(path))

    assert held("transformers.0.tokenizer") == C * L
    assert held("transformers.1.tokenizer") == C * C
    # keys and queries of half the width, and two square maps
    assert held("transformers.0.transformer") == 2 * C * C // 2 + 2 * C * C
    assert held("transformers.0.projector") == C * C // GROUPS + C * C
    assert held("transformers.2.projector") == 0


def test_the_macs_of_each_part_by_hand() -> None:
    trace = trace_model("vt_resnet50", (1, 3, 224, 224))
    pixels = 14 * 14

    def spent(path: str) -> int:
        return sum(call.macs for call in trace.calls if call.path.startswith(path))

    assert spent("transformers.0.tokenizer") == 2 * pixels * C * L
    assert spent("transformers.1.tokenizer") == L * C * C + 2 * pixels * C * L
    assert spent("transformers.0.transformer") == L * 3 * C * C + L * L * C // 2 + L * L * C
    assert spent("transformers.0.projector") == (
        pixels * C * C // GROUPS + L * C * C + 2 * pixels * L * C
    )


def test_with_filters_only_no_token_is_asked_for_the_next() -> None:
    recurrent, filters = (
        trace_model("vt_resnet50", (1, 3, 64, 64), options={"tokenizer": name})
        for name in ("recurrent", "filter")
    )

    assert recurrent.params - filters.params == 2 * (C * C - C * L)


def test_groups_that_do_not_divide_the_channels_are_a_sentence() -> None:
    with pytest.raises(OptionError, match=r"groups=48 should divide the 1,024 channels"):
        build_model("vt_resnet50", groups=48)
