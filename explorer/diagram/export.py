"""A scene as a file: SVG, PNG, PDF, Graphviz DOT, TikZ, and HTML that works offline."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from explorer.diagram.dot import scene_dot
from explorer.diagram.heat import Heat
from explorer.diagram.interactive import assets, heat_data, signature, theme_data
from explorer.diagram.scene import Scene
from explorer.diagram.scene_svg import scene_svg
from explorer.diagram.tikz import scene_tikz
from explorer.errors import OptionError

FORMATS: Final = {
    "svg": "image/svg+xml",
    "png": "image/png",
    "pdf": "application/pdf",
    "dot": "text/vnd.graphviz",
    "tex": "application/x-tex",
    "html": "text/html",
}
"""Ending of a file -> its media type."""
_SHARP, _MOST_PIXELS, _LONGEST = 2.0, 60_000_000, 30_000
"""Pixels of a PNG to one of the scene, the most that a PNG may have, and on one side: no browser
shows more than some 32,000."""


def scene_file(scene: Scene, form: str, *, dark: bool = False, heat: Heat | None = None) -> bytes:
    """Make a file of exactly what a scene shows; for "html" see `scene_html`.

    Args:
        scene: what to draw.
        form: one of `FORMATS`, without "html".
        dark: draw for a dark page.
        heat: colour boxes by a quantity, see `heat.scene_heat`.

    Raises:
        OptionError: there is no such format, or what writes it is not installed.
    """
    if form == "svg":
        return scene_svg(scene, dark=dark, heat=heat).encode()
    if form == "dot":
        return scene_dot(scene, dark=dark, heat=heat).encode()
    if form == "tex":
        return scene_tikz(scene, dark=dark, heat=heat).encode()
    if form not in ("png", "pdf"):
        known = ", ".join(FORMATS)
        raise OptionError(f"A diagram cannot be saved as {form!r}; the formats are {known}.", form)
    return _converted(scene_svg(scene, dark=dark, heat=heat), form)


def _converted(svg: str, form: str) -> bytes:
    try:
        import vl_convert  # 30 MB that nothing else needs
    except ImportError as error:
        raise OptionError(
            f"Saving as {form} needs vl-convert-python, which is not installed: "
            "pip install vl-convert-python, or save as svg.",
            form,
        ) from error
    if form == "pdf":
        return bytes(vl_convert.svg_to_pdf(svg))
    size = re.search(r'width="(\d+)" height="(\d+)"', svg)
    assert size  # every document says its size
    width, height = map(int, size.groups())
    sharp = min(_SHARP, (_MOST_PIXELS / (width * height)) ** 0.5, _LONGEST / max(width, height))
    return bytes(vl_convert.svg_to_png(svg, scale=sharp))


# --- HTML ----------------------------------------------------------------------------------

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{
  --st-font: "Source Sans 3", "Source Sans Pro", Helvetica, Arial, "DejaVu Sans", sans-serif;
  --st-border-color: #8886; --st-base-radius: 0; --st-primary-color: #d6336c;
}}
body {{ margin: 0; }}
.pages {{ position: absolute; right: 150px; top: 8px; display: flex; gap: 6px; z-index: 1;
  font: 13px var(--st-font); }}
.pages select, .pages button {{ height: 30px; font: inherit; border-radius: 6px;
  border: 1px solid var(--st-border-color); background: var(--paper); color: var(--ink); }}
.node .open, .group .toggles path, .group .hit {{ display: none; }}
.group .toggles {{ cursor: default; }}
{css}
.node .open, .group .toggles path, .group .hit {{ display: none; }}
.legend {{ bottom: 30px; }}
.about {{ position: absolute; left: 10px; bottom: 8px; font-size: 12px; color: var(--muted); }}
</style>
</head>
<body>
<div id="root">{html}</div>
<script type="application/json" id="scenes">{data}</script>
<script type="module">
{js}
const root = document.getElementById("root"), frame = root.querySelector(".frame");
const {{ views, themes, dark }} = JSON.parse(document.getElementById("scenes").textContent);
const bar = document.createElement("div");
bar.className = "pages";
const choice = document.createElement("select"), lamp = document.createElement("button");
choice.setAttribute("aria-label", "How far it is open");
views.forEach((view, i) => choice.add(new Option(view.title, i)));
lamp.textContent = "◐";
lamp.title = "Light or dark";
const about = document.createElement("div");
about.className = "about";
frame.append(bar, about);
if (views.length > 1) bar.append(choice);
bar.append(lamp);
let theme = dark ? "dark" : "light", at = 0, selected = "";
function present() {{
  const view = views[at];
  about.textContent = view.scene.caption;
  const heat = view.heat && view.heat[theme];
  drawDiagram({{
    parentElement: root,
    data: {{ scene: view.scene, theme: themes[theme], heat, selected, layer: selected,
      subject: view.title, signature: view.signature + theme }},
    setTriggerValue: (_, done) => {{
      if (done.what !== "select") return;
      selected = selected === done.key ? "" : done.key;
      present();
    }},
  }});
}}
choice.onchange = () => {{ at = Number(choice.value); present(); }};
lamp.onclick = () => {{ theme = theme === "dark" ? "light" : "dark"; present(); }};
present();
</script>
</body>
</html>
"""


def scene_html(
    views: Sequence[tuple[str, Mapping[str, Any], Mapping[str, Heat] | None]], *, dark: bool = False
) -> bytes:
    """Make one HTML file with the interactive view, which needs no network and no server.

    Args:
        views: title, data (`interactive.scene_data`) and heat of each scene; what is shown
            first stands first. A heat is one for each theme, "light" and "dark".
        dark: begin with the dark page.
    """
    sources = assets()
    js = sources["js"].replace("export default function (", "function drawDiagram(")
    packed = [
        {
            "title": title,
            "scene": data,
            "signature": signature(data),
            "heat": heat and {theme: heat_data(each) for theme, each in heat.items()},
        }
        for title, data, heat in views
    ]
    data = json.dumps(
        {
            "views": packed,
            "themes": {theme: theme_data(theme) for theme in ("light", "dark")},
            "dark": dark,
        }
    )
    return _PAGE.format(
        title=escape(str(views[0][1]["title"])),
        css=sources["css"],
        html=sources["html"],
        # "</script>" in a name of the model would end the element.
        data=data.replace("<", "\\u003c"),
        js=js,
    ).encode()
