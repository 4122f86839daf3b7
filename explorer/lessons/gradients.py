"""What one real backward pass leaves in each layer, and how fast the gradient changes.

Three findings stand behind this. With normalization neither the signal nor the gradient vanishes
in a deep plain network, and yet it trains worse (He et al. 2015, arXiv:1512.03385, section 4.1).
A residual network behaves like an ensemble of its many paths, of which the short ones carry the
gradient (Veit et al. 2016, arXiv:1605.06431). In a plain network the gradients at two near inputs
resemble each other less, the deeper it is: white noise (Balduzzi et al. 2017, arXiv:1702.08591).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, Self, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.conv import _ConvNd

from explorer.errors import OptionError, TraceError
from explorer.lessons.digits import CLASSES, TRAINED_ON, digits, enlarged
from explorer.lessons.initialization import Init, initialize
from explorer.models._registry import OptionValue
from explorer.text import _
from explorer.trace import trace_model
from explorer.zoo import build_model, get_spec

Data = Literal["digits", "noise"]
DATA: Final[tuple[Data, ...]] = get_args(Data)
MOST_MACS: Final = 12 * 10**9
"""Of one forward pass; with the backward pass it is three times as much, some seconds."""
MOST_BYTES: Final = 2**30
"""Of activations, which the backward pass needs all at once."""
MOST_PARAMS: Final = 40_000_000
_RELUS: Final = (nn.ReLU, nn.ReLU6)
_RANDOM: Final = ("Dropout", "StochasticDepth", "DropPath")


class LayerFlow(NamedTuple):
    """One layer with weights. Norms are Euclidean, roots of a mean taken over all values."""

    key: str
    """Its path, "layer1.0.conv1"."""
    kind: Literal["convolution", "linear"]
    weight_norm: float
    weight_grad_norm: float
    """Of the mean loss's gradient by the weight."""
    output_rms: float
    output_std: float
    output_grad_rms: float
    """Of the loss's gradient by the layer's output."""
    zeros: float | None
    """Share of zeros that the ReLU leaves which comes next; None if none comes."""
    dead: float | None
    """Share of that ReLU's channels that are 0 everywhere, for every image."""


class Flow(NamedTuple):
    """One forward and one backward pass of a model with fresh weights, in training mode."""

    name: str
    params: int
    loss: float
    """Mean cross-entropy; that of an even guess among K classes is ln(K)."""
    layers: tuple[LayerFlow, ...]
    """In the order in which they run."""


def gradient_flow(
    name: str,
    options: Mapping[str, OptionValue] | None = None,
    *,
    init: Init = "he",
    zero_gamma: bool = False,
    batch: int = 32,
    size: tuple[int, int] | None = None,
    seed: int = 0,
    data: Data = "digits",
) -> Flow:
    """Run a fresh model forward and backward once, and look at every layer with weights.

    Batch normalization uses the batch's own statistics; dropout and stochastic depth are off, so
    that the same seed gives the same numbers. Nothing of the process is changed: the model is
    built here and forgotten, the random numbers are a generator's own.

    Args:
        name: a registered model.
        options: of its builder.
        init: how weights are drawn, see `initialize`.
        zero_gamma: see `initialize`.
        batch: images, 2 or more.
        size: height and width; None takes the model's own.
        seed: of weights, images and labels.
        data: "digits", enlarged to the size, or "noise": standard normal pixels, random labels.

    Raises:
        UnknownModelError, OptionError: see `build_model` and `initialize`.
        InputSizeError, TraceError: the model does not take the size, or is too large for this.
    """
    if data not in DATA:
        raise OptionError(
            _("data={data!r} should be 'digits' or 'noise'.").format(data=data), "data"
        )
    spec = get_spec(name)
    chosen = dict(options or {})
    shape = _shape(name, chosen, batch, size or spec.input_shape[-2:])
    _refuse_what_is_large(name, shape, chosen)
    if "image_size" in spec.options:
        chosen["image_size"] = shape[-2:]
    generator = torch.Generator().manual_seed(seed)
    model = fresh_model(name, chosen, init, generator, zero_gamma=zero_gamma)
    images, labels = _batch(data, shape, generator)
    return flow_of(name, model, images, labels)


def flow_of(name: str, model: nn.Module, images: Tensor, labels: Tensor) -> Flow:
    """Run a model of one's own forward and backward once; its gradients are left in it.

    Args:
        name: what to call it.
        model: is given images and returns class scores, (N, K), or several outputs of which
            these are the first.
        images: of a batch.
        labels: (N,), taken modulo K.

    Raises:
        TraceError: the model gives no class scores.
    """
    with torch.enable_grad(), _Watch(model) as watch:
        scores = _scores(name, model(images))
        loss = F.cross_entropy(scores, labels % scores.shape[1])
        loss.backward()
    return Flow(
        name=name,
        params=sum(parameter.numel() for parameter in model.parameters()),
        loss=loss.item(),
        layers=watch.layers(),
    )


