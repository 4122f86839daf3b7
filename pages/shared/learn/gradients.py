"""Degradation and gradient flow: what the page chooses, draws and trains."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from explorer.analysis.units import rounded
from explorer.figures.lesson_curves import MOST_LOOKS, Axes, Curve, lesson_curves, stacked
from explorer.latency import DeviceQueue
from explorer.lessons.arms import ARMS, Arm
from explorer.lessons.gradients import DATA, Flow
from explorer.lessons.training import SCHEDULES, Recorded, Run, Setup, train
from pages.shared import address
from pages.shared.cache import gradients as cache
from pages.shared.jobs import Job, queue_text
from pages.shared.learn.lesson import Lesson
from pages.shared.text import N_, _, language, n_
from pages.shared.widgets import theme

PRESETS: Final = {
    "depth": ("plain20", "plain56", "resnet20", "resnet56"),
    "norm": ("plain56", "plain56.none", "resnet56", "resnet56.none"),
    "init": ("plain56.none", "plain56.none.xavier", "plain56.none.torch", "plain56.none.small"),
    "block": ("plain56", "resnet56", "resnet56.zero", "resnet56.pre"),
}
RATES: Final = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
EPOCHS: Final = (5, 10, 20, 40, 60)
BATCHES: Final = (32, 64, 128, 256)
MOST_SEED: Final = 9999

_PRESET_TITLES: Final = {
    "depth": N_("Depth"),
    "norm": N_("Normalization"),
    "init": N_("Initialization"),
    "block": N_("Blocks"),
}
_DATA_TITLES: Final = {"digits": N_("Digits"), "noise": N_("Noise")}
_GRADIENTS: Final = {
    "weights": N_("of the weights"),
    "outputs": N_("of the outputs"),
}
_SIGNALS: Final = {"std": N_("spread"), "zeros": N_("zeros after ReLU")}
_MEASURES: Final = {
    "train": N_("Training error"),
    "test": N_("Test error"),
    "loss": N_("Training loss"),
}
_SCHEDULES: Final = {"constant": N_("held constant"), "cosine": N_("half a cosine")}
_TRAINING: Final = DeviceQueue()
"""One training at a time: two would only halve each other's speed."""
_LEFT_AFTER: Final = 120
"""Seconds without a look after which a page is taken to be closed. Browsers wake a page in the
background once a minute."""
_POLL: Final = 1.5
_MOST_RUNS: Final = 16
_STYLE: Final = Path(__file__).with_name("gradients.css")
_JOB, _SEEN, _RUNS = "gradients_job", "gradients_seen", "gradients_runs"
_DRAWN: Final = "gradients_drawn"


class Choice(NamedTuple):
    """What the controls say."""

    arms: tuple[Arm, ...]
    data: Any
    seed: int
    gradient: str
    signal: str
    measure: str
    rate: float
    schedule: Any
    epochs: int
    batch: int

    def setup(self, arm: Arm) -> Setup:
        """How an arm is to be trained."""
        return Setup(
            arm.model, arm.options, arm.init, arm.zero_gamma, self.rate, self.schedule,
            self.epochs, self.batch, seed=self.seed,
        )  # fmt: skip


# --------------------------------------------------------------------- choices


def choice() -> Choice:
    """Read all choices, from the address or the widgets, before any widget is drawn."""
    nets = address.restore("nets", "gradients_nets", _nets, list(PRESETS["depth"]))
    data = _one_of("data", "gradients_data", DATA)
    gradient = _one_of("gradient", "gradients_of", tuple(_GRADIENTS))
    signal = _one_of("signal", "gradients_signal", tuple(_SIGNALS))
    measure = _one_of("curve", "gradients_curve", tuple(_MEASURES))
    schedule = _one_of("decay", "gradients_decay", SCHEDULES)
    rate = _number("rate", "gradients_rate", RATES, 0.1)
    epochs = _number("epochs", "gradients_epochs", EPOCHS, 20)
    batch = _number("minibatch", "gradients_batch", BATCHES, 128)
    seed = address.restore("seed", "gradients_seed", _seed, 0)
    address.record(
        {
            "nets": None if tuple(nets) == PRESETS["depth"] else ",".join(nets),
            "seed": str(seed) if seed else None,
        }
    )
    arms = tuple(ARMS[code] for code in nets)
    return Choice(
        arms, data, seed, gradient, signal, measure, float(rate), schedule, int(epochs), int(batch)
    )


