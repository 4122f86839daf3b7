"""Design lab: one decision of a real architecture is turned, and everything moves."""

import streamlit as st

from pages.shared import sidebar, widgets
from pages.shared.cache.traces import evaluated, failure
from pages.shared.learn import lab
from pages.shared.learn.lesson import open_lesson
from pages.shared.text import _

start = sidebar.current()
view = lab.open_view(start)
lesson = open_lesson("lab")
lab.style()

if lesson.part(_("Turn a decision")):
    lab.where_from(lesson)
    reason = failure(evaluated(start))
    if reason:
        widgets.failed(start, reason)
        lab.kept_steps(view)
    elif not lab.has_decisions(view):
        st.info(lab.nothing(view), icon=":material/lock:")
        lab.examples()
    else:
        lab.bench(lesson, view)

if lesson.part(_("What changes in the network")):
    lab.network(lesson, view)

if lesson.part(_("How the gradient flows")):
    lab.gradients(lesson, view)

if lesson.part(_("Take it along")):
    lab.take_along(view)

lesson.close(
    tries=[
        _("Turn one decision at a time, and say first which chips will move, and which way."),
        _("Give ResNet-50 a bottleneck width of 128 and 32 groups: which published network is it?"),
        _("Turn the shortcut of ResNet-50 to none. Which numbers say that it trains worse?"),
        _("Find a decision that lowers MACs and raises the predicted time, then another device."),
        _("Find two decisions that do not go together, and read why."),
    ],
    sources=[
        "explorer.lessons.lab:decisions",
        "explorer.lessons.lab:measures",
        "explorer.lessons.lab:changes",
        "explorer.lessons.lab:source",
        "explorer.lessons.gradients:gradient_flow",
    ],
)
