"""The languages are complete: every text on screen is looked up, and every look-up finds one."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from string import Formatter

import pytest

from tools import translations

ROOT = Path(__file__).parents[2]
CATALOGUES = sorted(path for folder in translations.LOCALES for path in folder.glob("*/*.po"))

_CHINESE = r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]"
"""Characters, and the punctuation between them."""

SAME = frozenset(
    {
        *(
            "MACs",
            "G MACs",
            "ImageNet top-1",
            "Top-1",
            "Top-1 %",
            "Rank-1 %",
            "mAP %",
            "Rank-1",
            "mAP",
            "Market-1501.",
            "JSON",
            "Re-id mAP",
            "MLP",
            "Transformer",
            "softmax",
            "dropout",
            "full",
            "SE",
            "Dropout",
            "MACs ÷ {ratio}",
            "sigmoid",
            "hard sigmoid",
            "hard swish",
            "leaky ReLU",
        ),
        *("residual, 2015, He", "({side} / {patch})² + 1 = {along}² + 1 = **{tokens}**"),
    }
)
"""What every language says alike: names, units, formulas, what is typed in English."""

NOT_TRANSLATED: frozenset[str] = frozenset()
"""Files whose texts are still English only; to become empty."""

UNFINISHED: frozenset[str] = frozenset()
"""Catalogues that still lack translations; to become empty."""


# --------------------------------------------------------------------- catalogues


def _title(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def should_say(language: str) -> dict[Path, bytes]:
    return translations.updated(language)


def messages(path: Path) -> Iterator[tuple[str, str]]:
    """Each form of each message that is translated, with its translation."""
    for message in translations.read(path.read_bytes(), path.parent.name):
        if translations.lacks(message):
            continue
        if isinstance(message.id, str):
            yield message.id, str(message.string)
        else:
            for form in message.string:
                yield message.id[-1], form


def places(text: str) -> Counter[str]:
    return Counter(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def marks(text: str) -> tuple[int, int]:
    """How often Markdown's bold and code begin or end."""
    return text.count("**"), text.count("`")


def test_there_is_a_catalogue_for_each_part_of_the_app_and_no_other() -> None:
    for language in translations.LANGUAGES:
        there = {path for path in CATALOGUES if path.parent.name == language}
        assert there == set(should_say(language)), "run python tools/translations.py"


@pytest.mark.parametrize("path", CATALOGUES, ids=_title)
def test_a_catalogue_is_up_to_date(path: Path) -> None:
    said = should_say(path.parent.name)[path]
    assert path.read_bytes() == said, "run python tools/translations.py"


@pytest.mark.parametrize("path", CATALOGUES, ids=_title)
def test_every_text_is_translated(path: Path) -> None:
    lacking = translations.missing(path.read_bytes(), path.parent.name)
    if _title(path) in UNFINISHED:
        assert lacking, "it is complete: take it out of UNFINISHED"
    else:
        assert lacking == []


@pytest.mark.parametrize("path", CATALOGUES, ids=_title)
def test_a_translation_keeps_the_places_and_the_marks(path: Path) -> None:
    for english, said in messages(path):
        assert set(places(said)) == set(places(english)), english
        assert marks(said) == marks(english), english


@pytest.mark.parametrize("path", CATALOGUES, ids=_title)
def test_a_translation_is_in_its_language(path: Path) -> None:
    for english, said in messages(path):
        if {english, said} & SAME or not _words(english):
            continue
        assert said != english, english
        assert re.search(_CHINESE, said), f"not a word of Chinese: {said}"
        plain = re.sub(r"`[^`]*`|\{\w+\}", "", said)
        assert not re.search(r"(?:\b[a-z]{2,}\b[ ,;:]+){3}", plain), f"English left: {said}"


# -------------------------------------------------------------------- what is said

_STREAMLIT = {
    *("title", "header", "subheader", "markdown", "caption", "text", "write", "html", "badge"),
    *("info", "warning", "error", "success", "toast", "spinner", "status", "expander", "popover"),
    *("button", "download_button", "link_button", "checkbox", "toggle", "slider", "text_input"),
    *("number_input", "text_area", "file_uploader", "camera_input", "dialog", "dataframe"),
    *("table", "Column", "TextColumn", "NumberColumn", "ProgressColumn", "CheckboxColumn"),
    *("LinkColumn", "ListColumn", "MultiselectColumn", "SelectboxColumn", "BarChartColumn"),
    *("part", "answer"),
}
"""Calls whose first argument is shown: Streamlit's, and those of a lesson."""
_WHOLE = {"tabs", "metric", "numbers", "page_title", "_metric"}
"""Calls of which all arguments are shown."""
_OPTIONS = {"selectbox", "multiselect", "radio", "segmented_control", "pills", "select_slider"}
"""Calls whose second argument is shown too, unless it is formatted."""
_KEYWORDS = {
    *("label", "body", "help", "placeholder", "text", "caption", "alt", "title", "page_title"),
    *("delta", "prompt", "how", "tries", "subtitle"),
}
_OTHERS = {
    "page_link",
    "Page",
    "set_page_config",
    "image",
    "progress",
    "plot",
    "plotly_chart",
    "close",
}
"""Calls of which only keywords are shown."""
_LOOKED_UP = {"_", "n_", "N_"}
_WRAPPERS = {"plain", "escape", "str", "format", "join", "replace", "removesuffix", "DataFrame"}
"""Functions that give back what they are given, more or less."""
_NAMES = {"Layerwise", "CSV", "Markdown", "px", "ms", "MiB", "GiB", "GB", "SE"}