def _nets(text: str) -> list[str] | None:
    codes = list(dict.fromkeys(text.split(",")))
    return codes if len(codes) <= MOST_LOOKS and all(code in ARMS for code in codes) else None


def _seed(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,4}", text) else None


def _one_of(name: str, key: str, values: Sequence[str]) -> str:
    """One of some words, the first unless something is said."""
    found = address.restore(name, key, {value: value for value in values}.get, values[0])
    address.record({name: found if found != values[0] else None})
    return found


def _number(name: str, key: str, values: Sequence[float], default: float) -> float:
    found = address.restore(name, key, {f"{value:g}": value for value in values}.get, default)
    address.record({name: f"{found:g}" if found != default else None})
    return found


def label(arm: Arm) -> str:
    """What a network is called: its model, then what is not usual."""
    name = arm.model.replace("plain", "Plain-").replace("resnet", "ResNet-")
    norm = "" if arm.norm else _("no BN")
    init = {"he": "", "xavier": "Xavier", "small": _("small"), "torch": "PyTorch"}[arm.init]
    order = {"": "", "zero": _("γ = 0"), "pre": _("pre-activation")}[arm.order]
    return ", ".join(part for part in (name, norm, init, order) if part)


def nets(lesson: Lesson) -> None:
    """Choose what is compared."""
    st.html(_STYLE)
    state = st.session_state
    chosen = tuple(state["gradients_nets"])
    state["gradients_preset"] = next((n for n, codes in PRESETS.items() if codes == chosen), None)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.segmented_control(
            _("Compare"),
            list(PRESETS),
            key="gradients_preset",
            format_func=lambda name: _(_PRESET_TITLES[name]),
            label_visibility="collapsed" if lesson.present else "visible",
            on_change=_take_preset,
        )
        if not lesson.present:
            st.segmented_control(
                _("Images"), DATA, key="gradients_data", required=True,
                format_func=lambda name: _(_DATA_TITLES[name]), on_change=address.touch,
            )  # fmt: skip
            st.number_input(
                _("Seed"), 0, MOST_SEED, key="gradients_seed", width=110, on_change=address.touch
            )
    if not lesson.present:
        st.multiselect(
            _("Networks, up to four"), list(ARMS), key="gradients_nets", max_selections=MOST_LOOKS,
            format_func=lambda code: label(ARMS[code]), on_change=address.touch,
            help=_("BN is batch normalization. Initialization: He unless it says Xavier, small "
                   "(standard deviation 0.01) or PyTorch (what nn.Conv2d does by itself). γ = 0: "
                   "the last normalization of each block begins with a scale of 0."),
        )  # fmt: skip


def _take_preset() -> None:
    address.touch()
    name = st.session_state["gradients_preset"]
    if name:
        st.session_state["gradients_nets"] = list(PRESETS[name])


def say(text: str) -> None:
    """Introduce a part, in Markdown."""
    st.markdown(text)


def missing(chosen: Choice) -> bool:
    """Say so if nothing is chosen."""
    if not chosen.arms:
        st.info(_("Choose one to four networks."), icon=":material/info:")
    return not chosen.arms


# ----------------------------------------------------------------- gradient flow


