"""What the foreign formats share: the result of reading one, and tables of names and layouts.

A format is a file with a NAME and two pure functions: `matches(tree)`, None or the reason why not, and `convert(tree)`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from wplus.core.errors import GeneratorError
from wplus.models.network import Config

Weights = Mapping[str, Tensor]

NO_MEAN = "it keeps no mean code, this one is the mean of mapped draws"
"""What is said of a file without `mapping.w_avg`; `build` fills it."""


CARD = "wplus_card"
"""Where a foreign file that wplus wrote keeps the generator's terms; other programs pass over it."""

TOLD = ("name", "licence", "origin", "terms", "perceptual")
"""Those fields of a card that are texts."""


def card_in(tree: object) -> dict[str, str]:
    """What the file says of its generator, if wplus wrote it."""
    card = tree.get(CARD) if isinstance(tree, Mapping) else None
    if not isinstance(card, Mapping):
        return {}
    return {name: card[name] for name in TOLD if isinstance(card.get(name), str)}


@dataclass(frozen=True)
class Converted:
    """A generator's sizes and weights under our names.

    Args:
        config: the sizes of one of our networks.
        state: its state dict, whose tensors may be views of the file's; `mapping.w_avg` may be missing.
        details: fields of `Card` that the file tells.
    """

    config: Config
    state: dict[str, Tensor]
    details: dict[str, Any] = field(default_factory=dict)


class Row(NamedTuple):
    """Our name of a tensor, theirs, and how theirs becomes ours."""

    ours: str
    theirs: str
    read: Callable[[Tensor], Tensor] = lambda tensor: tensor


class Conv(NamedTuple):
    """A styled convolution of StyleGAN2: our name, its side in pixels, whether it doubles the size."""

    name: str
    side: int
    up: bool


def convs(count: int) -> list[Conv]:
    """The styled convolutions of a StyleGAN2 of `count` resolutions, in order."""
    sides = [4 << index for index in range(1, count)]
    pairs = [
        (Conv(f"synthesis.b{side}.conv0", side, True), Conv(f"synthesis.b{side}.conv1", side, False)) for side in sides
    ]
    return [Conv("synthesis.b4.conv1", 4, False), *(conv for pair in pairs for conv in pair)]


def weights_in(tree: object) -> dict[str, Tensor]:
    """The tensors of a state dict, without the `module.` of data-parallel training; nothing if it is no state dict."""
    if not isinstance(tree, Mapping):
        return {}
    found = {name: value for name, value in tree.items() if isinstance(name, str) and isinstance(value, Tensor)}
    return {name.removeprefix("module."): value for name, value in found.items()}


def count_of(weights: Iterable[str], pattern: str) -> int:
    """How many names match all of a pattern."""
    return sum(re.fullmatch(pattern, name) is not None for name in weights)


def translate(source: Weights, rows: Iterable[Row], *, ignored: str) -> dict[str, Tensor]:
    """Our state dict, read row by row.

    Raises:
        GeneratorError: a row's tensor is missing, or one is left that no row reads and `ignored` does not match.
    """
    rows = list(rows)
    missing = [row.theirs for row in rows if row.theirs not in source]
    read = {row.theirs for row in rows}
    left = [name for name in source if name not in read and not re.fullmatch(ignored, name)]
    if missing or left:
        raise GeneratorError(f"weights do not fit: missing {some(missing)}; unknown {some(left)}")
    return {row.ours: row.read(source[row.theirs]) for row in rows}


def check_grown(lod: Tensor | None) -> None:
    """See that a network that grows has finished: `lod` tells how many resolutions are still to come.

    Raises:
        GeneratorError: it has not.
    """
    if lod is not None and bool(lod.any()):
        raise GeneratorError(f"it has not grown to its full resolution yet (lod {float(lod):.2f})")


def alone(tensor: Tensor) -> Tensor:
    """The tensor on the CPU, in memory of its own size: pickles keep all of the memory that a view lies in."""
    tensor = tensor.detach().cpu().contiguous()
    whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    return tensor if whole else tensor.clone()


def some(names: Iterable[str], count: int = 4) -> str:
    """A list that stays readable: the first few, and how many more."""
    names = [name if len(name) <= 40 else f"{name[:37]}..." for name in map(str, names)]
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return (", ".join(names[:count]) or "nothing") + more


def seeded_noise(sides: Mapping[str, int]) -> dict[str, Tensor]:
    """Noise maps of seed 0 for layers of these sides in pixels: for files that keep none."""
    draws = torch.Generator().manual_seed(0)
    return {f"{name}.noise_const": torch.randn(side, side, generator=draws) for name, side in sides.items()}
