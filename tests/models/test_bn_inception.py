from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer import build_model, trace_model
from explorer.analysis.totals import Convention, totals

# Figure 5: size of the output; 1x1; 3x3 reduce, 3x3; double 3x3 reduce, double 3x3; pool.
FIGURE_5 = """
3a  256 |  64 |  64  64 |  64  96 | avg 32
3b  320 |  64 |  64  96 |  64  96 | avg 64
3c  576 |   0 | 128 160 |  64  96 | max
4a  576 | 224 |  64  96 |  96 128 | avg 128
4b  576 | 192 |  96 128 |  96 128 | avg 128
4c  576 | 160 | 128 160 | 128 160 | avg 128
4d  576 |  96 | 128 192 | 160 192 | avg 128
4e 1024 |   0 | 128 192 | 192 256 | max
5a 1024 | 352 | 192 320 | 160 224 | avg 128
5b 1024 | 352 | 192 320 | 192 224 | max 128
"""
ROWS = [[cell.split() for cell in line.split("|")] for line in FIGURE_5.strip().split("\n")]


def _network(state: dict[str, Tensor], caffe: bool, x: Tensor) -> Tensor:
    """Figure 5 as one function of the weights."""

    def conv(name: str, x: Tensor, stride: int = 1) -> Tensor:
        name = f"features.{name}"
        weight, bias = state[f"{name}.conv.weight"], state.get(f"{name}.conv.bias")
        assert (bias is not None) == caffe
        x = F.conv2d(x, weight, bias, stride, padding=weight.shape[-1] // 2)
        mean, var = state[f"{name}.bn.running_mean"], state[f"{name}.bn.running_var"]
        scale, shift = state[f"{name}.bn.weight"], state[f"{name}.bn.bias"]
        return F.batch_norm(x, mean, var, scale, shift, eps=0.001).relu()

    def halve(x: Tensor) -> Tensor:
        return F.max_pool2d(x, 3, 2, ceil_mode=True) if caffe else F.max_pool2d(x, 3, 2, 1)

    def inception(row: list[list[str]], x: Tensor) -> Tensor:
        (name, _), (ones,), _, _, (kind, *projection) = row
        module, stride = f"inception{name}", 1 if projection else 2
        branches = [conv(f"{module}.branch1", x)] if ones != "0" else []
        branches.append(conv(f"{module}.branch2.1", conv(f"{module}.branch2.0", x), stride))
        double = conv(f"{module}.branch3.1", conv(f"{module}.branch3.0", x))
        branches.append(conv(f"{module}.branch3.2", double, stride))
        if not projection:
            pooled = halve(x)
        elif kind == "max":
            pooled = conv(f"{module}.branch4.1", F.max_pool2d(x, 3, 1, 1))
        else:
            pooled = conv(f"{module}.branch4.1", F.avg_pool2d(x, 3, 1, 1))
        return torch.cat([*branches, pooled], dim=1)

    x = conv("conv3", conv("conv2", halve(conv("conv1", x, stride=2))))
    x = halve(x)
    for row in ROWS:
        x = inception(row, x)
    return F.linear(x.mean(dim=(2, 3)), state["fc.weight"], state["fc.bias"])


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("bn_inception", [(64, 64), (97, 50)]), ("bn_inception_caffe", [(64, 64), (96, 64)])],
)
def test_the_network_is_that_of_figure_5(
    name: str,
    sizes: list[tuple[int, int]],
    with_random_weights: Callable[[nn.Module], nn.Module],
    assert_same_scores: Callable[..., None],
) -> None:
    with torch.device("meta"):
        model = build_model(name)
    with_random_weights(model)
    weights, caffe = model.state_dict(), name.endswith("caffe")

    for size in sizes:
        assert_same_scores(model, lambda x: _network(weights, caffe, x), size)


def _filters(module: nn.Module) -> list[int]:
    return [m.out_channels for m in module.modules() if isinstance(m, nn.Conv2d)]


@pytest.mark.parametrize("name", ["bn_inception", "bn_inception_caffe"])
def test_the_modules_have_the_filters_of_figure_5_but_for_two_projections(name: str) -> None:
    with torch.device("meta"):
        features = build_model(name).features

    for (module, _), (ones,), (reduce3, three), (reduce33, double), (_, *projection) in ROWS:
        expected = [int(ones), int(reduce3), int(three), int(reduce33), *[int(double)] * 2]
        expected += map(int, projection)
        if name == "bn_inception" and module in ("4c", "4d"):
            expected[-1] = 96
        assert _filters(features.get_submodule(f"inception{module}")) == [n for n in expected if n]


def test_two_modules_of_figure_5_have_either_its_size_or_its_branches() -> None:
    x = torch.empty(1, 3, 224, 224, device="meta")
    sizes: dict[str, list[int]] = {}
    for name in ("bn_inception", "bn_inception_caffe"):
        with torch.device("meta"):
            features = build_model(name).features
        sizes[name] = []
        for path, module in features.named_children():
            if path.startswith("inception"):
                module.register_forward_hook(
                    lambda m, i, out, name=name: sizes[name].append(out.shape[1])
                )
        assert features(x).shape[2:] == (7, 7)

    printed = [int(size) for (_, size), *_ in ROWS]
    assert sizes["bn_inception"] == printed
    assert (
        sizes["bn_inception_caffe"]
        == [
            *printed[:5],
            *(608, 608),  # 160 + 160 + 160 + 128 and 96 + 192 + 192 + 128
            608 + 192 + 256,
            *printed[8:],
        ]
    )


def test_the_network_is_deeper_than_googlenet_by_a_layer_a_module_and_a_module_of_three() -> None:
    trace = trace_model("bn_inception", (1, 3, 224, 224))

    assert totals(trace, Convention()).depth == 22 + 9 + 3


def test_caffe_s_pools_fit_only_multiples_of_32_and_the_others_any_size() -> None:
    with torch.device("meta"):
        any_size, caffe = build_model("bn_inception"), build_model("bn_inception_caffe")
    odd, even = (torch.empty(1, 3, *size, device="meta") for size in ((75, 301), (96, 320)))

    assert any_size(odd).shape == any_size(even).shape == caffe(even).shape == (1, 1000)
    with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
        caffe(odd)
