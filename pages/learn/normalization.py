"""Normalization, dropout and activations: what they do to a tensor."""

from pages.shared.learn import normalization
from pages.shared.learn.lesson import open_lesson
from pages.shared.text import _

lesson = open_lesson("normalization")
chosen = normalization.choice()
normalization.style()

if lesson.part(_("Which values share a mean?")):
    normalization.say(
        _(
            "Four digits, the first six channels behind the first convolution in ResNet-20's "
            "blocks, 8 × 8 pixels each. Blue is negative, orange positive, strongest where each "
            "picture is largest. Lit is all that is averaged with the map in the thick frame."
        )
    )
    normalization.axes_part(lesson, chosen)

if lesson.part(_("Batch normalization has two modes")):
    normalization.say(
        _(
            "The same layer sees batch after batch of digits in training mode, then the last batch "
            "once more in evaluation mode."
        )
    )
    normalization.running_part(lesson, chosen)

if lesson.part(_("In evaluation it costs nothing")):
    normalization.say(
        _(
            "A 3 × 3 convolution from 16 to 16 channels and its batch normalization, in "
            "evaluation mode, against a single convolution with other weights."
        )
    )
    normalization.folding_part(lesson)

if lesson.part(_("AlexNet's local response normalization")):
    normalization.say(
        _("One pixel of a digit's activated maps, divided by what its neighbour channels say.")
    )
    normalization.lrn_part(lesson, chosen)

if lesson.part(_("Dropout")):
    normalization.say(_("One 8 × 8 map through the same layer in both modes; grey is exactly 0."))
    normalization.dropout_part(lesson, chosen)

if lesson.part(_("Activations and dead units")):
    normalization.say(
        _("64 units with fresh weights see 256 digits. What gets through, and what slope is left?")
    )
    normalization.activation_part(lesson, chosen)

lesson.close(
    tries=[
        _("Choose *GroupNorm* and turn the groups from 1 to 6: which two other normalizations do "
          "you meet?"),
        _("Set momentum to 1: which images does the running mean remember?"),
        _("Let batch normalization see one batch only: how far apart are its two modes?"),
        _("Multiply AlexNet's activations by 1: what is left of its normalization?"),
        _("Move the bias to −3 and go from ReLU to leaky ReLU: what happens to the dead units?"),
    ],
    sources=[
        "explorer.lessons.normalization:normalize",
        "explorer.lessons.normalization:run_batches",
        "explorer.lessons.normalization:fold",
        "explorer.lessons.normalization:local_response",
        "explorer.lessons.normalization:dropout",
        "explorer.lessons.normalization:activate",
    ],
)  # fmt: skip