def flow(lesson: Lesson, chosen: Choice) -> None:
    """Gradient and signal, layer by layer, in one backward pass."""
    with st.spinner(_("Running each network forward and backward once")):
        flows = [cache.flow(arm.code, chosen.data, chosen.seed) for arm in chosen.arms]
    left, right = st.columns(2, gap="medium")
    with left:
        st.segmented_control(
            _("Gradient"), list(_GRADIENTS), key="gradients_of", required=True,
            format_func=lambda name: _(_GRADIENTS[name]), on_change=address.touch,
            label_visibility="collapsed" if lesson.present else "visible",
        )  # fmt: skip
        lesson.plot(_gradient_figure(chosen, flows), "gradients_flow",
                    _("Gradient of each layer, one line for each network"))  # fmt: skip
    with right:
        st.segmented_control(
            _("Outputs of the layers"), list(_SIGNALS), key="gradients_signal", required=True,
            format_func=lambda name: _(_SIGNALS[name]), on_change=address.touch,
            label_visibility="collapsed" if lesson.present else "visible",
        )  # fmt: skip
        lesson.plot(_signal_figure(chosen, flows), "gradients_signal_chart",
                    _("Size of each layer's output, one line for each network"))  # fmt: skip
    st.markdown(_("**Gradient of the first convolution's weights over that of the last's**"))
    lesson.numbers(
        [(label(arm), _ratio_text(found), _("loss {loss}").format(loss=_loss(found)))
         for arm, found in zip(chosen.arms, flows, strict=True)],
        key="gradients_flow",
    )  # fmt: skip
    lesson.answer(_flow_answer(chosen, flows))


def _loss(found: Flow) -> str:
    return f"{found.loss:,.0f}" if found.loss >= 100 else f"{found.loss:.2f}"


def _ratio(found: Flow) -> float:
    """First convolution over last; infinite or not a number where the last has no gradient."""
    convolutions = [layer for layer in found.layers if layer.kind == "convolution"]
    first, last = convolutions[0].weight_grad_norm, convolutions[-1].weight_grad_norm
    if last == 0:
        return math.nan if first == 0 else math.inf
    return first / last


def _ratio_text(found: Flow) -> str:
    ratio = _ratio(found)
    if not math.isfinite(ratio):
        return _("last is 0") if math.isinf(ratio) else _("both are 0")
    return f"× {ratio:,.0f}" if ratio >= 100 else f"× {rounded(ratio)}"


def _gradient_figure(chosen: Choice, flows: Sequence[Flow]) -> str:
    by_weight = chosen.gradient == "weights"
    curves = []
    for look, (arm, found) in enumerate(zip(chosen.arms, flows, strict=True)):
        values = tuple(
            layer.weight_grad_norm if by_weight else layer.output_grad_rms for layer in found.layers
        )
        curves.append(_layer_curve(arm, found, values, look))
    axes = Axes(
        title=_("Gradient by the weights, Euclidean norm")
        if by_weight
        else _("Gradient by the outputs, root mean square"),
        x_title=_("layer with weights, from the image to the classes"),
        y_title="",
        log_y=True,
        zero=_("exactly 0"),
    )
    return str(lesson_curves(curves, axes, theme=theme()).to_json())


def _signal_figure(chosen: Choice, flows: Sequence[Flow]) -> str:
    zeros = chosen.signal == "zeros"
    curves = []
    for look, (arm, found) in enumerate(zip(chosen.arms, flows, strict=True)):
        values = tuple(
            (math.nan if layer.zeros is None else 100 * layer.zeros) if zeros else layer.output_std
            for layer in found.layers
        )
        curves.append(_layer_curve(arm, found, values, look))
    axes = Axes(
        title=_("Zeros that the ReLU behind leaves") if zeros
        else _("Outputs, standard deviation"),
        x_title=_("layer with weights, from the image to the classes"),
        y_title="",
        log_y=not zeros,
        percent=zeros,
        y_range=(-2, 102) if zeros else None,
        zero=_("exactly 0"),
    )  # fmt: skip
    return str(lesson_curves(curves, axes, theme=theme()).to_json())


def _layer_curve(arm: Arm, found: Flow, values: tuple[float, ...], look: int) -> Curve:
    name = label(arm)
    text = tuple(
        f"<b>{name}</b><br>{number}. {layer.key}<br>{rounded(value)}"
        for number, (layer, value) in enumerate(zip(found.layers, values, strict=True), 1)
    )
    return Curve(name, tuple(range(1, len(values) + 1)), values, text, look)


