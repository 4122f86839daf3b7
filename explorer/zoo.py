"""Every source of models behind one name.

    resnet50                       ours, of `explorer.models`
    torchvision:resnet50           torchvision's: classification, segmentation, video, and the
                                   backbones of its detectors
    timm:convnextv2_tiny           timm's, if it is installed

Neither torchvision nor timm is imported before one of its models is asked for, and no weights are
ever downloaded.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import importlib.util
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Final, Literal, NamedTuple, get_args

from torch import nn

from explorer._torchvision import import_torchvision
from explorer.errors import InputSizeError, OptionError, UnknownModelError
from explorer.models import _registry
from explorer.models._registry import ModelSpec, Option, OptionValue, Paper, check_options
from explorer.text import _

Source = Literal["layerwise", "torchvision", "timm"]
SOURCES: Final[tuple[Source, ...]] = get_args(Source)
BACKBONE: Final = ".backbone"
"""Ending of the name of a detector's backbone."""
_LARGEST: Final = 100_000


def available_sources() -> tuple[Source, ...]:
    """The sources that are installed."""
    return tuple(
        source for source in SOURCES if source == "layerwise" or importlib.util.find_spec(source)
    )


def source_of(name: str) -> Source:
    """The source that a name belongs to."""
    prefix = name.partition(":")[0]
    return next((source for source in SOURCES[1:] if source == prefix), "layerwise")


def list_models(family: str | None = None, source: str | None = None) -> list[str]:
    """Names of all models of a source.

    Args:
        family: only this family ("ResNet").
        source: "layerwise" (or None), "torchvision", "timm", or "all" that are installed.

    Raises:
        UnknownModelError: there is no such source, or it is not installed.
    """
    if source == "all":
        return [name for each in available_sources() for name in list_models(family, each)]
    if source in (None, "layerwise"):
        return _registry.list_models(family)
    if source not in SOURCES:
        raise UnknownModelError(str(source), SOURCES, what="source of models")
    names = _names(source)
    return [name for name in names if family in (None, get_spec(name).family)]


def get_spec(name: str) -> ModelSpec:
    """Return what is known of one model.

    Raises:
        UnknownModelError: no such model; the message suggests the nearest names of its source.
    """
    source = source_of(name)
    if source == "layerwise":
        if ":" in name:  # a source that there is not, and perhaps another was meant
            prefix, _, rest = name.partition(":")
            near = difflib.get_close_matches(prefix, SOURCES[1:], n=1)
            raise UnknownModelError(name, [f"{each}:{rest}" for each in near] or SOURCES)
        return _registry.get_spec(name)
    if name not in _names(source):
        raise UnknownModelError(name, _names(source))
    return _torchvision_spec(name) if source == "torchvision" else _timm_spec(name)


def build_model(name: str, **options: OptionValue) -> nn.Module:
    """Build a model of any source in eval mode, without downloading weights.

    Args:
        name: a name that `list_models` gives.
        **options: values of the options that `get_spec(name).options` lists.

    Raises:
        UnknownModelError: no such model.
        OptionError: no such option, an illegal value, or values that do not go together.
    """
    spec = get_spec(name)
    check_options(spec, options)
    return spec.build(**options).eval()


def options_for(
    spec: ModelSpec,
    input_shape: tuple[int, ...] | Sequence[tuple[int, ...]] | None,
    options: Mapping[str, Any],
) -> tuple[dict[str, Any], bool]:
    """Check options; a model that is made for one image size is made for the input's.

    Returns:
        The options to build with, and whether `image_size` follows the input.

    Raises:
        OptionError: no such option, or an illegal value.
    """
    check_options(spec, options)
    size = tuple(input_shape[-2:]) if input_shape and len(input_shape) == 4 else ()
    if "image_size" not in spec.options or options.get("image_size", size) != size:
        return dict(options), False
    check_options(spec, {"image_size": size})
    return {**options, "image_size": size}, True


class SourceFile(NamedTuple):
    """The file that a model is defined in."""

    label: str
    """Where it is from, without a path of this machine: "torchvision/models/resnet.py"."""
    text: str


