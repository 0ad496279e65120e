"""Identity as a term of an objective: dlib's face descriptor, at the place where the target shows its face."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from wplus.alignment import chip_quad, detect
from wplus.core.errors import FaceError
from wplus.core.shapes import Affine, Chips, Descriptors, Images, Picture, Places, ResizedImages
from wplus.models import IdentityNetwork
from wplus.models.identity import CHIP, NAME
from wplus.optimisation.losses.term import Comparison, WholePicture, check_weight

SEEN_SIZE = 256
"""Faces are looked for, and cut out, in pictures of this many pixels; the chip is about 180 of them wide."""


@dataclass(frozen=True)
class Identity(WholePicture):
    """Squared distance of dlib's face descriptors, times `weight`; 0.36 is its limit for the same person.

    The face is looked for once, in the target; pictures are compared in that place, so they need show no face yet.

    Args:
        network: dlib's, as a module.
        weight: lambda; beside Image2StyleGAN's terms 0.1 takes a third off the distance, and leaves the MSE as it was.

    Raises:
        ValueError: a weight that is negative or not finite.
    """

    network: IdentityNetwork
    weight: float = 0.1
    name: str = "identity"

    def __post_init__(self) -> None:
        check_weight(self.weight)

    def against(self, target: Images) -> Comparison:
        """Fix the target, square pictures.

        Raises:
            FaceError: one of them shows no face.
        """
        count = len(target)
        places = torch.stack(
            [face_place(each, f"picture {number + 1} of {count}") for number, each in enumerate(target)]
        ).to(target)

        def describe(images: Images) -> Descriptors:
            return self.network(chips(images, places))

        wanted = describe(target)
        return lambda images: self.weight * (describe(images) - wanted).square().sum(dim=1)

    def to_json(self) -> dict[str, Any]:
        return {"network": NAME, "weight": self.weight}


def face_place(picture: Picture, name: str = "the picture") -> Affine:
    """Where dlib's identity network looks at the largest face of a square picture.

    Args:
        name: what an error calls the picture.

    Returns:
        The affine map (2, 3) from the chip to the picture, both in [-1, 1] from border to border.

    Raises:
        FaceError: it shows no face.
    """
    faces = detect(_seen(picture[None])[0])
    if not faces:
        raise FaceError(f"no face found in {name}, and identity cannot be compared without one; leave that term out")
    quad = (chip_quad(faces[0]) + 0.5) * 2 / SEEN_SIZE - 1
    across, down, centre = (quad[3] - quad[0]) / 2, (quad[1] - quad[0]) / 2, (quad[0] + quad[2]) / 2
    return torch.from_numpy(np.stack([across, down, centre], axis=1))


def chips(images: Images, places: Places) -> Chips:
    """What the identity network sees of square pictures, at the places that `face_place` gave; differentiable."""
    seen = _seen(images)
    grid = functional.affine_grid(places.to(images), [len(images), 3, CHIP, CHIP], align_corners=False)
    return functional.grid_sample(seen, grid, padding_mode="border", align_corners=False)


def _seen(images: Images) -> ResizedImages:
    """Pictures at the size at which faces are seen; bicubic, as in `wplus.metrics`, and antialiased."""
    return functional.interpolate(images, (SEEN_SIZE, SEEN_SIZE), mode="bicubic", antialias=True)
