"""What an edit changes, as smooth fields over the crop: how far parts move, what is added, where new things appear."""

from dataclasses import dataclass, field

import scipy
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from wplus.alignment.warp import reduced
from wplus.core.images import resized
from wplus.core.shapes import Picture, PooledMask
from wplus.pipelines.flow import flow

FINE = 256
"""Pixels of the side at which fields are kept at least: four times a small generator's, so that bilinear samples do."""

FADE = 0.06
"""Part of the crop's side over which every change fades out towards its border."""


@dataclass(frozen=True)
class Carry:
    """How a change is carried into a photograph.

    Args:
        least: smallest change of a rendering that is one, in [-1, 1] units; below it the photograph keeps its bits.
        whole: the change from which it is carried wholly.
        moves: whether the photograph's detail moves along with what moved.
        renews: whether its detail is taken away where the edit shows something new, as teeth.

    Raises:
        ValueError: thresholds that do not rise from 0.
    """

    least: float = field(default=0.015, metadata={"help": "Smaller changes of the rendering are none."})
    whole: float = field(default=0.05, metadata={"help": "Changes from here on are carried wholly."})
    moves: bool = field(default=True, metadata={"help": "Move the photograph's detail along."})
    renews: bool = field(default=True, metadata={"help": "Take old detail away where something new appears."})

    def __post_init__(self) -> None:
        if not 0 < self.least < self.whole <= 2:
            raise ValueError(f"expected 0 < least < whole <= 2, got {self.least} and {self.whole}")


@dataclass(frozen=True, eq=False)
class Change:
    """The fields of one edit in the crop's frame, all (., size, size).

    Args:
        added: colours to add, in [-1, 1] units.
        shift: where to look, to the right and down, as parts of the side.
        fade: how much of the photograph's own detail to take away, in [0, 1].
        base: what remains of the photograph where its detail is away.
    """

    added: Float[Tensor, "3 size size"]
    shift: Float[Tensor, "2 size size"]
    fade: Float[Tensor, "1 size size"]
    base: Float[Tensor, "3 size size"]

    @property
    def stack(self) -> Float[Tensor, "9 size size"]:
        """All of it as channels: three of `added`, two of `shift`, `fade`, three of `base`."""
        return torch.cat([self.added, self.shift, self.fade, self.base])


def change(
    crop: Picture, before: Picture, after: Picture, settings: Carry, *, allowed: PooledMask | None = None
) -> Change:
    """Measure an edit between two renderings of a crop.

    With t and m the weights of movement and colour, f the flow and D = crop - before: the photograph is looked at from
    t f away, m (after - before moved) is added, and of D only what is smooth is kept where something new appears.

    Args:
        crop: the photograph's crop, of the size of the renderings.
        before, after: what a generator shows of the code unedited and edited, (3, size, size) in [-1, 1].
        settings: see `Carry`.
        allowed: weights in [0, 1], of any size: where the photograph may change; all but the border if None.
    """
    size = max(FINE, before.shape[1])
    weight, reach = _weights(before, after, settings, allowed, size=size)
    moved = flow(before, after) if settings.moves else torch.zeros(2, 8, 8)
    shift = _grown(moved, size) * reach
    old, new = (resized(picture, height=size, width=size) for picture in (before, after))
    looked = _sampled(old, shift)
    added = weight * (new - looked)
    low = _grown(_blurred(crop - before, 0.04), size)
    fade = torch.zeros_like(weight)
    if settings.renews:
        fade = _new(looked, new) * weight
    return Change(added, shift, fade, looked + _sampled(low, shift))


def _weights(
    before: Picture, after: Picture, settings: Carry, allowed: PooledMask | None, *, size: int
) -> tuple[Float[Tensor, "1 size size"], Float[Tensor, "1 size size"]]:
    """Where colour is carried, and the wider area in which parts move, 1 wherever colour is carried wholly."""
    small = min(128, before.shape[1])
    amount = reduced((after - before).abs().amax(0, keepdim=True).expand(3, -1, -1), height=small, width=small)[:1]
    carried = _smooth((_blurred(amount, 0.015) - settings.least) / (settings.whole - settings.least))
    border = _border(small)
    if allowed is not None:
        border = (
            border * functional.interpolate(allowed[None, None], (small, small), mode="bilinear", antialias=True)[0]
        )
    weight = carried * border
    wide = scipy.ndimage.maximum_filter(weight.numpy(), (0, *2 * [2 * round(0.04 * small) + 1]))
    reach = _smooth(_blurred(torch.from_numpy(wide), 0.02) * 1.1) * _border(small)
    return _cut(_grown(weight, size)), _cut(_grown(reach, size))


def _new(looked: Picture, new: Picture) -> Float[Tensor, "1 size size"]:
    """Where a picture shows structure that the other does not have: 1 a mouth that opens, 0 what moved or shone."""
    first, second = ((x - _blurred(x, 0.05)) for x in (looked, new))
    spread = _blurred((second - first).square().mean(0, keepdim=True), 0.015)
    own = _blurred(first.square().mean(0, keepdim=True), 0.02)
    return _smooth(((spread / (own + 0.01)) - 0.8) / 1.5) * _smooth(spread.sqrt() / 0.15 - 0.8)


def _border(size: int) -> Float[Tensor, "1 size size"]:
    """1 inside, falling to 0 at the sides over `FADE`."""
    line = (torch.arange(size) + 0.5) / size
    edge = _smooth(torch.minimum(line, 1 - line) / FADE - 0.25)
    return (edge[None] * edge[:, None])[None]


def _sampled(picture: Picture, shift: Float[Tensor, "2 size size"]) -> Picture:
    """The picture looked at from places moved by `shift`, in parts of the side; beyond the border its edge."""
    size = picture.shape[1]
    line = (torch.arange(size) + 0.5) / size * 2 - 1
    grid = torch.stack([line[None] + 2 * shift[0], line[:, None] + 2 * shift[1]], dim=2)
    return functional.grid_sample(picture[None], grid[None], padding_mode="border", align_corners=False)[0]


def _blurred(maps: Tensor, part: float) -> Tensor:
    """Maps blurred by a Gaussian with a deviation of a part of the side."""
    deviation = part * maps.shape[-1]
    return torch.from_numpy(scipy.ndimage.gaussian_filter(maps.numpy(), (0, deviation, deviation), mode="nearest"))


def _grown(maps: Tensor, size: int) -> Tensor:
    """Maps at another size, bicubic."""
    return functional.interpolate(maps[None], (size, size), mode="bicubic", align_corners=False)[0]


def _cut(weights: Tensor) -> Tensor:
    """Weights without what bicubic samples leave beside them: below 1/255 none, above 1 one."""
    return torch.where(weights < 1 / 255, 0.0, weights.clamp(0, 1))


def _smooth(x: Tensor) -> Tensor:
    """0 below 0, 1 above 1, level at both ends."""
    x = x.clamp(0, 1)
    return x * x * (3 - 2 * x)
