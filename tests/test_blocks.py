from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explorer import build_model
from explorer.blocks import Block, find_blocks, fold_blocks, outermost
from explorer.trace import trace_model
from explorer.trace.records import Trace
from tests.analysis.nets import DEEP, traced


def kinds(trace: Trace) -> Counter[str]:
    return Counter(f"{b.kind} {b.shortcut}".strip() for b in find_blocks(trace))


class Net(nn.Module):
    """A forward written as a function of a module's layers."""

    def __init__(self, forward: Callable[[Net, Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.run = forward
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def conv(channels: int = 8, size: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(8, channels, size, stride, size // 2)


def only(net: nn.Module, *shape: int) -> Block:
    (block,) = find_blocks(trace_model(net, shape or (1, 8, 16, 16)))
    return block


# --- the canon -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet18", {"residual identity": 5, "residual projection": 3}),
        ("resnet50", {"residual identity": 12, "residual projection": 4}),
        ("resnet50_v1", {"residual identity": 12, "residual projection": 4}),
        ("resnext50_32x4d", {"residual identity": 12, "residual projection": 4}),
        ("resnet20", {"residual identity": 7, "residual pad": 2}),
        ("resnet110", {"residual identity": 52, "residual pad": 2}),
        ("wrn_28_10", {"residual identity": 9, "residual projection": 3}),
        ("plain18", {}),
        ("plain34", {}),
        ("vgg16_bn", {}),
        ("alexnet", {}),
        ("lenet5", {}),
        ("densenet121", {"dense": 4}),
        ("densenet100_k12_bc", {"dense": 3}),
    ],
)
def test_the_canon_has_the_blocks_of_its_papers(name: str, expected: dict[str, int]):
    assert kinds(traced(name)) == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", DEEP)
def test_resnet_1202_has_600_blocks(name: str):
    assert kinds(traced(name)) == {"residual identity": 598, "residual pad": 2}


def test_densenet121_has_dense_blocks_of_6_12_24_and_16_layers():
    blocks = find_blocks(traced("densenet121"))
    assert [len(block.branches) for block in blocks] == [6, 12, 24, 16]
    # L(L + 1) / 2
    assert [block.connections for block in blocks] == [21, 78, 300, 136]
    assert [block.path for block in blocks] == [f"features.denseblock{i}" for i in (1, 2, 3, 4)]


def test_a_residual_block_knows_its_ops():
    trace = traced("resnet50")
    block = find_blocks(trace)[3]
    assert (block.path, block.shortcut) == ("layer2.0", "projection")
    assert [trace.ops[i].name for i in block.main] == [
        "conv2d", "batch_norm", "relu_", "conv2d", "batch_norm", "relu_", "conv2d", "batch_norm",
    ]  # fmt: skip
    assert [trace.ops[i].name for i in block.shortcut_ops] == ["conv2d", "batch_norm"]
    assert trace.ops[block.join].name == "add"
    assert [trace.ops[i].name for i in block.after] == ["relu_"]
    # The fork is the last op of the block before.
    assert trace.ops[block.fork].outputs[0].shape == (1, 256, 56, 56)


def test_equal_neighbours_fold_to_the_stages_of_the_table():
    folded = fold_blocks(outermost(find_blocks(traced("resnet50"))))
    assert [(part.blocks[0].path, part.times) for part in folded] == [
        ("layer1.0", 1),
        ("layer1.1", 2),
        ("layer2.0", 1),
        ("layer2.1", 3),
        ("layer3.0", 1),
        ("layer3.1", 5),
        ("layer4.0", 1),
        ("layer4.1", 2),
    ]


# --- each kind, written without any class of its own ---------------------------------------


def test_an_identity_shortcut():
    block = only(Net(lambda m, x: (m.b(m.a(x).relu()) + x).relu(), a=conv(), b=conv()))
    assert (block.kind, block.shortcut) == ("residual", "identity")
    assert block.shortcut_ops == ()
    assert len(block.main) == 3
    assert len(block.after) == 1


def test_an_in_place_sum_is_the_same_block():
    def forward(m: Net, x: Tensor) -> Tensor:
        out = m.b(m.a(x).relu_())
        out += x
        return out.relu_()

    block = only(Net(forward, a=conv(), b=conv()))
    assert (block.kind, block.shortcut, len(block.after)) == ("residual", "identity", 1)


@pytest.mark.parametrize(
    ("expected", "shortcut"),
    [
        ("projection", lambda m, x: m.p(x)),
        ("projection", lambda m, x: m.p(F.avg_pool2d(x, 1))),
        ("pad", lambda m, x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 4, 4))),
        ("pad", lambda m, x: torch.cat([x[:, :, ::2, ::2]] * 2, 1)),
        ("pad", lambda m, x: F.pad(F.avg_pool2d(x, 2), (0, 0, 0, 0, 0, 8))),
        ("pad", lambda m, x: x.repeat(1, 2, 1, 1)[:, :, ::2, ::2]),
        ("pool", lambda m, x: F.avg_pool2d(x, 2).repeat(1, 2, 1, 1)),
    ],
    ids=["convolution", "resnet-d", "option-a", "doubled", "pyramid", "sliced", "pooled"],
)
def test_what_a_shortcut_does_is_told(expected: str, shortcut: Callable[[Net, Tensor], Tensor]):
    small = expected == "projection"
    a = conv(16, stride=1 if small else 2)
    net = Net(
        lambda m, x: m.b(m.a(x)) + shortcut(m, x),
        a=a,
        b=nn.Conv2d(16, 16, 3, padding=1),
        p=conv(16, 1),
    )
    block = only(net)
    assert (block.kind, block.shortcut) == ("residual", expected)


def test_a_preactivation_block_forks_behind_its_norm_where_it_projects():
    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.norm(x).relu()
        return m.b(m.a(y)) + m.p(y)

    net = Net(forward, norm=nn.BatchNorm2d(8), a=conv(), b=conv(), p=conv(8, 1))
    trace = trace_model(net.eval(), (1, 8, 16, 16))
    (block,) = find_blocks(trace)
    assert trace.ops[block.fork].name == "relu"
    assert (block.kind, block.shortcut) == ("residual", "projection")


def test_a_sum_of_two_heavy_paths_is_no_residual_block():
    net = Net(lambda m, x: m.b(m.a(x)) + m.d(m.c(x)), a=conv(), b=conv(), c=conv(), d=conv())
    block = only(net)
    assert (block.kind, block.shortcut, block.connections) == ("branches", "", 2)


def test_a_sum_of_two_single_layers_is_no_residual_block():
    block = only(Net(lambda m, x: m.a(x) + m.b(x), a=conv(), b=conv(8, 1)))
    assert (block.kind, block.shortcut) == ("branches", "")


def test_a_sum_of_three_is_one_block():
    net = Net(lambda m, x: m.a(x) + m.b(x) + x, a=conv(), b=conv(8, 1))
    block = only(net)
    assert (block.kind, block.shortcut) == ("residual", "identity")
    assert len(block.branches) == 3
    assert len(block.merges) == 2


def test_adding_an_embedding_or_a_constant_is_no_block():
    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.position = nn.Parameter(torch.ones(8, 1, 1))
            self.conv = conv()

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x + self.position) + 1

    assert find_blocks(trace_model(Positions(), (1, 8, 16, 16))) == ()


