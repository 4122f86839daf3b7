"""What stands on "Depthwise separable and grouped convolution"."""

from __future__ import annotations

from typing import Final, NamedTuple

import streamlit as st

from explorer.analysis.roofline import devices
from explorer.analysis.units import compact, count, percent, rounded
from explorer.latency import LatencyRecord, Progress
from explorer.lessons.depthwise import Measured, Setting, divisors, measure
from pages.shared import address
from pages.shared.cache import depthwise as cache
from pages.shared.jobs import Job
from pages.shared.learn import pictures
from pages.shared.learn.course import change, style
from pages.shared.learn.lesson import Lesson
from pages.shared.reading import number_of, one_of, unless, whole_number
from pages.shared.text import N_, _
from pages.shared.widgets import plain, theme

CHANNELS: Final = (16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
KERNELS: Final = (3, 5, 7, 9)
SIDES: Final = (7, 14, 28, 56, 112)
IMAGES: Final = (1, 8, 32, 128)
SHUFFLE_GROUPS: Final = (2, 3, 4, 6)
DEVICES: Final = tuple(device.name for device in devices())
_FIRST_DEVICE: Final = "NVIDIA T4"
_FIRST: Final = Setting(channels=256, out=256, kernel=3, side=28)
_KEYS: Final = {
    "in": "depthwise_in", "out": "depthwise_out", "kernel": "depthwise_kernel",
    "map": "depthwise_map", "groups": "depthwise_groups", "images": "depthwise_images",
    "on": "depthwise_on", "shuffled": "depthwise_shuffled",
}  # fmt: skip
_JOB: Final = "depthwise_job"
_POLL: Final = 0.4
"""Seconds between two looks at a measurement."""
_STAGES: Final = {
    "queued": N_("Waiting for other measurements"),
    "preparing": N_("Preparing"),
    "warming up": N_("Warming up"),
    "measuring": N_("Measuring"),
}
_BOUNDS: Final = {
    "compute": N_("is limited by arithmetic"),
    "memory": N_("waits for memory"),
    "launch": N_("waits for the launch"),
}


class View(NamedTuple):
    """What is looked at."""

    setting: Setting
    groups: int
    device: str
    images: int


def open_view() -> View:
    """Read the view from the session, or from the address where that speaks, and record it."""
    known = {
        "in": (CHANNELS, _FIRST.channels),
        "out": (CHANNELS, _FIRST.out),
        "kernel": (KERNELS, _FIRST.kernel),
        "map": (SIDES, _FIRST.side),
        "images": (IMAGES, 32),
        "shuffled": (SHUFFLE_GROUPS, 3),
    }
    found: dict[str, int] = {
        name: address.restore(name, _KEYS[name], number_of(values), default)
        for name, (values, default) in known.items()
    }
    channels = found["in"]
    # No number of groups is remembered as long as it is a group for each channel.
    wanted: int = address.restore(
        "groups", _KEYS["groups"], whole_number(1, CHANNELS[-1]), channels
    )
    if wanted not in divisors(channels):
        wanted = max(each for each in divisors(channels) if each <= wanted)
    st.session_state[_KEYS["groups"]] = wanted
    device: str = address.restore("on", _KEYS["on"], one_of(DEVICES), _FIRST_DEVICE)
    address.record(
        {name: unless(str(found[name]), str(default)) for name, (_values, default) in known.items()}
        | {"groups": unless(str(wanted), str(channels)), "on": unless(device, _FIRST_DEVICE)}
    )
    return View(
        Setting(channels, found["out"], found["kernel"], found["map"]),
        wanted,
        device,
        found["images"],
    )


def controls(view: View) -> None:
    """Let the visitor choose the convolution."""
    touch = address.touch
    with st.grid(5, min_column_width=150, gap="medium", key="depthwise_controls"):
        st.select_slider(_("Channels in, C"), CHANNELS, key=_KEYS["in"], on_change=_channels)
        st.select_slider(_("Channels out, N"), CHANNELS, key=_KEYS["out"], on_change=touch)
        st.select_slider(
            _("Window k"), KERNELS, key=_KEYS["kernel"], on_change=touch,
            format_func=lambda k: f"{k} × {k}",
        )  # fmt: skip
        st.select_slider(_("Side of the maps"), SIDES, key=_KEYS["map"], on_change=touch)
        _groups(view)


def _groups(view: View) -> None:
    st.select_slider(
        _("Groups"), divisors(view.setting.channels), key=_KEYS["groups"],
        on_change=address.touch,
        help=_("Of the k × k: one is a full convolution, one for each channel a depthwise one."),
    )  # fmt: skip


def _channels() -> None:
    """Keep a depthwise convolution depthwise when its channels change. Only in a callback."""
    address.touch()
    st.session_state[_KEYS["groups"]] = st.session_state[_KEYS["in"]]


# --------------------------------------------------------------------------- cost


def cost(lesson: Lesson, view: View) -> None:
    """Both ways as diagrams, their cost, and the formula with its numbers."""
    style()
    setting = view.setting
    full, pair, _grouped = cache.costs(setting, setting.channels)
    drawn = cache.pictures(setting, setting.channels, theme())
    left, right = st.columns([1, 1], gap="medium")
    with left:
        pictures.beside(
            [
                (_("Full"), drawn[0], _("One full convolution")),
                (_("Depthwise separable"), drawn[1], _("A depthwise convolution, then a 1 × 1")),
            ],
            height=340, width=300,
        )  # fmt: skip
    with right:
        lesson.numbers(
            [
                change(_("Parameters"), full.params, pair.params, compact),
                change(_("MACs"), full.macs, pair.macs, compact),
            ],
            key="depthwise_cost",
        )
        lesson.answer(_formula(view))


def _formula(view: View) -> str:
    setting = view.setting
    full, pair, _grouped = cache.costs(setting, setting.channels)
    k, c, n = setting.kernel, setting.channels, setting.out
    work = (
        r"$\displaystyle \frac{k^2 C + C N}{k^2 C N} = \frac{1}{N} + \frac{1}{k^2}"
        rf" = \frac{{1}}{{{n}}} + \frac{{1}}{{{k * k}}} = {1 / n + 1 / k**2:.4f}$"
    )
    return (
        _(
            "At each pixel the full one multiplies {k}² · {c} · {n} = {full} times, the depthwise "
            "one {k}² · {c} = {spatial} times and the 1 × 1 {c} · {n} = {mixing} times:"
        ).format(
            k=k,
            c=c,
            n=n,
            full=count(k * k * c * n),
            spatial=count(k * k * c),
            mixing=count(c * n),
        )
        + f"\n\n{work}\n\n"
        + _("**{saved} times fewer MACs**, counted: {pair} for {full}.").format(
            saved=rounded(full.macs / pair.macs), pair=count(pair.macs), full=count(full.macs)
        )
    )


def groups(lesson: Lesson, view: View) -> None:
    """Cost over the number of groups."""
    style()
    setting = view.setting
    if lesson.present:
        _groups(view)
    if lesson.hides:
        return
    figure = cache.curve_json(
        setting,
        view.groups,
        _("MACs as a share of the full convolution's"),
        (_("Groups"), _("Share")),
        (_("k × k in groups, C to N"), _("k × k in groups on C channels, then 1 × 1 to N")),
        270 if lesson.present else 360,
        theme(),
    )
    lesson.plot(figure, "depthwise_curve", _("Cost over the number of groups"))
    full, _pair, grouped = cache.costs(setting, view.groups)
    lesson.answer(
        _(
            "With g = {g} the k × k and the 1 × 1 take **{share} of the full convolution**: "
            "C / (g N) + 1 / k². Alone, the grouped k × k falls as 1 / g, but then its groups "
            "never meet. With the 1 × 1 the floor is 1 / k² = {floor}: mixing costs C · N at "
            "each pixel, whatever looks around."
        ).format(
            g=view.groups,
            share=_share(grouped.macs / full.macs),
            floor=_share(1 / setting.kernel**2),
        )
    )


def _share(x: float) -> str:
    return percent(x) if x < 1 else f"{x:.0%}"


def shares(lesson: Lesson) -> None:
    """Where MobileNet's MACs and parameters are."""
    if lesson.hides:
        return
    figure = cache.shares_json(
        _("MobileNet v1 by type of layer, at 224 × 224"),
        (_("MACs"), _("Parameters")),
        (_("1 × 1"), _("depthwise 3 × 3"), _("full 3 × 3"), _("linear")),
        theme(),
    )
    lesson.plot(figure, "depthwise_shares", _("Shares of MobileNet's cost by type of layer"))
    found = {share.kind: share for share in cache.shares()}
    macs = sum(share.macs for share in found.values())
    lesson.answer(
        _(
            "Once the 3 × 3 are depthwise, **{pointwise} of all MACs are in the 1 × 1** and only "
            "{depthwise} in the 3 × 3. Whoever wants less must thin the 1 × 1: ShuffleNet puts "
            "them in groups, too."
        ).format(
            pointwise=percent(found["pointwise"].macs / macs),
            depthwise=percent(found["depthwise"].macs / macs),
        )
    )


def shuffle(lesson: Lesson) -> None:
    """Which inputs an output depends on, without a shuffle and with one."""
    st.segmented_control(
        _("Groups"), SHUFFLE_GROUPS, key=_KEYS["shuffled"], required=True,
        on_change=address.touch, label_visibility="collapsed",
        format_func=lambda n: _("{n} groups").format(n=n),
    )  # fmt: skip
    if lesson.hides:
        return
    groups = int(st.session_state[_KEYS["shuffled"]])
    figure = cache.reach_json(
        groups,
        (_("Two grouped 1 × 1"), _("With a channel shuffle between them")),
        (_("Channel in"), _("Channel out")),
        theme(),
    )
    lesson.plot(figure, "depthwise_reach", _("Which input channels each output depends on"))
    alone, mixed = cache.reached(groups, shuffle=False), cache.reached(groups, shuffle=True)
    text = _(
        "Found by asking the gradient of two real layers with {channels} channels: stacked, an "
        "output depends on **{alone} inputs**, those of its own group. With a shuffle between "
        "them, which has no weights and no MACs, it depends on **{mixed}**."
    ).format(channels=cache.SHUFFLED, alone=alone, mixed=mixed)
    if mixed < cache.SHUFFLED:
        text += " " + _(
            "Of every other group it gets one channel for each of its own; there are too few to "
            "reach all {channels}."
        ).format(channels=cache.SHUFFLED)
    lesson.answer(text)


# --------------------------------------------------------------------------- time


def time(lesson: Lesson, view: View) -> None:
    """Where the layers lie under a device's roof, and how far the time falls."""
    style()
    left, right = st.columns([3, 2], gap="medium", vertical_alignment="bottom")
    left.selectbox(_("Device"), DEVICES, key=_KEYS["on"], on_change=address.touch)
    right.segmented_control(
        _("Images at once"), IMAGES, key=_KEYS["images"], required=True, on_change=address.touch
    )
    if lesson.hides:
        return
    st.badge(_("Predicted, not measured"), icon=":material/calculate:", color="orange")
    figure = cache.roof_json(
        view.setting,
        view.device,
        view.images,
        "" if lesson.present else _("Three layers under the roof of the {device}, float32").format(
            device=view.device
        ),
        (_("Operations for each byte moved"), _("Operations a second")),
        (_("waits for memory"), _("limited by arithmetic")),
        (_("full"), _("depthwise"), _("1 × 1")),
        330 if lesson.present else 400,
        theme(),
    )  # fmt: skip
    chart, said = st.columns([3, 2], gap="medium")
    with chart:
        lesson.plot(figure, "depthwise_roof", _("Intensity and speed of the three layers"))
    with said:
        _time_numbers(lesson, view)


def _time_numbers(lesson: Lesson, view: View) -> None:
    found = cache.timed(view.setting, view.device, view.images)
    deep, point = found.parts
    lesson.numbers(
        [
            (_("MACs"), f"÷ {rounded(found.work_ratio)}", _("full over pair")),
            (
                _("Predicted time"), f"÷ {rounded(found.time_ratio)}",
                f"{rounded(found.full.ms)} → {rounded(found.pair_ms)} ms",
            ),
        ],
        key="depthwise_time",
    )  # fmt: skip
    lesson.answer(
        _(
            "The depthwise layer has {share} of the pair's MACs and takes **{time} of its time**: "
            "it reads and writes whole maps, as a full one does, but does {low} operations for "
            "each byte, where the {device} needs {ridge} to be busy; it {bound}. The 1 × 1 does "
            "{high} and {other}."
        ).format(
            share=percent(deep.macs / (deep.macs + point.macs)),
            time=percent(deep.ms / found.pair_ms),
            low=rounded(deep.intensity),
            high=rounded(point.intensity),
            ridge=rounded(found.peak / found.bandwidth),
            device=plain(found.device),
            bound=_(_BOUNDS[deep.bound]),
            other=_(_BOUNDS[point.bound]),
        )
    )
    if not lesson.present:
        st.caption(
            _(
                "By the roofline model, with {launch} µs for each launch (an assumption). A real "
                "depthwise kernel reaches less of its roof than a full one."
            ).format(launch=rounded(1e3 * found.launch_ms))
        )


# -------------------------------------------------------------------- measurement


def measurement(view: View) -> None:
    """Time both ways on this server's CPU, on request."""
    style()
    state = st.session_state
    job: Job[Measured] | None = state.get(_JOB)
    running = job is not None and job.running
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.button(
            _("Measure both on this CPU"), key="depthwise_measure", type="primary",
            icon=":material/timer:", disabled=running, on_click=_start, args=(view.setting,),
        )  # fmt: skip
        st.caption(
            _("One image of {c} × {s} × {s}, float32, real layers with random weights.").format(
                c=view.setting.channels, s=view.setting.side
            ),
            width="content",
        )
    if job is None:
        return
    if running:
        _watch(job)
    elif job.sentence:
        st.error(plain(job.sentence), icon=":material/error:")
    elif job.result is not None:
        _result(job.result, view)


def _start(setting: Setting) -> None:
    address.touch()

    def work(job: Job[Measured]) -> Measured:
        return measure(setting, 1, cancel=job.cancelled, progress=job.report)

    st.session_state[_JOB] = Job(work)


@st.fragment(run_every=_POLL)
def _watch(job: Job[Measured]) -> None:
    if not job.running:
        st.rerun()
    progress = job.progress if isinstance(job.progress, Progress) else Progress("preparing")
    text = _(_STAGES.get(progress.stage, _STAGES["measuring"]))
    if progress.total:
        text += f" {progress.done}/{progress.total}"
    st.progress(
        min(progress.done / progress.total, 1.0) if progress.total else 0.0,
        _("{stage} ({seconds} s)").format(stage=text, seconds=f"{job.seconds:.0f}"),
    )
    st.button(_("Stop"), key="depthwise_stop", icon=":material/stop:", on_click=job.cancel)


def _result(found: Measured, view: View) -> None:
    one, other = found.full, found.pair
    full, pair, _grouped = cache.costs(found.setting, found.setting.channels)
    st.badge(_("Measured here"), icon=":material/timer:", color="green")
    if found.setting != view.setting:
        st.caption(_(":orange[Measured before you changed the convolution.]"))
    with st.grid(3, min_column_width=150, gap="small", key="numbers_depthwise_measured"):
        for label, value, detail in (
            (_("Full"), f"{rounded(one.median_ms)} ms", _spread(one)),
            (_("Pair"), f"{rounded(other.median_ms)} ms", _spread(other)),
            (
                _("Time falls"), f"÷ {rounded(one.median_ms / other.median_ms)}",
                _("MACs ÷ {ratio}").format(ratio=rounded(full.macs / pair.macs)),
            ),
        ):  # fmt: skip
            st.metric(label, value, detail, delta_color="off", delta_arrow="off", border=True)
    environment = one.environment
    st.caption(
        _("{device}, {threads} threads, torch {torch}; medians of {runs} and {more} runs.").format(
            device=plain(environment.device_name),
            threads=environment.threads,
            torch=plain(environment.torch),
            runs=one.runs,
            more=other.runs,
        )
    )
    if not (one.stable and other.stable):
        st.caption(
            _(
                ":orange[The times had not settled: other work ran on this machine. Measure again "
                "before you trust them.]"
            )
        )


def _spread(record: LatencyRecord) -> str:
    low, high = ("?" if ms is None else rounded(ms) for ms in (record.p10_ms, record.p90_ms))
    return _("{low} to {high} ms").format(low=low, high=high)