def source_file(name: str) -> SourceFile:
    """Read the file that defines a model.

    Raises:
        UnknownModelError: no such model.
    """
    source = source_of(name)
    if source == "layerwise":
        definition: Any = get_spec(name).build
    else:
        get_spec(name)
        plain = name.partition(":")[2].removesuffix(BACKBONE)
        library = _torchvision() if source == "torchvision" else _timm()
        definition = (
            library.models.get_model_builder(plain)
            if source == "torchvision"
            else library.models.model_entrypoint(plain)
        )
    module = inspect.getmodule(inspect.unwrap(definition))
    file = Path(inspect.getsourcefile(inspect.unwrap(definition)) or "")
    parts = (module.__name__ if module else file.stem).split(".")
    return SourceFile("/".join(parts) + ".py", file.read_text(encoding="utf-8"))


@cache
def _names(source: str) -> tuple[str, ...]:
    if source == "timm":
        return tuple(f"timm:{name}" for name in _timm().list_models())
    models = _torchvision().models
    found = []
    for module in (models, models.segmentation, models.video):
        found += models.list_models(module=module)
    found += [name + BACKBONE for name in models.list_models(module=models.detection)]
    return tuple(f"torchvision:{name}" for name in found)


def _torchvision() -> ModuleType:
    try:
        return import_torchvision()
    except (ImportError, RuntimeError) as error:
        raise UnknownModelError("torchvision", (), what="source of models", install=True) from error


def _timm() -> ModuleType:
    try:
        import_torchvision()  # timm imports it, which fails where its operators do not load
        return importlib.import_module("timm")
    except (ImportError, RuntimeError) as error:
        raise UnknownModelError("timm", (), what="source of models", install=True) from error


def _version(source: str) -> str:
    return f"{source} {importlib.metadata.version(source)}"


def _spec(
    name: str,
    build: Callable[..., nn.Module],
    module: str,
    idea: str,
    shape: tuple[int, ...],
    least: tuple[int, int],
    options: list[Option],
) -> ModelSpec:
    """A spec that says no more than its source does."""
    plain = name.partition(":")[2]
    file = module.replace(".", "/") + ".py"
    return ModelSpec(
        name=name,
        build=build,
        family=module.rpartition(".")[2],
        title=plain,
        year=0,
        publication=Paper(authors=_version(source_of(name)), title=file),
        input_shape=shape,
        min_size=least,
        options=MappingProxyType({option.name: option for option in options}),
        idea=idea,
    )


def _first_sentence(definition: Any, fallback: str) -> str:
    """First line of a builder's own documentation."""
    lines = (inspect.getdoc(definition) or "").strip().splitlines()
    text = lines[0].strip() if lines else ""
    return text if text and "<" not in text else fallback


# -------------------------------------------------------------------- torchvision

_SQUARES_ONLY = frozenset(("vision_transformer", "maxvit"))
"""Modules whose models are made for one size."""


@cache
def _torchvision_spec(name: str) -> ModelSpec:
    models = _torchvision().models
    plain = name.partition(":")[2]
    builder = models.get_model_builder(plain.removesuffix(BACKBONE))
    module = builder.__module__
    build = partial(_build_torchvision, plain)
    options = []
    if plain.endswith(BACKBONE):
        shape, least = (1, 3, 800, 800), (1, 1)
        if plain.startswith("ssd"):
            side = 300 if "300" in plain else 320
            shape = (1, 3, side, side)
    else:
        meta = models.get_model_weights(plain).DEFAULT
        sides = tuple(getattr(meta.transforms(), "crop_size", (224, 224)))
        sides = sides * 2 if len(sides) == 1 else sides[-2:]
        if ".segmentation" in module:
            sides = (520, 520)
        frames = (16,) if ".video" in module else ()
        shape, least = (1, 3, *frames, *sides), (1, 1)
        low = meta.meta.get("min_size")
        if low and len(low) == 2 and not frames:
            least = (low[0], low[1])
        classes = len(meta.meta["categories"])
        options.append(Option("num_classes", "int", classes, 1, _LARGEST))
        if module.rpartition(".")[2] in _SQUARES_ONLY:
            build = partial(build, image_size=(sides[0], sides[1]))
            options.append(Option("image_size", "ints", (sides[0], sides[1]), 1, 4096))
    article = "backbone of the detector " if plain.endswith(BACKBONE) else ""
    idea = f"torchvision's {article}{plain.removesuffix(BACKBONE)}, defined in {module}."
    return _spec(name, build, module, idea, shape, least, options)


