"""The landscape of all models: their profiles, what they are in a setting, and its chart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from explorer.analysis.landscape import MEASURES, Candidate, candidate, families_of, judge
from explorer.analysis.profiles import Setting
from explorer.figures.landscape import landscape
from explorer.latency import LatencyRecord, Way, times
from explorer.latency.ways import Place
from explorer.sweep.survey import Survey
from pages.shared.cache.catalogue import COUNTED
from pages.shared.cache.keep import keep
from pages.shared.cache.traces import Theme
from pages.shared.choice import image_models

if TYPE_CHECKING:
    from pages.shared.landscape import View as LandscapeView


@st.cache_resource(show_spinner=False)
def survey() -> Survey:
    """The profiles of all models that any visitor has asked for."""
    return Survey()


@st.cache_data(max_entries=8, show_spinner=False)
def survey_names(sources: tuple[str, ...]) -> tuple[str, ...]:
    """Models of some sources that take one image."""
    return tuple(name for source in sources for name in image_models(source))


@st.cache_data(max_entries=8, show_spinner=False)
def families(sources: tuple[str, ...]) -> tuple[str, ...]:
    """Families of the models of some sources, ours first."""
    return families_of(survey_names(sources))


def is_surveyed(sources: tuple[str, ...], size: tuple[int, int] | None) -> bool:
    """Whether all models of these sources have been traced at a size."""
    return all(("survey", source, size) in COUNTED for source in sources)


def note_surveyed(sources: tuple[str, ...], size: tuple[int, int] | None) -> None:
    """Remember that all models of these sources have been traced at a size."""
    COUNTED.update(("survey", source, size) for source in sources)


@st.cache_data(max_entries=16, show_spinner=False)
def recorded_times(way: Way) -> dict[Place, LatencyRecord]:
    """The recorded time of each model in one way."""
    return times(way)


@keep(64)
def candidates(
    sources: tuple[str, ...], size: tuple[int, int] | None, setting: Setting, way: Way
) -> tuple[Candidate, ...]:
    """All models of some sources in one setting, in their own order."""
    names = survey_names(sources)
    known = recorded_times(way)
    found = {profile.name: profile for profile in survey().profiles(names, size)}
    return tuple(candidate(found[name], setting, known) for name in names)


def surveyed_sources(view: LandscapeView) -> tuple[str, ...]:
    """The view's sources as far as their models have been traced."""
    return tuple(source for source in view.sources if is_surveyed((source,), view.size))


@keep(64)
def landscape_json(view: LandscapeView, sources: tuple[str, ...], theme: Theme) -> str:
    """The chart of the landscape, as Plotly's JSON."""
    shown = candidates(sources, view.size, view.setting, view.way)
    verdict = judge(shown, view.limits)
    figure = landscape(
        verdict.left,
        verdict.reasons,
        shown,
        x=MEASURES[view.x],
        y=MEASURES[view.y],
        size=view.dots,
        color=view.color,
        marked=view.marked,
        setting=view.setting.statement(),
        way=view.way.statement(),
        theme=theme,
    )
    return str(figure.to_json())
