from __future__ import annotations

import pytest
import torch
from torch import nn

from explorer.models import build_model


@pytest.mark.parametrize(("name", "groups"), [("resnext29_8x64d", 8), ("resnext29_16x64d", 16)])
def test_the_name_is_depth_cardinality_and_width(name: str, groups: int) -> None:
    with torch.device("meta"):
        model = build_model(name)
    weighted = [
        path
        for path, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and "downsample" not in path
    ]
    grouped = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]

    assert len(weighted) == 29
    assert {m.groups for m in grouped} == {groups}
    assert [m.out_channels // m.groups for m in grouped] == [64] * 3 + [128] * 3 + [256] * 3
