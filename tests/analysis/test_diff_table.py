from __future__ import annotations

from explorer.analysis.compare import diff
from explorer.analysis.diff_table import diff_frame
from tests.analysis.nets import traced


def test_every_row_is_there_and_the_columns_add_up_to_the_totals() -> None:
    found = diff(traced("vgg16_c"), traced("vgg16"))
    frame = diff_frame(found)
    assert len(frame) == len(found.rows)
    assert frame["More params"].sum() == found.right.params - found.left.params
    assert frame["More MACs"].sum() == found.right.cost - found.left.cost
    assert frame["Right params"].sum() - frame["Left params"].sum() == frame["More params"].sum()


def test_a_row_says_what_changed() -> None:
    frame = diff_frame(diff(traced("vgg16_c"), traced("vgg16")))
    changed = frame[frame["Status"] == "changed"]
    # The third convolution of each of the last three stages.
    assert list(changed["Difference"]) == ["kernel 1 -> 3"] * 3
    # 256 * 256 * (9 - 1), and 512 * 512 * (9 - 1) twice
    assert list(changed["More params"]) == [524288, 2097152, 2097152]


def test_a_row_of_one_side_says_what_it_is() -> None:
    frame = diff_frame(diff(traced("resnet18"), traced("plain18")))
    alone = frame[frame["Status"] == "only left"]
    assert (alone["Right"] == "").all()
    # Eight sums, and three projections of a convolution and its normalization.
    assert alone["Difference"].value_counts().to_dict() == {
        "- add": 8, "- 1×1 convolution": 3, "- normalization": 3,
    }  # fmt: skip
    other = diff_frame(diff(traced("plain18"), traced("resnet18")))
    assert set(other[other["Status"] == "only right"]["Difference"]) == {
        "+ add", "+ 1×1 convolution", "+ normalization",
    }  # fmt: skip


def test_outputs_that_differ_stand_side_by_side() -> None:
    frame = diff_frame(diff(traced("resnet50"), traced("resnext50_32x4d")))
    row = frame[frame["Left"] == "layer1.0.conv1"].iloc[0]
    assert row["Shape"] == "64 × 56 × 56 -> 128 × 56 × 56"
    assert row["Difference"] == "width 64 -> 128"
