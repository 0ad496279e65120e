"""What an edit changes, as smooth fields over the crop: how far parts move, what is added, where new things appear."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from wplus.alignment.warp import reduced
from wplus.core.images import resized
from wplus.core.shapes import AnyPicture, Picture, PooledMask
from wplus.pipelines.fields import Field, Shift, Weight, blurred, border, clean, enlarged, looked_at, smooth, widened
from wplus.pipelines.flow import flow
from wplus.pipelines.parts import GROUPS, allowed_places, appeared, appearing, parse

FINE = 256
"""Pixels of the side at which fields are kept at least: four times a small generator's, so that bilinear samples do."""

_FADE = 0.06  # of the side: over which every change fades out towards the crop's border
_LIGHT = 0.09  # of the side: how far the light at the edge of a change is carried inwards
_CRISP = 0.8  # how much crisper new parts are made than the generator shows them
_AROUND = 0.05  # of the side: from where the flow of what cannot be found is taken
_STILL = 0.0002  # of the side: what moves less stays where it is, bit for bit
_TONE, _STRUCTURE = 0.04, 0.008  # of the side: larger is tone, smaller is texture, between them are shapes


@dataclass(frozen=True)
class Carry:
    """How a change is carried into a photograph.

    Args:
        where: parts that the edit is about, names of `GROUPS`; the others stay.
        least: smallest change of a rendering that is one, in [-1, 1] units; below it the photograph keeps its bits.
        whole: the change from which it is carried wholly.
        light: how much of a change of light or tint that reaches the edge of these parts is carried, in [0, 1].
        moves: whether the photograph's detail moves along with what moved.
        renews: whether its detail is taken away where the edit shows something new, as teeth.

    Raises:
        ValueError: thresholds that do not rise from 0, a share outside [0, 1], or no part or an unknown one.
    """

    where: tuple[str, ...] = field(default=("face",))
    least: float = field(default=0.015, metadata={"help": "Smaller changes of the rendering are none."})
    whole: float = field(default=0.05, metadata={"help": "Changes from here on are carried wholly."})
    light: float = field(default=0.0, metadata={"help": "Share of a change of light that is carried."})
    moves: bool = field(default=True, metadata={"help": "Move the photograph's detail along."})
    renews: bool = field(default=True, metadata={"help": "Take old detail away where something new appears."})

    def __post_init__(self) -> None:
        if not 0 < self.least < self.whole <= 2:
            raise ValueError(f"expected 0 < least < whole <= 2, got {self.least} and {self.whole}")
        if not 0 <= self.light <= 1:
            raise ValueError(f"light must be in [0, 1], got {self.light}")
        if not self.where or set(self.where) - set(GROUPS):
            raise ValueError(f"where must name some of {', '.join(GROUPS)}, got {self.where}")


