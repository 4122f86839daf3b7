"""A comparison as one document: a self-contained HTML file, Markdown, or LaTeX tables.

It is made of what the app shows, cell by cell, so that its numbers are the app's.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import NamedTuple

import pandas as pd
from plotly.offline import get_plotlyjs

from explorer.analysis.landscape import latex_text
from explorer.analysis.layers import to_markdown

Cell = tuple[str, str]
"""What a cell says, and what stands small behind it."""
NO_VALUE = "–"
"""What a cell says that has no value."""
MOST_ROWS = 400
"""Rows of a difference that a document holds."""


class TableRow(NamedTuple):
    """One quantity of all models."""

    title: str
    note: str
    """What it is of, in a few words; "" if that is clear."""
    cells: tuple[Cell, ...]


class Table(NamedTuple):
    """Quantities of models, a column for each model."""

    title: str
    heads: tuple[Cell, ...]
    """Name and input of each model."""
    rows: tuple[TableRow, ...]

    def known(self) -> Table:
        """The same without the rows that no model has a value of."""
        rows = (row for row in self.rows if any(value != NO_VALUE for value, _ in row.cells))
        return self._replace(rows=tuple(rows))


class Report(NamedTuple):
    """Everything that one document says."""

    title: str
    summary: tuple[str, ...]
    tables: tuple[Table, ...]
    differences: tuple[tuple[str, pd.DataFrame], ...]
    """A title, and the rows that differ; those beyond `MOST_ROWS` are counted and left out."""
    figures: tuple[str, ...]
    """Plotly's JSON, in the light theme."""
    drawings: tuple[tuple[str, str], ...]
    """A title and an SVG."""
    conventions: tuple[str, ...]
    """What is counted, and what each time holds for."""
    link: str
    """The query that shows the same in the app: "models=resnet50,vgg16"."""


