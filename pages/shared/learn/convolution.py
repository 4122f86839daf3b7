"""What stands on the page "Convolution arithmetic": its controls, its grids, its formulas."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import streamlit as st

from explorer.analysis.units import compact, count
from explorer.figures.theme import kind_color, tint
from explorer.lessons.by_hand import divisors, number_latex, terms_latex
from explorer.lessons.convolution import (
    FILLS,
    FILTERS,
    MODES,
    Filter,
    Setting,
    TransposedSetting,
    WindowError,
    brightness,
    corner,
    filter_patch,
    filter_picture,
    marked,
    padding_for,
    patch,
    square,
)
from explorer.lessons.pictures import (
    FORMATS,
    MOST_BYTES,
    MOST_PIXELS,
    PictureError,
    Pixels,
    read_picture,
    sample_picture,
)
from pages.shared import address, widgets
from pages.shared.cache import by_hand as worked
from pages.shared.cache import convolution as cache
from pages.shared.learn.by_hand import joined, role_names
from pages.shared.learn.lesson import Lesson
from pages.shared.text import N_, _, n_

_HERE: Final = Path(__file__).parent
_grid = st.components.v2.component(
    "layerwise_convolution_grid",
    html=_HERE.joinpath("grid.html").read_text("utf-8"),
    css=_HERE.joinpath("grid.css").read_text("utf-8"),
    js=_HERE.joinpath("grid.js").read_text("utf-8"),
)

_NUMBERS: Final = {
    # One window
    "h": (6, 1, 12), "w": (7, 1, 12), "k": (3, 1, 5), "s": (2, 1, 4), "p": (1, 0, 4),
    "d": (1, 1, 3),
    # Same, valid, full
    "vn": (8, 1, 12), "vk": (3, 1, 5), "vs": (2, 1, 4),
    # Channels and groups
    "cin": (4, 1, 6), "cout": (4, 1, 6), "g": (2, 1, 6),
    # Transposed
    "tn": (3, 1, 5), "tk": (3, 1, 5), "ts": (2, 1, 3), "tp": (1, 0, 4), "te": (0, 0, 2),
    # Picture
    "fs": (1, 1, 4), "fd": (1, 1, 3), "row": (92, 0, 511), "col": (46, 0, 511),
    "div": (1, 1, 99),
    **{f"w{i}": (int(i == 4), -99, 99) for i in range(9)},
}  # fmt: skip
"""Name in the link -> default, least and most."""
_CHANNELS: Final = (1, 2, 3, 4, 6)
_SIDE: Final = 8
"""Of the square of a picture that is shown with its numbers."""
_LONGEST: Final = 256
_GROUP_KINDS: Final = ("convolution", "linear", "pooling", "attention", "add", "concat")
"""Kinds of layers whose colours tell groups apart."""
_FILTER_TITLES: Final = {
    "blur": N_("Blur"),
    "box": N_("Mean"),
    "sharpen": N_("Sharpen"),
    "sobel_x": N_("Sobel x"),
    "sobel_y": N_("Sobel y"),
    "laplacian": N_("Laplacian"),
    "emboss": N_("Emboss"),
    "own": N_("Your own"),
}
_PICTURE: Final = "convolution_picture"
_READ: Final = "convolution_read"
_TROUBLE: Final = "convolution_trouble"


# ------------------------------------------------------------------------- the link


def open_view() -> dict[str, int]:
    """Restore every choice of the page, also of parts that are not drawn."""
    values: dict[str, int] = {}
    for name, (default, least, most) in _NUMBERS.items():
        values[name] = address.restore(name, _key(name), _within(least, most), default)
    for name, options, first in (
        ("pad", MODES, "same"),
        ("fill", FILLS, "zeros"),
        ("tv", ("scatter", "zeros"), "scatter"),
        ("f", tuple(_FILTER_TITLES), "sobel_x"),
    ):
        address.restore(name, _key(name), {each: each for each in options}.get, first)
        chosen = st.session_state[_key(name)]
        address.record({name: chosen if chosen != first else None})
    address.restore("color", _key("color"), {"yes": True, "no": False}.get, False)
    address.record({"color": "yes" if st.session_state[_key("color")] else None})
    for name in ("at", "pat", "ch", "tat", "sq"):
        address.restore(name, _key(name), _place, "0.0")
        chosen = st.session_state[_key(name)]
        address.record({name: chosen if chosen != "0.0" else None})
    values = _legal(values)
    own = st.session_state[_key("f")] == "own"
    for name, value in values.items():
        st.session_state[_key(name)] = value
        used = own or name not in ("div", *(f"w{i}" for i in range(9)))
        address.record({name: str(value) if used and value != _NUMBERS[name][0] else None})
    return values


def _legal(values: dict[str, int]) -> dict[str, int]:
    """Bring numbers that depend on others into their range."""
    legal = dict(values)
    for name in ("cin", "cout"):
        legal[name] = max(each for each in _CHANNELS if each <= values[name])
    shared = _shared(legal)
    legal["g"] = max(each for each in shared if each <= values["g"])
    legal["tp"] = min(values["tp"], values["tk"] - 1)
    legal["te"] = min(values["te"], values["ts"] - 1)
    return legal


def _shared(values: Mapping[str, int]) -> list[int]:
    """The numbers of groups that both numbers of channels allow."""
    return [each for each in divisors(values["cin"]) if values["cout"] % each == 0]


def _key(name: str) -> str:
    return f"convolution_{name}"


def _within(least: int, most: int) -> Callable[[str], int | None]:
    def parse(text: str) -> int | None:
        plain = text.removeprefix("-")
        if not (plain.isascii() and plain.isdigit() and len(plain) < 6):
            return None
        return int(text) if least <= int(text) <= most else None

    return parse


def _place(text: str) -> str | None:
    first, _, second = text.partition(".")
    parts = (first, second)
    return text if all(p.isascii() and p.isdigit() and len(p) < 5 for p in parts) else None


def _number(label: str, name: str, *, most: int | None = None, hint: str = "") -> None:
    __, least, largest = _NUMBERS[name]
    st.number_input(
        label, least, largest if most is None else most, key=_key(name), step=1,
        on_change=address.touch, help=hint or None,
    )  # fmt: skip


def _slider(label: str, name: str, *, most: int | None = None, hint: str = "") -> None:
    """A number of few values; nothing is drawn where there is only one."""
    __, least, largest = _NUMBERS[name]
    largest = largest if most is None else most
    if largest > least:
        st.slider(
            label, least, largest, key=_key(name), on_change=address.touch, help=hint or None
        )  # fmt: skip


# ------------------------------------------------------------------- the component


def _draw(name: str, data: dict[str, Any], words: Mapping[str, str], lesson: Lesson) -> None:
    """Show a convolution; the output that is looked at is in the link."""
    theme = widgets.theme()
    data = {
        "tall": 340 if lesson.present else 380,
        "shaded": False,
        "still": False,
        "after": "",
        "unread": None,
        "scatter": False,
        **data,
        "hide": lesson.hides,
        "words": {
            "back": _("Previous output"),
            "play": _("Play or pause"),
            "on": _("Next output"),
            "slider": _("Which output"),
            "grid": _("Grids of input, kernel and output. Arrow keys choose an output, "
                      "space plays."),
            "kernel": _("kernel"),
            "products": _("products"),
            "where": _("output at row {row}, column {column}"),
            "stamp": "",
            **words,
        },
    }  # fmt: skip
    for number, each in enumerate(data["filters"]):
        color = kind_color(_GROUP_KINDS[each.get("group", number) % len(_GROUP_KINDS)], theme)
        each |= {"strong": color, "tint": tint(color, theme, 0.3)}
    text = json.dumps(data, sort_keys=True)
    data["signature"] = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    data["at"] = st.session_state[_key(name)]

    def moved() -> None:
        place = _place(str(st.session_state[f"convolution_grid_{name}"].get("at") or ""))
        if place:
            address.touch()
            st.session_state[_key(name)] = place

    _grid(key=f"convolution_grid_{name}", data=data, on_at_change=moved)


def _plane(title: str, rows: list[list[int]], real: list[list[bool]]) -> dict[str, Any]:
    """One channel of an input: padding is told apart, and a frame drawn around the rest."""
    lines = [any(row) for row in real]
    columns = [any(row[c] for row in real) for c in range(len(real[0]))]
    top, left = lines.index(True), columns.index(True)
    return {
        "title": title,
        "rows": rows,
        "pad": [[not each for each in row] for row in real],
        "inside": [
            top, left, len(lines) - top - lines[::-1].index(True),
            len(columns) - left - columns[::-1].index(True),
        ],
    }  # fmt: skip


def _gather_data(made: cache.Gathered, titles: list[str], outputs: list[str]) -> dict[str, Any]:
    return {
        "planes": [
            _plane(title, rows, made.real)
            for title, rows in zip(titles, made.padded, strict=True)
        ],
        "filters": [
            {
                "title": title,
                "sees": made.sees[f],
                "kernel": made.weights[f],
                "bias": made.bias[f],
                "out": made.output[f],
                "products": made.products[f],
                "partial": made.partial[f],
            }
            for f, title in enumerate(outputs)
        ],
        "rows": made.rows,
        "columns": made.columns,
        "unread": made.unread,
    }  # fmt: skip


def _size_title(name: str, rows: int, columns: int) -> str:
    return f"{name} {rows} × {columns}"


def _misfit(failure: cache.Misfit) -> None:
    st.warning(
        _(
            "A window that spans {needed} pixels does not fit into {received}: take a smaller "
            "kernel, less dilation, more padding or a larger input."
        ).format(needed=failure.needed, received=failure.received),
        icon=":material/width_full:",
    )


# -------------------------------------------------------------------- part 1: windows


def windows(lesson: Lesson, v: Mapping[str, int]) -> None:
    """One channel: kernel, stride, padding, dilation."""
    controls, grids = st.columns([1, 3], gap="medium")
    with controls, st.container(gap="xxsmall", key="window_controls"):
        _slider(_("Height"), "h")
        _slider(_("Width"), "w")
        _slider(_("Kernel k"), "k")
        _slider(_("Stride s"), "s")
        _slider(_("Padding p"), "p")
        _slider(_("Dilation d"), "d")
    made = cache.gathered(square((v["h"], v["w"]), v["k"], v["s"], v["p"], v["d"]))
    with grids:
        if isinstance(made, cache.Misfit):
            _misfit(made)
            return
        out = made.output[0]
        data = _gather_data(
            made,
            [_size_title(_("input"), v["h"], v["w"])],
            [_output_title(lesson, len(out), len(out[0]))],
        )
        data["legend"] = _legend(made, padded=v["p"] > 0)
        _draw("at", data, {}, lesson)
    filled_in = _size_formulas(v, (len(out), len(out[0])), hide=lesson.hides)
    if lesson.present:  # beside the sliders, so that nobody has to scroll
        grids.latex(filled_in)
        st.latex(_SIZE_FORMULA)
    else:
        symbols, numbers = st.columns(2, gap="small", vertical_alignment="center")
        symbols.latex(_SIZE_FORMULA)
        numbers.latex(filled_in)
    _window_numbers(lesson, v, made)
    lesson.answer(_window_answer(v, len(out[0])))


def _output_title(lesson: Lesson, rows: int, columns: int) -> str:
    return _("output") if lesson.hides else _size_title(_("output"), rows, columns)


def _legend(made: cache.Gathered, *, padded: bool) -> list[tuple[str, str]]:
    return [
        ("tap", _("read by this window")),
        *([("pad", _("padding"))] if padded else []),
        *([("unread", _("never read"))] if made.lost else []),
    ]


_SIZE_FORMULA: Final = (
    r"\text{out} = \left\lfloor \frac{n + 2p - d\,(k - 1) - 1}{s} \right\rfloor + 1"
)


def _size_formulas(v: Mapping[str, int], out: tuple[int, int], *, hide: bool) -> str:
    """The formula with the numbers of both axes filled in."""
    p, d, k, step = v["p"], v["d"], v["k"], v["s"]
    rows = [
        rf"\text{{{name}}} &= "
        rf"\left\lfloor \frac{{{n} + 2 \cdot {p} - {d}\,({k} - 1) - 1}}{{{step}}} \right\rfloor + 1"
        rf" = {_HIDDEN if hide else size}"
        for name, n, size in ((_("height"), v["h"], out[0]), (_("width"), v["w"], out[1]))
    ]
    lines = r" \\[4pt] ".join(rows)
    return rf"\begin{{aligned}} {lines} \end{{aligned}}"


_HIDDEN: Final = r"\;?"


def _window_numbers(lesson: Lesson, v: Mapping[str, int], made: cache.Gathered) -> None:
    outputs = sum(len(row) for row in made.output[0])
    products = sum(len(each) for row in made.products[0] for each in row)
    padding = _("padding included")
    lesson.numbers(
        [
            (_("Outputs"), count(outputs), _("one for each window")),
            (_("Products each"), count(v["k"] ** 2), "k · k"),
            (_("MACs"), count(products), padding if v["p"] else _("outputs · k · k")),
            (_("Never read"), count(made.lost), _("of {n} pixels").format(n=v["h"] * v["w"])),
        ],
        key="windows",
    )


def _window_answer(v: Mapping[str, int], out: int) -> str:
    span, padded = v["d"] * (v["k"] - 1) + 1, v["w"] + 2 * v["p"]
    room = padded - span
    text = _(
        "Across, a window spans d(k − 1) + 1 = {span} of {padded} padded columns, which leaves it "
        "{room} to move. In steps of {s} that is ⌊{room} / {s}⌋ = {moves} moves, and with the "
        "first place **{out} outputs**."
    ).format(span=span, padded=padded, room=room, s=v["s"], moves=out - 1, out=out)
    over = room % v["s"]
    if over:
        rest = n_(
            "The floor drops what is left: the last padded column is in no window.",
            "The floor drops what is left: the last {n} padded columns are in no window.",
            over,
        )
    else:
        rest = _("The last window ends exactly at the edge; the floor drops nothing.")
    return joined(text, rest)


# ------------------------------------------------------------------- part 2: padding


def padding(lesson: Lesson, v: Mapping[str, int]) -> None:
    """Valid, same and full; what stands in the padding; what a stride loses."""
    fills = {
        "zeros": _("zeros"), "reflect": _("reflect"), "replicate": _("replicate"),
        "circular": _("circular"),
    }  # fmt: skip
    controls, grids = st.columns([1, 3], gap="medium")
    with controls:
        st.segmented_control(_("Padding"), MODES, key=_key("pad"), required=True,
                             on_change=address.touch)  # fmt: skip
        st.selectbox(_("Filled with"), FILLS, key=_key("fill"),
                     format_func=fills.__getitem__, on_change=address.touch)  # fmt: skip
        with st.container(gap="xxsmall", key="padding_controls"):
            _slider(_("Input n"), "vn")
            _slider(_("Kernel k"), "vk")
            _slider(_("Stride s"), "vs")
    with grids:
        _padding_grid(lesson, v)
    point = cache.sizes(_MOST_SIZE, v["vk"], v["vs"])[v["vn"] - 1]
    half = (v["vk"] - 1) // 2
    lesson.numbers(
        [
            (_("valid, p = 0"), _size(point.valid), _unread(point.unread)),
            (_("p = (k − 1) / 2 = {p}").format(p=half), _size(point.half),
             _unread(point.unread_half)),
            (_("p = (k − 1)s / 2 = {p}").format(p=(v["vk"] - 1) * v["vs"] // 2),
             _size(point.stretched), _("a rule for s = 1")),
            (_("full, p = {p}").format(p=v["vk"] - 1), _size(point.full),
             _("every overlap")),
            (_("n / s, rounded up"), _size(point.wanted), _("what “same” means")),
        ],
        key="padding",
        least=150,
    )  # fmt: skip
    if not lesson.hides:
        lesson.plot(
            cache.sizes_json(
                _MOST_SIZE, v["vk"], v["vs"], v["vn"], _figure_names(), widgets.theme()
            ),
            "convolution_sizes",
            _("Output size for every input size, and the pixels that no window reads"),
        )
    lesson.answer(_padding_answer(v))


_MOST_SIZE: Final = 24
"""Input sizes of the figure."""


def _unread(pixels: int) -> str:
    return n_("{n} pixel never read", "{n} pixels never read", pixels)


def _size(value: int | None) -> str:
    return _("none") if value is None else count(value)


def _padding_grid(lesson: Lesson, v: Mapping[str, int]) -> None:
    mode, fill = st.session_state[_key("pad")], st.session_state[_key("fill")]
    edges = padding_for(mode, v["vn"], v["vk"], v["vs"])
    setting = Setting(
        (v["vn"], v["vn"]), (v["vk"], v["vk"]), (v["vs"], v["vs"]), (edges, edges), fill=fill
    )
    made = cache.gathered(setting)
    if isinstance(made, cache.Misfit):
        if max(edges):
            st.warning(
                _(
                    "“{fill}” takes the padding from the input, and {needed} pixels are needed "
                    "for it; there are {received}."
                ).format(fill=_(fill), needed=made.needed, received=made.received)
            )
        else:
            _misfit(made)
        return
    out = made.output[0]
    data = _gather_data(
        made,
        [_("input {n} × {n}, padding {before} before and {after} behind").format(
            n=v["vn"], before=edges[0], after=edges[1])],
        [_output_title(lesson, len(out), len(out[0]))],
    )  # fmt: skip
    data["legend"] = _legend(made, padded=max(edges) > 0)
    _draw("pat", data, {}, lesson)


def _figure_names() -> tuple[tuple[str, str], ...]:
    return (
        ("title", _("Output size for every input size")),
        ("x", _("input size n")),
        ("y", _("output size")),
        ("lost", _("never read")),
        ("full", _("full")),
        ("stretched", _("p = (k − 1)s / 2")),
        ("half", _("p = (k − 1) / 2")),
        ("valid", _("valid, p = 0")),
        ("wanted", _("n / s, rounded up")),
    )


def _padding_answer(v: Mapping[str, int]) -> str:
    k, s = v["vk"], v["vs"]
    lines = [
        _(
            "At s = 1, **valid** reads only what is there and shrinks by k − 1; **full** has every "
            "window that touches a pixel and grows by k − 1; **same** keeps the size: "
            "n + 2p − k + 1 = n gives p = (k − 1) / 2, which only an odd k makes whole."
        ),
        _(
            "With a stride, the same p gives ⌊(n − 1) / s⌋ + 1 for odd k, and that is n / s "
            "rounded up, for every n. PyTorch takes padding=\"same\" at stride 1 only; TensorFlow "
            "pads just enough for n / s rounded up, and an odd pixel behind."
        ),
        _(
            "The rule p = (k − 1)s / 2 is right for s = 1 alone: with whole p it gives "
            "⌊(n − k) / s⌋ + k, too large for every s > 1 and k > 2."
        ),
    ]  # fmt: skip
    if k % 2 == 0:
        lines.append(
            _(
                "k = {k} is even: p = {p} on both sides is half a pixel too little, and the "
                "output is n / s rounded up only for suitable n."
            ).format(k=k, p=(k - 1) // 2)
        )
    if s > k:
        lines.append(
            _(
                "The stride is larger than the kernel: between two windows lie pixels that "
                "nothing reads."
            )
        )
    return "\n\n".join(lines)


# ------------------------------------------------------------ part 3: channels, groups


def channels(lesson: Lesson, v: Mapping[str, int]) -> None:
    """Several channels: each filter sums over those that it sees."""
    shared = _shared(v)
    with st.grid(3, min_column_width=215, gap="small", key="channel_controls"):
        for label, name in ((_("Input channels"), "cin"), (_("Output channels"), "cout")):
            st.segmented_control(label, _CHANNELS, key=_key(name), required=True,
                                 on_change=address.touch)  # fmt: skip
        st.segmented_control(
            _("Groups"), shared, key=_key("g"), required=True, on_change=address.touch,
            help=_("Groups divide both numbers of channels."),
        )  # fmt: skip
    setting = Setting((5, 5), (3, 3), in_channels=v["cin"], out_channels=v["cout"], groups=v["g"])
    made = cache.gathered(setting, tuple(range(1, v["cout"] + 1)))
    assert isinstance(made, cache.Gathered)
    data = _gather_data(
        made,
        [_("channel {n}").format(n=c) for c in range(v["cin"])],
        [_("filter {n}").format(n=f) for f in range(v["cout"])],
    )
    each = v["cout"] // v["g"]
    for f, shown in enumerate(data["filters"]):
        shown["group"] = f // each
    data["legend"] = [("tap", _("read by this window")), ("now", _("this output"))]
    data["tall"] = 480
    words = {
        "grid": _("Input channels, the filter that is looked at, and the output of every filter. "
                  "Click an output; arrow keys walk over it, space plays."),
        "kernel": _("its weights"),
    }  # fmt: skip
    _draw("ch", data, words, lesson)
    _channel_numbers(lesson, v)


def _channel_numbers(lesson: Lesson, v: Mapping[str, int]) -> None:
    numbers = {"in": v["cin"], "out": v["cout"], "groups": v["g"], "kernel": 3, "stride": 1,
               "padding": 0, "size": 5, "bias": 1}  # fmt: skip
    here = worked.own("grouped", tuple(numbers.items()))
    whole = worked.own("grouped", tuple({**numbers, "groups": 1}.items()))
    if isinstance(here, worked.Refusal) or isinstance(whole, worked.Refusal):
        return
    lesson.numbers(
        [
            (_("Each filter sees"), count(v["cin"] // v["g"]),
             _("of {n} channels").format(n=v["cin"])),
            (_("Parameters"), compact(here.params),
             _("{n} with one group").format(n=count(whole.params))),
            (_("MACs"), compact(here.macs), _("{n} with one group").format(n=count(whole.macs))),
            (_("Output"), f"{v['cout']} × 3 × 3", _("one map a filter")),
        ],
        key="channels",
    )  # fmt: skip
    if lesson.hides:
        lesson.answer("")
        return
    params, macs = here.of("params")[0], here.of("macs")[0]
    names = role_names()
    for step, unit in ((params, _("parameters")), (macs, "MACs")):
        worked_out = terms_latex(step.terms, names)
        st.markdown(rf"$\displaystyle {worked_out} = {number_latex(step.result)}\;\text{{{unit}}}$")
    text = _(
        "A filter has one k × k slice for each channel that it sees. Slice times window is summed "
        "within each channel, the channels are added, then the bias: **one number**. The number "
        "of filters is the number of output channels."
    )
    more = ""
    if v["g"] == v["cin"] > 1:
        more = _("As many groups as channels: this convolution is depthwise.")
    elif v["g"] > 1:
        more = _(
            "With {g} groups a filter sees 1/{g} of the channels, and weights and MACs fall by "
            "{g}; channels of different groups never meet."
        ).format(g=v["g"])
    lesson.answer(joined(text, more))


# ----------------------------------------------------------------- part 4: transposed


def transposed(lesson: Lesson, v: Mapping[str, int]) -> None:
    """The same sizes backwards: stamps that overlap, or zeros between the pixels."""
    names = {"scatter": _("Stamp the kernel"), "zeros": _("Insert zeros")}
    controls, grids = st.columns([1, 3], gap="medium")
    with controls:
        st.radio(
            _("Seen as"), tuple(names), key=_key("tv"), format_func=names.__getitem__,
            on_change=address.touch,
        )  # fmt: skip
        with st.container(gap="xxsmall", key="transposed_controls"):
            _slider(_("Input n"), "tn")
            _slider(_("Kernel k"), "tk")
            _slider(_("Stride s"), "ts")
            _slider(_("Padding p"), "tp", most=v["tk"] - 1, hint=_("Here it cuts the edge off."))
            _slider(_("Extra e"), "te", most=v["ts"] - 1,
                    hint=_("output_padding: rows and columns added behind."))  # fmt: skip
    made = cache.scattered(
        TransposedSetting((v["tn"], v["tn"]), v["tk"], v["ts"], v["tp"], 1, v["te"])
    )
    if isinstance(made, cache.Misfit):
        grids.warning(
            _("A padding of {p} cuts the whole output off; take a smaller one.").format(p=v["tp"])
        )
        return
    out = len(made.output)
    with grids:
        if st.session_state[_key("tv")] == "scatter":
            _stamps(lesson, v, made)
        else:
            _inserted(lesson, v, made)
    st.latex(
        r"\text{out} = (n - 1)\,s - 2p + d\,(k - 1) + 1 + e = "
        rf"({v['tn']} - 1) \cdot {v['ts']} - 2 \cdot {v['tp']} + ({v['tk']} - 1) + 1 + {v['te']} "
        rf"= {_HIDDEN if lesson.hides else out}"
    )
    backward = (out + 2 * v["tp"] - v["tk"]) // v["ts"] + 1
    lesson.answer(
        _(
            "Each input pixel stamps the whole kernel, times its value, onto the output; where "
            "stamps overlap they add up. It undoes the *size* of a convolution, not its values: a "
            "convolution with the same k, s and p makes {back} of {out} again. Equal to it: put "
            "s − 1 zeros between the pixels, turn the kernel by half a turn, and convolve with "
            "stride 1 and padding k − 1 − p."
        ).format(back=backward, out=out)
    )


def _stamps(lesson: Lesson, v: Mapping[str, int], made: cache.Scattered) -> None:
    n, all_rows = v["tn"], len(made.whole)
    p, out = v["tp"], len(made.output)
    data = {
        "scatter": True,
        "planes": [_plane(_size_title(_("input"), n, n), made.inputs, [[True] * n] * n)],
        "filters": [
            {
                "title": _output_title(lesson, out, out),
                "sees": [0],
                "kernel": [made.kernel],
                "out": made.whole,
                "cut": made.cut,
                "inside": [p, p, out, out],
            }
        ],
        "rows": made.rows,
        "columns": made.columns,
        "steps": made.steps,
        "givers": made.givers,
        "legend": [
            ("now", _("this pixel")),
            ("tap", _("where its stamp lands")),
            *([("cut", _("cut off by the padding"))] if p else []),
        ],
    }
    assert all_rows == out + 2 * p
    words = {
        "back": _("Previous pixel"),
        "on": _("Next pixel"),
        "slider": _("Which pixel"),
        "where": _("pixel at row {row}, column {column}"),
        "grid": _("Grids of input, kernel and output. Arrow keys choose an input pixel, space "
                  "plays; click an output to see what it adds up."),
        "stamp": _("{value} times the kernel is added to the output. Click an output to see what "
                   "it adds up."),
    }  # fmt: skip
    _draw("tat", data, words, lesson)


def _inserted(lesson: Lesson, v: Mapping[str, int], made: cache.Scattered) -> None:
    out = len(made.output)
    title = _("input {n} × {n} with zeros between").format(n=v["tn"])
    data = _gather_data(
        made.gathered,
        [title],
        [_output_title(lesson, out, out)],
    )
    data["unread"] = None
    data["planes"][0]["inside"] = [0, 0, 0, 0]
    data["legend"] = [("plain", _("pixels of the input")), ("pad", _("inserted zeros and padding"))]
    _draw("tat", data, {"kernel": _("turned kernel")}, lesson)


# -------------------------------------------------------------------- part 5: picture


def picture(lesson: Lesson, v: Mapping[str, int]) -> None:
    """The same arithmetic on a picture."""
    st.pills(
        _("Filter"), tuple(_FILTER_TITLES), key=_key("f"), required=True,
        format_func=lambda name: _(_FILTER_TITLES[name]), on_change=address.touch,
    )  # fmt: skip
    used = _filter(v)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        with st.container(width=260), st.grid(2, min_column_width=100, gap="small"):
            _number(_("Stride s"), "fs")
            _number(_("Dilation d"), "fd")
        st.toggle(_("In color, each channel on its own"), key=_key("color"),
                  on_change=address.touch)  # fmt: skip
        with st.popover(_("Your own picture"), icon=":material/add_photo_alternate:"):
            _upload()
    if st.session_state.get(_TROUBLE):
        st.error(st.session_state[_TROUBLE], icon=":material/broken_image:")
    shown = _chosen_picture()
    gray = not st.session_state[_key("color")]
    result = filter_picture(shown, used, stride=v["fs"], dilation=v["fd"], gray=gray)
    row, column = corner((shown.shape[0], shown.shape[1]), v["row"], v["col"], _SIDE)
    before, times, after = st.columns(
        [4, 3 if lesson.present else 2, 4], gap="small", vertical_alignment="center"
    )
    with before:
        color = kind_color("convolution", widgets.theme())
        frame = (int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16))
        plain = brightness(shown)[..., None].repeat(3, 2) if gray else shown
        caption = _("input, {h} × {w}").format(h=shown.shape[0], w=shown.shape[1])
        st.image(marked(plain, row, column, _SIDE, frame), width="stretch", caption=caption)
    with times:
        st.latex(_matrix(used))
    with after:
        if lesson.hides:
            st.markdown("# ?")
        else:
            caption = _("output, {h} × {w}").format(h=result.shape[0], w=result.shape[1])
            st.image(result, width="stretch", caption=caption)
    _square(lesson, v, shown, used)


def _upload() -> None:
    """Take a picture; what is kept in the session is small."""
    state = st.session_state
    upload = st.file_uploader(
        _("PNG, JPEG, WebP, GIF or BMP"), FORMATS, key="convolution_upload",
        on_change=address.touch, max_upload_size=MOST_BYTES // 2**20,
        help=_("It is read on the server that runs this app, made smaller, and kept only as long "
               "as this tab is open."),
    )  # fmt: skip
    if upload is None:
        for key in (_READ, _PICTURE, _TROUBLE):
            state.pop(key, None)
    elif state.get(_READ) != upload.file_id:
        state[_READ] = upload.file_id
        try:
            state[_PICTURE], state[_TROUBLE] = read_picture(upload.getvalue(), longest=_LONGEST), ""
        except PictureError as error:
            state.pop(_PICTURE, None)
            state[_TROUBLE] = instead(error)


def _chosen_picture() -> Pixels:
    found: Pixels | None = st.session_state.get(_PICTURE)
    return sample_picture() if found is None else found


def instead(error: PictureError) -> str:
    """Say what is wrong with a picture, and what is shown."""
    return joined(picture_sentence(error), _("The example picture is shown instead."))


def picture_sentence(error: PictureError) -> str:
    """Say what is wrong with a picture."""
    size = f"{error.width:,} × {error.height:,}"
    if error.trouble == "huge":
        return _(
            "The file says that it is {size} pixels; at most {most} are read. Make the picture "
            "smaller and try again."
        ).format(size=size, most=count(MOST_PIXELS))
    if error.trouble == "broken":
        return _(
            "The picture of {n} bytes is damaged or incomplete; save it again as PNG or JPEG."
        ).format(n=count(error.nbytes))
    if error.trouble == "heavy":
        return _("The file has {n} bytes; at most {most} are read.").format(
            n=count(error.nbytes), most=count(MOST_BYTES)
        )
    return _(
        "The file of {n} bytes is no picture that can be read here; PNG, JPEG, WebP, GIF and BMP "
        "can."
    ).format(n=count(error.nbytes))


def _filter(v: Mapping[str, int]) -> Filter:
    name = st.session_state[_key("f")]
    if name != "own":
        return FILTERS[name]
    with st.grid(4, min_column_width=90, gap="xsmall", key="own_filter"):
        for place in range(9):
            a, b = divmod(place, 3)
            _number(_("row {a}, column {b}").format(a=a, b=b), f"w{place}")
            if b == 2 and a == 0:
                _number(_("Divide by"), "div")
            elif b == 2:
                st.empty()
    one, two, three = (
        (v[f"w{a}"], v[f"w{a + 1}"], v[f"w{a + 2}"]) for a in (0, 3, 6)
    )  # fmt: skip
    return Filter((one, two, three), v["div"])


def _matrix(used: Filter) -> str:
    rows = r" \\ ".join(" & ".join(map(str, row)) for row in used.weights)
    scale = rf"\frac{{1}}{{{used.divisor}}}" if used.divisor > 1 else ""
    offset = f" + {used.offset}" if used.offset else ""
    return rf"{scale}\begin{{bmatrix}} {rows} \end{{bmatrix}}{offset}"


def _square(lesson: Lesson, v: Mapping[str, int], shown: Pixels, used: Filter) -> None:
    """The numbers of a small square of the picture."""
    height, width = shown.shape[:2]
    with st.grid(2, min_column_width=200, gap="medium", key="square_controls"):
        for label, name, most in (
            (_("Square: row"), "row", height - _SIDE),
            (_("Square: column"), "col", width - _SIDE),
        ):
            if most > 0:
                st.session_state[_key(name)] = min(v[name], most)
                st.slider(label, 0, most, key=_key(name), on_change=address.touch)
    values = patch(shown, v["row"], v["col"], _SIDE)
    try:
        made, result = filter_patch(values, used, stride=v["fs"], dilation=v["fd"])
    except WindowError as error:
        _misfit(cache.Misfit(error.needed, error.received))
        return
    rows = values.tolist()
    after = f"/ {used.divisor}" if used.divisor > 1 else ""
    after += f" + {used.offset}" if used.offset else ""
    flat = made.products.reshape(*made.products.shape[1:3], -1)
    data = {
        "shaded": True,
        "after": after.strip(),
        "planes": [
            _plane(_("brightness in the square"), rows, [[True] * len(rows[0])] * len(rows))
        ],
        "filters": [
            {
                "title": _("output"),
                "sees": [0],
                "kernel": made.weights[0].tolist(),
                "bias": 0,
                "out": result.tolist(),
                "products": flat.tolist(),
            }
        ],
        "rows": made.rows,
        "columns": made.columns,
        "legend": [
            ("tap", _("read by this window")),
            ("", _("results are rounded and cut to 0 … 255")),
        ],
    }  # fmt: skip
    _draw("sq", data, {}, lesson)
    lesson.answer(_filter_sentence(used))


def _filter_sentence(used: Filter) -> str:
    total = sum(map(sum, used.weights))
    flat = _(
        "The weights add up to {sum}, divided by {by}: an even area of brightness b becomes {b}."
    ).format(
        sum=total,
        by=used.divisor,
        b=used.offset
        if not total
        else "b"
        if total == used.divisor
        else f"{total}/{used.divisor} b",
    )
    about = {
        "blur": _("Neighbors count less the further away they are: noise and edges soften."),
        "box": _("All nine pixels count alike: the mean of the window."),
        "sharpen": _("What differs from its four neighbors is raised by that difference."),
        "sobel_x": _("Right minus left: upright edges show, level ones do not. Gray is no change."),
        "sobel_y": _("Below minus above: level edges show, upright ones do not. Gray is no "
                     "change."),
        "laplacian": _("The neighbors minus four times the center: edges of every direction."),
        "emboss": _("Lower right minus upper left, plus the pixel itself: light seems to fall "
                    "from a corner."),
    }.get(st.session_state[_key("f")], _("The first layers of trained networks hold many such "
                                         "filters, but their values are learned."))  # fmt: skip
    return joined(about, flat)
