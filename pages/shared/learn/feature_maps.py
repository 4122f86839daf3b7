"""What stands on the lesson "Feature maps": a layer's maps, one of them, the filters."""

from __future__ import annotations

import hashlib
import time
from typing import Any, Final, NamedTuple

import numpy as np
import streamlit as st

from explorer.analysis.units import count, percent, rounded
from explorer.figures.feature_maps import (
    filter_tiles,
    map_over_picture,
    map_tiles,
    tile_grid,
    vector_bars,
)
from explorer.lessons.feature_maps import Maps, Source, feature_maps
from explorer.lessons.pictures import Pixels
from explorer.lessons.weights import ENDINGS, MOST_BYTES, OnDisk, on_disk
from pages.shared import address
from pages.shared.cache import receptive_field as cache
from pages.shared.cache.receptive_field import LayerField, plain
from pages.shared.cache.traces import trace_of
from pages.shared.choice import Choice
from pages.shared.jobs import Job, queue_text
from pages.shared.learn.lanes import PASSES
from pages.shared.learn.lesson import Lesson
from pages.shared.learn.receptive_field import layer_control, pick_layer, picture, picture_control
from pages.shared.text import N_, _
from pages.shared.widgets import plain as escaped
from pages.shared.widgets import theme

__all__ = ["plain"]

ORDERS: Final = {"strength": N_("Strongest first"), "index": N_("In order")}
_SHOWN: Final = 64
_MOST_SEED: Final = 9999
_POLL: Final = 0.4
_PATIENCE: Final = 0.8
"""Seconds that a run waits for a pass before it shows its progress."""
_KEPT: Final = 4
"""Results that a session keeps."""
_JOB: Final = "maps_job"
_MADE: Final = "maps_made"
_TROUBLE: Final = "maps_trouble"
_FILE: Final = "maps_file_kept"


class View(NamedTuple):
    """What is looked at."""

    choice: Choice
    layers: tuple[LayerField, ...]
    layer: LayerField
    order: str
    weights: str
    """"random", "file", or the label of a checkpoint on the disk."""
    disk: tuple[OnDisk, ...]
    seed: int
    picture: Pixels
    """Of the input's size."""


Asked = tuple[Choice, int, str, str]
"""Choice, op, weights, picture: what a pass was for."""


# ------------------------------------------------------------------------ choices


def open_view(choice: Choice) -> View:
    """Read all choices from the session or the address, and record them.

    Args:
        choice: of one picture, in evaluation mode; its trace must be complete.
    """
    disk = on_disk(choice.model)
    kinds = ("random", "file", *(each.label for each in disk))
    weights = address.restore(
        "weights", "maps_weights", {name: name for name in kinds}.get, "random"
    )
    if weights not in kinds:  # of another model
        weights = st.session_state["maps_weights"] = "random"
    seed = address.restore("seed", "maps_seed", _seed, 0)
    order = address.restore("order", "maps_order", {name: name for name in ORDERS}.get, "strength")
    address.restore("channel", "maps_channel", _channel, -1)
    with_maps = set(cache.with_maps(choice))
    rows = tuple(row for row in cache.layer_fields(choice, False) if row.key in with_maps)
    first = next((row.key for row in rows if row.kind == "convolution"), rows[0].key)
    key = pick_layer("maps", choice, [row.key for row in rows], first)
    address.record(
        {
            # A file is not in a link: whoever opens it sees random weights.
            "weights": weights if weights not in ("random", "file") else None,
            "seed": str(seed) if seed else None,
            "order": order if order != "strength" else None,
        }
    )
    layer = next(row for row in rows if row.key == key)
    return View(choice, rows, layer, order, weights, disk, seed, picture("maps", choice))


def _seed(text: str) -> int | None:
    fits = text.isascii() and text.isdigit() and len(text) < 5
    return int(text) if fits else None


def _channel(text: str) -> int | None:
    fits = text.isascii() and text.isdigit() and len(text) < 6
    return int(text) if fits else None


