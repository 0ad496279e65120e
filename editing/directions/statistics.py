"""StyleCLIP's statistics of channels as edits of S (Patashnik et al. 2021, arXiv 2103.17249, section 6).

`fs3.npy` holds for every channel the mean change of a CLIP embedding of unit length. Its makers set channels to their
mean one after another in shallow copies, where each stays for all later ones: relevances of late layers were measured
on ever more average pictures. The file's numbers are taken as they are.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from wplus.core.direction import Direction
from wplus.core.errors import DirectionError
from wplus.editing.directions.stylespace import style_direction
from wplus.models import Generator
from wplus.models.checkpoints.foreign import read_tree
from wplus.models.stylespace import Affine, affines


def read_statistics(path: str | Path, generator: Generator) -> Tensor:
    """The relevances (channels, embedding) of an fs3 file.

    Raises:
        DirectionError: no such file, damaged, or of a generator with other channels.
    """
    tree = read_tree(path, error=DirectionError)
    channels = sum(item.channels for item in _layers(generator))
    if not isinstance(tree, Tensor) or tree.ndim != 2 or not tree.is_floating_point():
        raise DirectionError(f"{path}: not StyleCLIP's statistics, which are an array (channels, 512)")
    if len(tree) != channels:
        raise DirectionError(f"{path}: {len(tree)} channels, {generator.name} has {channels} besides the colours'")
    return tree.float()


def text_direction(
    generator: Generator,
    statistics: Tensor,
    text: Tensor,
    deviations: Sequence[Tensor],
    *,
    name: str,
    least: float = 0.1,
) -> Direction:
    """The edit that moves a CLIP embedding along a difference of texts.

    Args:
        generator: whose channels they are.
        statistics: as `read_statistics` gives them.
        text: target text's embedding less the neutral one's, (embedding,).
        deviations: of the styles of every layer without the colours' over codes, (channels,) each.
        name: of the direction.
        least: beta; channels of less relevance stay (section 6: .08 to .15).

    Raises:
        DirectionError: no channel is relevant, or shapes do not fit.
    """
    layers = _layers(generator)
    if text.numel() != statistics.shape[1] or [len(x) for x in deviations] != [item.channels for item in layers]:
        raise DirectionError("the text's embedding or the deviations do not fit the statistics")
    relevance = statistics @ (text.flatten() / text.norm())
    relevance = torch.where(relevance.abs() >= least, relevance, 0.0)
    if not bool(relevance.any()):
        raise DirectionError(f"no channel has a relevance of {least}; lower it")
    relevance = relevance / relevance.abs().max()
    change = {}
    for item, values, spread in zip(
        layers, relevance.split([item.channels for item in layers]), deviations, strict=True
    ):
        chosen = values.nonzero().flatten().tolist()
        if chosen:
            change[item.name] = {index: float(values[index] * spread[index]) for index in chosen}
    return style_direction(generator, change, name=name)


def _layers(generator: Generator) -> list[Affine]:
    """The affine maps that are no colours', in order."""
    return [item for item in affines(generator.network.synthesis) if not item.name.endswith("torgb")]
