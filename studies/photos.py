"""Photographs in classes: faces are aligned, everything else is cut to its middle square."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wplus.alignment import Crop, align, as_crop, detect, ffhq_quad
from wplus.core.images import find_pictures, from_bytes, read_photo
from wplus.core.shapes import Picture

QUICK_PHOTOS = 2
"""Photographs of a class in a quick study."""

BUNDLED = {
    "faces": ("astronaut",),
    "cats": ("chelsea",),
    "things": ("coffee", "rocket"),
    "patterns": ("brick", "hubble_deep_field"),
}
"""Pictures that lie in scikit-image's wheel, by class."""

_WHOLE = 0.05  # of the side: a face whose square is this near to the whole picture was aligned before


@dataclass(frozen=True, eq=False)
class Photo:
    """One photograph, ready to be embedded.

    Args:
        name: of its file, unique in its class.
        kind: its class.
        crop: the square of the generator's size.
        face: whether it was aligned by a face.
    """

    name: str
    kind: str
    crop: Crop
    face: bool


def read_photos(paths: Sequence[Path], *, size: int, most: int | None = None) -> tuple[Photo, ...]:
    """The photographs of files and folders, in classes named after their folders; without paths the bundled ones.

    A folder of folders gives a class each. A class in which every photograph shows a face is aligned; if any shows
    none, all of the class are centre crops. A square picture that is an aligned face already stays as it is. The class
    "faces" comes first, then others that were aligned, then the rest.

    Args:
        paths: files, folders of pictures, or folders of such folders.
        size: pixels of the crops' side.
        most: photographs of a class, the first by name; all if None.

    Raises:
        ImageError: no such path, a folder without pictures, or a file that is no picture.
        WeightsError: the file of dlib's predictor is missing.
    """
    classes = _files(paths, most) if paths else _bundled(most)
    photos: list[Photo] = []
    for kind, sources in classes.items():
        loaded = _named(sources)
        aligned = {name: face_crop(picture, size=size) for name, picture in loaded.items()}
        faces = {name: crop for name, crop in aligned.items() if crop is not None}
        if len(faces) == len(loaded):
            photos += [Photo(name, kind, crop, True) for name, crop in faces.items()]
        else:
            photos += [Photo(name, kind, middle(picture, size=size), False) for name, picture in loaded.items()]
    return tuple(sorted(photos, key=lambda photo: (photo.kind != "faces", not photo.face)))


def face_crop(picture: Picture, *, size: int) -> Crop | None:
    """The aligned crop of the largest face; None where there is none."""
    faces = detect(picture)
    if not faces:
        return None
    height, width = picture.shape[1:]
    corners = ffhq_quad(faces[0].landmarks) / width
    whole = np.array([[0, 0], [0, 1], [1, 1], [1, 0]])
    if height == width and np.abs(corners - whole).max() < _WHOLE:
        return as_crop(picture, size=size)
    return align(picture, size=size, face=faces[0])


def middle(picture: Picture, *, size: int) -> Crop:
    """The largest square in the middle of a picture."""
    height, width = picture.shape[1:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return as_crop(picture[:, top : top + side, left : left + side], size=size)


class _Source(NamedTuple):
    """A picture and what to call it."""

    name: str
    picture: Picture


def _files(paths: Sequence[Path], most: int | None) -> dict[str, list[_Source]]:
    """The first pictures of every class."""
    classes: dict[str, list[Path]] = {}
    for path in paths:
        folders = sorted(item for item in path.iterdir() if item.is_dir()) if path.is_dir() else []
        for place in [item for item in folders if not item.name.startswith(".")] or [path]:
            kind = (place.parent if place.is_file() else place).resolve().name
            known = classes.setdefault(kind, [])
            known += [file for file in find_pictures(place) if file not in known]
    return {kind: [_Source(file.stem, read_photo(file)) for file in files[:most]] for kind, files in classes.items()}


def _bundled(most: int | None) -> dict[str, list[_Source]]:
    """scikit-image's own pictures."""
    from skimage import data  # here: who brings photographs does not need it

    def source(name: str) -> _Source:
        pixels = getattr(data, name)()
        return _Source(name, from_bytes(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)))

    return {kind: [source(name) for name in names[:most]] for kind, names in BUNDLED.items()}


def _named(sources: Sequence[_Source]) -> dict[str, Picture]:
    """Pictures by name, with numbers after names that come twice: a.jpg beside a.png."""
    named: dict[str, Picture] = {}
    for name, picture in sources:
        others = (f"{name}-{number}" for number in itertools.count(2))
        named[next(free for free in itertools.chain([name], others) if free not in named)] = picture
    return named
