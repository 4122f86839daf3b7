"""Stands in for the app where Streamlit looks for /convolution before app.py has ever run.

A server that nobody has visited looks for a page here, in the folder "pages", and says "Page not
found" if there is none; after the first run it knows the pages from app.py's navigation.
"""

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).parents[1] / "app.py"))
