"""Layerwise, the app: the shell that all pages share.

Run with `streamlit run app.py`. Every run goes from top to bottom: load (once in the life of
the server), read the address and the sidebar, run the page, write the address.
"""

from pathlib import Path

import streamlit as st

ICON = Path(__file__).parent / "pages" / "shared" / "icon.svg"

st.set_page_config(page_title="Layerwise", page_icon=ICON, layout="wide")

with st.spinner("Loading PyTorch. Only the first visitor after a start waits for it."):
    from pages.shared import address, cache, sidebar, widgets

    cache.warm_up()

page = st.navigation(
    {
        "Inspect": [
            st.Page("pages/inspect/layers.py", title="Layers", icon=":material/table_rows:"),
        ],
    }
)
widgets.brand()
try:
    sidebar.choose()
    page.run()
finally:
    address.close_run()