@dataclass(frozen=True, eq=False)
class Change:
    """The fields of one edit in the crop's frame.

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
    crop: Picture, before: AnyPicture, after: AnyPicture, settings: Carry, *, allowed: PooledMask | None = None
) -> Change:
    """Measure an edit between two renderings of a crop.

    With t and m the weights of movement and colour, f the flow and D = crop - before: the photograph is looked at from
    t f away and m (after - before moved) is added. Where shapes differ, those of D go; where a part of the face
    appears or goes, all of D goes but its tone.

    Args:
        crop: the photograph's crop, (3, size, size), no smaller than the renderings.
        before, after: what a generator shows of the code unedited and edited, in [-1, 1].
        settings: see `Carry`.
        allowed: weights in [0, 1], of any size: where the photograph may change beside what `settings.where` says.
    """
    size = crop.shape[1]
    old, new = (resized(picture, height=size, width=size) for picture in (before, after))
    seen, shown, edited = parse(crop, old, new)
    places = allowed_places(crop, seen, settings.where)
    if allowed is not None:
        places = places * functional.interpolate(allowed[None, None], (size, size), mode="bilinear")[0]
    weight, reach = _weights(before, after, settings, places)
    shift = torch.zeros(2, size, size)
    if settings.moves:
        shift = _sure(enlarged(flow(before, after), size), old, new) * reach
        shift = shift * smooth((shift.norm(dim=0) - _STILL) / (4 * _STILL))
    looked = looked_at(old, shift)
    missed = looked_at(crop - old, shift)
    tone = blurred(missed, _TONE)
    fade, shapes = torch.zeros_like(weight), torch.zeros_like(weight)
    if settings.renews:
        small = functional.interpolate(shift[None], (64, 64), mode="bilinear", antialias=True)[0]
        fade = _renewed(looked_at(seen, small), looked_at(shown, small), edited, size) * weight
        shapes = _reshaped(looked, new) * weight * (1 - fade)
    kept = 1.02 - fade
    around = blurred(missed * kept, _TONE) / blurred(kept, _TONE)  # the tone of what stays, not of what goes
    crisp = new + _CRISP * fade * (new - blurred(new, 0.6 / before.shape[1]))
    added = weight * _relit(crisp - looked, places, settings.light) - shapes * (blurred(missed, _STRUCTURE) - tone)
    return Change(added, shift, clean(fade), looked + around)


def _weights(before: Picture, after: Picture, settings: Carry, places: Weight) -> tuple[Weight, Weight]:
    """Where colour is carried, and the wider area in which parts move, 1 wherever colour is carried wholly."""
    size = places.shape[-1]
    small = min(128, before.shape[1])
    amount = reduced((after - before).abs().amax(0, keepdim=True).expand(3, -1, -1), height=small, width=small)[:1]
    carried = smooth((blurred(amount, 0.015) - settings.least) / (settings.whole - settings.least))
    weight = enlarged(carried, size).clamp(0, 1) * places * border(size, _FADE)
    coarse = functional.interpolate(weight[None], (64, 64), mode="bilinear", antialias=True)[0]
    reach = smooth(blurred(widened(coarse, 0.045), 0.02) * 1.1)
    return clean(weight), clean(enlarged(reach, size) * border(size, _FADE))


def _sure(moved: Shift, old: Picture, new: Picture) -> Shift:
    """A flow whose vectors, where what they point at does not look alike, are those of the surroundings."""
    sure = 1.01 - _reshaped(looked_at(old, moved), new)
    around = blurred(moved * sure, _AROUND) / blurred(sure, _AROUND)
    return torch.lerp(around, moved, blurred(sure, 0.01).clamp(0, 1))


def _renewed(seen: Tensor, shown: Tensor, edited: Tensor, size: int) -> Field:
    """Where a part of the face appears or goes: both the photograph's and the rendering's parts, moved, say so.

    A part that differs anywhere is taken as a whole: half a mouth does not go with half of another.
    """
    differs = smooth((torch.minimum(appeared(seen, edited), appeared(shown, edited)) - 0.25) / 0.3)
    there = smooth((torch.maximum(appearing(seen), appearing(edited)) - 0.2) / 0.3)
    share = blurred(differs, 0.05) / (blurred(there, 0.05) + 0.02)
    amount = smooth((widened(share, 0.08) - 0.2) / 0.25) * widened(there, 0.012)
    return smooth(blurred(enlarged(amount, size), 0.01))


def _reshaped(looked: Picture, new: Picture) -> Float[Tensor, "1 size size"]:
    """Where a picture shows other shapes than one that was moved to fit it: 1 a fold, 0 what only moved or shone."""
    first, second = ((x - blurred(x, 0.05)) for x in (looked, new))
    return smooth(blurred((second - first).square().mean(0, keepdim=True), 0.02).clamp(min=0).sqrt() / 0.08 - 0.6)


def _relit(colours: Picture, places: Weight, share: float) -> Picture:
    """A change of colours without the change of light that it has at the edge of where it may be, carried inwards."""
    if share == 1 or bool((places > 0.99).all()):
        return colours
    size = places.shape[-1]
    small = min(64, size)
    x, inside = (functional.interpolate(m[None], (small, small), mode="area")[0] for m in (colours, places))
    edge = 4 * inside * (1 - inside) * border(small, _FADE) + 1e-4 * inside
    light = blurred(x * edge, _LIGHT) / (blurred(edge, _LIGHT) + 1e-6)
    return colours - (1 - share) * enlarged(light, size)


__all__ = ["FINE", "Carry", "Change", "Shift", "change"]
