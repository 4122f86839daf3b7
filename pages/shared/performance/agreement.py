"""Predicted against taken: how far predictions can be trusted, over all runs of a device."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import pandas as pd
import streamlit as st

from explorer.analysis.agreement import Agreement, Compared
from explorer.analysis.roofline import Device
from explorer.analysis.units import compact, rounded, threads_text
from explorer.figures.agreement import TAKEN
from explorer.latency import Calibration
from pages.shared import address, runs
from pages.shared.cache import performance as cache
from pages.shared.choice import Choice
from pages.shared.performance.parts import ROW, metric, rounded_number
from pages.shared.runs import Run
from pages.shared.setup import CALIBRATION, View
from pages.shared.text import N_, _, n_
from pages.shared.widgets import plain, theme

_OWN, _CHOSEN = "own", "chosen"
_CLEAR: Final = 0.01
"""Difference of two rank correlations below which neither order is called the better."""
_FEW: Final = 10
"""Runs below which a correlation says little."""
_TOOK: Final = {"measured here": N_("measured"), "recorded": N_("recorded")}


class Group(NamedTuple):
    """Runs of one origin on one device in one number type."""

    origin: str
    device: str
    threads: int
    dtype: str

    @property
    def key(self) -> str:
        """As a link says it."""
        # A link says the same in every language.
        number = "1 thread" if self.threads == 1 else f"{self.threads:,} threads"
        threads = f" {number}" if self.threads else ""
        return f"{self.origin}: {self.device}{threads}, {self.dtype}"

    @property
    def took(self) -> str:
        """How the times were had, in a word."""
        return _TOOK.get(self.origin, N_("imported"))


class Found(NamedTuple):
    """What could be compared, and what not."""

    compared: tuple[Compared, ...]
    left_out: Counter[str]
    """Reason -> how many runs."""


def agreement_tab(choice: Choice, view: View) -> None:
    """The scatter of all runs of a device, with what it says of the predictions."""
    groups = _groups()
    group = _choose(groups)
    device, origin = _device(groups[group], group, view)
    found = _compared(groups[group], device)
    _scatter(found, group, choice)
    st.caption(_labels(groups[group], group, origin))
    _table(found, group)
    runs.importer()


def _groups() -> dict[Group, list[Run]]:
    """All runs by where they come from; recorded ones first."""
    found: dict[Group, list[Run]] = {}
    everything = runs.all_runs()
    for run in sorted(everything, key=lambda run: run.origin != "recorded"):
        record = run.record
        environment = record.environment
        cpu = environment.device.startswith("cpu")
        dtype = "TF32" if record.tf32 else record.dtype
        threads = environment.threads if cpu else 0
        group = Group(run.origin, environment.device_name, threads, dtype)
        found.setdefault(group, []).append(run)
    return found


def open_choice() -> None:
    """Read which runs are shown and what they are predicted with, and record both.

    Once in a run, before the page's head says what could not be read.
    """
    keys = {group.key: group for group in _groups()}
    first = next(iter(keys.values()))
    chosen = address.restore("runs", "performance_runs", keys.get, first)
    if chosen.key not in keys:  # it went, with a file that was removed
        chosen = st.session_state["performance_runs"] = first
    fit = address.restore("fit", "performance_fit", {_OWN: _OWN, _CHOSEN: _CHOSEN}.get, _OWN)
    address.record(
        {
            "runs": chosen.key if chosen != first else None,
            "fit": fit if fit != _OWN else None,
        }
    )


def _choose(groups: dict[Group, list[Run]]) -> Group:
    st.selectbox(
        _("Runs"),
        list(groups),
        key="performance_runs",
        format_func=lambda group: _title(group, groups[group]),
        on_change=address.touch,
        help=_(
            "Runs on one device in one number type: shipped with this version, "
            "measured in this session, or imported from a file."
        ),
    )
    chosen: Group = st.session_state["performance_runs"]
    return chosen


def _title(group: Group, members: Sequence[Run]) -> str:
    threads = f", {threads_text(group.threads)}" if group.threads else ""
    return _("{origin}: {device}{threads}, {dtype} ({runs})").format(
        origin=_sentence_case(runs.origin_text(group.origin)),
        device=group.device,
        threads=threads,
        dtype=group.dtype,
        runs=n_("{n} run", "{n} runs", len(members)),
    )


def _sentence_case(text: str) -> str:
    return text[0].upper() + text[1:]


# --------------------------------------------------------------- predict with what


def _device(members: Sequence[Run], group: Group, view: View) -> tuple[Device, str]:
    """The device to predict for, and what that is, in a sentence."""
    machine = _calibration(members)
    names = {
        _OWN: _("the peaks measured on that machine"),
        _CHOSEN: _("{device}, chosen above").format(device=view.setup.device.name),
    }
    if machine:
        st.segmented_control(
            _("Predicted with"), list(names), key="performance_fit", required=True,
            format_func=names.__getitem__, on_change=address.touch,
        )  # fmt: skip
    if machine and st.session_state["performance_fit"] == _OWN:
        device = cache.device_of(machine)
        peak = machine.peak("float32", tf32=False) or 0.0
        text = _(
            "Predicted with the peaks measured on {device} on {date}: {operations} float32 "
            "operations and {bytes}B a second, {launch_us} µs a launch ({how})."
        )
        return device, text.format(
            device=plain(group.device),
            date=machine.environment.date[:10],
            operations=compact(peak),
            bytes=compact(machine.bytes_per_second),
            launch_us=rounded(1e6 * device.launch_seconds),
            how=_("measured") if machine.launch_seconds else _("assumed"),
        )
    text = (
        _(
            "Predicted with the numbers of {device}, chosen above. Unless that is the same "
            "device, the ratio says nothing; the order of the models may."
        )
        if machine
        else _(
            "Predicted with the numbers of {device}, chosen above, as nothing is known of what "
            "the machine of these runs reaches. Unless that is the same device, the ratio says "
            "nothing; the order of the models may."
        )
    )
    return view.setup.device, text.format(device=plain(view.setup.device.name))


def _calibration(members: Sequence[Run]) -> Calibration | None:
    """What was measured on the machine of these runs: in this session, or shipped."""
    mine: Calibration | None = st.session_state.get(CALIBRATION)
    record = members[0].record
    known = [*([mine] if mine else []), *cache.calibrations()]
    if members[0].origin == "recorded":  # at the time of the runs, rather than today
        known.reverse()
    dtype, tf32 = record.dtype, record.tf32
    return next((c for c in known if c.is_of(record) and c.peak(dtype, tf32=tf32)), None)


# --------------------------------------------------------------------- comparing


def _compared(members: Sequence[Run], device: Device) -> Found:
    """Predict every run that can be; each model is traced once for all visitors."""
    left_out: Counter[str] = Counter()
    needs = {}
    for at, run in enumerate(members):
        need = cache.wanted(run.record)
        if isinstance(need, str):
            left_out[need] += 1
        else:
            needs[at] = need
    distinct = list(dict.fromkeys(needs.values()))
    profiles = {}
    progress = st.empty()
    for done, (need, profile) in enumerate(cache.surveyed(distinct), 1):
        profiles[need] = profile
        if done % 5 == 0 and done < len(distinct):
            progress.progress(
                done / len(distinct),
                _("Traced {done} of {total} models").format(done=done, total=len(distinct)),
            )
    progress.empty()
    compared = []
    for at, need in needs.items():
        each = cache.compared(members[at].record, need, profiles[need], device)
        if isinstance(each, str):
            left_out[each] += 1
        else:
            compared.append(each)
    return Found(tuple(compared), left_out)


# ---------------------------------------------------------------------- drawing


def _scatter(found: Found, group: Group, choice: Choice) -> None:
    if not found.compared:
        st.info(
            _("None of these runs can be predicted: {reasons}").format(
                reasons=_reasons(found.left_out)
            ),
            icon=":material/scatter_plot:",
        )
        return
    told = cache.agreement_of(found.compared)
    if told:
        _numbers(told, group)
        st.markdown(_sentence(told))
    else:
        st.caption(_("From three runs on, this also says how well they agree."))
    st.plotly_chart(
        json.loads(cache.agreement_json(found.compared, group.took, theme(), choice.model)),
        key="chart_agreement",
        theme=None,
        config={"displayModeBar": False},
        alt=_("{took} against predicted time of {n} runs").format(
            took=_(group.took).capitalize(), n=len(found.compared)
        ),
    )
    if found.left_out:
        st.caption(_("Left out: {reasons}").format(reasons=_reasons(found.left_out)))


def _numbers(told: Agreement, group: Group) -> None:
    with st.grid(4, min_column_width=140, gap="small", key="agreement_metrics"):
        metric(
            _("Median ratio"),
            rounded(told.median_ratio),
            _("{took} / predicted").format(took=_(group.took)),
        )
        metric(
            _("Middle half"),
            f"{rounded(told.low_ratio, 2)}–{rounded(told.high_ratio, 2)}",
            _("of the ratios"),
        )
        metric(
            _("Median error"),
            f"{100 * told.median_error:,.0f}%",
            _("of {took} time").format(took=_(group.took)),
        )
        metric(
            _("Rank correlation"),
            _correlation(told.rank),
            _("MACs: {rank}").format(rank=_correlation(told.macs_rank)),
        )


def _correlation(rank: float | None) -> str:
    return _("none") if rank is None else f"{rank:.3f}"


def _sentence(told: Agreement) -> str:
    """What the numbers mean, without praise."""
    text = _(
        "The median of {runs:,} runs takes {ratio} times the predicted time; for {within:.0f}% "
        "of them the prediction is right within a factor of 2. "
    ).format(runs=told.runs, ratio=rounded(told.median_ratio), within=100 * told.within_two)
    if told.rank is None or told.macs_rank is None:
        return text
    gain = told.rank - told.macs_rank
    order = (gain > _CLEAR) - (gain < -_CLEAR)
    return text + _(_ORDERS[order, told.runs < _FEW])


_ORDERS: Final = {
    (1, False): N_("The prediction orders the models better than their MACs alone do."),
    (-1, False): N_("Their MACs alone order the models better than the prediction does."),
    (0, False): N_("MACs alone order these models about as well as the prediction does."),
    (1, True): N_(
        "The prediction orders the models better than their MACs alone do; "
        "on so few runs that says little."
    ),
    (-1, True): N_(
        "Their MACs alone order the models better than the prediction does; "
        "on so few runs that says little."
    ),
    (0, True): N_(
        "MACs alone order these models about as well as the prediction does; "
        "on so few runs that says little."
    ),
}
"""Which order is the better, and whether the runs are few -> what is said of it."""


def _labels(members: Sequence[Run], group: Group, origin: str) -> str:
    dates = sorted({run.record.environment.date[:10] for run in members} - {""})
    when = _("on a date that the file does not tell")
    if len(dates) == 1:
        when = _("on {date}").format(date=dates[0])
    elif dates:
        when = _("from {first} to {last}").format(first=dates[0], last=dates[-1])
    text = _("{origin}, run on {device}{threads} {when}. {predicted}").format(
        origin=_sentence_case(plain(runs.origin_text(group.origin))),
        device=plain(group.device),
        threads=_(" ({threads})").format(threads=threads_text(group.threads))
        if group.threads
        else "",
        when=when,
        predicted=origin,
    )
    if not any(run.record.environment.device.startswith("cuda") for run in runs.all_runs()):
        text += _(runs.NO_GPU).format(model="MODEL")
    return text


def _reasons(left_out: Counter[str]) -> str:
    parts = (
        _("{n} with {reason}").format(n=n, reason=reason) for reason, n in left_out.most_common()
    )
    return _("{parts}.").format(parts=_("; ").join(parts))


def _table(found: Found, group: Group) -> None:
    if not found.compared:
        return
    ordered = sorted(found.compared, key=lambda each: each.ratio)
    rows: list[dict[str, Any]] = [
        {
            "Model": each.name,
            "Run": each.label,
            "MACs": each.macs,
            "Predicted": rounded_number(each.predicted_ms),
            "Taken": rounded_number(each.taken_ms),
            "Ratio": rounded_number(each.ratio),
        }
        for each in ordered
    ]
    column = st.column_config
    with st.expander(_("All {n} runs, by ratio").format(n=len(rows))):
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            row_height=ROW,
            column_config={
                "Model": column.TextColumn(_("Model"), width=190),
                "Run": column.TextColumn(_("Run"), width=170),
                "MACs": column.NumberColumn(format="localized", width=120),
                "Predicted": column.NumberColumn(_("Predicted, ms"), format="localized", width=100),
                "Taken": column.NumberColumn(_(TAKEN[group.took]), format="localized", width=100),
                "Ratio": column.NumberColumn(_("Ratio"), format="localized", width=70),
            },
        )
