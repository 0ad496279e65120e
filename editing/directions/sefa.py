"""Directions from the weights alone: what the first affine maps amplify most (Shen & Zhou 2021, "SeFa", section 3)."""

from collections.abc import Sequence

import torch

from wplus.core.direction import Direction
from wplus.core.errors import DirectionError
from wplus.editing.directions.making import direction
from wplus.models import Generator
from wplus.models.stylespace import affines


def sefa(generator: Generator, *, count: int = 5, layers: Sequence[int] | None = None) -> tuple[Direction, ...]:
    """The strongest directions of W, the strongest first; they are orthogonal, and their signs mean nothing.

    Args:
        generator: with affine maps.
        count: how many.
        layers: rows of W+ whose affine maps are looked at, and which the directions move; all if None.

    Raises:
        DirectionError: no such layers, or more directions than W has.
        LatentError: the generator has no styles.
    """
    chosen = list(range(generator.layers)) if layers is None else sorted(set(layers))
    maps = [item for item in affines(generator.network.synthesis) if item.row in chosen]
    if not chosen or not maps or chosen[-1] >= generator.layers or chosen[0] < 0:
        raise DirectionError(f"layers {chosen}: {generator.name} has layers 0 to {generator.layers - 1}")
    if not 1 <= count <= generator.w_dim:
        raise DirectionError(f"{count} directions: a W of {generator.w_dim} numbers has 1 to {generator.w_dim}")
    weights = torch.cat([item.layer.weight.detach().cpu().double() for item in maps])  # (channels, w_dim)
    weights = weights / weights.norm(dim=1, keepdim=True).clamp_min(1e-12)
    strengths, axes = torch.linalg.eigh(weights.T @ weights)
    length = generator.w_radius / generator.w_dim**0.5  # one standard deviation of a mapped code along an axis
    words = f"{chosen[0]}-{chosen[-1]}"
    return tuple(
        direction(
            axes[:, -1 - index] * length,
            generator,
            name=f"sefa-{index}",
            method="sefa",
            unit="one mean standard deviation of W",
            details={"layers": words, "eigenvalue": float(strengths[-1 - index])},
        ).only(chosen)
        for index in range(count)
    )
