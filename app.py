"""Layerwise, the app: the shell that all pages share.

Run with `streamlit run app.py`. Every run goes from top to bottom: load (once in the life of
the server), read the address and the sidebar, run the page, write the address.
"""

from pathlib import Path

import streamlit as st

ICON = Path(__file__).parent / "pages" / "shared" / "icon.svg"

st.set_page_config(page_title="Layerwise", page_icon=ICON, layout="wide")

# Before anything slow: while a cold server loads, the browser already asks which pages there are.
page = st.navigation(
    {
        "Inspect": [
            st.Page(
                "pages/inspect/layers.py",
                title="Layers",
                icon=":material/table_rows:",
                default=True,
            ),
            st.Page("pages/inspect/performance.py", title="Performance", icon=":material/speed:"),
            st.Page("pages/inspect/catalogue.py", title="Catalogue", icon=":material/menu_book:"),
            st.Page(
                "pages/inspect/published.py",
                title="Published vs exact",
                icon=":material/fact_check:",
            ),
        ],
        "Compare": [
            st.Page(
                "pages/compare/side_by_side.py",
                title="Side by side",
                icon=":material/compare:",
            ),
            st.Page("pages/compare/sweeps.py", title="Sweeps", icon=":material/show_chart:"),
            st.Page("pages/compare/landscape.py", title="Choose", icon=":material/scatter_plot:"),
        ],
    }
)
with st.spinner("Loading PyTorch. Only the first visitor after a start waits for it."):
    from pages.shared import address, cache, sidebar, widgets

    cache.warm_up()

widgets.brand()
try:
    # The other pages are about all models: the choice waits until one is opened again.
    if page.url_path in ("", "performance"):
        sidebar.choose()
    else:
        sidebar.keep()
    page.run()
finally:
    address.close_run()