def _flow_answer(chosen: Choice, flows: Sequence[Flow]) -> str:
    ratios = {arm.code: _ratio_text(found) for arm, found in zip(chosen.arms, flows, strict=True)}
    codes = tuple(ratios)
    if codes == PRESETS["depth"]:
        spread = [layer.output_std for found in flows for layer in found.layers]
        return _(
            "**It does not vanish.** With batch normalization the signal neither dies nor "
            "explodes: its standard deviation stays between {least} and {most} in all four. The "
            "gradient grows on its way back: {plain56} over the whole of Plain-56, {resnet56} over "
            "ResNet-56. He et al. 2015 (section 4.1) checked this too and argue that the deeper "
            "plain network is unlikely to train worse because of vanishing gradients. That batch "
            "normalization without shortcuts makes gradients explode at initialization was shown "
            "by Yang et al. 2019, who also find that the first step of training tames most of it."
        ).format(
            plain56=ratios["plain56"],
            resnet56=ratios["resnet56"],
            least=rounded(min(spread)),
            most=rounded(max(spread)),
        )
    if codes == PRESETS["norm"]:
        return _(
            "**Normalization sets the scale of both.** Without it, the same He initialization "
            "lets the outputs of ResNet-56 grow with every sum, to a loss of {loss}: in a residual "
            "network each block adds its variance to the shortcut's. Plain-56 without it keeps "
            "its gradient within a small factor, {plain}, because He initialization was derived "
            "for exactly this: convolutions and ReLUs in a row."
        ).format(loss=f"{flows[3].loss:,.0f}", plain=ratios["plain56.none"])
    if codes == PRESETS["init"]:
        return _(
            "**This is what vanishing looks like.** Each convolution with ReLU multiplies the "
            "outputs' size by about the square root of fan-in × variance / 2. He makes that 1; "
            "Xavier about 0.71, PyTorch's own 0.41, and a standard deviation of 0.01 from 0.085 to "
            "0.17 with these widths. To the power of 55 that is 5 × 10⁻⁹ for Xavier, 4 × 10⁻²² for "
            "PyTorch's own, and for the last less than float32 can hold. Batch normalization "
            "undoes such a factor behind every convolution. The lines are level because a weight's "
            "gradient is its layer's input times the gradient behind it: the product over all "
            "layers, wherever one looks. *Of the outputs* shows it shrink on the way back."
        )
    if codes == PRESETS["block"]:
        return _(
            "**Where the block begins matters.** With γ = 0 every block is the identity at first: "
            "the gradient reaches the first convolution past all of them, and their own "
            "convolutions get exactly 0 until γ has moved. Pre-activation leaves the shortcut free "
            "of ReLUs: its gradient falls gently with depth, as ever fewer blocks are left to "
            "add to it."
        )
    return _(
        "In a plain network the gradient at the first convolution is a product of what every layer "
        "behind it does; in a residual network it is a sum of such products, one for each path. "
        "Where a line is straight on these logarithmic axes, each layer multiplies by the same "
        "factor."
    )


# --------------------------------------------------------------------- training


def training(lesson: Lesson, chosen: Choice) -> None:
    """A short real training of each network, live, beside recorded ones."""
    state = st.session_state
    job: Job[tuple[Run, ...]] | None = state.get(_JOB)
    if job is not None and not job.running:
        _collect(job)
        job = None
    _training_controls(lesson, chosen, busy=job is not None)
    sentence = state.get("gradients_sentence")
    if sentence:
        st.error(sentence, icon=":material/error:")
    if job is not None:
        _watch(lesson, chosen, job, state[_SEEN])
    else:
        _results(lesson, chosen, ())
    lesson.answer(_training_answer(chosen))


