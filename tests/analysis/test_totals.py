import pytest
import torch
from torch import Tensor, nn

from explorer.analysis.totals import DEFAULT, Convention, totals
from explorer.trace import trace_model
from tests.analysis.nets import corners, small, traced


def cost(convention: Convention) -> int:
    return totals(small(), convention).cost


def test_plain_macs_count_convolutions_and_linear_layers_only():
    # 2 * (13,824 + 1,280)
    assert cost(DEFAULT) == 30_208


def test_a_mac_is_two_flops():
    assert cost(Convention(unit="FLOPs")) == 2 * 30_208


def test_each_switch_adds_its_operations_once_in_either_unit():
    # Two images: bias 512 + 10, norm 1,024, relu 512, pool 512.
    assert cost(Convention(bias=True)) == 30_208 + 2 * 522
    assert cost(Convention(normalization=True)) == 30_208 + 2 * 1_024
    assert cost(Convention(elementwise=True)) == 30_208 + 2 * 512
    assert cost(Convention(pooling=True)) == 30_208 + 2 * 512
    everything = Convention(True, True, True, True, "FLOPs")
    assert cost(everything) == 2 * 30_208 + 2 * (522 + 1_024 + 512 + 512)


def test_the_statement_says_what_is_left_out():
    assert DEFAULT.statement(small()) == (
        "Multiply-accumulates of convolutions, linear layers, matrix products and attention; "
        "bias, normalization, activation and pooling not counted. Batch of 2."
    )


def test_the_statement_says_what_is_added_and_in_which_unit():
    text = Convention(bias=True, elementwise=True, unit="FLOPs").statement(small())
    assert text == (
        "Floating-point operations, two for each multiply-accumulate, of convolutions, linear "
        "layers, matrix products and attention, and one operation each for bias and activation "
        "and other elementwise arithmetic; normalization and pooling not counted. Batch of 2."
    )


def test_an_op_without_a_rule_makes_the_total_a_stated_lower_bound():
    class Solve(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.linalg.svdvals(x)

    trace = trace_model(Solve(), (4, 4))
    assert totals(trace).lower_bound
    assert f"At least: the cost of {trace.unknown_ops[0]}" in DEFAULT.statement(trace)
    assert not totals(small()).lower_bound


def test_parameters_are_told_apart_by_what_happens_to_them():
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used = nn.Linear(4, 4)  # 20
            self.frozen = nn.Linear(4, 4, bias=False)  # 16
            self.frozen.weight.requires_grad = False
            self.never = nn.Linear(2, 2)  # 6
            self.norm = nn.BatchNorm1d(4)  # 8, and 4 + 4 + 1 buffers

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(self.frozen(self.used(x)))

    found = totals(trace_model(Half(), (2, 4)))
    assert found.params == 20 + 16 + 6 + 8
    assert found.trainable_params == 20 + 6 + 8
    assert found.unused_params == 6
    assert found.buffers == 9
    assert found.output_shape == (2, 4)


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        ("lenet5", 5),
        ("alexnet", 8),
        ("vgg16", 16),
        ("vgg19_bn", 19),
        ("resnet18", 18),
        ("resnet50", 50),
        ("resnet152", 152),
        ("plain34", 34),
        ("resnet56", 56),
        ("densenet121", 121),
        # The paper's 28 counts the three projections, which lie beside the path.
        ("wrn_28_10", 25 + 1),
    ],
)
def test_depth_is_the_number_in_the_name(name: str, depth: int):
    assert totals(traced(name)).depth == depth


def test_depth_takes_the_longest_branch_and_no_branch_twice():
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c, self.d = (nn.Linear(4, 4) for _ in range(4))

        def forward(self, x: Tensor) -> Tensor:
            self.d(x)  # leads nowhere
            return self.b(self.a(x)) + self.c(x)

    assert totals(trace_model(Branches(), (1, 4))).depth == 2


def test_weights_count_for_depth_and_products_of_activations_do_not():
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4, 4))
            self.lstm = nn.LSTM(4, 4, num_layers=3, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            x = x @ self.weight  # a linear layer in all but name
            x = x @ x.transpose(1, 2) @ x  # attention without weights
            return self.lstm(x)[0]

    assert totals(trace_model(Mixed(), (1, 5, 4))).depth == 1 + 3


def test_attention_counts_its_two_projections():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    # in_proj, out_proj, linear1, linear2
    assert totals(trace_model(layer, (1, 5, 8))).depth == 4


def test_totals_of_every_op_that_counters_trip_over_are_the_trace_s_own():
    found = totals(corners())
    assert found.cost == corners().macs
    assert found.params == corners().params
    assert found.unused_params == 9 + 3 * 4 + 4  # `kept`, and `never` with its bias
