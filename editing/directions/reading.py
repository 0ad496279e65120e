"""Directions of other programs as `Direction`s, read without running what is in their files.

| layout       | file       | holds                                                                    |
|--------------|------------|--------------------------------------------------------------------------|
| boundary     | .npy, .pt  | InterFaceGAN, e4e: one vector (dim,) or (1, dim) for all layers           |
| rows         | .npy, .pt  | one vector a layer, (layers, dim) or (1, layers, dim)                    |
| several      | .npy, .pt  | names to one of the two                                                  |
| ganspace     | .npz       | `act_comp` or `lat_comp` (n, 1, dim), `*_stdev` (n,); e4e has copies      |
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from wplus.core.direction import Direction
from wplus.core.errors import DirectionError
from wplus.editing.directions.making import direction
from wplus.models import Generator
from wplus.models.checkpoints.foreign import read_tree
from wplus.models.checkpoints.foreign.tree import Tree

COMPONENTS = (("lat_comp", "lat_stdev"), ("act_comp", "act_stdev"), ("comp", "stdev"))
"""What GANSpace calls components and their standard deviations: of W, of a layer, and in older files."""


def read_directions(path: str | Path, generator: Generator) -> dict[str, Direction]:
    """The directions of another program's file; names are the file's own, or follow the file's name.

    Files say neither their unit nor their generator: `generator` must be the one they were found for.

    Args:
        path: .npy, .npz or .pt; what it is, its contents tell.
        generator: whose codes they move.

    Raises:
        DirectionError: no such file, damaged, asking for code to be run, or no direction of this generator.
    """
    tree = read_tree(path, error=DirectionError)
    stem = Path(path).stem.lower().replace("_", "-").replace(" ", "-")
    try:
        offsets = _offsets(tree, stem, generator)
        unit = "one standard deviation" if _components(tree) else "as its file has it"
        return {
            name: direction(offset, generator, name=name, method="read", unit=unit, details={"file": Path(path).name})
            for name, offset in offsets.items()
        }
    except DirectionError as error:
        raise DirectionError(f"{path}: {error}") from error


def _offsets(tree: Tree, stem: str, generator: Generator) -> dict[str, Tensor]:
    """Name -> offset, in the forms of the table above."""
    if isinstance(tree, Tensor):
        return {stem: _fitted(tree, stem, generator)}
    if not isinstance(tree, dict) or not tree:
        raise DirectionError(f"no direction: it holds a {type(tree).__name__}, expected an array or names with arrays")
    if (found := _components(tree)) is not None:
        components, deviations = found
        return {
            f"{stem}-{index}": _fitted(component * deviation, f"{stem}-{index}", generator)
            for index, (component, deviation) in enumerate(zip(components, deviations, strict=True))
        }
    if "boundary" in tree and isinstance(tree["boundary"], Tensor):
        return {stem: _fitted(tree["boundary"], stem, generator)}
    named = {str(name): item for name, item in tree.items() if isinstance(item, Tensor)}
    if not named or len(named) < len(tree):
        words = ", ".join(map(str, list(tree)[:4]))
        raise DirectionError(f"no direction: it holds {words:.120}, expected arrays by name")
    return {name: _fitted(item, name, generator) for name, item in named.items()}


def _components(tree: Tree) -> tuple[Tensor, Tensor] | None:
    """GANSpace's components (n, dim) and standard deviations (n,), if they are that."""
    if not isinstance(tree, Mapping):
        return None
    for components, deviations in COMPONENTS:
        first, second = tree.get(components), tree.get(deviations)
        if isinstance(first, Tensor) and isinstance(second, Tensor):
            if first.ndim < 2 or not len(first) or second.numel() != len(first):
                raise DirectionError(f"{components} {tuple(first.shape)} and {deviations} {tuple(second.shape)}")
            return first.reshape(len(first), -1).float(), second.flatten().float()
    return None


def _fitted(array: Tensor, name: str, generator: Generator) -> Tensor:
    """An offset as (w_dim,) or (layers, w_dim)."""
    values = array.reshape(array.shape[-2:]) if array.ndim > 2 and array.numel() == array[0].numel() else array
    values = values.squeeze(0) if values.ndim == 2 and len(values) == 1 else values
    if not values.is_floating_point() or not bool(torch.isfinite(values).all()):
        raise DirectionError(f"'{name}' holds values that are not finite numbers")
    if tuple(values.shape) not in ((generator.w_dim,), (generator.layers, generator.w_dim)):
        raise DirectionError(
            f"'{name}' has shape {tuple(array.shape)}, {generator.name} takes ({generator.w_dim},)"
            f" or ({generator.layers}, {generator.w_dim})"
        )
    return values
