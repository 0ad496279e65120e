"""Frozen networks by which training compares pictures."""

from contextlib import suppress

import torch
from torch import Tensor
from torch.nn import functional

from wplus.core.errors import FaceError, TrainingError
from wplus.core.shapes import Descriptors, Images
from wplus.models import IdentityNetwork
from wplus.models.squeezenet import SqueezeNetLevels
from wplus.optimisation.losses.identity import chips, face_place
from wplus.training.faces import Faces
from wplus.training.networks import Heads
from wplus.training.precision import quick

PLACES = 16
"""Pictures that tell where faces lie."""

SIZE = 96
"""Side in pixels at which the frozen network sees pictures unless told otherwise."""


class FrozenFeatures:
    """Levels of a frozen trunk and their scales.

    Args:
        trunk: frozen, on the device of the pictures.
        sample: pictures that tell the scales.
        size: side in pixels at which the trunk sees pictures.
    """

    def __init__(self, trunk: SqueezeNetLevels, sample: Images, *, size: int = SIZE) -> None:
        self._trunk, self._size = trunk, size
        with torch.no_grad():
            levels = self(sample)
        # half the channel's own scale and half the level's: dead channels would blow up on their own
        self.scales = [0.5 * (x.float().std(dim=(0, 2, 3), keepdim=True) + x.float().std()) for x in levels]

    def __call__(self, images: Images) -> list[Tensor]:
        """Feature maps of pictures, one a level."""
        if images.shape[2] != self._size:
            images = functional.interpolate(images, size=(self._size, self._size), mode="bilinear", antialias=False)
        return self._trunk(images)

    def distance(self, ours: list[Tensor], theirs: list[Tensor]) -> Tensor:
        """Squared distance of standardised features, summed over levels, averaged over pictures."""
        pairs = zip(ours, theirs, self.scales, strict=True)
        return torch.stack([((a.float() - b.float()) / scale).square().mean() for a, b, scale in pairs]).sum()

    def standard(self, levels: list[Tensor]) -> list[Tensor]:
        """Levels divided by their scales."""
        return [x.float() / scale for x, scale in zip(levels, self.scales, strict=True)]

    def judge(self, discriminator: Heads, images: Images, levels: list[Tensor]) -> list[Tensor]:
        """What a discriminator says of pictures and their levels, in the precision that is quickest."""
        with quick(images.device.type):
            return discriminator(images, self.standard(levels))


class FrozenIdentity:
    """Who aligned pictures show, by dlib's face descriptor; every face is looked for in the same place.

    Args:
        network: dlib's, on the device of the pictures.
        faces: aligned pictures, some of which tell the place.

    Raises:
        TrainingError: they show no faces.
    """

    def __init__(self, network: IdentityNetwork, faces: Faces) -> None:
        self._network = network
        places = []
        for picture in faces.batch(torch.linspace(0, len(faces) - 1, PLACES).long()):
            with suppress(FaceError):
                places.append(face_place(picture))
        if not places:
            raise TrainingError("no face found in the pictures; train on them with --identity 0")
        self.place = torch.stack(places).mean(dim=0)

    def distance(self, ours: Images, theirs: Images) -> Tensor:
        """Squared distance of descriptors, averaged over pictures; the gradient goes to `ours`."""
        with torch.no_grad():
            known = self._describe(theirs)
        return (self._describe(ours) - known).square().sum(dim=1).mean()

    def _describe(self, images: Images) -> Descriptors:
        with quick(images.device.type):
            return self._network(chips(images, self.place.expand(len(images), -1, -1))).float()
