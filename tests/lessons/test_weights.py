"""Weights from files: what is read, what is refused and how, and that nothing is executed."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from explorer._torchvision import import_torchvision
from explorer.lessons import weights
from explorer.lessons.weights import (
    WeightsError,
    fitted_model,
    nearest_model,
    on_disk,
    random_model,
    read_disk,
    read_weights,
)
from explorer.zoo import build_model

torchvision = import_torchvision()


def saved(content: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def state(name: str = "resnet20", **options: Any) -> dict[str, Tensor]:
    return dict(build_model(name, **options).state_dict())


def alike(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


class Harmful:
    """What an attacker pickles: unpickling calls `open`, which creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), "w")


# ------------------------------------------------------------------ reading


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: {"state_dict": s, "epoch": 3},
        lambda s: {"model": s},
        lambda s: {"state_dict": {f"module.{key}": value for key, value in s.items()}},
        lambda s: {f"module._orig_mod.{key}": value for key, value in s.items()},
        lambda s: {key: nn.Parameter(v) if v.is_floating_point() else v for key, v in s.items()},
    ],
)
def test_a_file_of_torch_save_is_read_whatever_it_is_wrapped_in(wrap: Any) -> None:
    own = state()
    assert alike(read_weights(saved(wrap(own)), "net.pth"), own)


def test_the_old_format_of_torch_save_is_read():
    own = state()
    assert alike(read_weights(saved(own, _use_new_zipfile_serialization=False), "net.pth"), own)


def test_safetensors_are_read():
    own = state()
    assert alike(read_weights(safetensors.torch.save(own), "net.safetensors"), own)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_would_create_a_file_does_not(tmp_path: Path, zipped: bool) -> None:
    victim = tmp_path / "created"
    data = saved(
        {"state_dict": state(), "x": Harmful(victim)}, _use_new_zipfile_serialization=zipped
    )
    with pytest.raises(WeightsError, match="holds more than weights") as caught:
        read_weights(data, "evil.pth")
    assert not victim.exists()
    assert "open" in str(caught.value)  # what it asked for is named
    # The file does work on who reads it carelessly: the test would see it.
    torch.load(io.BytesIO(data), weights_only=False)["x"].close()
    assert victim.exists()


def test_a_bare_pickle_that_would_create_a_file_does_not(tmp_path: Path):
    victim = tmp_path / "created"
    with pytest.raises(WeightsError):
        read_weights(pickle.dumps(Harmful(victim)), "evil.pt")
    assert not victim.exists()


def test_a_pickled_model_is_refused_with_what_to_do_instead():
    with pytest.raises(WeightsError, match=r"none of it was run; save .*model\.state_dict\(\)"):
        read_weights(saved(build_model("resnet20")), "net.pth")


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_program_is_refused_by_its_name():
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)), buffer)
    with pytest.raises(WeightsError, match=r"net.pt is a TorchScript program; save the weights"):
        read_weights(buffer.getvalue(), "net.pt")


def test_a_zip_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(weights, "MOST_BYTES", 2**20)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * (3 * 2**20))
    assert len(buffer.getvalue()) < 2**14
    with pytest.raises(WeightsError, match="compressed archive of 1 entries and 3 MiB"):
        read_weights(buffer.getvalue(), "bomb.pth")


def test_a_file_that_is_too_large_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(weights, "MOST_BYTES", 1000)
    with pytest.raises(WeightsError, match=r"net.pth has .* MiB; files of at most"):
        read_weights(saved(state()), "net.pth")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello, this is no file of weights",
        struct.pack("<Q", 2**60) + b"{}",
        struct.pack("<Q", 2) + b"{}"[:1],
        struct.pack("<Q", 200_002) + b'{"a":' + b"[" * 199_997,
        safetensors.torch.save({"a": torch.ones(100)})[:-8],
    ],
    ids=["empty", "text", "endless header", "short", "deep header", "cut off"],
)
def test_what_is_no_file_of_weights_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(WeightsError, match=r"x\.safetensors \([\d,]+ bytes\) is neither"):
        read_weights(data, "x.safetensors")


@pytest.mark.parametrize("cut", [100, 5000, -200])
def test_a_file_that_was_cut_off_is_said_to_be_damaged(cut: int) -> None:
    with pytest.raises(WeightsError, match="is damaged or incomplete"):
        read_weights(saved(state())[:cut], "net.pth")


