"""Real PyTorch models, one family a file, each readable on its own from top to bottom.

All files follow the same conventions. Attributes carry torchvision's names (timm's or the
paper's where torchvision lacks the model), so that a reference state_dict loads. Weights start
as PyTorch's layers initialise them: what a paper says of initialisation is left out, because it
changes no shape and no count. Every builder takes `num_classes`, `in_channels` and the options
its paper varies, bounded in its signature; every model builds on the `meta` device.
"""

from explorer.models._registry import (
    ModelSpec,
    Option,
    build_model,
    get_spec,
    list_models,
)

__all__ = ["ModelSpec", "Option", "build_model", "get_spec", "list_models"]
