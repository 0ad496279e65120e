"""Edits turn latents into latents."""

from wplus.editing.ops import Relative, crossover, layer_at, morph, suppress_noise, transfer_expression

__all__ = ["Relative", "crossover", "layer_at", "morph", "suppress_noise", "transfer_expression"]
