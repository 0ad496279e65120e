"""What every finder does in the end: an offset of codes becomes a `Direction` of a generator."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wplus.core.direction import About, Direction
from wplus.core.errors import DirectionError
from wplus.models import Generator

Array = npt.NDArray[np.float64]


def direction(offset: Tensor | Array, generator: Generator, *, name: str, method: str, **told: Any) -> Direction:
    """A direction of `generator` from an offset of W (w_dim,), for all layers, or of W+ (layers, w_dim), also flat.

    Args:
        offset: the change of a code by a strength of 1.
        generator: whose codes they are.
        name, method: as in `About`; `told` are further fields of it.

    Raises:
        DirectionError: the offset is of another size, or the generator's rows are no layers.
    """
    if generator.space != "W+":
        raise DirectionError(f"{generator.name} has {generator.space}s; directions are of generators with W")
    rows = torch.as_tensor(offset, dtype=torch.float32).detach().cpu()
    if rows.numel() == generator.w_dim:
        rows = rows.reshape(1, -1).repeat(generator.layers, 1)
    if rows.numel() != generator.layers * generator.w_dim:
        raise DirectionError(
            f"the direction '{name}' has shape {tuple(rows.shape)},"
            f" generator {generator.name} {generator.layers} layers of {generator.w_dim}"
        )
    about = About(name, generator=generator.name, fingerprint=generator.fingerprint, method=method, **told)
    return Direction(rows.reshape(generator.layers, generator.w_dim), about)


def flat(codes: Tensor | Array) -> Array:
    """Codes (n, dims) or (n, layers, w_dim) as float64 (n, dims).

    Raises:
        DirectionError: fewer than two codes, or values that are not finite.
    """
    array = codes.detach().cpu().double().numpy() if isinstance(codes, Tensor) else np.asarray(codes, np.float64)
    array = array.reshape(len(array), -1)
    if len(array) < 2 or not np.isfinite(array).all():
        raise DirectionError(f"a direction needs two finite codes or more, got {len(array)}")
    return array
