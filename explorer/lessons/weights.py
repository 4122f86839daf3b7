"""Weights for a model that really runs: drawn at random, from a visitor's file, or from the disk.

Nothing in a file is executed: a `.pth` is read by torch's reader for weights alone, which knows
tensors and plain containers and refuses everything else, and a `.safetensors` holds nothing but
tensors. What a file claims to be is checked before it is unpacked.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import struct
import zipfile
from collections.abc import Collection, Mapping
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, Final, NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from explorer._torchvision import import_torchvision
from explorer.errors import ExplorerError
from explorer.latency.weights import quick_build
from explorer.models._registry import OptionValue
from explorer.text import _, n_
from explorer.zoo import build_model, get_spec, list_models, source_of

MOST_BYTES: Final = 128 * 2**20
"""Of a visitor's file. It is in memory twice while it is read: a server has perhaps 1 GB for all
its visitors. ResNet-50 (98 MiB), DenseNet-201 and ConvNeXt-T (109 MiB) fit."""
ENDINGS: Final = ("pth", "pt", "safetensors")
_MOST_ENTRIES: Final = 20_000
_MOST_HEADER: Final = 10 * 2**20
_WRAPPERS: Final = ("state_dict", "model_state_dict", "model", "net", "state_dict_ema", "model_ema")
_PREFIXES: Final = ("module.", "_orig_mod.", "model.")
_ALIKE: Final = 0.9
"""Share of tensors that a file has in common with a model that it fits: not its classifier."""
_SHOWN: Final = 3
"""Keys that a sentence names."""

_OLD_DENSENET: Final = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")
"""torchvision's DenseNet files still spell `norm1` as `norm.1`."""


class WeightsError(ExplorerError):
    """A file whose weights cannot be read, or that do not fit the model."""


# ------------------------------------------------------------------------- at random


def random_model(
    name: str, options: Mapping[str, OptionValue], seed: int, needed: Collection[str] | None = None
) -> nn.Module:
    """Build a model with weights drawn by a generator of its own: the same for the same seed.

    Convolutions have the variance 2 / fan-in (He et al. 2015, arXiv:1502.01852), linear layers
    1 / fan-in, other tensors of two or more dimensions a deviation of 0.02 as in ViT. Biases are
    0, and normalizations pass on what they get, as before training.

    Args:
        name: of the model.
        options: what it is built with.
        seed: of the generator.
        needed: names of the parameters that the run will read; others may stay as they are.

    Returns:
        The model, in eval mode.
    """
    model = quick_build(lambda: build_model(name, **options))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for path, module in model.named_modules():
            for key, weight in module.named_parameters(path, recurse=False):
                if needed is None or key in needed:
                    _draw(module, weight, generator)
    return model


def _draw(module: nn.Module, weight: Tensor, generator: torch.Generator) -> None:
    if weight.dim() < 2:
        if weight.dim() == 1 and weight is getattr(module, "bias", None):
            weight.zero_()
        return  # scales of normalizations and of layers stay as they are built
    fan_in = weight[0].numel()
    if weight.dim() > 2 and weight is getattr(module, "weight", None):
        std = math.sqrt(2 / fan_in)
    elif weight.dim() == 2:
        std = math.sqrt(1 / fan_in)
    else:
        std = 0.02
    weight.normal_(0, std, generator=generator)


# ------------------------------------------------------------------------- reading


def read_weights(data: bytes, filename: str) -> dict[str, Tensor]:
    """Read the tensors of a `.pth`, `.pt` or `.safetensors` file by their names.

    Wrappers ({"state_dict": ...}) and prefixes ("module.") are taken off.

    Args:
        data: the file's content.
        filename: what sentences call it.

    Raises:
        WeightsError: the file is too large, is damaged, or holds something else than weights.
    """
    if len(data) > MOST_BYTES:
        raise WeightsError(
            _("{file} has {n} MiB; files of at most {most} MiB are read here.").format(
                file=filename, n=f"{len(data) / 2**20:,.1f}", most=MOST_BYTES // 2**20
            )
        )
    if data[:4] == b"PK\x03\x04":
        _check_archive(data, filename)
        found = _load(BytesIO(data), filename)
    elif data[:1] == b"\x80":
        found = _load(BytesIO(data), filename)
    else:
        found = _load_safetensors(data, filename)
    return _unwrapped(found, filename)


def read_disk(path: Path) -> dict[str, Tensor]:
    """Read a checkpoint that lies on this machine's disk; see `read_weights`."""
    return _unwrapped(_load(path, path.name), path.name)


