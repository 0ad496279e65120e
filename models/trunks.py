"""Weights of image classifiers by name: what LPIPS and distances of distributions stand on."""

from pathlib import Path

from torch import Tensor

from wplus.core.errors import WeightsError
from wplus.models.catalogue import file_of, find
from wplus.models.checkpoints.foreign import read_tree


def trunk_weights(name: str, path: Path | None = None) -> dict[str, Tensor]:
    """The tensors of a network of the catalogue by their names, from its own file or from `path`.

    Files of any form are read as data, and nothing in them is run.

    Raises:
        WeightsError: the file is not here (it says how to get it), damaged, or no table of tensors.
    """
    path = path or file_of(find(name), error=WeightsError)
    tree = read_tree(path, error=WeightsError)
    tensors = {key: value for key, value in tree.items() if key != "__metadata__"} if isinstance(tree, dict) else {}
    if not tensors or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise WeightsError(f"{path}: no table of tensors, expected the weights of {name}")
    return tensors