def _name(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _shown(call: ast.Call) -> Iterator[ast.expr]:
    """The arguments of a call that are shown."""
    name = _name(call)
    known = name in _STREAMLIT | _WHOLE | _OPTIONS | _OTHERS | {"predict"}
    if not known or (isinstance(call.func, ast.Name) and name not in _WHOLE):
        return
    keywords = {each.arg: each.value for each in call.keywords if each.arg}
    if name in _WHOLE:
        yield from call.args
    elif name == "predict":
        yield from (*call.args[1:2], *call.args[3:])
    elif name not in _OTHERS:
        yield from call.args[:1]
    if name in _OPTIONS and "format_func" not in keywords:
        yield from call.args[1:2]
    yield from (value for key, value in keywords.items() if key in _KEYWORDS)


def _literals(node: ast.AST) -> Iterator[str]:
    """The texts in an expression that are not looked up."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values)
    for child in _inside(node):
        yield from _literals(child)


def _inside(node: ast.AST) -> list[ast.expr]:
    """The parts of an expression that its value is made of."""
    match node:
        case ast.JoinedStr(values=values):
            return [part.value for part in values if isinstance(part, ast.FormattedValue)]
        case ast.Call(func=function, args=args, keywords=keywords) if _name(node) in _WRAPPERS:
            owner = [function.value] if isinstance(function, ast.Attribute) else []
            return [*owner, *args, *(keyword.value for keyword in keywords)]
        case ast.IfExp(body=body, orelse=orelse):
            return [body, orelse]
        case ast.ListComp(elt=element) | ast.GeneratorExp(elt=element) | ast.SetComp(elt=element):
            return [element]
        case ast.BinOp(left=left, op=ast.Add() | ast.Mod() | ast.Mult(), right=right):
            return [left, right]
        case ast.BoolOp() | ast.List() | ast.Tuple() | ast.Dict() | ast.Set() | ast.Starred():
            return [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
    return []  # a call of anything else is looked up, or that function's own business


def _words(text: str) -> list[str]:
    """The English words of a text: markup, places, code, icons, names and units left out.

    A text that is in Chinese too, such as the label of the choice between them, has none.
    """
    if re.search(_CHINESE, text):
        return []
    plain = re.sub(
        r"<style>.*?</style>|<[^>]*>|`[^`]*`|\{[^{}]*\}|:[\w/]+:|:\w+\[|\\[a-z]+", " ", text
    )
    return [word for word in re.findall(r"\b[A-Za-z]{2,}\b", plain) if word not in _NAMES]


def _unlooked(source: str) -> list[str]:
    """Where English reaches the screen without being looked up: line and text."""
    return [
        f"{argument.lineno}: {text!r}"
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call)
        for argument in _shown(call)
        for text in _literals(argument)
        if _words(text)
    ]


PAGES = ["app.py", *sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "pages").rglob("*.py"))]


@pytest.mark.parametrize("path", PAGES)
def test_every_text_on_screen_is_looked_up(path: str) -> None:
    found = _unlooked((ROOT / path).read_text(encoding="utf-8"))
    if path in NOT_TRANSLATED:
        assert found, "it is translated: take it out of NOT_TRANSLATED"
    else:
        assert found == []


def test_no_file_is_excused_that_is_not_there() -> None:
    assert set(PAGES) >= NOT_TRANSLATED


@pytest.mark.parametrize(
    "code",
    [
        'st.title("A title")',
        'st.markdown(f"It has {n} layers")',
        'column.metric("MACs", value)',
        'st.metric(_("MACs"), value, "per image")',
        'st.toggle(_("On"), help="What it does")',
        'st.caption("one" if n == 1 else _("many"))',
        'st.markdown("The {what}".format(what=n))',
        'st.markdown(", ".join(f"{n} layers" for n in ns))',
        'st.selectbox(_("Which"), ["none", "all"])',
        'lesson.numbers([(_("MACs"), n, "in all")])',
        'lesson.close(tries=["Try it"], sources=[])',
        'lesson.predict("key", "How many?", 3, how)',
        'st.tabs(["First", "Second"])',
        'column.TextColumn("Layer")',
        'st.dataframe(pd.DataFrame({"Part": names}))',
        'st.error(plain("It failed"))',
        'lesson.plot(figure, key="k", alt="A curve")',
        'widgets.page_title(_("Sweeps"), "What models cost")',
        '_metric("Parameters", value, detail)',
    ],
)
def test_english_that_reaches_the_screen_is_found(code: str) -> None:
    assert _unlooked(code)


@pytest.mark.parametrize(
    "code",
    [
        'st.title(_("A title"))',
        'st.markdown(_("It has {n} layers").format(n="{:,}".format(n)))',
        'st.markdown(n_("{n} layer", "{n} layers", n))',
        "st.title(page.title)",
        'st.caption(f"{n:,} × {m:.3g} px")',
        'st.markdown(f"<div class=\\"bar\\">{text}</div>")',
        'st.button(_("Go"), key="the_key", icon=":material/play_arrow:", type="primary")',
        'st.selectbox(_("Which"), ["none", "all"], format_func=NAMES.get)',
        'st.page_link("pages/learn/lab.py", label=_("Lab"))',
        'st.caption(TITLES["none at all"])',
        'st.html(HERE / "talk.css")',
        'st.html(f"<p class=\\"bar bar-{kind}\\">{text}</p>")',
        'path.read_text(encoding="utf-8")',
        'logging.getLogger("a name")',
    ],
)
def test_what_is_looked_up_or_no_text_is_let_through(code: str) -> None:
    assert _unlooked(code) == []
