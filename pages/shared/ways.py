"""How a pass is measured here: device, number type, threads, layout; all of it in the link."""

from __future__ import annotations

import os
from typing import Any, Final, NamedTuple

import streamlit as st

from explorer.latency import DTYPES, available_devices, default_threads
from pages.shared import address
from pages.shared.text import _

_STATE: Final = "measure_ways"
_PARAMETER: Final = "measure"
_FLAGS: Final = {
    "channels_last": "channels-last",
    "compiled": "compile",
    "tf32": "tf32",
    "no_graph": "no-graph",
    "flush_l2": "flush-l2",
}
"""Field of `Ways` -> its name in the link."""
_CUDA_ONLY: Final = ("tf32", "no_graph", "flush_l2")


class Ways(NamedTuple):
    """How a pass is measured; small and plain."""

    device: str
    dtype: str = "float32"
    threads: int = 0
    """For one operation on the CPU; 0 leaves that to torch."""
    channels_last: bool = False
    compiled: bool = False
    tf32: bool = False
    no_graph: bool = False
    """No replay of a CUDA graph beside the eager pass."""
    flush_l2: bool = False

    @property
    def on_cuda(self) -> bool:
        """Whether the device is a CUDA device."""
        return self.device.startswith("cuda")

    def arguments(self, *, layered: bool) -> dict[str, Any]:
        """As `measure_latency` takes them, or `measure_layers`, which knows fewer."""
        given: dict[str, Any] = {
            "device": self.device,
            "dtype": self.dtype,
            "threads": self.threads or None,
            "tf32": self.tf32,
            "channels_last": self.channels_last,
        }
        if layered:
            return given
        graph = False if self.no_graph or not self.on_cuda else None
        return {
            **given,
            "compiled": self.compiled,
            "cuda_graph": graph,
            "flush_l2": self.flush_l2,
        }


# ------------------------------------------------------------------- the link


def open_ways() -> None:
    """Read the ways from the session, or from the address where that speaks, and record them.

    Once in a run, before the page's head says what could not be read.
    """
    state = st.session_state
    text = address.query().get(_PARAMETER)
    if address.speaks():
        found, problems = parsed(text or "")
        address.report(problems)
        state[_STATE] = found
    found = state.setdefault(_STATE, Ways(available_devices()[0]))
    address.record({_PARAMETER: spelled(found) or None})


def current() -> Ways:
    """The ways of this run, which has opened them."""
    found: Ways = st.session_state[_STATE]
    return found


def parsed(text: str) -> tuple[Ways, tuple[str, ...]]:
    """Read what a link says, such as "cpu,bfloat16,threads:2,compile".

    Returns:
        The ways, and one sentence for each part that is not possible here; such a part is left
        out and the others are kept.
    """
    present = available_devices()
    found, problems = Ways(present[0]), []
    for part in filter(None, text.split(",")):
        changed = _with_part(found, part, present)
        if isinstance(changed, str):
            problems.append(changed)
        else:
            found = changed
    return _possible(found), tuple(problems)


def _with_part(ways: Ways, part: str, present: tuple[str, ...]) -> Ways | str:
    """The ways with one part more, or the sentence that says why not."""
    wanted = "cuda:0" if part == "cuda" else part
    if wanted in present:
        return ways._replace(device=wanted)
    if part in DTYPES:
        return ways._replace(dtype=part)
    name, _colon, number = part.partition(":")
    if name == "threads" and number.isascii() and number.isdigit() and len(number) < 5:
        threads = int(number)
        if 1 <= threads <= most_threads():
            return ways._replace(threads=_told(threads))
    flag = next((field for field, name in _FLAGS.items() if name == part), None)
    if flag in _CUDA_ONLY and not any(each.startswith("cuda") for each in present):
        return _(
            "The link asks for {part}, which needs a CUDA device; this server has none."
        ).format(part=part)
    if flag:
        return ways._replace(**{flag: True})  # type: ignore[arg-type]
    if name == "threads":
        return _(
            "The link asks for {part!r}: this server takes threads:1 to :{most_threads}."
        ).format(part=part, most_threads=most_threads())
    if name in ("cpu", "cuda", "mps", "xpu", "tpu"):
        return _(
            "The link asks for the device {part!r}, which this server does not have: "
            "it measures on {present}."
        ).format(part=part, present=_(" or ").join(present))
    return _("The link says {parameter}={part!r}, which is not known here; it is ignored.").format(
        parameter=_PARAMETER, part=part
    )