def fresh_model(
    name: str,
    options: Mapping[str, OptionValue],
    init: Init,
    generator: torch.Generator,
    *,
    zero_gamma: bool = False,
) -> nn.Module:
    """Build a model in training mode with weights of its own; what drops values is off."""
    model = build_model(name, **options).train()
    for layer in model.modules():
        if any(word in type(layer).__name__ for word in _RANDOM):
            layer.eval()
    initialize(model, init, generator, zero_gamma=zero_gamma)
    return model


def _shape(
    name: str, options: Mapping[str, Any], batch: int, size: tuple[int, ...]
) -> tuple[int, int, int, int]:
    if batch < 2:
        raise OptionError(
            _(
                "batch={batch} should be 2 or more: batch normalization needs more than one value "
                "for each channel."
            ).format(batch=batch),
            "batch",
        )
    spec = get_spec(name)
    if len(spec.input_shape) != 4:
        raise TraceError(
            _("{name} does not take images, so there is no digit to show it.").format(name=name)
        )
    channels = options.get("in_channels", spec.input_shape[1])
    return (batch, int(channels), *size)  # type: ignore[return-value]


def _refuse_what_is_large(name: str, shape: tuple[int, ...], options: Mapping[str, Any]) -> None:
    """Count before anything is allocated.

    Raises:
        TraceError: the passes would take too long, or too much memory.
    """
    trace = trace_model(name, shape, mode="train", options=options)
    any_of = _("a smaller model, batch or image works")
    for value, most, unit, what, works in (
        (trace.params, MOST_PARAMS, 1e6, _("million parameters"), _("a smaller model works")),
        (trace.macs, MOST_MACS, 1e9, _("billion MACs"), any_of),
        (trace.activation_bytes, MOST_BYTES, 2**20, _("MiB of activations"), any_of),
    ):
        if value > most:
            raise TraceError(
                _(
                    "{name} with a batch of {batch} at {height}x{width} takes {value} {what}, more "
                    "than the {most} that a backward pass may take here; {works}."
                ).format(
                    name=name,
                    batch=shape[0],
                    height=shape[2],
                    width=shape[3],
                    value=f"{value / unit:,.0f}",
                    what=what,
                    most=f"{most / unit:,.0f}",
                    works=works,
                )
            )


