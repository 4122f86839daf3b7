"""Layerwise, the app: the shell that all pages share.

Run with `streamlit run app.py`. Every run goes from top to bottom: settle the language, load
(once in the life of the server), read the address and the sidebar, run the page, write the
address.
"""

from pathlib import Path

import streamlit as st

from pages.shared import address, text
from pages.shared.learn.contents import PAGES
from pages.shared.text import _

ICON = Path(__file__).parent / "pages" / "shared" / "icon.svg"

st.set_page_config(page_title="Layerwise", page_icon=ICON, layout="wide")
run = address.open_run()
text.open_language()

# Before anything slow: while a cold server loads, the browser already asks which pages there are.
page = st.navigation(
    {
        _("Inspect"): [
            st.Page(
                "pages/inspect/layers.py",
                title=_("Layers"),
                icon=":material/table_rows:",
                default=True,
            ),
            st.Page(
                "pages/inspect/performance.py",
                title=_("Performance"),
                icon=":material/speed:",
            ),
            st.Page(
                "pages/inspect/catalogue.py",
                title=_("Catalogue"),
                icon=":material/menu_book:",
            ),
            st.Page(
                "pages/inspect/published.py",
                title=_("Published vs exact"),
                icon=":material/fact_check:",
            ),
        ],
        _("Compare"): [
            st.Page(
                "pages/compare/side_by_side.py",
                title=_("Side by side"),
                icon=":material/compare:",
            ),
            st.Page("pages/compare/sweeps.py", title=_("Sweeps"), icon=":material/show_chart:"),
            st.Page(
                "pages/compare/landscape.py",
                title=_("Choose"),
                icon=":material/scatter_plot:",
            ),
        ],
        _("Learn"): [
            st.Page("pages/learn/lessons.py", title=_("Lessons"), icon=":material/school:"),
            *(
                st.Page(
                    f"pages/learn/{lesson.name}.py",
                    title=_(lesson.title),
                    icon=f":material/{lesson.icon}:",
                    # The course is entered through its contents; the bar at the side stays short.
                    visibility="visible" if lesson.name in ("lab", "quiz") else "hidden",
                )
                for lesson in PAGES
            ),
        ],
    }
)
with st.spinner(_("Loading PyTorch. Only the first visitor after a start waits for it.")):
    from pages.shared import cache, sidebar, widgets

    cache.warm_up()

widgets.brand()
with address.closing(run):
    # The other pages are about all models: the choice waits until one is opened again.
    if page.url_path in ("", "performance", "lab", "receptive_field", "feature_maps"):
        sidebar.choose()
    with st.sidebar:
        text.control()
    page.run()