@pytest.mark.parametrize("content", [{"epoch": 3}, [torch.ones(2)], 5, {"state_dict": {}}])
def test_a_file_without_named_tensors_is_refused(content: Any) -> None:
    with pytest.raises(WeightsError, match="holds no tensors by name"):
        read_weights(saved(content), "net.pth")


# ------------------------------------------------------------------ fitting


def test_weights_arrive_in_the_model():
    own = state()
    found = fitted_model("resnet20", {}, own, "net.pth")
    assert alike(dict(found.model.state_dict()), own)
    assert not found.model.training
    assert (found.num_classes, found.unused) == (None, ())


def test_another_number_of_classes_is_taken_from_the_file():
    found = fitted_model("resnet20", {}, state(num_classes=37), "net.pth")
    assert found.num_classes == 37
    assert found.model.state_dict()["fc.weight"].shape[0] == 37


def test_an_auxiliary_head_of_the_file_is_left_out_and_named():
    extra = {"aux1.fc.weight": torch.ones(3, 3)}
    found = fitted_model("resnet20", {}, {**state(), **extra}, "net.pth")
    assert found.unused == ("aux1.fc.weight",)


def test_another_model_s_weights_are_told_apart_in_one_sentence():
    with pytest.raises(WeightsError) as caught:
        fitted_model("resnet50", {}, state("resnet18"), "my_resnet18.pth")
    sentence = str(caught.value)
    # ResNet-50 has three convolutions in each of 16 blocks, ResNet-18 two in each of 8.
    assert sentence.startswith("my_resnet18.pth does not fit ResNet-50 (v1.5): ")
    assert "tensors are missing (layer1.0.conv3.weight, layer1.0.bn3.weight, layer1.0" in sentence
    assert "(layer1.0.conv1.weight is 64 x 64 x 3 x 3, not 64 x 64 x 1 x 1)" in sentence
    assert sentence.endswith("; it fits ResNet-18 (resnet18).")
    assert sentence.count(". ") == 0


def test_a_deeper_network_of_the_family_does_not_pass_for_a_shallow_one():
    # All tensors of ResNet-20 are in ResNet-32, in their shapes.
    with pytest.raises(WeightsError, match=r"unknown to it .*; it fits ResNet-32"):
        fitted_model("resnet20", {}, state("resnet32"), "resnet32.pth")


@pytest.mark.slow
def test_the_nearest_model_is_found_also_with_other_classes_and_not_where_there_is_none():
    assert nearest_model(state("vgg11", num_classes=7)) == "vgg11"
    assert nearest_model({"a": torch.ones(2)}) is None


def test_torchvision_s_own_weights_fit_ours_also_in_densenet_s_old_spelling():
    theirs = torchvision.models.densenet121(weights=None).state_dict()
    old = {
        key.replace("norm1.", "norm.1.").replace("norm2.", "norm.2.")
        .replace("conv1.", "conv.1.").replace("conv2.", "conv.2.")
        if "denselayer" in key else key: value
        for key, value in theirs.items()
    }  # fmt: skip
    assert old.keys() != theirs.keys()
    found = fitted_model("densenet121", {}, read_weights(saved(old), "d.pth"), "d.pth")
    assert alike(dict(found.model.state_dict()), dict(theirs))


# ------------------------------------------------------------------ disk and chance


def test_checkpoints_on_the_disk_are_offered_and_none_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert on_disk("resnet18") == ()
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    entry = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
    path = folder / Path(entry.url).name
    path.write_bytes(saved(state("resnet18")))
    assert [each.label for each in on_disk("resnet18")] == ["IMAGENET1K_V1"]
    assert [each.path for each in on_disk("torchvision:resnet18")] == [path]
    assert on_disk("resnet20") == on_disk("timm:resnet18") == ()
    assert len(read_disk(path)) == len(state("resnet18"))


def test_random_weights_are_the_same_for_a_seed_and_have_he_s_variance():
    before = torch.random.get_rng_state()
    one, same, other = (dict(random_model("resnet18", {}, seed).state_dict()) for seed in (1, 1, 2))
    assert alike(one, same)
    assert not torch.equal(one["conv1.weight"], other["conv1.weight"])
    weight = one["layer3.0.conv2.weight"]  # fan-in 256 * 9
    assert float(weight.std()) == pytest.approx((2 / 2304) ** 0.5, rel=0.01)
    assert float(one["fc.weight"].std()) == pytest.approx((1 / 512) ** 0.5, rel=0.01)
    assert not one["fc.bias"].any()
    assert (one["bn1.weight"] == 1).all()
    assert before.shape == torch.random.get_rng_state().shape
