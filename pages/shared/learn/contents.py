"""The lessons in the order of a course: their titles and the question that each answers."""

from __future__ import annotations

from typing import Final, NamedTuple

from pages.shared.text import N_


class Entry(NamedTuple):
    """One page of the course."""

    name: str
    """File and address of the page."""
    title: str
    question: str
    icon: str


COURSE: Final = (
    Entry(
        "convolution",
        N_("Convolution arithmetic"),
        N_("Which output does a kernel of this size, stride and padding give, and why?"),
        "grid_on",
    ),
    Entry(
        "by_hand",
        N_("Parameters and MACs by hand"),
        N_("Where does the number behind a layer come from?"),
        "calculate",
    ),
    Entry(
        "timeline",
        N_("From LeNet to ViT"),
        N_("What did each step of twenty-five years change, and what did it cost?"),
        "timeline",
    ),
    Entry(
        "gradients",
        N_("Degradation and gradient flow"),
        N_("Why does a deeper plain network train worse, and what does the shortcut change?"),
        "trending_down",
    ),
    Entry(
        "dense_residual",
        N_("Dense or residual"),
        N_("What does it cost to concatenate where others add?"),
        "hub",
    ),
    Entry(
        "depthwise",
        N_("Depthwise separable and grouped convolution"),
        N_("How much cheaper is a convolution that does not mix all channels?"),
        "layers",
    ),
    Entry(
        "branches",
        N_("Inception and branches"),
        N_("What do the 1 × 1 convolutions of an Inception block save?"),
        "account_tree",
    ),
    Entry(
        "receptive_field",
        N_("Receptive field"),
        N_("Which pixels does one value of this layer see?"),
        "center_focus_strong",
    ),
    Entry(
        "scaling",
        N_("Scaling"),
        N_("Deeper, wider or sharper: what does each cost?"),
        "open_in_full",
    ),
    Entry(
        "attention",
        N_("Attention and patches"),
        N_("How does the cost of a transformer grow with the image?"),
        "blur_on",
    ),
    Entry(
        "normalization",
        N_("Normalization, dropout and activations"),
        N_("What do they do to a tensor, in training and in evaluation?"),
        "tune",
    ),
    Entry(
        "feature_maps",
        N_("Feature maps"),
        N_("What does each layer make of a picture?"),
        "image",
    ),
)
LAB: Final = Entry(
    "lab",
    N_("Design lab"),
    N_("Turn one decision of a real architecture: what moves?"),
    "science",
)
QUIZ: Final = Entry(
    "quiz",
    N_("Quiz"),
    N_("Can you say what a layer gives and costs before you see it?"),
    "quiz",
)
PAGES: Final = (LAB, *COURSE, QUIZ)


def entry(name: str) -> Entry:
    """The page of a name.

    Raises:
        StopIteration: there is none.
    """
    return next(each for each in PAGES if each.name == name)