def test_a_sum_without_weights_is_no_block():
    assert find_blocks(trace_model(Net(lambda m, x: x.relu() + x), (1, 8, 4, 4))) == ()


@pytest.mark.parametrize("listed", [True, False], ids=["list of all", "running"])
def test_dense_layers_are_one_block_however_they_concatenate(listed: bool):
    layers = {f"l{i}": nn.Conv2d(8 + 4 * i, 4, 3, padding=1) for i in range(5)}

    def as_list(m: Net, x: Tensor) -> Tensor:
        features = [x]
        for layer in m.children():
            features.append(layer(torch.cat(features, 1)))
        return torch.cat(features, 1)

    def running(m: Net, x: Tensor) -> Tensor:
        for layer in m.children():
            x = torch.cat([x, layer(x)], 1)
        return x

    trace = trace_model(Net(as_list if listed else running, **layers), (1, 8, 16, 16))
    (block,) = find_blocks(trace)
    assert (block.kind, len(block.branches), block.connections) == ("dense", 5, 15)
    assert trace.ops[block.fork].kind == "input"
    assert trace.ops[block.join].outputs[0].shape == (1, 8 + 5 * 4, 16, 16)
    assert [len(branch) for branch in block.branches] == [1] * 5


def test_one_aggregation_at_the_end_is_not_dense():
    def forward(m: Net, x: Tensor) -> Tensor:
        features = [x]
        for layer in m.children():
            features.append(layer(features[-1]))
        return torch.cat(features, 1)

    trace = trace_model(Net(forward, a=conv(), b=conv(), c=conv()), (1, 8, 16, 16))
    assert "dense" not in kinds(trace)


def test_concatenations_that_do_not_read_each_other_are_not_dense():
    def forward(m: Net, x: Tensor) -> Tensor:
        a, b = m.a(x), m.b(x)
        two = torch.cat([x, a], 1)
        return torch.cat([x, a, b], 1) + m.c(two)

    net = Net(forward, a=conv(), b=conv(), c=nn.Conv2d(16, 24, 1))
    assert "dense" not in kinds(trace_model(net, (1, 8, 16, 16)))


