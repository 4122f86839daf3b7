"""The files that models are built from."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from explorer.zoo import source_file


class Source(NamedTuple):
    """The file that a model is built from."""

    path: str
    """From the project's root, or from the library's."""
    text: str


@st.cache_data(max_entries=128, show_spinner=False)
def source(model: str) -> Source:
    """Read the file that defines a model."""
    file = source_file(model)
    return Source(file.label, file.text)