def _training_controls(lesson: Lesson, chosen: Choice, *, busy: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.selectbox(_("Learning rate"), RATES, key="gradients_rate", width=120,
                     format_func=lambda rate: f"{rate:g}", on_change=address.touch)  # fmt: skip
        st.selectbox(_("Epochs"), EPOCHS, key="gradients_epochs", width=100,
                     on_change=address.touch)  # fmt: skip
        if not lesson.present:
            st.selectbox(_("Batch size"), BATCHES, key="gradients_batch", width=100,
                         on_change=address.touch)  # fmt: skip
            st.selectbox(_("Schedule"), SCHEDULES, key="gradients_decay", width=150,
                         format_func=lambda name: _(_SCHEDULES[name]),
                         on_change=address.touch)  # fmt: skip
        st.button(
            n_("Train {n} network here", "Train {n} networks here", len(chosen.arms)),
            key="gradients_train", type="primary", icon=":material/play_arrow:", disabled=busy,
            on_click=_start, args=(tuple(chosen.setup(arm) for arm in chosen.arms),),
        )  # fmt: skip
    st.segmented_control(
        _("Show"), list(_MEASURES), key="gradients_curve", required=True,
        label_visibility="collapsed", format_func=lambda name: _(_MEASURES[name]),
        on_change=address.touch,
    )  # fmt: skip


def _start(setups: tuple[Setup, ...]) -> None:
    address.touch()
    seen = {"at": time.monotonic()}

    def work(job: Job[tuple[Run, ...]]) -> tuple[Run, ...]:
        done: list[Run] = []

        def heard(run: Run) -> None:
            job.report((*done, run))
            if time.monotonic() - seen["at"] > _LEFT_AFTER:
                job.cancel()

        for setup in setups:
            if job.cancelled.is_set():
                break
            done.append(train(setup, heard, job.cancelled))
            job.report(tuple(done))
        return tuple(done)

    st.session_state["gradients_sentence"] = ""
    st.session_state[_SEEN] = seen
    st.session_state[_JOB] = Job(work, lane=_TRAINING)


def _collect(job: Job[tuple[Run, ...]]) -> None:
    """Keep what a job leaves, as plain numbers, and forget the job."""
    state = st.session_state
    made = [run for run in job.result or () if run.points or run.ending == "diverged"]
    again = {run.setup for run in made}
    kept = [run for run in state.get(_RUNS, ()) if run.setup not in again]
    state[_RUNS] = [*made, *kept][:_MOST_RUNS]
    state["gradients_sentence"] = "" if job.cancelled.is_set() else job.sentence
    state[_JOB] = None


@st.fragment(run_every=_POLL)
def _watch(
    lesson: Lesson, chosen: Choice, job: Job[tuple[Run, ...]], seen: dict[str, float]
) -> None:
    """Follow a training; this part alone runs again until it is over."""
    seen["at"] = time.monotonic()
    if not job.running:
        st.rerun()
    runs = job.progress if isinstance(job.progress, tuple) else ()
    told, bar = st.columns([1, 4], vertical_alignment="center", gap="small")
    told.button(
        _("Stop training"), key="gradients_stop", icon=":material/stop:", on_click=job.cancel
    )
    if job.waiting:
        bar.progress(0.0, _("One training at a time: {queue}").format(queue=queue_text(job.ahead)))
    elif runs:
        last = runs[-1]
        bar.progress(
            last.step / last.setup.steps,
            _("{net}: epoch {epoch} of {epochs}, {seconds} s").format(
                net=label(_arm(last.setup)), epoch=len(last.points), epochs=last.setup.epochs,
                seconds=f"{job.seconds:.0f}",
            ),
        )  # fmt: skip
    else:
        bar.progress(0.0, _("The first epoch runs"))
    _results(lesson, chosen, runs)


def _arm(setup: Setup) -> Arm:
    """The arm that a setup trains."""
    options = dict(setup.options)
    order = "zero" if setup.zero_gamma else "pre" if options.get("preactivation") else ""
    return Arm(setup.model, options.get("norm") != "none", setup.init, order)


def _results(lesson: Lesson, chosen: Choice, live: Sequence[Run]) -> None:
    """Curves and a table of what runs, what ran in this session, and what was recorded."""
    own: list[Run] = st.session_state.get(_RUNS, [])
    underway = {run.setup for run in live}
    runs = [run for run in (*live, *(r for r in own if r.setup not in underway))
            if _arm(run.setup) in chosen.arms]  # fmt: skip
    # A class is to guess before it sees: only what it trains itself is shown at once.
    records = [] if lesson.hides else _records(chosen)
    if lesson.hides and not runs:
        return
    if not runs and not records:
        st.info(_nothing(), icon=":material/info:")
        return
    lesson.plot(_drawn(chosen, runs, records), "gradients_training",
                _("Error after each epoch, one line for each run"))  # fmt: skip
    for run in runs:
        if run.ending == "diverged":
            st.warning(diverged(run), icon=":material/warning:")
    if lesson.hides:
        return
    _table(chosen, runs, records, underway=live[-1].setup if live else None)


def diverged(run: Run) -> str:
    """Say when a loss stopped being a number, and with what."""
    return _(
        "{net}: the loss became {loss} at step {step} with learning rate {rate}; a smaller rate "
        "or batch normalization keeps it finite."
    ).format(
        net=label(_arm(run.setup)), step=run.step, rate=f"{run.setup.rate:g}",
        loss="NaN" if math.isnan(run.loss) else _("infinite"),
    )  # fmt: skip


def _nothing() -> str:
    rates = sorted({record.run.setup.rate for record in cache.recorded_runs()})
    return _(
        "Nothing is recorded for these networks and this learning rate; there are runs at {rates}. "
        "Train here to see."
    ).format(rates=", ".join(f"{rate:g}" for rate in rates))


def _records(chosen: Choice) -> list[Recorded]:
    """Recorded runs of the chosen networks at the chosen learning rate and schedule.

    They have the chosen number of epochs, or else as many as most have.
    """
    found = [
        record
        for record in cache.recorded_runs()
        if _arm(record.run.setup) in chosen.arms
        and record.run.setup.rate == chosen.rate
        and record.run.setup.schedule == chosen.schedule
    ]
    as_long = [record for record in found if record.run.setup.epochs == chosen.epochs]
    return as_long or [record for record in found if record.run.setup.epochs == EPOCHS[2]]


def _drawn(chosen: Choice, runs: Sequence[Run], records: Sequence[Recorded]) -> str:
    """The curves; drawn anew only if something is new, since a training needs the processor."""
    points = tuple((run.setup, len(run.points)) for run in runs)
    shown = (chosen, points, len(records), theme(), language())
    known = st.session_state.get(_DRAWN)
    if known is None or known[0] != shown:
        known = st.session_state[_DRAWN] = (shown, _training_figure(chosen, runs, records))
    return str(known[1])


def _training_figure(chosen: Choice, runs: Sequence[Run], records: Sequence[Recorded]) -> str:
    recorded, here = _("recorded"), _("here")
    curves = [
        _run_curve(record.run, chosen, f"{label(_arm(record.run.setup))} ({recorded})", faint=True)
        for record in records
    ]
    curves += [
        _run_curve(run, chosen, f"{label(_arm(run.setup))} ({here})", faint=False) for run in runs
    ]
    error = chosen.measure != "loss"
    axes = Axes(
        title=_(_MEASURES[chosen.measure]),
        x_title=_("epoch"),
        y_title="",
        percent=error,
        y_range=(-2, 102) if error else None,
    )
    return str(lesson_curves(curves, axes, theme=theme(), height=420).to_json())


def _run_curve(run: Run, chosen: Choice, name: str, *, faint: bool) -> Curve:
    values = tuple(
        {"train": 100 * p.train_error, "test": 100 * p.test_error, "loss": p.loss}[chosen.measure]
        for p in run.points
    )
    unit = "" if chosen.measure == "loss" else "%"
    text = tuple(
        "<b>{name}</b><br>{said}".format(
            name=name,
            said=_("seed {seed}, epoch {epoch}: {value}").format(
                seed=run.setup.seed, epoch=point.epoch, value=f"{rounded(value)}{unit}"
            ),
        )
        for point, value in zip(run.points, values, strict=True)
    )
    epochs = tuple(float(point.epoch) for point in run.points)
    return Curve(name, epochs, values, text, chosen.arms.index(_arm(run.setup)), faint)


def _table(
    chosen: Choice, runs: Sequence[Run], records: Sequence[Recorded], underway: Setup | None
) -> None:
    places = {arm: place for place, arm in enumerate(chosen.arms)}
    in_order = sorted(records, key=lambda each: places[_arm(each.run.setup)])
    rows = [
        {
            **_row(run, _("here"), ""),
            **(
                {"ending": _("running")}
                if run.setup == underway and run.ending == "stopped"
                else {}
            ),
        }
        for run in runs
    ]
    rows += [_row(record.run, _("recorded"), record.date[:10]) for record in in_order]
    column = st.column_config
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        row_height=30,
        height=min(34 + 30 * len(rows) + 2, 34 + 30 * 8),
        column_config={
            "net": column.TextColumn(_("Network"), width=170),
            "origin": column.TextColumn(_("Origin"), width=80),
            "seed": column.NumberColumn(_("Seed"), width=75),
            "epochs": column.NumberColumn(_("Epochs"), width=60),
            "train": column.NumberColumn(_("Training error"), format="%.1f%%", width=105),
            "test": column.NumberColumn(_("Test error"), format="%.1f%%", width=85),
            "loss": column.NumberColumn(_("Training loss"), format="%.3g", width=100),
            "ending": column.TextColumn(_("Ended"), width=110),
            "seconds": column.NumberColumn(_("Seconds"), format="%.0f", width=70),
            "link": column.LinkColumn(_("Link"), display_text=_("open"), width=60),
            "date": column.TextColumn(_("Date"), width=90),
        },
    )
    machines = {(each.device_name, each.threads, each.torch) for each in records}
    for device, threads, version in sorted(machines):
        st.caption(
            _("Recorded on {device}, {threads}, torch {torch}, beside other work: the errors are "
              "what to read, not the seconds.").format(
                device=device, threads=n_("{n} thread", "{n} threads", threads), torch=version)
        )  # fmt: skip


