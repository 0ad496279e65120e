"""Which places of an aligned face an edit may touch, and where it shows parts that were not there before."""

from collections.abc import Iterable

import scipy
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from wplus.alignment.warp import Array
from wplus.core.shapes import Picture
from wplus.models.parser import CLASSES, Parts, load_parser

GROUPS: dict[str, tuple[str, ...]] = {
    "face": ("skin", "nose", "glasses", "eyes", "brows", "ears", "mouth", "lips", "neck"),
    "hair": ("hair", "hat"),
    "clothes": ("cloth",),
    "background": ("background",),
}
"""What an edit may be about, as classes of the parser."""

_APPEARING = ("glasses", "mouth", "lips", "hat")  # what covers what was there before, and cannot be moved into place
_ROWS = [CLASSES.index(name) for name in _APPEARING]
_LEAST_FACE = 0.08  # of the crop; less is a face that the parser does not see
_LEAK = 0.06  # of what a guided filter lets through where nothing is meant
_RADIUS, _EDGE = 0.03, 2e-3  # of the guided filter: its window as a part of the side, and the contrast of an edge


def parse(*pictures: Picture) -> Parts:
    """The parser's probabilities for aligned faces of one size, in one pass."""
    return load_parser().parts(torch.stack(pictures))


def allowed_places(
    picture: Picture, parts: Float[Tensor, "classes 64 64"], groups: Iterable[str]
) -> Float[Tensor, "1 height width"]:
    """Weights in [0, 1] of the places of a crop that show one of some `GROUPS`, their edges drawn along the picture's.

    Where the parser sees hardly a face, an oval in the middle stands for it: the crop is aligned.

    Raises:
        ValueError: no group has that name.
    """
    groups = tuple(groups)
    unknown = set(groups) - set(GROUPS)
    if unknown:
        raise ValueError(f"no group of parts is named {', '.join(sorted(unknown))}; they are {', '.join(GROUPS)}")
    if set(groups) == set(GROUPS):
        return torch.ones(1, *picture.shape[1:])
    face = _total(parts, GROUPS["face"])
    if float(face.mean()) < _LEAST_FACE:
        face = _oval(face.shape[-1])
        weights = face if "face" in groups else 1 - face
    else:
        weights = _total(parts, [name for group in groups for name in GROUPS[group]])
    weights = functional.interpolate(weights[None], picture.shape[1:], mode="bilinear")[0]
    return _guided(picture, weights)


def appeared(old: Float[Tensor, "classes 64 64"], new: Float[Tensor, "classes 64 64"]) -> Float[Tensor, "1 64 64"]:
    """How far two parsings differ in parts that appear and go: lips, the inside of a mouth, glasses, hats; 0 to 1."""
    gone = (old[_ROWS] - new[_ROWS]).clamp(min=0).sum(0, keepdim=True)
    come = (new[_ROWS] - old[_ROWS]).clamp(min=0).sum(0, keepdim=True)
    return torch.maximum(gone, come)


def appearing(parts: Float[Tensor, "classes 64 64"]) -> Float[Tensor, "1 64 64"]:
    """The probability of any of these parts."""
    return parts[_ROWS].sum(0, keepdim=True)


def _total(parts: Float[Tensor, "classes 64 64"], names: Iterable[str]) -> Float[Tensor, "1 64 64"]:
    """The probability of any of some classes."""
    return parts[[CLASSES.index(name) for name in names]].sum(0, keepdim=True).clamp(0, 1)


def _oval(size: int) -> Float[Tensor, "1 64 64"]:
    """Where a face is in FFHQ's frame."""
    line = (torch.arange(size) + 0.5) / size
    distance = (((line[None] - 0.5) / 0.27) ** 2 + ((line[:, None] - 0.56) / 0.36) ** 2).sqrt()
    return ((1.15 - distance) / 0.3).clamp(0, 1)[None]


def _guided(picture: Picture, weights: Float[Tensor, "1 height width"]) -> Float[Tensor, "1 height width"]:
    """Weights that follow the picture's edges (He, Sun, Tang 2010, "Guided Image Filtering", equations 5 and 6)."""
    guide, values = (x.double().numpy() for x in (picture.mean(0), weights[0]))
    window = 2 * max(1, round(_RADIUS * picture.shape[1])) + 1

    def mean(x: Array) -> Array:
        found: Array = scipy.ndimage.uniform_filter(x, window, mode="nearest")
        return found

    middle, level = mean(guide), mean(values)
    slope = (mean(guide * values) - middle * level) / (mean(guide * guide) - middle**2 + _EDGE)
    found = mean(slope) * guide + mean(level - slope * middle)
    return ((torch.from_numpy(found).float() - _LEAK) / (1 - 2 * _LEAK)).clamp(0, 1)[None]
