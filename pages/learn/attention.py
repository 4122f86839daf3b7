"""Attention and patches: tokens, and where a transformer's MACs go."""

from pages.shared.learn import attention
from pages.shared.learn.lesson import open_lesson
from pages.shared.text import _

lesson = open_lesson("attention")
view = attention.open_view()
if lesson.part(_("A picture becomes tokens")):
    attention.controls(view)
    attention.tokens(lesson, view)
if lesson.part(_("Where the MACs go")):
    attention.again(lesson, view)
    attention.shares(lesson, view)
if lesson.part(_("Cost against image size")):
    attention.again(lesson, view)
    attention.growth(lesson, view)
if lesson.part(_("The matrices of all pairs")):
    attention.again(lesson, view)
    attention.matrices(lesson, view)
if lesson.part(_("Windows in place of all pairs: Swin")):
    attention.again(lesson, view)
    attention.windows(lesson, view)
if lesson.part(_("Heads")):
    attention.again(lesson, view)
    attention.heads(lesson, view)
lesson.close(
    tries=[
        _(
            "Halve the patch from 16 to 8. By which factor do tokens, linear layers, and QKᵀ with "
            "AV grow?"
        ),
        _(
            "Find the size at which QKᵀ and AV are half of the MACs of DeiT-Ti. Why is it smaller "
            "than that of ViT-B?"
        ),
        _("Divide by the number of pixels: which of the three networks have level lines, and why?"),
        _("Set 1 head, then 32. What does the memory say, and why does nobody take 768 heads?"),
    ],
    sources=[
        "explorer.lessons.attention:formula_macs",
        "explorer.models.vit:SelfAttention",
        "explorer.lessons.attention:WrittenOut",
        "explorer.lessons.attention:Fused",
    ],
)
