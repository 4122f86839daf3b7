"""A comparison as a document."""

from __future__ import annotations

import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

from explorer.report import (
    MOST_ROWS,
    NO_VALUE,
    Report,
    Table,
    TableRow,
    environment,
    report_html,
    report_latex,
    report_markdown,
)

TABLE = Table(
    "Totals",
    (("vgg16_c", "3 × 224 × 224"), ("a<b>&c", "3 × 96 × 96")),
    (
        TableRow("Parameters", "all, used or not",
                 (("134 M", "133,638,952"), ("138 M", "138,357,544 · +4,718,592 · ×1.035"))),
        TableRow("ImageNet top-1", "published", (("71.6%", "IMAGENET1K_V1"), (NO_VALUE, "none"))),
        TableRow("Measured here", "", ((NO_VALUE, "not yet"), (NO_VALUE, "not yet"))),
    ),
)  # fmt: skip
REPORT = Report(
    title="vgg16_c and a<b>&c side by side",
    summary=("a<b>&c differs from vgg16_c in 3 convolutions: kernel 1 -> 3.",),
    tables=(TABLE,),
    differences=(("1 row differs", pd.DataFrame({"Left": ["x|y"], "More params": [1234567]})),),
    figures=('{"data":[{"type":"bar","x":[1],"y":["</script>"]}],"layout":{}}',),
    drawings=(("vgg16_c", '<svg xmlns="http://www.w3.org/2000/svg"></svg>'),),
    conventions=("MACs of convolutions & linear layers, 100% of them.",),
    link="models=vgg16_c,vgg16&size=224x224",
)


def test_every_number_is_in_every_form() -> None:
    for text in (unescape(report_html(REPORT)), report_markdown(REPORT), report_latex(REPORT)):
        for row in TABLE.rows:
            for value, _ in row.cells:
                assert value.replace("%", "") in text or value == NO_VALUE
        assert "133,638,952" in text
        for name, version in environment():
            if name != "Made":
                assert f"{name} {version}" in text
    assert "1,234,567" in report_html(REPORT)
    assert "1,234,567" in report_markdown(REPORT)


def test_a_row_that_nobody_has_a_value_of_can_be_left_out() -> None:
    assert [row.title for row in TABLE.known().rows] == ["Parameters", "ImageNet top-1"]


def test_the_page_needs_nothing_else_and_text_is_no_markup() -> None:
    page = report_html(REPORT)
    assert not re.search(r"""(?:src|href)=["']https?:""", page.partition("<script>")[0])
    assert "<link" not in page.partition("<script>")[0]
    assert "a&lt;b&gt;&amp;c" in page
    assert "a<b>" not in page
    # Only the two scripts end: what a figure says does not.
    assert page.count("</script>") == 2
    assert "<\\/script>" in page


def test_without_figures_there_is_no_script() -> None:
    page = report_html(REPORT._replace(figures=()))
    assert "<script" not in page
    assert len(page) < 20_000


def test_a_long_difference_is_cut_and_says_so() -> None:
    frame = pd.DataFrame({"Left": [f"layer{n}" for n in range(MOST_ROWS + 7)]})
    long = REPORT._replace(differences=(("Many", frame),), figures=())
    for text in (report_html(long), report_markdown(long)):
        assert "7 further rows are left out." in text
        assert f"layer{MOST_ROWS - 1}" in text
        assert f"layer{MOST_ROWS}" not in text


def test_markdown_tables_have_as_many_cells_in_every_line() -> None:
    lines = report_markdown(REPORT).splitlines()
    table = [line for line in lines if line.startswith("|")][:5]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1
    assert r"vgg16\_c" in table[0]


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_the_tables_are_set_by_latex_without_a_complaint(tmp_path: Path) -> None:
    four = TABLE._replace(
        heads=TABLE.heads * 2,
        rows=tuple(row._replace(cells=row.cells * 2) for row in TABLE.rows),
    )
    (tmp_path / "tables.tex").write_text(report_latex(REPORT._replace(tables=(TABLE, four))))
    (tmp_path / "all.tex").write_text(
        "\\documentclass{article}\\usepackage{array,booktabs}\n"
        "\\begin{document}\\input{tables.tex}\\end{document}\n"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
