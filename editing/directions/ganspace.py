"""Directions from drawn codes alone: their principal components (Harkonen et al. 2020, "GANSpace", section 2)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from wplus.core.direction import Direction
from wplus.core.errors import DirectionError
from wplus.editing.directions.making import direction
from wplus.models import Generator

SAMPLES = 100_000
"""Codes that are drawn; the paper has a million, of which a principal axis moves by a degree or less."""


def ganspace(
    generator: Generator,
    *,
    count: int = 5,
    layers: Sequence[int] | None = None,
    codes: Tensor | None = None,
    samples: int = SAMPLES,
) -> tuple[Direction, ...]:
    """The principal components of W, each one standard deviation long, the widest first; signs mean nothing.

    Args:
        generator: whose mapped codes are looked at.
        count: how many.
        layers: rows of W+ that the directions move, as the paper's layer ranges; all if None.
        codes: (n, w_dim) in place of drawn ones, for instance of photographs.
        samples: how many codes are drawn.

    Raises:
        DirectionError: no such layers, or more components than there can be.
    """
    if generator.space != "W+":
        raise DirectionError(f"{generator.name} has {generator.space}s; directions are of generators with W")
    w = generator.mapped(samples) if codes is None else codes
    w = w.detach().cpu().double()
    if not 1 <= count <= min(w.shape):
        raise DirectionError(f"{count} components of {w.shape[0]} codes of {w.shape[1]} numbers")
    variances, axes = torch.linalg.eigh(torch.cov(w.T))
    chosen = list(range(generator.layers)) if layers is None else sorted(set(layers))
    total = float(variances.sum())
    return tuple(
        direction(
            axes[:, -1 - index] * variances[-1 - index].clamp_min(0).sqrt(),
            generator,
            name=f"ganspace-{index}",
            method="ganspace",
            details={"codes": len(w), "share of variance": round(float(variances[-1 - index]) / total, 4)},
        ).only(chosen)
        for index in range(count)
    )