def _possible(ways: Ways) -> Ways:
    """Leave out what means nothing on the chosen device or in the chosen type."""
    if not ways.on_cuda:
        ways = ways._replace(**dict.fromkeys(_CUDA_ONLY, False))  # type: ignore[arg-type]
    return ways if ways.dtype == "float32" else ways._replace(tf32=False)


def spelled(ways: Ways) -> str:
    """As a link says it; "" for the defaults."""
    parts = [ways.device] if ways.device != available_devices()[0] else []
    parts += [ways.dtype] if ways.dtype != "float32" else []
    parts += [f"threads:{ways.threads}"] if ways.threads else []
    return ",".join([*parts, *(name for field, name in _FLAGS.items() if getattr(ways, field))])


def most_threads() -> int:
    """The most threads that are of use here."""
    return max(os.cpu_count() or 1, default_threads())


def _told(threads: int) -> int:
    return 0 if threads == default_threads() else threads


# ------------------------------------------------------------------- widgets


def controls(ways: Ways) -> None:
    """Device, number type, threads, and what else there is on the device."""
    devices = available_devices()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="ways"):
        _choose(_("Device"), "device", devices, ways.device, 130)
        _choose(_("Number type"), "dtype", DTYPES, ways.dtype, 130)
        most = most_threads()
        if not ways.on_cuda and most > 1:
            st.session_state["measure_threads"] = ways.threads or default_threads()
            st.number_input(
                _("Threads"), 1, most, key="measure_threads", on_change=_change, width=110,
                help=_("Of the CPU, for one operation: 1 to {most}.").format(most=most),
            )  # fmt: skip
        with st.container(key="measure_switches", width="content", gap=None):
            _switch(
                _("Channels last"), "channels_last", ways,
                _("Weights and images as NHWC in memory."),
            )  # fmt: skip
            _switch(
                "torch.compile", "compiled", ways,
                _("Translate the model first. That takes a minute or more, and cannot be stopped."),
            )  # fmt: skip
        if ways.on_cuda:
            _cuda_switches(ways)


def _cuda_switches(ways: Ways) -> None:
    with st.container(key="measure_cuda", width="content", gap=None):
        if ways.dtype == "float32":
            _switch("TF32", "tf32", ways, _("Multiply float32 tensors with 10 bits of mantissa."))
        _switch(
            _("No CUDA graph"), "no_graph", ways,
            _(
                "Do not also time the replay of a captured graph, which has no gaps between "
                "launches."
            ),
        )  # fmt: skip
        _switch(_("Empty the L2 cache"), "flush_l2", ways, _("Before each run."))


def _choose(label: str, field: str, options: tuple[str, ...], value: str, width: int) -> None:
    st.session_state[f"measure_{field}"] = value
    st.selectbox(label, options, key=f"measure_{field}", on_change=_change, width=width)


def _switch(label: str, field: str, ways: Ways, tip: str) -> None:
    st.session_state[f"measure_{field}"] = getattr(ways, field)
    st.toggle(label, key=f"measure_{field}", on_change=_change, help=tip)


def _change() -> None:
    """Take over what the widgets say; a widget that was not drawn keeps its value."""
    address.touch()
    state = st.session_state
    old: Ways = state[_STATE]
    new = {field: state.get(f"measure_{field}", getattr(old, field)) for field in Ways._fields}
    new["threads"] = _told(new["threads"]) if new["threads"] else 0
    state[_STATE] = _possible(Ways(**new))
