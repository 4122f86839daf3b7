"""A comparison as a document: one HTML file, Markdown, or LaTeX tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from explorer.analysis.units import shape_text
from explorer.figures.comparison import MEASURES
from explorer.report import Report, Table, report_html, report_latex, report_markdown
from pages.shared import address, beside, cache, timed
from pages.shared.beside import Choices
from pages.shared.comparing import View
from pages.shared.text import N_, _
from pages.shared.view import View as ModelView

_FORMS: Final[tuple[tuple[str, str, str, Callable[[Report], str]], ...]] = (
    (N_("HTML report, one file"), "html", "text/html", report_html),
    ("Markdown", "md", "text/markdown", report_markdown),
    (N_("LaTeX tables"), "tex", "application/x-tex", report_latex),
)


def downloads(view: View, shown: Choices, picture: ModelView) -> None:
    """Offer the comparison as a document; it is made when it is asked for.

    Args:
        view: what is compared.
        shown: the models that can be traced.
        picture: how the drawing of each model looks.
    """
    # Read now: the file is made outside of any run, where the page's state is not there.
    link = urlencode(address.following(), safe=",:();=×")
    measured = _measured(view, shown)
    tables = (beside.total_table(view, shown).known(), *_stages(view, shown))
    conventions = (*beside.conventions(view, shown), *measured)
    with st.popover(_("Export"), icon=":material/ios_share:"):
        for label, ending, mime, form in _FORMS:

            def content(form: Callable[[Report], str] = form, ending: str = ending) -> str:
                figures = ending == "html"
                return form(
                    Report(
                        title=_title(view, shown),
                        summary=_summary(view, shown),
                        tables=tables,
                        differences=_differences(view, shown),
                        figures=_figures(view, shown) if figures else (),
                        drawings=_drawings(shown, picture) if figures else (),
                        conventions=conventions,
                        link=link,
                    )
                )

            st.download_button(
                _(label),
                content,
                f"{_file(view, shown)}.{ending}",
                mime,
                on_click="ignore",
                key=f"compare_export_{ending}",
                width="stretch",
            )


def _measured(view: View, shown: Choices) -> tuple[str, ...]:
    times = timed.records(beside.works(view, shown), view.here)
    return tuple(
        _("Measured here: {model}, {conditions}, torch {torch}, median of {runs} runs.").format(
            model=time.model,
            conditions=timed.conditions(time),
            torch=time.environment.torch,
            runs=time.runs,
        )
        for time in times
    )


def _stages(view: View, shown: Choices) -> list[Table]:
    return [beside.stage_table(view, shown, measure) for measure in MEASURES]


def _names(view: View, shown: Choices) -> list[str]:
    models = cache.comparing.side_by_side(shown, view.convention).comparison.models
    return [model.name for model in models]


def _title(view: View, shown: Choices) -> str:
    *names, last = _names(view, shown)
    return _("{names} and {last} side by side").format(names=_(", ").join(names), last=last)


def _file(view: View, shown: Choices) -> str:
    names = "-".join(_names(view, shown))
    return "".join(sign if sign.isalnum() or sign in "_-" else "-" for sign in names)[:120]


def _summary(view: View, shown: Choices) -> tuple[str, ...]:
    found = cache.comparing.side_by_side(shown, view.convention).summaries
    return tuple(" ".join(sentences) for sentences in found)


def _differences(view: View, shown: Choices) -> tuple[tuple[str, pd.DataFrame], ...]:
    tables = []
    for other in shown[1:]:
        found = cache.comparing.difference(shown[0], other, view.convention)
        frame = found.frame[found.frame["Status"] != "same"]
        kept = frame.drop(columns=["Left params", "Right params"]).rename(
            columns={"Left": found.names[0], "Right": found.names[1]}
        )
        same = len(found.frame) - len(frame)
        title = _(
            "{right} against {left}: {differ:,} rows that differ, {same:,} are the same"
        ).format(right=found.names[1], left=found.names[0], differ=len(frame), same=same)
        tables.append((title, kept))
    return tuple(tables)


def _figures(view: View, shown: Choices) -> tuple[str, ...]:
    drawn = [("stages", "cost"), ("stages", "params"), ("curves", "cost")]
    return tuple(
        cache.comparing.comparison_json(shown, view.convention, figure, measure, "light")
        for figure, measure in drawn
    )


def _drawings(shown: Choices, picture: ModelView) -> tuple[tuple[str, str], ...]:
    return tuple(
        (
            _("{model} at {size}").format(model=choice.model, size=shape_text(choice.input_shape)),
            cache.diagram_file(choice, picture, "light", "svg")().decode(),
        )
        for choice in shown
    )
