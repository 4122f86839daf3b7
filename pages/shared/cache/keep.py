"""Caching what holds sentences: once for each language, at the same call."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, Generic, ParamSpec, TypeVar

import streamlit as st

from pages.shared.text import LANGUAGES, _, language

P = ParamSpec("P")
R = TypeVar("R")


class Kept(Generic[P, R]):
    """A cached function with a cache for each language."""

    def __init__(self, function: Callable[P, R], max_entries: int, spinner: str) -> None:
        self.__doc__ = function.__doc__
        self.__name__ = getattr(function, "__name__", "")
        self._spinner = spinner
        self._caches: dict[str, Any] = {
            name: st.cache_data(max_entries=max_entries, show_spinner=False)(_copy(function, name))
            for name in LANGUAGES
        }

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Answer in the visitor's language."""
        cached: Callable[P, R] = self._caches[language()]
        if not self._spinner:
            return cached(*args, **kwargs)
        with st.spinner(_(self._spinner)):
            return cached(*args, **kwargs)

    def clear(self) -> None:
        """Forget everything."""
        for cache in self._caches.values():
            cache.clear()


def keep(max_entries: int, spinner: str = "") -> Callable[[Callable[P, R]], Kept[P, R]]:
    """Cache a function whose results hold sentences.

    Args:
        max_entries: results that are kept for each language.
        spinner: what is said while it takes time, marked with `N_`; "" for nothing.
    """
    return lambda function: Kept(function, max_entries, spinner)


def _copy(function: Callable[P, R], name: str) -> FunctionType:
    """The same function under another name, by which Streamlit tells caches apart."""
    assert isinstance(function, FunctionType)
    copy = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__annotations__ = function.__annotations__
    copy.__module__ = function.__module__
    copy.__doc__ = function.__doc__
    copy.__qualname__ = f"{function.__qualname__}[{name}]"
    return copy
