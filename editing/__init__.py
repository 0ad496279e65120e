"""Edits turn latents into latents; local ones, which only the places of a generator can hold, into pictures."""

from wplus.core.masks import read_mask
from wplus.editing.detail import with_detail
from wplus.editing.features import blend_features
from wplus.editing.local import edited_stylemap, local_edit, mix, transplant
from wplus.editing.masks import PARTS, most, part, read_labels, rectangle, share, touched
from wplus.editing.ops import Relative, crossover, layer_at, morph, suppress_noise, transfer_expression
from wplus.editing.patch import Patch
from wplus.editing.portrait import Portrait, embed

__all__ = [
    "PARTS",
    "Patch",
    "Portrait",
    "Relative",
    "blend_features",
    "crossover",
    "edited_stylemap",
    "embed",
    "layer_at",
    "local_edit",
    "mix",
    "morph",
    "most",
    "part",
    "read_labels",
    "read_mask",
    "rectangle",
    "share",
    "suppress_noise",
    "touched",
    "transfer_expression",
    "transplant",
    "with_detail",
]
