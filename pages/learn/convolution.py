"""Convolution arithmetic: kernel, stride, padding, dilation and groups on a grid."""

from pages.shared.learn import convolution
from pages.shared.learn.lesson import open_lesson
from pages.shared.text import _

view = convolution.open_view()  # first: what a link gets wrong is said under the title
lesson = open_lesson("convolution")
if lesson.part(_("One window at a time")):
    convolution.windows(lesson, view)
if lesson.part(_("Valid, same, full")):
    convolution.padding(lesson, view)
if lesson.part(_("Channels and groups")):
    convolution.channels(lesson, view)
if lesson.part(_("Transposed convolution")):
    convolution.transposed(lesson, view)
if lesson.part(_("On a picture")):
    convolution.picture(lesson, view)
lesson.close(
    tries=[
        _("Set the kernel to 1 and the stride to 2, as the shortcut of a ResNet does: three "
          "quarters of the pixels are never read."),
        _("A 3 × 3 kernel with dilation 2 reaches as far as a 5 × 5 kernel. Which pixels does it "
          "leave out, and how many weights does it save?"),
        _("Find two settings that halve the input. Which of them also works for odd sizes?"),
        _("Stamp a 3 × 3 kernel with stride 2: outputs are hit by one, two or four stamps. That "
          "is the checkerboard that transposed convolutions draw. Which k avoids it?"),
    ],
    sources=[
        "explorer.lessons.convolution:Axis",
        "explorer.lessons.convolution:convolve",
        "explorer.lessons.convolution:transpose",
        "explorer.lessons.convolution:filter_picture",
    ],
)  # fmt: skip