def _row(run: Run, origin: str, date: str) -> dict[str, Any]:
    last = run.points[-1] if run.points else None
    endings = {
        "done": _("at its end"),
        "stopped": _("stopped"),
        "diverged": _("diverged, step {step}").format(step=run.step),
    }
    return {
        "net": label(_arm(run.setup)),
        "origin": origin,
        "seed": run.setup.seed,
        "epochs": len(run.points),
        "train": 100 * last.train_error if last else None,
        "test": 100 * last.test_error if last else None,
        "loss": last.loss if last else None,
        "ending": endings[run.ending],
        "seconds": run.seconds,
        "link": link(run.setup),
        "date": date,
    }


def link(setup: Setup) -> str:
    """The address of the page with one setup chosen, from any page of the app."""
    numbers = (
        ("rate", f"{setup.rate:g}", "0.1"),
        ("decay", setup.schedule, "constant"),
        ("epochs", str(setup.epochs), "20"),
        ("minibatch", str(setup.batch), "128"),
        ("seed", str(setup.seed), "0"),
    )
    said = {name: value for name, value, default in numbers if value != default}
    return f"/gradients?{urlencode({'nets': _arm(setup).code, **said})}"


def _training_answer(chosen: Choice) -> str:
    """What the recorded runs show, with what the papers report."""
    records = _records(chosen)
    told = []
    if records:
        head = _("**Recorded, {epochs} epochs of 11 steps, learning rate {rate}:**")
        epochs = records[0].run.setup.epochs
        by_arm = (
            (arm, [r.run for r in records if _arm(r.run.setup) == arm]) for arm in chosen.arms
        )
        lines = [f"- {_measured(arm, runs)}" for arm, runs in by_arm if runs]
        told = [head.format(epochs=epochs, rate=f"{chosen.rate:g}"), "\n".join(lines)]
    told.append(
        _(
            "He et al. 2015 (figure 6) report degradation on CIFAR-10: the deeper a plain network, "
            "the higher its training error, Plain-110 above 60%; with shortcuts the order turns, "
            "and ResNet-20, 56 and 110 reach test errors of 8.75%, 6.97% and 6.43% (table 6). They "
            "train for 64,000 steps on 45,000 images. Here it is {steps} steps on 1,437 digits of "
            "8 × 8 pixels: such a run shows how fast a network begins to learn, not where it "
            "ends."
        ).format(
            steps=records[0].run.setup.steps if records else chosen.setup(chosen.arms[0]).steps
        )
    )
    return "\n\n".join(told)