def test_parallel_branches_keep_the_order_of_the_concatenation():
    def forward(m: Net, x: Tensor) -> Tensor:
        pooled = F.max_pool2d(x, 3, 1, 1)
        return torch.cat([m.a(x), m.c(m.b(x)), pooled], 1)

    block = only(Net(forward, a=conv(), b=conv(), c=conv()))
    assert block.kind == "branches"
    assert [len(branch) for branch in block.branches] == [1, 2, 1]


def test_a_squeeze_and_excitation_is_a_gate_inside_its_block():
    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x)
        scale = torch.sigmoid(m.up(torch.relu(m.down(F.adaptive_avg_pool2d(y, 1)))))
        return x + y * scale

    net = Net(forward, a=conv(), down=nn.Conv2d(8, 2, 1), up=nn.Conv2d(2, 8, 1))
    gate, residual = find_blocks(trace_model(net, (1, 8, 16, 16)))
    assert (gate.kind, residual.kind) == ("gate", "residual")
    assert gate.branches[0] == ()
    assert len(gate.branches[1]) == 5
    assert (gate.parent, residual.parent) == (1, -1)
    assert outermost((gate, residual)) == (residual,)


def test_a_product_with_a_bare_mean_is_no_gate():
    net = Net(lambda m, x: m.a(x) * F.adaptive_avg_pool2d(x, 1), a=conv())
    assert find_blocks(trace_model(net, (1, 8, 16, 16))) == ()


def test_a_product_with_a_constant_is_no_gate():
    net = Net(lambda m, x: m.a(x) * 0.5, a=conv())
    assert find_blocks(trace_model(net, (1, 8, 4, 4))) == ()


@pytest.mark.parametrize("fused", [True, False], ids=["one op", "products and softmax"])
def test_attention_reaches_from_its_projection_to_its_projection(fused: bool):
    def forward(m: Net, x: Tensor) -> Tensor:
        q, k, v = m.qkv(x).chunk(3, -1)
        if fused:
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            mixed = torch.softmax(q @ k.transpose(-2, -1), -1) @ v
        return m.out(mixed)

    net = Net(forward, qkv=nn.Linear(8, 24), out=nn.Linear(8, 8))
    trace = trace_model(net, (1, 5, 8))
    (block,) = find_blocks(trace)
    assert block.kind == "attention"
    assert trace.ops[block.fork].kind == "input"
    assert trace.ops[block.join].outputs[0].shape == (1, 5, 8)
    assert trace.ops[block.join].name == "linear"


def test_a_transformer_layer_is_two_residual_blocks_and_folds_in_pairs():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True)
    encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
    blocks = find_blocks(trace_model(encoder, (1, 5, 8)))
    assert Counter(block.kind for block in blocks) == {"residual": 6, "attention": 3}
    (folded,) = fold_blocks(outermost(blocks))
    assert (len(folded.blocks), folded.times) == (2, 3)


# --- what does not matter ------------------------------------------------------------------


def test_names_of_classes_do_not_matter():
    def renamed(module: nn.Module) -> None:
        for child in module.modules():
            child.__class__ = type("Anything", (type(child),), {})

    net = build_model("resnet50")
    renamed(net)
    found = find_blocks(trace_model(net, (1, 3, 224, 224)))
    assert found == find_blocks(traced("resnet50"))


def test_neighbours_of_different_size_do_not_fold():
    net = nn.Sequential(
        *(Net(lambda m, x: m.a(x) + x, a=nn.Conv2d(8, 8, size, padding=size // 2))
          for size in (3, 3, 5, 3))
    )  # fmt: skip
    folded = fold_blocks(find_blocks(trace_model(net, (1, 8, 16, 16))))
    assert [part.times for part in folded] == [2, 1, 1]


def test_neighbours_that_read_different_widths_do_not_fold():
    def forward(m: Net, x: Tensor) -> Tensor:
        return torch.cat([m.a(x), m.b(x)], 1)

    def block(channels: int) -> Net:
        return Net(forward, a=nn.Conv2d(channels, 8, 1), b=nn.Conv2d(channels, 8, 1))

    net = nn.Sequential(block(8), block(16), block(16))
    folded = fold_blocks(find_blocks(trace_model(net, (1, 8, 16, 16))))
    assert [part.times for part in folded] == [1, 2]


def test_every_op_is_on_one_branch_of_a_block_at_most():
    for name in ("resnet50", "densenet121", "resnet20"):
        for block in find_blocks(traced(name)):
            inside = [index for branch in block.branches for index in branch]
            assert len(inside) == len(set(inside))
            assert block.fork < min(inside) <= max(inside) < block.join
