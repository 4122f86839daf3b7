"""The interactive diagram as a Streamlit component; how it draws and listens is in `explorer`."""

import streamlit as st

from explorer.diagram.interactive import assets

_SOURCES = assets()

draw = st.components.v2.component(
    "layerwise_diagram", html=_SOURCES["html"], css=_SOURCES["css"], js=_SOURCES["js"]
)