def _batch(
    data: Data, shape: tuple[int, int, int, int], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Images and labels."""
    count, channels, height, width = shape
    if data == "noise":
        images = torch.randn(shape, generator=generator)
        return images, torch.randint(CLASSES, (count,), generator=generator)
    stored = digits()
    chosen = torch.randperm(TRAINED_ON, generator=generator)
    chosen = chosen.repeat(math.ceil(count / TRAINED_ON))[:count]
    return enlarged(stored.images[chosen], height, width, channels), stored.labels[chosen]


def _scores(name: str, output: object) -> Tensor:
    """The class scores; of several outputs the first."""
    first = output[0] if isinstance(output, tuple | list) else output
    if not isinstance(first, Tensor) or first.dim() != 2:
        raise TraceError(
            _("{name} gives no class scores, so there is no loss to follow back.").format(name=name)
        )
    return first


class _Seen:
    """What a layer showed while it ran."""

    def __init__(self, layer: nn.Module, output: Tensor) -> None:
        values = output.detach()
        self.weight: Tensor = layer.weight  # type: ignore[assignment]
        self.kind: Literal["convolution", "linear"] = (
            "linear" if isinstance(layer, nn.Linear) else "convolution"
        )
        self.rms = _rms(values)
        self.std = values.double().std(correction=0).item()
        self.grad_rms = 0.0
        self.zeros: float | None = None
        self.dead: float | None = None

    def note_gradient(self, gradient: Tensor) -> None:
        self.grad_rms = _rms(gradient)

    def note_relu(self, output: Tensor) -> None:
        if self.zeros is None:
            silent = output.detach() == 0
            self.zeros = silent.double().mean().item()
            channels = silent.transpose(0, 1) if silent.dim() == 4 else silent.flatten(0, -2).T
            self.dead = channels.flatten(1).all(1).double().mean().item()


class _Watch:
    """Listens to the layers of a model while it runs, by hooks on its own instance."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._seen: dict[str, _Seen] = {}
        self._handles: list[Any] = []

    def __enter__(self) -> Self:
        for key, layer in self._model.named_modules():
            if isinstance(layer, _ConvNd | nn.Linear):
                self._listen(key, layer)
            elif isinstance(layer, _RELUS):
                self._handles.append(layer.register_forward_hook(self._after_relu))
        return self

    def __exit__(self, *raised: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _listen(self, key: str, layer: nn.Module) -> None:
        def after(layer: nn.Module, _inputs: Any, output: Tensor) -> None:
            if key not in self._seen:
                seen = self._seen[key] = _Seen(layer, output)
                if output.requires_grad:
                    # A ReLU in place comes later: the hook gets the gradient of what is there now.
                    output.register_hook(seen.note_gradient)

        self._handles.append(layer.register_forward_hook(after))

    def _after_relu(self, _layer: nn.Module, _inputs: Any, output: Tensor) -> None:
        if self._seen:
            list(self._seen.values())[-1].note_relu(output)

    def layers(self) -> tuple[LayerFlow, ...]:
        return tuple(
            LayerFlow(
                key=key,
                kind=seen.kind,
                weight_norm=_norm(seen.weight.detach()),
                weight_grad_norm=_norm(seen.weight.grad),
                output_rms=seen.rms,
                output_std=seen.std,
                output_grad_rms=seen.grad_rms,
                zeros=seen.zeros,
                dead=seen.dead,
            )
            for key, seen in self._seen.items()
        )


def _rms(values: Tensor) -> float:
    """In double precision: the square of 1e-22 is 0 in float32."""
    return values.double().square().mean().sqrt().item()


def _norm(values: Tensor | None) -> float:
    return 0.0 if values is None else values.double().norm().item()


# ----------------------------------------------------------------- shattering


class Shattering(NamedTuple):
    """The gradient along a straight path of inputs."""

    gradient: np.ndarray
    """(points,), of the first class's score by the place on the line, over its own rms."""
    correlation: np.ndarray
    """(lags,), the gradient's with itself some points further on; 1 at lag 0."""


def shattering(
    name: str,
    options: Mapping[str, OptionValue] | None = None,
    *,
    init: Init = "he",
    zero_gamma: bool = False,
    points: int = 96,
    lags: int = 12,
    span: float = 0.25,
    size: int = 8,
    draws: int = 4,
    seed: int = 0,
) -> Shattering:
    """Follow the gradient along the line that leads from one digit to another.

    The correlation is the mean over draws of weights; the gradient is that of the first draw. As
    in Balduzzi et al. 2017 (arXiv:1702.08591, section 2) all points are one batch.

    Args:
        name: a registered model that takes one channel.
        options: of its builder.
        init: see `initialize`.
        zero_gamma: see `initialize`.
        points: along the path.
        lags: how many distances between two points are looked at, 0 first.
        span: how much of the line is followed; 1 is all of it.
        size: height and width of the images.
        draws: of weights.
        seed: of the first draw; each further one has the next.
    """
    stored = digits()
    ends = enlarged(stored.images[:2], size, size, 1)
    at = torch.linspace(0, span, points)[:, None, None, None]
    path = ends[:1] + at * (ends[1:] - ends[:1])
    chosen = {**(options or {}), "in_channels": 1}
    slopes = []
    for draw in range(draws):
        generator = torch.Generator().manual_seed(seed + draw)
        model = fresh_model(name, chosen, init, generator, zero_gamma=zero_gamma)
        inputs = path.clone().requires_grad_()
        with torch.enable_grad():
            score = _scores(name, model(inputs))[:, 0].sum()
            (found,) = torch.autograd.grad(score, inputs)
        slopes.append((found * (ends[1:] - ends[:1])).sum((1, 2, 3)).double().numpy())
    found_correlation = np.mean([autocorrelation(slope, lags) for slope in slopes], axis=0)
    first = slopes[0]
    scale = float(np.sqrt(np.mean(first**2))) or 1.0
    return Shattering(first / scale, found_correlation)


def autocorrelation(values: np.ndarray, lags: int) -> np.ndarray:
    """Return the correlation of a series with itself 0, 1, ... lags - 1 places further on.

    r(k) = sum (v[i] - m)(v[i + k] - m) / sum (v[i] - m)²; all 0 but the first if nothing varies.
    """
    centered = values - values.mean()
    total = float(centered @ centered)
    products = [float(centered[: len(values) - lag] @ centered[lag:]) for lag in range(lags)]
    if total == 0:
        products, total = [1.0] + [0.0] * (lags - 1), 1.0
    return np.array(products) / total