def _measured(arm: Arm, runs: Sequence[Run]) -> str:
    """One network's final training error over its recorded seeds."""
    ended = [100 * run.points[-1].train_error for run in runs if run.ending == "done"]
    lost = sum(run.ending == "diverged" for run in runs)
    parts = []
    if ended:
        low, high = f"{min(ended):.1f}", f"{max(ended):.1f}"
        span = low if low == high else f"{low} – {high}"
        seeds = n_("{n} seed", "{n} seeds", len(ended))
        parts.append(_("training error {span}%").format(span=span) + f" ({seeds})")
    if lost:
        parts.append(n_("{n} diverged", "{n} diverged", lost))
    return f"{label(arm)}: " + ", ".join(parts)


# ------------------------------------------------------------------- shattering


def shattering(lesson: Lesson, chosen: Choice) -> None:
    """The gradient along a path of images, and how alike it is at two near points."""
    with st.spinner(_("Following the gradient along a path of images")):
        found = [cache.shattered(arm.code, chosen.seed) for arm in chosen.arms]
    left, right = st.columns(2, gap="medium")
    paths, near = [], []
    for look, (arm, each) in enumerate(zip(chosen.arms, found, strict=True)):
        name = label(arm)
        gradient = tuple(float(value) for value in each.gradient)
        correlation = tuple(float(value) for value in each.correlation)
        places = tuple(25 * at / (len(gradient) - 1) for at in range(len(gradient)))
        paths.append(
            Curve(
                name, places, gradient, tuple(f"<b>{name}</b><br>{v:.2f}" for v in gradient), look
            )
        )
        near.append(
            Curve(
                name,
                tuple(range(len(correlation))),
                correlation,
                tuple(f"<b>{name}</b><br>{lag}: {v:.2f}" for lag, v in enumerate(correlation)),
                look,
            )
        )
    with left:
        axes = Axes(
            _("Gradient along the path, each over its own size"),
            _("percent of the way from the first digit to the second"), "",
        )  # fmt: skip
        lesson.plot(str(stacked(paths, axes, theme=theme()).to_json()), "gradients_path",
                    _("Gradient along a path of images, one line for each network"))  # fmt: skip
    with right:
        axes = Axes(
            _("Correlation of the gradient with itself further on"),
            _("points further on, of 96 on the path"), "", y_range=(-0.35, 1.05),
        )  # fmt: skip
        lesson.plot(str(lesson_curves(near, axes, theme=theme()).to_json()), "gradients_near",
                    _("Autocorrelation of the gradient, one line for each network"))  # fmt: skip
    st.markdown(_("**Correlation of the gradient at neighbouring points**"))
    lesson.numbers(
        [(label(arm), f"{each.correlation[1]:.2f}", "")
         for arm, each in zip(chosen.arms, found, strict=True)],
        key="gradients_near",
    )  # fmt: skip
    lesson.answer(
        _(
            "**A gradient helps only as far as it holds.** A step of training moves along it as if "
            "it stayed the same. Where neighbouring points have unrelated gradients, as in white "
            "noise, it says little about the next step, whatever its size. Balduzzi et al. 2017 "
            "call this shattered gradients: in plain networks the correlation falls exponentially "
            "with depth, with shortcuts far more slowly. Veit et al. 2016 describe what shortcuts "
            "change: unrolled, a residual network is a collection of paths, and it is the short "
            "ones that carry the gradient. It is one reason, not a verdict: here Plain-56 without "
            "BN has a smooth gradient and yet stays at chance in the recorded runs, and "
            "pre-activation is less smooth than ResNet-56 and trains faster."
        )
    )
