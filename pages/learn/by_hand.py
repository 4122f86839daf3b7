"""Parameters and MACs by hand: any layer, worked step by step."""

from pages.shared.learn import by_hand
from pages.shared.learn.lesson import open_lesson
from pages.shared.text import _

by_hand.restore()  # first: what a link gets wrong is said under the title
lesson = open_lesson("by_hand")
if lesson.part(_("A layer of your own")):
    by_hand.own_layer(lesson)
if lesson.part(_("A layer of a real architecture")):
    by_hand.real_layer(lesson)
lesson.close(
    tries=[
        _("Double the input channels, then the output channels, then height and width. Which of "
          "them changes the parameters, which the MACs, and by how much?"),
        _("Make a convolution depthwise. What is left of its MACs, and what does it no longer "
          "mix?"),
        _("Find the layer of AlexNet with the most parameters, and the one with the most MACs."),
        _("Find a kernel and a stride for which a patch embedding gives as many tokens at twice "
          "the input size."),
    ],
    sources=["explorer.lessons.by_hand:work", "explorer.analysis.receipts:receipt"],
)  # fmt: skip