def environment() -> tuple[tuple[str, str], ...]:
    """With what the numbers were made: names and versions, and when."""
    found = [("Layerwise", _version("layerwise")), ("Python", platform.python_version())]
    found += [(name, _version(name)) for name in ("torch", "torchvision", "timm", "plotly")]
    found.append(("Made", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")))
    return tuple((name, version) for name, version in found if version)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:  # not installed, or run from a checkout
        return ""


def _kept(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The rows that a document holds, and a sentence about those that it does not."""
    rest = len(frame) - MOST_ROWS
    return frame.head(MOST_ROWS), f"{rest:,} further rows are left out." if rest > 0 else ""


# ------------------------------------------------------------------------------- Markdown


def report_markdown(report: Report) -> str:
    """The document as GitHub Markdown, without its figures."""
    parts = [f"# {report.title}", *map(_plain, report.summary)]
    for table in report.tables:
        parts += [f"## {table.title}", _markdown_table(table)]
    for title, frame in report.differences:
        kept, left_out = _kept(frame)
        parts += [f"## {title}", to_markdown(kept).rstrip("\n"), *filter(None, [left_out])]
    parts += ["## Conventions", "\n".join(f"- {_plain(text)}" for text in report.conventions)]
    made = ", ".join(f"{name} {version}" for name, version in environment())
    parts += ["## Environment", f"{made}. In the app: `?{report.link}`"]
    return "\n\n".join(parts) + "\n"


def _plain(text: str) -> str:
    """Keep what a sentence says from being read as Markdown."""
    return "".join(f"\\{sign}" if sign in r"\`*_[]<|" else sign for sign in text)


def _markdown_table(table: Table) -> str:
    heads = ["", *(_markdown_cell(head) for head in table.heads)]
    rule = ["---", *("---:" for _ in table.heads)]
    rows = [
        [_markdown_cell((row.title, row.note)), *map(_markdown_cell, row.cells)]
        for row in table.rows
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows))


def _markdown_cell(cell: Cell) -> str:
    value, detail = cell
    return _plain(f"{value} ({detail})" if detail else value)


# ---------------------------------------------------------------------------------- LaTeX


def report_latex(report: Report) -> str:
    """The tables in LaTeX, each with its conventions as a caption, as wide as the text."""
    parts = ["% Needs \\usepackage{array,booktabs}."]
    parts += [f"% {text}" for text in (*report.summary, *_environment_lines())]
    parts += [_latex_table(table, report.conventions) for table in report.tables]
    return "\n".join(parts) + "\n"


def _environment_lines() -> Iterable[str]:
    return (f"{name} {version}" for name, version in environment())


def _latex_table(table: Table, conventions: Sequence[str]) -> str:
    caption = latex_text(" ".join([f"{table.title}.", *conventions]))
    names = " & ".join(["", *(latex_text(name) for name, _ in table.heads)])
    inputs = " & ".join(["", *(latex_text(detail) for _, detail in table.heads)])
    ragged = "\\raggedleft\\arraybackslash"
    wide = f"p{{{0.68 / len(table.heads):.3f}\\textwidth}}"
    columns = f">{{\\raggedright}}p{{0.2\\textwidth}}{f'>{{{ragged}}}{wide}' * len(table.heads)}"
    lines = [
        "\\begin{table}",
        "\\centering",
        "\\small",
        f"\\caption{{{caption}}}",
        f"\\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
        "\\toprule",
        f"{names} \\\\",
        f"{inputs} \\\\",
        "\\midrule",
        *(line for row in table.rows for line in _latex_rows(row)),
        "\\bottomrule",
        "\\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(lines)


def _latex_rows(row: TableRow) -> list[str]:
    """One line of values; what stands small behind them in a second."""
    values = [latex_text(row.title), *(latex_text(value) for value, _ in row.cells)]
    lines = [f"{' & '.join(values)} \\\\"]
    details = [row.note, *(detail for _, detail in row.cells)]
    if any(details):
        small = (f"\\footnotesize {latex_text(text)}" if text else "" for text in details)
        lines.append(f"{' & '.join(small)} \\\\[2pt]")
    return lines


# ----------------------------------------------------------------------------------- HTML

_STYLE = """
:root { color-scheme: light; }
body { margin: 2rem auto; max-width: 62rem; padding: 0 1.25rem; background: #fff; color: #1b1f24;
  font: 1rem/1.5 "Source Sans 3", "Source Sans Pro", system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .75rem; }
h2 { font-size: 1.2rem; margin: 2.25rem 0 .5rem; }
p { margin: .5rem 0; max-width: 48rem; }
.frame { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .94rem; }
th, td { padding: .3rem 1.1rem .3rem 0; text-align: left; vertical-align: top; font-weight: 400;
  border-bottom: 1px solid #dfe3e8; }
td { min-width: 8rem; }
thead th { border-bottom-color: #1b1f24; }
b { font-weight: 600; }
small { display: block; color: #5a6472; font-size: .8rem; }
.rows td, .rows th { min-width: 0; font-size: .84rem; white-space: nowrap; }
.rows td.number { text-align: right; }
figure { margin: 1rem 0 1.75rem; overflow-x: auto; }
figure svg { max-width: 100%; height: auto; }
figcaption { color: #5a6472; font-size: .85rem; }
footer { margin-top: 3rem; border-top: 1px solid #dfe3e8; padding-top: .75rem; color: #5a6472;
  font-size: .85rem; }
code { font-size: .85rem; overflow-wrap: anywhere; }
@media print { body { margin: 0; max-width: none; } h2 { break-after: avoid; }
  figure, table { break-inside: avoid; } }
"""


def report_html(report: Report) -> str:
    """The document as one file that needs nothing else: no network, no other file.

    Its charts are Plotly's, whose library is in the file and makes most of its size, some five
    megabytes.
    """
    body = [f"<h1>{escape(report.title)}</h1>"]
    body += [f"<p>{escape(text)}</p>" for text in report.summary]
    body += [f"<h2>{escape(t.title)}</h2>{_html_table(t)}" for t in report.tables]
    body += [
        f'<figure><div id="figure-{number}"></div></figure>'
        for number in range(len(report.figures))
    ]
    body += [f"<h2>{escape(title)}</h2><figure>{svg}</figure>" for title, svg in report.drawings]
    body += [f"<h2>{escape(title)}</h2>{_html_rows(frame)}" for title, frame in report.differences]
    body.append("<h2>Conventions</h2>")
    body += [f"<p>{escape(text)}</p>" for text in report.conventions]
    made = ", ".join(f"{escape(name)} {escape(version)}" for name, version in environment())
    body.append(
        f"<footer><p>{made}</p><p>In the app: <code>?{escape(report.link)}</code></p></footer>"
    )
    return _page(report.title, "\n".join(body), report.figures)


def _page(title: str, body: str, figures: Sequence[str]) -> str:
    scripts = ""
    if figures:
        # No text in a figure may end the script.
        safe = [drawn.replace("</", "<\\/") for drawn in figures]
        calls = "\n".join(f"draw({number}, {drawn});" for number, drawn in enumerate(safe))
        scripts = (
            f"<script>{get_plotlyjs()}</script>\n<script>\n"
            "function draw(number, figure) {\n"
            "  Plotly.newPlot(`figure-${number}`, figure.data, figure.layout,\n"
            "    {displayModeBar: false, responsive: true});\n"
            f"}}\n{calls}\n</script>"
        )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n{scripts}\n</body>\n</html>\n"
    )


def _html_table(table: Table) -> str:
    head = "".join(_html_cell("th", *each) for each in table.heads)
    rows = "".join(
        f"<tr>{_html_cell('th', row.title, row.note)}"
        f"{''.join(_html_cell('td', *cell) for cell in row.cells)}</tr>"
        for row in table.rows
    )
    return (
        f'<div class="frame"><table><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _html_cell(tag: str, value: str, detail: str) -> str:
    small = f"<small>{escape(detail)}</small>" if detail else ""
    bold = f"<b>{escape(value)}</b>" if tag == "td" or small else escape(value)
    return f"<{tag}>{bold}{small}</{tag}>"


def _html_rows(frame: pd.DataFrame) -> str:
    kept, left_out = _kept(frame)
    head = "".join(f"<th>{escape(str(name))}</th>" for name in kept.columns)
    rows = "".join(
        f"<tr>{''.join(map(_html_value, values))}</tr>"
        for values in kept.itertuples(index=False, name=None)
    )
    table = f'<table class="rows"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    note = f"<p>{left_out}</p>" if left_out else ""
    return f'<div class="frame">{table}</div>{note}'


def _html_value(value: object) -> str:
    if isinstance(value, str):
        return f"<td>{escape(value)}</td>"
    return f'<td class="number">{value:,}</td>'
