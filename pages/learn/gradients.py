"""Degradation and gradient flow: plain networks against residual ones."""

from pages.shared.learn import gradients
from pages.shared.learn.lesson import open_lesson
from pages.shared.text import _

lesson = open_lesson("gradients")
chosen = gradients.choice()
if not lesson.present:
    gradients.nets(lesson)

if lesson.part(_("One backward pass")):
    if lesson.present:
        gradients.nets(lesson)
    else:  # in a talk the figures need the room, and the question has just been read
        gradients.say(
            _(
                "Fresh weights, 16 images, one pass forward and one backward. Without shortcuts a "
                "layer is reached only through all layers behind it. Does the gradient get there?"
            )
        )
    if not gradients.missing(chosen):
        gradients.flow(lesson, chosen)

if lesson.part(_("A short training")):
    gradients.say(
        _(
            "A deeper network can do all that a shallower one can: let the extra layers copy. "
            "Which has the lower training error after a few epochs? Dotted lines were recorded "
            "earlier; train here to add your own."
        )
    )
    if not gradients.missing(chosen):
        gradients.training(lesson, chosen)

if lesson.part(_("If it does not vanish, what goes wrong?")):
    gradients.say(
        _(
            "Walk in a straight line from one digit towards another and watch the gradient of one "
            "class score in the direction of the walk. In a network that is easy to train, the "
            "next point's gradient resembles this one's."
        )
    )
    if not gradients.missing(chosen):
        gradients.shattering(lesson, chosen)

lesson.close(
    tries=[
        _("Compare *Normalization*: which of the four starts with a loss far above that of an "
          "even guess, 2.30?"),
        _("Compare *Initialization*, then put Plain-56 with batch normalization in place of one: "
          "which outputs keep their spread?"),
        _("Train *Depth* at learning rate 0.02: is Plain-56 still last?"),
        _("Train ResNet-56 without BN at learning rate 0.1, and read at which step it ends."),
    ],
    sources=[
        "explorer.lessons.gradients:gradient_flow",
        "explorer.lessons.gradients:shattering",
        "explorer.lessons.initialization:initialize",
        "explorer.lessons.training:train",
    ],
)  # fmt: skip
