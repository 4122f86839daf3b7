"""Opening a lesson without a browser, and reading what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

APP = Path(__file__).parents[2] / "app.py"


def opened(page: str, **query: str) -> AppTest:
    """A lesson as its navigation opens it, with what its link says."""
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


def said(app: AppTest) -> str:
    """All running text, as it is read."""
    found = [each.value for each in (*app.markdown, *app.caption, *app.subheader)]
    return re.sub(r"\\(.)", r"\1", "\n".join(found))


def metrics(app: AppTest) -> dict[str, str]:
    """Label -> value of every number on the page."""
    return {metric.label: metric.value for metric in app.metric}


def charts(app: AppTest) -> list[str]:
    """Every Plotly figure, as its JSON."""
    return [chart.proto.spec for chart in app.get("plotly_chart")]


def pictures(app: AppTest) -> int:
    """How many diagrams stand on the page."""
    return len(app.get("image"))


def _written(figure: dict[str, Any]) -> list[str]:
    """Title, axes, names and notes of a figure."""
    layout = figure["layout"]
    axes = [value for key, value in layout.items() if key[1:5] == "axis"]
    titles = [part.get("title", {}).get("text") for part in (layout, *axes)]
    notes = [note.get("text") for note in layout.get("annotations", ())]
    return [text for text in (*titles, *notes, *(t.get("name") for t in figure["data"])) if text]


def english(app: AppTest) -> list[str]:
    """Texts of a page shown in Chinese that hold a sentence in English.

    Left out are what is a name in every language: papers' titles, models, code.
    """
    texts = [each.value for each in (*app.markdown, *app.caption, *app.subheader, *app.title)]
    texts += [each.label for each in (*app.button, *app.slider, *app.select_slider)]
    texts += [each.label for each in (*app.selectbox, *app.toggle, *app.metric)]
    texts += [metric.delta for metric in app.metric]
    texts += [text for chart in charts(app) for text in _written(json.loads(chart))]
    found = []
    for text in texts:
        plain = re.sub(r"`[^`]*`|\$[^$]*\$|arXiv:\S+", "", text)
        words = re.findall(r"[a-z]{3,}", re.sub(r"[A-Z]\w*(?:-\w+)*", "", plain))
        chinese = re.search(r"[一-鿿]", plain)
        if len(words) > 1 and not chinese:
            found.append(text)
    return found