def _controls(lesson: Lesson, view: View, *, part: int) -> None:
    layer_control("maps", view.layers, view.layer.key, part=part, wide=True)
    if lesson.present:
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="maps_more"):
        names = {
            "random": _("Random"), "file": _("A file of mine"),
            **{each.label: f"torchvision {each.label}" for each in view.disk},
        }  # fmt: skip
        st.segmented_control(
            _("Weights"), list(names), key="maps_weights", required=True,
            format_func=names.__getitem__, on_change=address.touch,
            help=_("torchvision's own are offered where they already lie on the machine that runs "
                   "this app; nothing is downloaded."),
        )  # fmt: skip
        if view.weights == "random":
            st.number_input(
                _("Seed"), 0, _MOST_SEED, key="maps_seed", on_change=address.touch, width=120
            )
        orders = {name: _(title) for name, title in ORDERS.items()}
        st.segmented_control(
            _("Channels"), list(orders), key="maps_order", required=True,
            format_func=orders.__getitem__, on_change=address.touch,
        )  # fmt: skip
        picture_control("maps")
    if view.weights == "file":
        upload = st.file_uploader(
            _("Weights of {model}: .pth, .pt or .safetensors").format(
                model=escaped(view.choice.spec.title)
            ),
            ENDINGS, key="maps_file", on_change=address.touch,
            max_upload_size=MOST_BYTES // 2**20,
            help=_("A state_dict of at most {n} MiB. Only tensors are read, nothing in the file is "
                   "executed, and it is gone with this tab.").format(n=MOST_BYTES // 2**20),
        )  # fmt: skip
        # A talk does not draw the field, and Streamlit forgets what is not drawn.
        st.session_state[_FILE] = upload


# ------------------------------------------------------------------------ the pass


def _source(view: View) -> tuple[str, Source] | None:
    """A name for the weights and what they are; None while a file is waited for."""
    if view.weights == "random":
        return f"random {view.seed}", Source(seed=view.seed)
    if view.weights != "file":
        found = next(each for each in view.disk if each.label == view.weights)
        return view.weights, Source(path=found.path, filename=found.path.name)
    upload = st.session_state.get(_FILE)
    if upload is None:
        return None
    return upload.file_id, Source(data=upload.getvalue(), filename=upload.name)


def _result(view: View) -> Maps | None:
    """The maps, once a pass has made them; until then what there is to say."""
    source = _source(view)
    if source is None:
        st.info(_("Choose a file with weights, or random ones."), icon=":material/upload_file:")
        return None
    drawn = hashlib.sha256(view.picture.tobytes()).hexdigest()
    asked: Asked = (view.choice, view.layer.op, source[0], drawn)
    made: dict[Asked, Maps] = st.session_state.setdefault(_MADE, {})
    trouble: tuple[Asked, str] | None = st.session_state.get(_TROUBLE)
    if asked not in made and not (trouble and trouble[0] == asked):
        _run(view, asked, source[1])
        trouble = st.session_state.get(_TROUBLE)
    if asked in made:
        return made[asked]
    if trouble and trouble[0] == asked:
        if trouble[1]:
            st.error(escaped(trouble[1]), icon=":material/error:")
        else:
            st.button(_("Stopped: run it"), key="maps_again", on_click=_forget_trouble)
    return None


def _forget_trouble() -> None:
    address.touch()
    st.session_state.pop(_TROUBLE, None)


def _run(view: View, asked: Asked, source: Source) -> None:
    """Start a pass, or look after the one under way."""
    state = st.session_state
    running: tuple[Asked, Job[Maps | None]] | None = state.get(_JOB)
    if running is None or running[0] != asked:
        if running:
            running[1].cancel()  # nobody waits for it any more
        running = state[_JOB] = (asked, _start(view, source))
    job = running[1]
    patience = time.monotonic() + _PATIENCE
    while job.running and time.monotonic() < patience:
        time.sleep(0.02)  # most passes take less: nothing flickers
    if job.running:
        _watch(job)
        return
    state.pop(_JOB)
    if job.result is None:
        state[_TROUBLE] = asked, "" if job.cancelled.is_set() else job.sentence
        return
    made: dict[Asked, Maps] = state[_MADE]
    made[asked] = job.result
    while len(made) > _KEPT:
        made.pop(next(iter(made)))


def _start(view: View, source: Source) -> Job[Maps | None]:
    choice, layer, shown = view.choice, view.layer, view.picture
    trace, where = trace_of(choice), cache.tap(choice, layer.op)
    assert where

    def work(job: Job[Maps | None]) -> Maps | None:
        if job.cancelled.is_set():
            return None
        return feature_maps(
            choice.model, choice.build_options, trace, layer.op, where, layer.field, shown, source
        )

    return Job(work, lane=PASSES)


@st.fragment(run_every=_POLL)
def _watch(job: Job[Any]) -> None:
    if not job.running:
        st.rerun()
    said = _("One forward pass")
    if job.waiting:
        said = _("One pass at a time: {queue}").format(queue=queue_text(job.ahead))
    st.progress(min(job.seconds / 10, 0.95), f"{said} ({job.seconds:.0f} s)")
    if job.waiting:
        st.button(_("Stop"), key="maps_stop", on_click=job.cancel)


# ------------------------------------------------------------------------- maps


def maps(lesson: Lesson, view: View) -> None:
    """All maps of the layer as tiles."""
    _controls(lesson, view, part=1)
    made = _result(view)
    if made is None:
        return
    _said_of_file(view, made)
    left, right = st.columns([4, 1], gap="large") if not lesson.present else st.columns([3, 1])
    with left:
        if made.rows * made.columns == 1:
            _vector(lesson, view, made)
        else:
            _tiles(lesson, view, made)
    with right:
        _numbers(lesson, made)
    if view.weights == "random" and not lesson.present:
        lesson.answer(
            _("Random weights show what the architecture alone does: edges survive any random "
              "filter, strides and pooling shrink the map, a ReLU silences half of the values. "
              "What a channel stands for is learned.")
        )  # fmt: skip


def _numbers(lesson: Lesson, made: Maps) -> None:
    lesson.numbers(
        [
            (_("Channels"), count(made.channels), _("{n} shown").format(
                n=min(_SHOWN, made.channels))),
            (_("Map"), f"{made.rows} × {made.columns}", _("cells")),
            (_("Zeros"), percent(float(made.zeros.mean())), _("of all values")),
            (_("Silent"), count(made.dead), _("channels that are 0 everywhere")),
        ][: 3 if lesson.present else 4],
        key="maps",
        least=130,
    )  # fmt: skip


def _said_of_file(view: View, made: Maps) -> None:
    """What of a file was adapted or left out."""
    if view.weights == "random":
        return
    said = []
    if made.num_classes is not None:
        said.append(
            _("The file's classifier has {n} classes, and so the model was built with as many.")
            .format(n=count(made.num_classes))
        )  # fmt: skip
    if made.unused:
        said.append(
            _("{n} tensors of the file are not used ({first}, ...).").format(
                n=count(len(made.unused)), first=f"`{made.unused[0]}`"
            )
        )
    if said:
        st.caption(" ".join(said))


def _shown_channels(view: View, made: Maps) -> list[int]:
    """Channels in the order of the tiles."""
    if view.order == "index":
        return [each for each in made.kept if each < _SHOWN][:_SHOWN]
    return sorted(made.kept, key=lambda each: (-float(made.strengths[each]), each))[:_SHOWN]


def _chosen(view: View, made: Maps) -> int:
    """The channel that is looked at: the chosen one, or the first tile's."""
    chosen: int = st.session_state.get("maps_channel", -1)
    shown = _shown_channels(view, made)
    if chosen not in made.kept:
        chosen = shown[0]
        st.session_state["maps_channel"] = -1
    address.record({"channel": str(chosen) if chosen != shown[0] else None})
    return chosen


def _tiles(lesson: Lesson, view: View, made: Maps) -> None:
    shown = _shown_channels(view, made)
    places = [made.kept.index(each) for each in shown]
    texts = [
        _("channel {n}").format(n=each) if lesson.hides else
        _("channel {n}<br>mean {mean}, largest {peak}<br>{zeros} zeros").format(
            n=each, mean=rounded(float(made.means[each])), peak=rounded(float(made.peaks[each])),
            zeros=percent(float(made.zeros[each])),
        )
        for each in shown
    ]  # fmt: skip
    figure = tile_grid(
        map_tiles(made.values[places], theme()), [str(each) for each in shown], texts, shown,
        selected=_chosen(view, made), title=_name(view), theme=theme(),
        wide=1.7 if lesson.present else 1.5, height=420 if lesson.present else 540,
    )  # fmt: skip
    st.plotly_chart(
        figure, key="maps_grid", theme=None, on_select=_pick, selection_mode="points",
        config={"displayModeBar": False}, alt=_("The maps of the layer as tiles"),
    )  # fmt: skip
    if lesson.present:
        return
    st.caption(
        _("Orange is positive, blue negative, the paper's colour 0; each map is scaled by its own "
          "largest magnitude. Click a map to see it over the picture.")
    )  # fmt: skip


def _name(view: View) -> str:
    layer = view.layer
    return f"{view.choice.spec.title}: {layer.key or layer.label}"


def _pick() -> None:
    address.touch()
    points = st.session_state["maps_grid"]["selection"]["points"]
    if points:
        st.session_state["maps_channel"] = int(points[0]["customdata"][0])


def _vector(lesson: Lesson, view: View, made: Maps) -> None:
    """A layer without places: one value a channel."""
    signed = np.sign(made.means) * made.peaks
    names = {"title": _name(view), "x": _("channel"), "y": _("value")}
    figure = vector_bars(signed, selected=_chosen(view, made), names=names, theme=theme())
    lesson.plot(str(figure.to_json()), "maps_bars", _("The values of the channels"))


# ---------------------------------------------------------------------- channel


def channel(lesson: Lesson, view: View) -> None:
    """One map, large, over the picture."""
    if lesson.present:
        _controls(lesson, view, part=2)
    made = _known(lesson, view)
    if made is None:
        return
    chosen = _chosen(view, made)
    left, right = st.columns([3, 2], gap="large")
    with right:
        _channel_control(view, made, chosen, part=2)
        lesson.numbers(
            [
                (_("Mean"), rounded(float(made.means[chosen])), ""),
                (_("Largest magnitude"), rounded(float(made.peaks[chosen])), ""),
                (_("Zeros"), percent(float(made.zeros[chosen])), _("of its values")),
                (_("Strength"), _rank(made, chosen), _("among the channels")),
            ],
            key="channel",
            least=150,
        )  # fmt: skip
        if not lesson.present:
            st.image(view.picture, caption=_("The picture as the model gets it"), width=180)
    with left:
        figure = map_over_picture(
            view.picture, made.values[made.kept.index(chosen)], float(made.peaks[chosen]),
            title=_("Channel {n} of {layer}").format(
                n=chosen, layer=view.layer.key or view.layer.label
            ),
            value=_("value"), ticks=not lesson.hides, theme=theme(),
            height=420 if lesson.present else 480,
        )  # fmt: skip
        lesson.plot(
            str(figure.to_json()), "maps_over", _("The map of the chosen channel over the picture")
        )


def _rank(made: Maps, chosen: int) -> str:
    """Place of a channel by its mean magnitude: 3 / 64."""
    stronger = int((made.strengths > made.strengths[chosen]).sum())
    return f"{count(stronger + 1)} / {count(made.channels)}"


def _known(lesson: Lesson, view: View) -> Maps | None:
    """The maps that the first part shows; a talk makes them here if it begins here."""
    if lesson.present:
        return _result(view)
    source = _source(view)
    if source is None:
        return None
    drawn = hashlib.sha256(view.picture.tobytes()).hexdigest()
    made: dict[Asked, Maps] = st.session_state.get(_MADE, {})
    found = made.get((view.choice, view.layer.op, source[0], drawn))
    if found is None:
        st.caption(_("There is nothing to show yet."))
    return found


def _channel_control(view: View, made: Maps, chosen: int, *, part: int) -> None:
    """Choose among the channels that are shown, in their order."""
    shown = _shown_channels(view, made)
    if chosen not in shown:
        shown = [*shown, chosen]
    key = f"maps_channel_{part}"
    st.session_state[key] = chosen
    if len(shown) > 1:
        st.select_slider(
            _("Channel"), shown, key=key, on_change=_choose_channel, args=(key,),
            help=_("Arrow keys go from channel to channel."),
        )  # fmt: skip


def _choose_channel(key: str) -> None:
    address.touch()
    st.session_state["maps_channel"] = st.session_state[key]


# ---------------------------------------------------------------------- filters


def filters(lesson: Lesson, view: View) -> None:
    """The weights of the layer's own convolution."""
    if lesson.present:
        _controls(lesson, view, part=3)
    made = _known(lesson, view)
    if made is None:
        return
    if made.filters is None:
        st.markdown(
            _("This layer is no convolution: it has no filters. Choose one that is, such as the "
              "first.")
        )  # fmt: skip
        return
    outputs, inputs, *kernel = made.filter_shape
    chosen = _chosen(view, made)
    st.markdown(
        _("{n} filters of {inputs} × {k}.").format(
            n=count(outputs), inputs=count(inputs), k=" × ".join(map(str, kernel))
        )
        + " "
        + _filter_sentence(inputs, kernel, chosen)
    )
    if inputs in (1, 3) and kernel != [1, 1]:
        shown = _shown_channels(view, made)
        tiles = filter_tiles(made.filters[[made.kept.index(each) for each in shown]], theme())
        _filter_figure(lesson, tiles, shown, chosen, _("Filters of the channels"))
        return
    own = made.filters[made.kept.index(chosen)]
    title = _("Filter of channel {n}, input by input").format(n=chosen)
    if kernel == [1, 1]:
        names = {"title": title, "x": _("input channel"), "y": _("weight")}
        figure = vector_bars(own[:, 0, 0], names=names, theme=theme())
        lesson.plot(str(figure.to_json()), "maps_weights_bars", title)
        return
    peak = float(np.abs(own).max()) or 1.0
    tiles = map_tiles(own.astype(np.float32) / peak, theme())
    _filter_figure(lesson, tiles, list(range(len(tiles))), None, title)


def _filter_sentence(inputs: int, kernel: list[int], chosen: int) -> str:
    if kernel == [1, 1]:
        return _("Each has one number for every input channel; those of channel {n} are drawn, at "
                 "most 64.").format(n=chosen)  # fmt: skip
    if inputs == 3:
        return _("Each reads red, green and blue, so it can be drawn in colour: gray is 0, and "
                 "each is scaled by its own largest magnitude.")  # fmt: skip
    if inputs == 1:
        return _("Each reads one channel. Orange is positive, blue negative; each is scaled by "
                 "its own largest magnitude.")  # fmt: skip
    return _("The filter of channel {n} is drawn input by input, at most 64 of them: orange is "
             "positive, blue negative, one scale for all.").format(n=chosen)  # fmt: skip


def _filter_figure(
    lesson: Lesson, tiles: list[Pixels], keys: list[int], chosen: int | None, title: str
) -> None:
    figure = tile_grid(
        tiles, [str(key) for key in keys], [_("channel {n}").format(n=key) for key in keys], keys,
        selected=chosen, title=title, theme=theme(), wide=2.8 if lesson.present else 2.4,
        height=330 if lesson.present else 460,
    )  # fmt: skip
    lesson.plot(str(figure.to_json()), "maps_filters", title)
