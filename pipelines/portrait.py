"""Photographs as local editing wants them: a face cut out, its regions as masks, its codes in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from wplus.alignment import Crop, align, as_crop, chosen, crop, detect
from wplus.alignment.fit import fitted
from wplus.alignment.local import crop_mask
from wplus.alignment.masks import FAINT
from wplus.alignment.parts import PARTS, part, read_labels
from wplus.alignment.regions import in_crop, region
from wplus.alignment.warp import Array
from wplus.core.errors import FaceError, ImageError
from wplus.core.latent import Latent
from wplus.core.photograph import Photograph, open_photograph
from wplus.core.shapes import LabelMap, Mask, Picture, PooledMask
from wplus.editing.local import synthesis_of
from wplus.models import Generator, load_encoder

MASK_SIDE = 256
"""Pixels of a mask's side in the crop's frame: enough for any soft edge, and for putting it back into a photograph."""


@dataclass(frozen=True, eq=False)
class Portrait:
    """A photograph and one face in it.

    Args:
        name: what errors call it.
        file: the photograph with what its file says of it.
        crop: the face cut out.
        landmarks: (68, 2) as parts of the crop's side; None where no face was found.
        labels: what a face parser saw in the photograph.
    """

    name: str
    file: Photograph
    crop: Crop
    landmarks: Array | None
    labels: LabelMap | None = None

    @cached_property
    def photo(self) -> Picture:
        """The photograph as networks see it: upright, in sRGB, (3, height, width)."""
        return self.file.seen()

    @classmethod
    def of_photo(cls, path: str | Path, *, size: int, face: int = 0) -> "Portrait":
        """Find a face in a photograph and cut it out at `size` pixels; 0 is the largest face.

        Raises:
            ImageError: the file is no picture.
            FaceError: no face was found, or fewer than asked for.
        """
        file = open_photograph(path)
        photo = file.seen()
        found = chosen(detect(photo), face, str(path))
        aligned = align(photo, size=size, face=found)
        return cls(str(path), file, aligned, in_crop(found, aligned.alignment))

    @classmethod
    def of_crop(cls, path: str | Path, *, size: int) -> "Portrait":
        """Take a picture that is an aligned face already; it need not show one that a detector knows.

        Raises:
            ImageError: the file is no picture.
            FaceError: it is not square.
        """
        file = open_photograph(path)
        photo = file.seen()
        aligned = as_crop(photo, size=size)
        faces = detect(photo)
        return cls(str(path), file, aligned, in_crop(faces[0], aligned.alignment) if faces else None)

    def parsed(self, path: str | Path) -> "Portrait":
        """The same with the label map in a file, which lies over the photograph.

        Raises:
            ImageError: no picture, of another shape, or no label map.
        """
        height, width = self.photo.shape[1:]
        return replace(self, labels=read_labels(path, height=height, width=width))

    def fitted_to(self, other: "Portrait", region: str) -> "Portrait":
        """The same, cut out so that a region of its face lies where the other's does.

        Both have landmarks.
        """
        assert self.landmarks is not None
        assert other.landmarks is not None
        alignment, landmarks = fitted(self.crop.alignment, self.landmarks, other.landmarks, region)
        return replace(self, crop=crop(self.photo, alignment), landmarks=landmarks)

    def region(self, name: str) -> PooledMask:
        """A named region of its face in the crop's frame: as the label map tells, else drawn from landmarks.

        Raises:
            FaceError: no face was found.
            ImageError: the label map shows no such part.
            ValueError: no region has that name.
        """
        if self.labels is not None and name in PARTS:
            return self.seen(part(self.labels, name), f"the {name} of the label map")
        if self.landmarks is None:
            raise FaceError(f"no face found in {self.name}, so none of its regions; give a mask")
        return region(self.landmarks, name, size=MASK_SIDE)

    def seen(self, mask: Mask, name: str) -> PooledMask:
        """A mask that was laid over the photograph, in the crop's frame.

        Raises:
            ImageError: it marks nothing of the face; `name` is what the message calls it.
        """
        found = crop_mask(mask, replace(self.crop.alignment, size=MASK_SIDE))
        if found.max() < FAINT:
            raise ImageError(f"{name}: marks nothing of the face in {self.name}; paint it over that face")
        return found


def embed(generator: Generator, portraits: Sequence[Portrait]) -> list[Latent]:
    """The stylemaps that the generator's own encoder sees in the crops, all in one pass (StyleMapGAN section 3.1).

    Raises:
        LatentError: the generator has no stylemap.
        ValueError: crops of another size than the generator's pictures.
    """
    synthesis_of(generator)
    sizes = {portrait.crop.alignment.size for portrait in portraits}
    if sizes != {generator.resolution}:
        raise ValueError(f"crops have sizes {sorted(sizes)}, expected {generator.resolution} px")
    pictures = torch.stack([portrait.crop.picture for portrait in portraits]).to(generator.device)
    with torch.no_grad():
        codes = load_encoder(generator).to(generator.device)(pictures).split(1)
    return [
        Latent(code, origin=generator.origin(crop=portrait.crop.alignment.to_json(), settings={"start": "encoder"}))
        for code, portrait in zip(codes, portraits, strict=True)
    ]