def _check_archive(data: bytes, filename: str) -> None:
    """Look at what a zip says of itself before any of it is unpacked."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OverflowError) as error:
        raise _damaged(filename) from error
    if any(Path(entry.filename).name == "constants.pkl" for entry in entries):
        raise WeightsError(
            _(
                "{file} is a TorchScript program; save the weights alone, with "
                "torch.save(model.state_dict(), ...)."
            ).format(file=filename)
        )
    whole = sum(entry.file_size for entry in entries)
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if packed or len(entries) > _MOST_ENTRIES or whole > MOST_BYTES:
        raise WeightsError(
            _(
                "{file} is a compressed archive of {n} entries and {size} MiB when unpacked; "
                "torch.save writes uncompressed ones, which are read up to {most} MiB."
            ).format(
                file=filename,
                n=f"{len(entries):,}",
                size=f"{whole / 2**20:,.0f}",
                most=MOST_BYTES // 2**20,
            )
        )


def _load(file: BytesIO | Path, filename: str) -> Any:
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever the reader makes of a broken or hostile file
        said = re.search(r"GLOBAL ([\w.]+)", str(error))
        if said is None:
            raise _damaged(filename) from error
        raise WeightsError(
            _(
                "{file} holds more than weights (it asks for {name}), and none of it was run; "
                "save the weights alone, with torch.save(model.state_dict(), ...)."
            ).format(file=filename, name=said[1])
        ) from error


def _load_safetensors(data: bytes, filename: str) -> dict[str, Tensor]:
    try:
        (length,) = struct.unpack("<Q", data[:8])
        if length > min(_MOST_HEADER, len(data) - 8) or data[8:9] != b"{":
            raise ValueError
        json.loads(data[8 : 8 + length])
        return safetensors.torch.load(data)
    except (struct.error, ValueError, RecursionError, safetensors.SafetensorError) as error:
        raise WeightsError(
            _(
                "{file} ({n} bytes) is neither a file of torch.save nor one of safetensors, or it "
                "is damaged."
            ).format(file=filename, n=f"{len(data):,}")
        ) from error


def _damaged(filename: str) -> WeightsError:
    return WeightsError(
        _("{file} is damaged or incomplete: torch cannot read it.").format(file=filename)
    )


def _unwrapped(found: Any, filename: str) -> dict[str, Tensor]:
    for _level in range(len(_WRAPPERS)):
        inner = next(
            (
                found[name]
                for name in _WRAPPERS
                if isinstance(found, Mapping) and isinstance(found.get(name), Mapping)
            ),
            None,
        )
        if inner is None:
            break
        found = inner
    tensors = {}
    if isinstance(found, Mapping):
        tensors = {
            key: value
            for key, value in found.items()
            if isinstance(key, str) and isinstance(value, Tensor) and value.layout == torch.strided
        }
    if not tensors:
        raise WeightsError(
            _("{file} holds no tensors by name, as model.state_dict() gives them.").format(
                file=filename
            )
        )
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in tensors):
            tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
    return {_OLD_DENSENET.sub(r"\1\2", key): value for key, value in tensors.items()}


# ------------------------------------------------------------------------- fitting


class Fitted(NamedTuple):
    """A model with a file's weights in it."""

    model: nn.Module
    """In eval mode."""
    num_classes: int | None
    """Set for it because the file's classifier has so many; None if it fitted as it was."""
    unused: tuple[str, ...]
    """Names in the file that the model does not have (auxiliary heads)."""


def fitted_model(
    name: str, options: Mapping[str, OptionValue], tensors: Mapping[str, Tensor], filename: str
) -> Fitted:
    """Build a model and give it a file's weights.

    Another number of classes is taken from the file. Parts that the model does not have at all,
    such as an auxiliary head, are left out; all that it has must be there, in its shape.

    Args:
        name: of the model.
        options: what it is built with.
        tensors: made by `read_weights`.
        filename: what sentences call the file.

    Raises:
        WeightsError: what is missing or has another shape, in one sentence.
    """
    model = quick_build(lambda: build_model(name, **options))
    differences = _differences(model, tensors)
    classes = None
    if differences.other and not differences.missing:
        classes = _classes(model, tensors, differences.other)
        if classes and "num_classes" in get_spec(name).options:
            given = {**options, "num_classes": classes}
            model = quick_build(lambda: build_model(name, **given))
            differences = _differences(model, tensors)
    own = {key.partition(".")[0] for key in model.state_dict()}
    # More layers in a part that it has: a deeper network of the same family.
    foreign = any(key.partition(".")[0] in own for key in differences.unused)
    if differences.missing or differences.other or foreign:
        raise WeightsError(_misfit(name, model, tensors, differences, filename))
    model.load_state_dict(
        {key: value for key, value in tensors.items() if key not in differences.unused},
        strict=False,  # counters of batches may be missing
    )
    return Fitted(model.eval(), classes, differences.unused)


