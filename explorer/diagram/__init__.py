"""Pictures of a model, drawn from its trace alone, as SVG."""

from explorer.diagram.block_svg import block_svg
from explorer.diagram.compose import block_title

__all__ = ["block_svg", "block_title"]
