"""Edits turn latents into latents; local ones, which only the places of a generator can hold, into pictures."""

from wplus.editing.features import blend_features
from wplus.editing.local import edited_stylemap, local_edit, mix, transplant
from wplus.editing.ops import Relative, crossover, layer_at, morph, suppress_noise, transfer_expression
from wplus.editing.patch import Patch
from wplus.editing.paths import path
from wplus.editing.pooling import most, share, touched

__all__ = [
    "Patch",
    "Relative",
    "blend_features",
    "crossover",
    "edited_stylemap",
    "layer_at",
    "local_edit",
    "mix",
    "morph",
    "most",
    "path",
    "share",
    "suppress_noise",
    "touched",
    "transfer_expression",
    "transplant",
]