class _Differences(NamedTuple):
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    other: tuple[str, ...]
    """Names whose tensors have another shape."""


def _differences(model: nn.Module, tensors: Mapping[str, Tensor]) -> _Differences:
    own = model.state_dict()
    return _Differences(
        tuple(key for key in own if key not in tensors and not key.endswith("batches_tracked")),
        tuple(key for key in tensors if key not in own),
        tuple(
            key
            for key, value in own.items()
            if key in tensors and tensors[key].shape != value.shape
        ),
    )


def _classes(model: nn.Module, tensors: Mapping[str, Tensor], other: tuple[str, ...]) -> int | None:
    """The number of classes of a file that differs from the model in nothing else."""
    own = model.state_dict()
    sizes = {tensors[key].shape[0] for key in other if tensors[key].dim()}
    alike = all(
        tensors[key].dim() and tensors[key].shape[1:] == own[key].shape[1:] for key in other
    )
    return sizes.pop() if alike and len(sizes) == 1 else None


def _misfit(
    name: str, model: nn.Module, tensors: Mapping[str, Tensor], found: _Differences, filename: str
) -> str:
    own = model.state_dict()
    parts = []
    if found.missing:
        parts.append(
            n_("{n} tensor is missing", "{n} tensors are missing", len(found.missing))
            + f" ({_some(found.missing)})"
        )
    if found.other:
        key = found.other[0]
        parts.append(
            n_("{n} tensor has another shape", "{n} tensors have another shape", len(found.other))
            + " "
            + _("({key} is {theirs}, not {ours})").format(
                key=key, theirs=_shape(tensors[key]), ours=_shape(own[key])
            )
        )
    if found.unused:
        parts.append(
            n_("{n} tensor is unknown to it", "{n} tensors are unknown to it", len(found.unused))
            + f" ({_some(found.unused)})"
        )
    sentence = _("{file} does not fit {model}: {parts}").format(
        file=filename, model=get_spec(name).title, parts=", ".join(parts)
    )
    nearest = nearest_model(tensors, filename)
    if nearest and nearest != name:
        sentence += _("; it fits {model} ({name})").format(
            model=get_spec(nearest).title, name=nearest
        )
    return sentence + _(".")


def _some(keys: tuple[str, ...]) -> str:
    return ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"


def nearest_model(tensors: Mapping[str, Tensor], filename: str = "") -> str | None:
    """The architecture here that has these names and shapes, but for its classifier; or None.

    Args:
        tensors: made by `read_weights`.
        filename: models whose names look like it are tried first; the search ends with the first
            that fits.
    """
    given = {_mark(key, value) for key, value in tensors.items()}
    like = difflib.SequenceMatcher(b=Path(filename).stem)
    scores = {}
    for name in list_models():
        like.set_seq1(name)
        scores[name] = like.ratio()
    for name in sorted(scores, key=scores.__getitem__, reverse=True):
        own = _marks(name)
        if len(given & own) >= _ALIKE * max(len(given), len(own)):
            return name
    return None


@lru_cache(maxsize=256)
def _marks(name: str) -> frozenset[int]:
    with torch.device("meta"):
        own = build_model(name).state_dict()
    return frozenset(_mark(key, value) for key, value in own.items())


def _mark(key: str, tensor: Tensor) -> int:
    return hash((key, tuple(tensor.shape)))


# ------------------------------------------------------------------------- the disk


class OnDisk(NamedTuple):
    """torchvision's weights of a model, downloaded earlier by whoever runs this machine."""

    label: str
    """"IMAGENET1K_V1"."""
    path: Path


def on_disk(name: str) -> tuple[OnDisk, ...]:
    """torchvision's checkpoints for a model that lie in torch's cache; nothing is downloaded.

    Args:
        name: a model of torchvision's, or ours of the same name, whose weights are the same.
    """
    plain = name.partition(":")[2] or name
    if source_of(name) == "timm":
        return ()
    try:
        models = import_torchvision().models
        entries = list(models.get_model_weights(plain))
    except (ImportError, RuntimeError, ValueError):
        return ()
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    found = (OnDisk(entry.name, folder / Path(entry.url).name) for entry in entries)
    return tuple(each for each in found if each.path.is_file())
