"""Reading what a lesson on architectures says."""

from __future__ import annotations

import re

from streamlit.testing.v1 import AppTest

from tests.pages.course import address, english_left, opened

__all__ = ["address", "charts", "english", "metrics", "opened", "pictures", "said"]


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


def english(app: AppTest) -> list[str]:
    """Sentences left in English on a page shown in Chinese; what a paper is called is none."""
    return [text for text in english_left(app) if "arXiv" not in text and "IEEE" not in text]