def _build_torchvision(
    plain: str, num_classes: int | None = None, image_size: tuple[int, int] | None = None
) -> nn.Module:
    models = _torchvision().models
    if plain.endswith(BACKBONE):
        detector = plain.removesuffix(BACKBONE)
        model = models.get_model(detector, weights=None, weights_backbone=None)
        return model.backbone  # type: ignore[no-any-return]
    given: dict[str, Any] = {} if num_classes is None else {"num_classes": num_classes}
    module = models.get_model_builder(plain).__module__
    if ".segmentation" in module:
        given["weights_backbone"] = None
    if plain in ("googlenet", "inception_v3"):
        given["init_weights"] = False  # slow, and no number depends on it
    if image_size is not None:
        given |= _torchvision_size(plain, module, image_size)
    return models.get_model(plain, weights=None, **given)  # type: ignore[no-any-return]


def _torchvision_size(plain: str, module: str, size: tuple[int, int]) -> dict[str, Any]:
    """The argument that makes a model for an image size."""
    shape = (1, 3, *size)
    if module.endswith("maxvit"):
        if size[0] % 224 or size[1] % 224:
            raise InputSizeError(
                _(
                    "torchvision's {plain} takes multiples of 224 pixels, not "
                    "{height}x{width}; 224x224 works."
                ).format(plain=plain, height=size[0], width=size[1]),
                input_shape=shape,
                suggested_shape=(1, 3, 224, 224),
            )
        return {"input_size": size}
    patch = int(plain.rpartition("_")[2])
    if size[0] != size[1] or size[0] % patch:
        side = max(patch, round((size[0] + size[1]) / 2 / patch) * patch)
        raise InputSizeError(
            _(
                "torchvision's {plain} takes squares of whole {patch}-pixel patches, not "
                "{height}x{width}: {side}x{side} works, and our {plain} takes rectangles."
            ).format(plain=plain, patch=patch, height=size[0], width=size[1], side=side),
            input_shape=shape,
            suggested_shape=(1, 3, side, side),
        )
    return {"image_size": size[0]}


# --------------------------------------------------------------------------- timm


@cache
def _timm_spec(name: str) -> ModelSpec:
    timm = _timm()
    plain = name.partition(":")[2]
    entry = timm.models.model_entrypoint(plain)
    config = timm.models.get_pretrained_cfg(plain, allow_unregistered=True)
    channels, height, width = getattr(config, "input_size", None) or (3, 224, 224)
    classes = getattr(config, "num_classes", None)
    options = [
        Option("num_classes", "int", 1000 if classes is None else classes, 0, _LARGEST),
        Option("in_channels", "int", channels, 1, 1024),
    ]
    if getattr(config, "fixed_input_size", False):
        options.append(Option("image_size", "ints", (height, width), 1, 4096))
    idea = _first_sentence(entry, f"timm's {plain}, defined in {entry.__module__}.")
    return _spec(
        name,
        partial(_build_timm, plain, (channels, height, width)),
        entry.__module__,
        idea,
        (1, channels, height, width),
        (1, 1),
        options,
    )


def _build_timm(
    plain: str,
    native: tuple[int, int, int],
    num_classes: int | None = None,
    in_channels: int | None = None,
    image_size: tuple[int, int] | None = None,
) -> nn.Module:
    given: dict[str, Any] = {} if num_classes is None else {"num_classes": num_classes}
    if in_channels not in (None, native[0]):
        given["in_chans"] = in_channels
    if image_size not in (None, native[1:]):
        given["img_size"] = image_size
    create = _timm().create_model
    try:
        return create(plain, pretrained=False, **given)  # type: ignore[no-any-return]
    except InputSizeError:
        raise
    except (AssertionError, TypeError, ValueError, ZeroDivisionError) as error:
        if "img_size" in given:
            size = given["img_size"]
            raise InputSizeError(
                _(
                    "timm's {plain} cannot be made for images of {height}x{width}; "
                    "{native_height}x{native_width} works."
                ).format(
                    plain=plain,
                    height=size[0],
                    width=size[1],
                    native_height=native[1],
                    native_width=native[2],
                ),
                input_shape=(1, native[0], *size),
                suggested_shape=(1, *native),
            ) from error
        if given:
            said = ", ".join(f"{key}={value}" for key, value in given.items())
            raise OptionError(
                _("timm:{plain} cannot be built with {said}: {error}.").format(
                    plain=plain, said=said, error=error
                )
            ) from error
        raise
