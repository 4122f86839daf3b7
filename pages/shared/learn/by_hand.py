"""What stands on the page "Parameters and MACs by hand"; the quiz explains its answers with it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import streamlit as st

from explorer.analysis.layers import axes_text
from explorer.analysis.units import count, percent, shape_text
from explorer.lessons.by_hand import (
    FIELDS,
    Field,
    Work,
    divisors,
    formula_latex,
    number_latex,
    terms_latex,
)
from explorer.lessons.convolution import output_size
from pages.shared import address
from pages.shared.cache import by_hand as cache
from pages.shared.learn.lesson import Lesson, kept
from pages.shared.text import N_, _, language
from pages.shared.widgets import plain

_KINDS: Final = {
    "conv": N_("Convolution"),
    "grouped": N_("Grouped convolution"),
    "depthwise": N_("Depthwise convolution"),
    "pointwise": N_("1 × 1 convolution"),
    "dilated": N_("Dilated convolution"),
    "transposed": N_("Transposed convolution"),
    "linear": N_("Linear layer"),
    "attention": N_("Self-attention"),
    "patches": N_("Patch embedding"),
    "batch_norm": N_("Batch normalization"),
    "layer_norm": N_("Layer normalization"),
    "group_norm": N_("Group normalization"),
    "max_pool": N_("Max pooling"),
    "avg_pool": N_("Average pooling"),
}
"""Kind of layer -> its name, in the order of the list."""
_FIELDS: Final = {
    "in": N_("Inputs"),
    "out": N_("Outputs"),
    "channels": N_("Channels"),
    "kernel": N_("Kernel k"),
    "stride": N_("Stride s"),
    "padding": N_("Padding p"),
    "dilation": N_("Dilation d"),
    "groups": N_("Groups g"),
    "size": N_("Height and width n"),
    "tokens": N_("Tokens"),
    "dim": N_("Width d"),
    "heads": N_("Heads h"),
    "patch": N_("Patch p"),
    "bias": N_("Bias"),
}


class Preset(NamedTuple):
    """A layer that is worth working out."""

    label: str
    model: str
    key: str


PRESETS: Final = (
    Preset(N_("AlexNet: why 55?"), "alexnet", "features.0"),
    Preset(N_("VGG-16: the largest layer"), "vgg16", "classifier.0"),
    Preset(N_("ResNet-50: a bottleneck"), "resnet50", "layer1.0"),
    Preset(N_("MobileNet: depthwise"), "mobilenetv1_100", "blocks.1.0.conv_dw"),
    Preset(N_("ViT: patches"), "vit_b_16", "conv_proj"),
    Preset(N_("ViT: attention"), "vit_b_16", "encoder.layers.encoder_layer_0.self_attention"),
)


# ------------------------------------------------------------------- a layer of one's own


def own_layer(lesson: Lesson) -> None:
    """Choose a kind of layer and its numbers, and work them out."""
    kind = st.session_state["by_hand_kind"]
    st.selectbox(
        _("Kind of layer"), tuple(_KINDS), key="by_hand_kind", on_change=address.touch,
        format_func=lambda name: _(_KINDS[name]),
    )  # fmt: skip
    fields = FIELDS[kind]
    numbers = {field.name: int(st.session_state[_key(kind, field)]) for field in fields}
    with st.grid(
        len(fields), min_column_width=112, gap="small", key="by_hand_fields",
        vertical_alignment="bottom",
    ):  # fmt: skip
        for field in fields:
            _field(kind, field, numbers)
    found = cache.own(kind, tuple(numbers.items()))
    if isinstance(found, cache.Refusal):
        st.warning(_refusal(found), icon=":material/width_full:")
        return
    steps(lesson, found, f"{kind} {sorted(numbers.items())}")


def restore() -> None:
    """Set every choice of the page from its link, also of parts that are not drawn."""
    kind = address.restore("kind", "by_hand_kind", {each: each for each in FIELDS}.get, "conv")
    address.record({"kind": kind if kind != "conv" else None})
    values = {}
    for field in FIELDS[kind]:
        values[field.name] = int(
            address.restore(field.name, _key(kind, field), _parser(field), _first(field))
        )
    for whole, by in _DIVIDED.get(kind, ()):
        allowed = _allowed(kind, by, values)
        if values[by] not in allowed:
            values[by] = min(allowed, key=lambda each: abs(each - values[by]))
            st.session_state[f"by_hand_{kind}_{by}"] = values[by]
        assert values[whole] % values[by] == 0
    if kind.endswith("pool"):
        values["padding"] = min(values["padding"], values["kernel"] // 2)
        st.session_state[f"by_hand_{kind}_padding"] = values["padding"]
    for field in FIELDS[kind]:
        value = values[field.name]
        text = ("yes" if value else "no") if field.name == "bias" else str(value)
        address.record({field.name: text if value != field.default else None})
    _restore_real()


_DIVIDED: Final = {
    "grouped": (("in", "groups"), ("out", "groups")),
    "group_norm": (("channels", "groups"),),
    "attention": (("dim", "heads"),),
}


def _allowed(kind: str, by: str, numbers: Mapping[str, int]) -> tuple[int, ...]:
    """What divides every number that it must divide."""
    wholes = [numbers[whole] for whole, name in _DIVIDED[kind] if name == by]
    return tuple(n for n in divisors(wholes[0]) if all(each % n == 0 for each in wholes))


def _key(kind: str, field: Field) -> str:
    return f"by_hand_{kind}_{field.name}"


def _first(field: Field) -> int | bool:
    return bool(field.default) if field.name == "bias" else field.default


def _parser(field: Field) -> Callable[[str], int | bool | None]:
    def parse(text: str) -> int | bool | None:
        if field.name == "bias":
            return {"yes": True, "no": False}.get(text)
        if not (text.isascii() and text.isdigit() and len(text) < 8):
            return None
        return int(text) if field.least <= int(text) <= field.most else None

    return parse


def _field(kind: str, field: Field, numbers: Mapping[str, int]) -> None:
    key, label = _key(kind, field), _(_FIELDS[field.name])
    if field.name == "bias":
        st.toggle(label, key=key, on_change=address.touch)
    elif any(by == field.name for _whole, by in _DIVIDED.get(kind, ())):
        st.selectbox(label, _allowed(kind, field.name, numbers), key=key, on_change=address.touch)
    else:
        pools = kind.endswith("pool") and field.name == "padding"
        most = numbers["kernel"] // 2 if pools else field.most
        st.number_input(label, field.least, most, key=key, step=1, on_change=address.touch)


def _refusal(found: cache.Refusal) -> str:
    if found.reason == "window":
        return _(
            "No window fits: it spans {needed} pixels and there are {received}. Take a smaller "
            "kernel, more padding or a larger input."
        ).format(**found.values)
    return plain(found.sentence)


# ------------------------------------------------------------------------ a real layer


def real_layer(lesson: Lesson) -> None:
    """Choose a layer of a real architecture, and work it out."""
    st.pills(
        _("Worth a look"), range(len(PRESETS)), key="by_hand_preset",
        format_func=lambda place: _(PRESETS[place].label), on_change=_take_preset,
    )  # fmt: skip
    state = st.session_state
    titles = cache.models()
    left, right = st.columns(2, gap="small")
    left.selectbox(
        _("Architecture"), tuple(titles), key="by_hand_model", format_func=titles.__getitem__,
        on_change=_change_model,
    )  # fmt: skip
    model = state["by_hand_model"]
    right.selectbox(
        _("Layer or block"), cache.keys(model), key="by_hand_layer", on_change=address.touch
    )
    key = state["by_hand_layer"]
    found = cache.real(model, key)
    if found is None:
        return
    steps(lesson, found, f"{model} {key}")
    note = _note(model, key, found)
    if note:
        lesson.answer(note)
    layer_link(model, key)


def layer_link(model: str, key: str) -> None:
    """The way to the layer on the page of its model."""
    st.page_link(
        "pages/inspect/layers.py", label=_("See it among the layers of the model"),
        icon=":material/table_rows:", query_params={"model": model, "layer": key, **kept()},
    )  # fmt: skip


def _restore_real() -> None:
    state = st.session_state
    titles = cache.models()
    first = PRESETS[0]
    model = address.restore("model", "by_hand_model", {n: n for n in titles}.get, first.model)
    known = cache.keys(model)
    start = first.key if model == first.model else known[0]
    key = address.restore("layer", "by_hand_layer", {each: each for each in known}.get, start)
    if key not in known:
        key = state["by_hand_layer"] = start
    address.record(
        {
            "model": model if (model, key) != first[1:] else None,
            "layer": key if (model, key) != first[1:] else None,
        }
    )
    here = [n for n, preset in enumerate(PRESETS) if preset[1:] == (model, key)]
    state["by_hand_preset"] = here[0] if here else None


def _take_preset() -> None:
    address.touch()
    place = st.session_state["by_hand_preset"]
    if place is not None:
        st.session_state["by_hand_model"] = PRESETS[place].model
        st.session_state["by_hand_layer"] = PRESETS[place].key


def _change_model() -> None:
    address.touch()
    st.session_state["by_hand_layer"] = cache.keys(st.session_state["by_hand_model"])[0]


def _note(model: str, key: str, found: Work) -> str:
    """What is worth knowing of a layer of `PRESETS`."""
    place = next((n for n, each in enumerate(PRESETS) if each[1:] == (model, key)), -1)
    notes = (_note_alexnet, _note_vgg, _note_bottleneck, _note_depthwise, _note_patches,
             _note_attention)  # fmt: skip
    return notes[place](found) if place >= 0 else ""


def _note_alexnet(found: Work) -> str:
    assert found.window.kernel
    assert found.window.stride
    side, kernel, stride = found.input_shapes[0][-1], found.window.kernel[0], found.window.stride[0]
    return _(
        "The paper draws 55 and says {side} pixels, but without padding that gives {bare}. With "
        "a padding of {p}, as here, or with {other} pixels and none, it is {out}."
    ).format(
        side=side, bare=output_size(side, kernel, stride), p=found.window.padding[0] if
        found.window.padding else 0, other=side + 3, out=output_size(side + 3, kernel, stride),
    )  # fmt: skip


def _note_vgg(found: Work) -> str:
    whole = cache.native("vgg16").params
    return _(
        "A linear layer has a weight for every pair of input and output, and the {n} inputs are "
        "every value of the last map. This one layer holds {share} of the model's parameters, and "
        "only {macs} of its MACs."
    ).format(
        n=count(found.input_shapes[0][-1]), share=percent(found.params / whole),
        macs=percent(found.macs / cache.native("vgg16").macs),
    )  # fmt: skip


def _note_bottleneck(found: Work) -> str:
    width = found.output_shape[1]
    plain_block = cache.own("conv", tuple({
        "in": width, "out": width, "kernel": 3, "stride": 1, "padding": 1,
        "size": found.output_shape[2], "bias": 0,
    }.items()))  # fmt: skip
    assert isinstance(plain_block, Work)
    return _(
        "The 1 × 1 convolutions bring {width} channels down to a quarter and up again, so that "
        "the 3 × 3 works on few. Two 3 × 3 convolutions over all {width} channels would have "
        "{params} parameters and {macs} MACs."
    ).format(
        width=width, params=count(2 * plain_block.params), macs=count(2 * plain_block.macs)
    )  # fmt: skip


def _note_depthwise(found: Work) -> str:
    channels, side = found.output_shape[1], found.input_shapes[0][-1]
    assert found.window.stride
    whole = cache.own("conv", tuple({
        "in": channels, "out": channels, "kernel": 3, "stride": found.window.stride[0],
        "padding": 1, "size": side, "bias": 0,
    }.items()))  # fmt: skip
    assert isinstance(whole, Work)
    return _(
        "Each channel has one filter of its own: a convolution that mixes all {n} channels would "
        "take {ratio} times the MACs. The mixing is left to the 1 × 1 convolution that follows."
    ).format(n=channels, ratio=count(whole.macs // found.macs))


def _note_patches(found: Work) -> str:
    rows, columns = found.output_shape[2:]
    return _(
        "The stride is the kernel: windows tile the picture, and no pixel is read twice. Each of "
        "the {h} × {w} = {n} windows becomes one token of {d} numbers."
    ).format(h=rows, w=columns, n=rows * columns, d=found.output_shape[1])


def _note_attention(found: Work) -> str:
    mixing = sum(part.macs for part in found.parts if part.kind == "attention")
    return _(
        "The two projections hold all the parameters, and their MACs grow with the number of "
        "tokens. QKᵀ and AV have no parameters; they are {share} of the MACs here and grow with "
        "the square of the number of tokens."
    ).format(share=percent(mixing / found.macs))


# ------------------------------------------------------------------------------- steps


def steps(lesson: Lesson, found: Work, name: str) -> None:
    """Shape, parameters and MACs: predicted first, then worked out.

    Args:
        lesson: the page.
        found: the layer.
        name: what tells it apart from every other.
    """
    st.markdown(f"**{title(found)}**  \n{facts(found)}")
    mark = hashlib.blake2b(name.encode(), digest_size=4).hexdigest()
    output = found.output_shape[1:]
    asked: list[tuple[str, str, int | tuple[int, ...]]] = [
        ("shape", _("1. Which shape comes out?"), output),
        ("params", _("2. How many parameters does it have?"), found.params),
        ("macs", _("3. How many MACs does it take?"), found.macs),
    ]
    for quantity, prompt, answer in asked:
        with st.container(border=True, key=f"by_hand_{quantity}_{mark}"):
            how = explain(found, quantity)
            if not answer:
                st.markdown(f"{prompt}  \n{how}")
                continue
            lesson.predict(f"{quantity}_{mark}", prompt, answer, how)
            if lesson.present and not lesson.hides:
                st.markdown(how)


def title(found: Work) -> str:
    """A layer in a reader's words, in the visitor's language."""
    if found.kind == "module":
        return plain(found.title)
    before, after = _sides(found)
    name = _name(found)
    return f"{name}, {before} → {after}" if before and after else name


def _sides(found: Work) -> tuple[str, str]:
    if not found.input_shapes or len(found.output_shape) < 2:
        return "", ""
    place = 1 if found.kind in ("convolution", "pooling") else -1
    return str(found.input_shapes[0][place]), str(found.output_shape[place])


def _name(found: Work) -> str:
    kernel = axes_text(found.window.kernel).replace("×", " × ")
    named = {
        "plain": _("{k} convolution"),
        "pointwise": _("{k} convolution"),
        "grouped": _("{k} grouped convolution"),
        "depthwise": _("{k} depthwise convolution"),
        "transposed": _("{k} transposed convolution"),
    }.get(found.flavor)
    if named:
        return named.format(k=kernel)
    if found.kind == "pooling":
        max_pool = "max" in found.title.lower()
        known = _("{k} max pooling") if max_pool else _("{k} average pooling")
        return known.format(k=kernel).strip()
    kinds = {
        "linear": _("Linear layer"),
        "batch_norm": _("Batch normalization"),
        "layer_norm": _("Layer normalization"),
        "native_layer_norm": _("Layer normalization"),
        "group_norm": _("Group normalization"),
        "attention": _("Attention"),
    }
    return kinds.get(found.flavor) or kinds.get(found.kind) or _(found.kind).capitalize()


def facts(found: Work) -> str:
    """What is given: input, window, groups, bias."""
    window = found.window
    said = [(_("input"), shape_text(found.input_shapes[0]) if found.input_shapes else "")]
    said += [
        (_("kernel"), axes_text(window.kernel).replace("×", " × ")),
        (_("stride"), _one(window.stride)),
        (_("padding"), _one(window.padding)),
        (_("dilation"), _one(window.dilation) if set(window.dilation or ()) != {1} else ""),
        (_("groups"), count(window.groups) if window.groups and window.groups > 1 else ""),
    ]
    if found.kind == "convolution" and found.flavor != "transposed":
        said.append((_("filters"), str(found.output_shape[1])))
    elif found.flavor == "transposed":
        said.append((_("output channels"), str(found.output_shape[1])))
    elif found.kind == "linear":
        said.append((_("outputs"), str(found.output_shape[-1])))
    if found.kind in ("convolution", "linear"):
        said.append((_("bias"), _("yes") if found.bias else _("no")))
    return " · ".join(f"{name} {value}" for name, value in said if value)


def _one(value: tuple[int, ...] | str | None) -> str:
    if isinstance(value, str):
        return value
    if not value:
        return ""
    return str(value[0]) if len(set(value)) == 1 else axes_text(value).replace("×", " × ")


def joined(*sentences: str) -> str:
    """Put sentences behind each other, as the language does."""
    return ("" if language() == "zh" else " ").join(filter(None, sentences))


def role_names() -> dict[str, str]:
    """What is written under a factor."""
    return {
        "filters": _("filters"),
        "inputs_each": _("input channels each"),
        "inputs": _("input channels"),
        "outputs_each": _("outputs each"),
        "kernel": _("kernel"),
        "biases": _("biases"),
        "pixels": _("output pixels"),
        "input_pixels": _("input pixels"),
        "outputs": _("outputs"),
        "features": _("inputs"),
        "rows": _("rows"),
        "scale": _("scales"),
        "shift": _("shifts"),
        "heads": _("heads"),
        "queries": _("queries"),
        "keys": _("keys"),
        "query_width": _("width of Q, K"),
        "value_width": _("width of V"),
        "elements": _("outputs"),
        "inner": _("products each"),
        "values": _("learned values"),
    }


# ------------------------------------------------------------------------ explanations


def explain(found: Work, quantity: str) -> str:
    """Work one quantity out: what each factor is, and the formula with its numbers.

    Args:
        found: the layer.
        quantity: "shape", "params" or "macs".
    """
    if quantity == "shape":
        return _explain_shape(found)
    if found.parts:
        return _explain_parts(found, quantity)
    words = _params_words(found) if quantity == "params" else _macs_words(found)
    worked = found.of("params") if quantity == "params" else found.of("macs")
    lines = []
    for step in worked:
        shown = terms_latex(step.terms, role_names()) if step.terms else formula_latex(step.formula)
        if shown != number_latex(step.result):
            shown += f" = {number_latex(step.result)}"
        lines.append(rf"$\displaystyle {shown}$")
    return "\n\n".join([words, *lines])


def _explain_shape(found: Work) -> str:
    sides = found.of("size")
    output = shape_text(found.output_shape)
    rules = {step.rule for step in sides}
    if "transposed" in rules:
        words = _("Each input pixel stamps a kernel, s pixels apart: (n − 1)s − 2p + d(k − 1) + 1.")
    elif "ceil" in rules:
        words = _("As ⌊(n + 2p − d(k − 1) − 1) / s⌋ + 1, but rounded up: a last window may reach "
                  "over the edge.")  # fmt: skip
    elif "floor" in rules:
        words = _("⌊(n + 2p − d(k − 1) − 1) / s⌋ + 1: how often the window can move within the "
                  "padded input, and its first place.")  # fmt: skip
    elif "set" in rules:
        words = _("The layer is told its output size and makes its windows fit.")
    else:
        words = _shape_words(found)
    if found.kind == "convolution":
        words = joined(words, _("One output channel for each filter."))
    elif found.kind == "pooling":
        words = joined(words, _("Pooling keeps the channels."))
    names = {"height": _("height"), "width": _("width"), "length": _("length")}
    lines = [
        rf"$\displaystyle \text{{{names[step.part]}}} = "
        rf"{formula_latex(step.formula)} = {number_latex(step.result)}$"
        for step in sides
        if step.part in names and step.formula != str(step.result)
    ]
    return "\n\n".join([words, *lines, f"**{output}**"])


def _shape_words(found: Work) -> str:
    if found.kind == "linear":
        return _("The last axis becomes the number of outputs; the others stay.")
    if found.kind == "module":
        return _("The shape after its last layer.")
    return _("The shape stays as it is.")


def _params_words(found: Work) -> str:
    shared = any(step.rule == "shared" for step in found.of("params"))
    if not found.params:
        return (
            _("Its parameters are those of an earlier layer, and are counted there.")
            if shared
            else _("**None**: it has nothing to learn.")
        )
    by_flavor = {
        "plain": _("A filter has a kernel for each input channel."),
        "pointwise": _("A filter has one weight for each input channel."),
        "grouped": _("A filter sees the channels of its group only, and has a kernel for each."),
        "depthwise": _("A filter sees one channel, and has one kernel."),
        "transposed": _("Each pair of input and output channel has a kernel."),
    }
    by_kind = {
        "convolution": by_flavor.get(found.flavor, ""),
        "linear": _("Each pair of input and output has a weight."),
        "normalization": _("Each channel has a scale and a shift. Means and variances that are "
                           "measured are buffers, not parameters."),
    }  # fmt: skip
    words = by_kind.get(found.kind, _("Every learned value is counted once."))
    if found.kind in ("convolution", "linear"):
        bias = _("Each output has one bias.") if found.bias else _("There is no bias.")
        words = joined(words, bias)
    return words


def _macs_words(found: Work) -> str:
    if not found.macs:
        return _("**None** by this convention: it multiplies no weights with what comes in, and "
                 "what it adds, compares or scales is not counted.")  # fmt: skip
    if found.flavor == "transposed":
        return _("Each input pixel uses every weight of its channel once.")
    return {
        "convolution": _("Each output pixel uses every weight once. Biases are not counted."),
        "linear": _("Each row uses every weight once. Biases are not counted."),
        "attention": _("QKᵀ: each query with each key. AV: the weighted sum of the values."),
    }.get(found.kind, _("As many products as each output adds up."))


def _explain_parts(found: Work, quantity: str) -> str:
    """A module: every layer inside it with its formula, and the sum."""
    header = _("parameters") if quantity == "params" else "MACs"
    lines = [f"| {_('layer')} | {_('formula')} | {header} |", "|:--|:--|--:|"]
    for part in found.parts:
        value = part.params if quantity == "params" else part.macs
        formula = part.params_formula if quantity == "params" else part.macs_formula
        if value:
            written = formula.replace("*", " · ").replace("  ", " ").replace(" ·  · ", " · ")
            lines.append(f"| {plain(part.key)} | {plain(written)} | {count(value)} |")
    total = found.params if quantity == "params" else found.macs
    lines.append(f"| **{_('sum')}** | | **{count(total)}** |")
    return "\n".join(lines)
