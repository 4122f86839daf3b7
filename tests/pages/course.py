"""Opening a page of the course without a browser, and reading all that it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

APP = Path(__file__).parents[2] / "app.py"
_ENGLISH = re.compile(r"[A-Za-z]{2,}(?:[ ,;:.]+[A-Za-z]{2,}){2,}")
"""Three English words in a row: no name, unit or formula has so many."""


def opened(page: str, **query: str) -> AppTest:
    """A page of the course, as its navigation opens it with what a link says."""
    app = AppTest.from_file(str(APP), default_timeout=180).run()
    for name in dict(app.query_params.items()):
        del app.query_params[name]
    for name, value in query.items():
        app.query_params[name] = value
    app.switch_page(f"pages/learn/{page}.py").run()
    assert not app.exception
    return app


def address(app: AppTest) -> dict[str, str]:
    """The query parameters after the run."""
    parts = app.query_params.items()
    return {name: value if isinstance(value, str) else value[0] for name, value in parts}


def metrics(app: AppTest) -> dict[str, tuple[str, str]]:
    """Label -> value and detail; of several with one label the first."""
    found: dict[str, tuple[str, str]] = {}
    for metric in app.metric:
        found.setdefault(metric.label, (metric.value, metric.delta))
    return found


def answers(app: AppTest) -> str:
    """All that is written in sentences."""
    return "\n".join(each.value for each in (*app.markdown, *app.caption))


def charts(app: AppTest) -> dict[str, dict[str, Any]]:
    """Title -> Plotly's figure."""
    figures = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    return {_title(figure["layout"]): figure for figure in figures}


def _title(layout: dict[str, Any]) -> str:
    """A lesson writes a figure's title above it."""
    lifted = layout.get("meta")
    title: str = lifted["title"] if lifted else layout["title"]["text"]
    return title


def english_left(app: AppTest) -> list[str]:
    """Sentences on the page that are in English, wherever they stand."""
    return sorted({text for text in _texts(app) if _ENGLISH.search(_plain(text))})


def _plain(text: str) -> str:
    """Without code and without what a source is called."""
    return re.sub(r"`[^`]*`|<[^>]*>|Howard et al\.[^<]*|README of \S+[^<]*", " ", text)


def _texts(app: AppTest) -> Iterator[str]:
    for element in (*app.title, *app.subheader, *app.markdown, *app.caption, *app.warning):
        yield element.value
    for metric in app.metric:
        yield from (metric.label, str(metric.value), str(metric.delta))
    widgets = (
        app.selectbox, app.slider, app.select_slider, app.toggle, app.number_input,
        app.text_input, app.segmented_control, app.button,
    )  # fmt: skip
    for widget in (each for kind in widgets for each in kind):
        yield from (widget.label, str(getattr(widget, "help", "")))
    for expander in app.expander:
        yield expander.label
    for table in app.dataframe:
        yield from map(str, (*table.value.columns, *table.value.to_numpy().ravel()))
    for figure in charts(app).values():
        yield from _strings(figure)


def _strings(part: Any) -> Iterator[str]:
    """What a figure says."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name not in ("family", "template"):
                yield from _strings(value)
    elif isinstance(part, list):
        for each in part:
            yield from _strings(each)
    elif isinstance(part, str):
        yield part
