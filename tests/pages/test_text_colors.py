"""The colours of sentences, as .streamlit/config.toml has them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from explorer.figures.theme import contrast

CONFIG = Path(__file__).parents[2] / ".streamlit" / "config.toml"


@pytest.mark.parametrize("color", ["red", "orange", "yellow", "green", "blue", "gray"])
def test_a_coloured_sentence_is_readable_on_every_light_background(color: str) -> None:
    light = tomllib.loads(CONFIG.read_text(encoding="utf-8"))["theme"]["light"]
    text = light[f"{color}TextColor"]
    for background in (
        light["backgroundColor"],
        light["sidebar"]["backgroundColor"],
        light[f"{color}BackgroundColor"],
    ):
        assert contrast(text, background) >= 4.5
