from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer import build_model, trace_model
from explorer.analysis.totals import Convention, totals

# Table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection, and the operations in millions.
TABLE_1 = """
3a  64  96 128 16  32  32 128
3b 128 128 192 32  96  64 304
4a 192  96 208 16  48  64  73
4b 160 112 224 24  64  64  88
4c 128 128 256 24  64  64 100
4d 112 144 288 32  64  64 119
4e 256 160 320 32 128 128 170
5b 384 192 384 48 128 128  71
"""


def _build(name: str, **options: bool) -> nn.Module:
    with torch.device("meta"):
        return build_model(name, **options)


@pytest.mark.parametrize("aux_logits", [False, True])
def test_with_torchvision_s_weights_the_output_is_torchvision_s(
    aux_logits: bool,
    torchvision: ModuleType,
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    with torch.device("meta"):
        theirs = torchvision.models.googlenet(aux_logits=aux_logits, init_weights=False)
    with_random_weights(theirs)
    ours = _build("googlenet", aux_logits=aux_logits)
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)

    assert_same_scores(ours, theirs, (64, 64))
    assert_same_scores(ours, theirs, (128, 63))


def test_in_training_it_returns_what_torchvision_returns(
    torchvision: ModuleType, with_random_weights: Callable[[nn.Module], nn.Module]
) -> None:
    with torch.device("meta"):
        theirs = torchvision.models.googlenet(aux_logits=True, init_weights=False)
    with_random_weights(theirs).double()
    ours = _build("googlenet", aux_logits=True)
    ours.load_state_dict(theirs.state_dict(), assign=True)
    for module in (*ours.modules(), *theirs.modules()):
        if isinstance(module, nn.Dropout):
            module.p = 0  # the two would drop different features
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 3, 64, 96, generator=generator, dtype=torch.double)

    with torch.inference_mode():
        # Statistics are of the batch in training, and each net keeps a running copy of its own.
        actual, expected = ours.train()(images), theirs.train()(images)

    assert actual._fields == expected._fields == ("logits", "aux_logits2", "aux_logits1")
    torch.testing.assert_close(tuple(actual), tuple(expected))


def _paper(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """Figure 3 and Table 1 as one function of the weights."""

    def conv(name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = state[f"{name}.conv.weight"]
        padding = weight.shape[-1] // 2
        return F.conv2d(x, weight, state[f"{name}.conv.bias"], stride, padding).relu()

    def normalize(x: Tensor) -> Tensor:
        return F.local_response_norm(x, size=5, alpha=5e-4, beta=0.75, k=2)

    def pool(x: Tensor) -> Tensor:
        return F.max_pool2d(x, 3, 2, ceil_mode=True)

    def inception(name: str, x: Tensor) -> Tensor:
        reduced3, reduced5 = conv(f"{name}.branch2.0", x), conv(f"{name}.branch3.0", x)
        return torch.cat(
            [
                conv(f"{name}.branch1", x),
                conv(f"{name}.branch2.1", reduced3),
                conv(f"{name}.branch3.1", reduced5),
                conv(f"{name}.branch4.1", F.max_pool2d(x, 3, 1, padding=1)),
            ],
            dim=1,
        )

    x = normalize(pool(conv("conv1", x, stride=2)))
    x = pool(normalize(conv("conv3", conv("conv2", x))))
    for module in ("3a", "3b", "pool", "4a", "4b", "4c", "4d", "4e", "pool", "5a", "5b"):
        x = pool(x) if module == "pool" else inception(f"inception{module}", x)
    return F.linear(x.mean(dim=(2, 3)), state["fc.weight"], state["fc.bias"])


def test_the_paper_s_network_is_that_of_figure_3_and_table_1(
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    model = with_random_weights(_build("googlenet_paper"))
    weights = model.state_dict()

    for size in ((64, 64), (96, 65)):
        assert_same_scores(model, lambda x: _paper(weights, x), size)


def test_the_modules_have_the_filters_and_operations_of_table_1() -> None:
    model = _build("googlenet_paper")
    macs: Counter[str] = Counter()
    for call in trace_model("googlenet_paper", (1, 3, 224, 224)).calls:
        macs[call.path.split(".")[0]] += call.macs

    for row in TABLE_1.split("\n")[1:-1]:
        name, *widths, millions = row.split()
        modules = model.get_submodule(f"inception{name}").modules()
        convolutions = [m for m in modules if isinstance(m, nn.Conv2d)]
        filters = [m.out_channels for m in convolutions]
        sizes = [m.kernel_size[0] for m in convolutions]
        assert filters == list(map(int, widths))
        assert sizes == [1, 1, 3, 1, 5, 1]
        assert macs[f"inception{name}"] / 1e6 == pytest.approx(int(millions), abs=0.7)


@pytest.mark.parametrize("name", ["googlenet", "googlenet_paper"])
def test_the_network_is_22_layers_deep(name: str) -> None:
    trace = trace_model(name, (1, 3, 224, 224))

    assert totals(trace, Convention()).depth == 22  # 3 convolutions, 9 modules of 2, a classifier


def test_table_1_counts_the_first_convolution_as_one_split_into_depth_and_1x1() -> None:
    trace = trace_model("googlenet_paper", (1, 3, 224, 224))
    first = next(call for call in trace.calls if call.path == "conv1.conv")
    split = 3 * 8 * 7 * 7 + 24 * 64  # eight filters a channel, then 1x1 to 64: 2,712

    assert (first.params, first.macs) == (9_472, 118_013_952)  # 64 * (3*7*7 + 1); 9,408 * 112*112
    assert round(split / 1000, 1) == 2.7  # K, the table's parameters
    assert round(split * 112 * 112 / 1e6) == 34  # M, its operations


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        # 128 * 512 + 2 * 128, 128 * 528 + 2 * 128, and twice 1024 * (2048 + 1) + 1000 * (1024 + 1)
        ("googlenet", 65_792 + 67_840 + 2 * 3_123_176),
        # A bias where there is a normalization above
        ("googlenet_paper", 65_664 + 67_712 + 2 * 3_123_176),
    ],
)
def test_auxiliary_heads_have_weights_and_run_only_in_training(name: str, extra: int) -> None:
    plain = trace_model(name, (1, 3, 224, 224))
    evaluated, trained = (
        trace_model(name, (1, 3, 224, 224), mode=mode, options={"aux_logits": True})
        for mode in ("eval", "train")
    )

    assert evaluated.params - plain.params == trained.params - plain.params == extra
    assert evaluated.macs == plain.macs
    assert evaluated.output_shape == (1, 1000)
    # On 4x4 maps 512 or 528 to 128, then 2048 to 1024 and 1024 to 1000
    assert trained.macs - plain.macs == 16 * 128 * (512 + 528) + 2 * 1024 * (2048 + 1000)
    assert trained.output_shape == ((1, 1000),) * 3
    assert {call.path.split(".")[0] for call in evaluated.uncalled} == {"aux1", "aux2"}
    assert not trained.uncalled
