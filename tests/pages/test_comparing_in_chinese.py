"""The pages that compare models, in Chinese: nothing English but names, units and code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from explorer.text import speaking
from pages.shared import cache
from tests.pages.course import english_left

APP = Path(__file__).parents[2] / "app.py"
NAMES = ("resnet18", "resnet50", "mobilenet_v2", "lenet5", "vit_b_16")


@pytest.fixture(autouse=True)
def few_models(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Five models stand for all."""
    monkeypatch.setattr(cache.choosing, "survey_names", lambda sources: NAMES)
    monkeypatch.setattr(cache.choosing.survey(), "_helped", 10_000)
    yield
    cache.choosing.candidates.clear()
    cache.choosing.landscape_json.clear()
    cache.COUNTED.clear()


def opened(page: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=180).run()
    for name in dict(app.query_params.items()):
        del app.query_params[name]
    for name, value in {"lang": "zh", **query}.items():
        app.query_params[name] = value
    app.switch_page(f"pages/compare/{page}.py").run()
    assert not app.exception
    return app


@pytest.mark.parametrize("tab", ["layers", "stages", "curves"])
def test_side_by_side(tab: str) -> None:
    app = opened("side_by_side", models="resnet18,plain18(groups=2),nothing", tab=tab)
    assert any("区别在于" in text.value for text in app.markdown)
    # A table's keys stay; its heads are translated.
    assert set(english_left(app)) <= {"More activation bytes"}


@pytest.mark.parametrize("show", ["macs", "time"])
def test_sweeps(show: str) -> None:
    query = {"models": "lenet5,alexnet", "range": "16:96:40", "show": show}
    app = opened("sweeps", **query)
    for _ in range(8):
        with speaking("zh"):  # the titles by which a widget's value is told
            app.run()
    assert app.dataframe
    assert english_left(app) == []


def test_choose() -> None:
    app = opened("landscape", macs="3", top1="70", model="resnet18", **{"with": "mobilenet_v2"})
    assert any("个模型中剩下" in text.value for text in app.markdown)
    assert english_left(app) == []
