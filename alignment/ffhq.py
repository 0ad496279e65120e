"""The FFHQ crop: a square about eyes and mouth, shrunk, padded and warped as the data set's authors did.

Source: Karras, Laine, Aila, "A Style-Based Generator Architecture for GANs" (arXiv 1812.04948), appendix A, after
Karras et al., "Progressive Growing of GANs" (arXiv 1710.10196), appendix C.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy  # whose parts load when they are used
import torch
from PIL import Image

from wplus.alignment.landmarks import Face, detect
from wplus.alignment.warp import Array, cut, side
from wplus.core.errors import FaceError
from wplus.core.images import AnyPhoto, as_picture, as_png, from_bytes, resized, to_bytes, to_pil
from wplus.core.shapes import Mask, Picture, Resized

Corners = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]


def as_corners(quad: Array) -> Corners:
    """A quad (4, 2) as plain numbers."""
    a, b, c, d = ((float(x), float(y)) for x, y in quad)
    return a, b, c, d


def ffhq_quad(landmarks: Array) -> Array:
    """The corners of the FFHQ square: float64 (4, 2), top left, bottom left, bottom right, top right.

    Args:
        landmarks: (68, 2) in pixels, iBUG order counted from 0; only the eyes and the corners of the mouth count.

    Raises:
        ValueError: another shape, or eyes and mouth in one point.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape != (68, 2):
        raise ValueError(f"expected landmarks of shape (68, 2), got {points.shape}")
    left, right = points[36:42].mean(0), points[42:48].mean(0)
    eyes, across = (left + right) / 2, right - left
    down = (points[48] + points[54]) / 2 - eyes
    x = across + np.array([down[1], -down[0]])  # the eye line and the normal of the eye-mouth line, averaged
    length = np.hypot(*x)
    if not length > 0:
        raise ValueError("eyes and mouth lie in one point")
    x *= max(np.hypot(*across) * 2.0, np.hypot(*down) * 1.8) / length
    y = np.array([-x[1], x[0]])
    centre = eyes + 0.1 * down
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


@dataclass(frozen=True)
class Alignment:
    """Where a crop lies in its photograph: all that is needed to cut it out again and to paste it back.

    Args:
        quad: the corners top left, bottom left, bottom right, top right, in pixels of the upright photograph.
        photo: width and height of that photograph.
        size: pixels of the crop's side.

    Raises:
        ValueError: corners that are not finite or span no square, or a size below 1.
    """

    quad: Corners
    photo: tuple[int, int]
    size: int

    def __post_init__(self) -> None:
        corners = self.corners
        if corners.shape != (4, 2) or not np.isfinite(corners).all() or not side(corners) > 0:
            raise ValueError(f"four corners of a square expected, got {self.quad}")
        if self.size < 1 or min(self.photo) < 1:
            raise ValueError(f"sizes must be positive, got a crop of {self.size} and a photograph of {self.photo}")

    @classmethod
    def of(cls, landmarks: Array, *, photo: tuple[int, int], size: int) -> "Alignment":
        """The FFHQ alignment of a face with `landmarks` (68, 2) in a photograph of (width, height) `photo`."""
        return cls(as_corners(ffhq_quad(landmarks)), photo, size)

    @property
    def corners(self) -> Array:
        """The quad as float64 (4, 2)."""
        return np.array(self.quad, dtype=np.float64)

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers; `from_json` gives the same alignment, bit for bit."""
        return {"quad": [list(corner) for corner in self.quad], "photo": list(self.photo), "size": self.size}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Alignment":
        """Read what `to_json` wrote.

        Raises:
            ValueError: a field is missing or is not what it should be.
        """
        try:
            a, b, c, d = ((float(x), float(y)) for x, y in values["quad"])
            width, height = (int(value) for value in values["photo"])
            return cls((a, b, c, d), (width, height), int(values["size"]))
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"not an alignment (quad, photo, size): {error!r}") from error


@dataclass(frozen=True, eq=False)
class Crop:
    """An aligned face (3, size, size), where it came from, and which places of it count, if not all do."""

    picture: Picture
    alignment: Alignment
    mask: Mask | None = None
    """Weights (size, size) in [0, 1]."""

    def __repr__(self) -> str:
        width, height = self.alignment.photo
        masked = "" if self.mask is None else ", masked"
        return f"Crop({self.alignment.size} px of a photograph of {width} x {height}{masked})"

    def to_pil(self) -> Image.Image:
        """The crop as a PIL picture."""
        return to_pil(self.picture)

    def numpy(self) -> np.ndarray:
        """The crop as bytes: uint8 (size, size, 3)."""
        return to_bytes(self.picture)

    def _repr_png_(self) -> bytes:
        return as_png(self.picture)


@dataclass(frozen=True)
class Layout:
    """The whole numbers of FFHQ's recipe: which part of the shrunk photograph is padded by how much.

    Args:
        shrunk: width and height of the shrunk photograph.
        quad: (4, 2) in its pixels.
        box: left, top, right, bottom of the part in use.
        pad: left, top, right, bottom; all 0 where the part holds the whole square.
    """

    shrunk: tuple[int, int]
    quad: Array
    box: tuple[int, int, int, int]
    pad: tuple[int, int, int, int]

    @classmethod
    def of(cls, alignment: Alignment) -> "Layout":
        """The layout of an alignment.

        Raises:
            FaceError: the square lies outside the photograph.
        """
        quad, (width, height) = alignment.corners, alignment.photo
        shrink = math.floor(side(quad) / alignment.size * 0.5)
        if shrink > 1:
            width, height = max(1, round(width / shrink)), max(1, round(height / shrink))
            quad = quad / shrink
        length = side(quad)
        border = max(round(length * 0.1), 3)
        low, high = np.floor(quad.min(0)).astype(int), np.ceil(quad.max(0)).astype(int)
        left, top = (max(int(value) - border, 0) for value in low)
        right, bottom = min(int(high[0]) + border, width), min(int(high[1]) + border, height)
        if right <= left or bottom <= top:
            raise FaceError(f"the face lies outside its photograph of {alignment.photo[0]} x {alignment.photo[1]}")
        # what the part lacks of the square and a border about it
        lacks = [left - low[0] + border, top - low[1] + border, high[0] - right + border, high[1] - bottom + border]
        pad = [0, 0, 0, 0]
        if max(lacks) > border - 4:
            pad = [max(int(value), round(length * 0.3), 1) for value in lacks]
        return cls((width, height), quad, (left, top, right, bottom), (pad[0], pad[1], pad[2], pad[3]))

    def fade(self, x: Array, y: Array) -> Array:
        """FFHQ's mask (len(y), len(x)) at columns x and rows y of the shrunk photograph: how far out they lie.

        1 is the outer end of the padding, 0 the border of the part used, below 0 its inside; of a padded layout only.
        """
        left, top, right, bottom = self.box
        across = np.minimum((x - left) / self.pad[0], (right - 1 - x) / self.pad[2]) + 1
        down = np.minimum((y - top) / self.pad[1], (bottom - 1 - y) / self.pad[3]) + 1
        fade: Array = 1 - np.minimum(across[None, :], down[:, None])
        return fade


def align(photo: AnyPhoto, *, size: int, face: int | Face = 0) -> Crop:
    """The FFHQ crop of a face in a photograph.

    Args:
        photo: a file, or an upright picture in any form that `as_picture` takes.
        size: pixels of the crop's side.
        face: a number in the order of `detect`, the largest first, or a face that was found before.

    Raises:
        ImageError: the file is no picture.
        FaceError: no face was found, or fewer than asked for.
        WeightsError: the file of dlib's predictor is missing.
        ValueError: a size below 1.
    """
    name = str(photo) if isinstance(photo, str | Path) else "the photograph"
    picture = as_picture(photo)
    if not isinstance(face, Face):
        face = chosen(detect(picture), face, name)
    height, width = picture.shape[1:]
    return crop(picture, Alignment.of(face.landmarks, photo=(width, height), size=size))


def as_crop(photo: AnyPhoto, *, size: int) -> Crop:
    """A picture that is an aligned face already, brought to `size`; its alignment is the whole picture.

    Raises:
        ImageError: the file is no picture.
        FaceError: it is not square.
        ValueError: a size below 1.
    """
    name = str(photo) if isinstance(photo, str | Path) else "the picture"
    picture = as_picture(photo)
    height, width = picture.shape[1:]
    if height != width:
        raise FaceError(f"{name}: {width}x{height} is no aligned crop, which is square; have it aligned")
    return crop(picture, Alignment(_whole(width), (width, height), size))


def _whole(side: int) -> Corners:
    """The corners of a square picture."""
    low, high = -0.5, side - 0.5
    return (low, low), (low, high), (high, high), (high, low)


def as_crops(photos: "Crop | AnyPhoto | Sequence[Crop | AnyPhoto]", *, size: int) -> list[Crop]:
    """Crops of a size: those that are crops as they are, photographs aligned, squares of that very size as they are.

    Raises:
        ImageError: a file is no picture.
        FaceError: a photograph shows no face.
        ValueError: no crops, or a crop of another size.
    """
    if isinstance(photos, Crop | str | Path | Image.Image | np.ndarray | torch.Tensor):
        photos = [photos]
    crops = [_as_crop_of(photo, size) for photo in photos]
    sizes = {tuple(item.picture.shape[1:]) for item in crops}
    if sizes != {(size, size)}:
        raise ValueError(f"crops have sizes {sorted(sizes)}, expected {size} px square")
    return crops


def _as_crop_of(photo: Any, size: int) -> Crop:
    if isinstance(photo, Crop):
        return photo
    picture = as_picture(photo)
    return as_crop(picture, size=size) if picture.shape[1:] == (size, size) else align(photo, size=size)


def crop(photo: AnyPhoto, alignment: Alignment) -> Crop:
    """The crop that an alignment describes, with no detection: shrink, crop, pad, warp, as FFHQ's script does.

    What is all of a square picture is only resized: it is a crop already.

    Raises:
        ImageError: the file is no picture.
        FaceError: the alignment is of a photograph of another size, or the face lies outside it.
    """
    picture = as_picture(photo)
    check_photo(picture, alignment)
    if alignment.photo[0] == alignment.photo[1] and alignment.quad == _whole(alignment.photo[0]):
        return Crop(resized(picture, height=alignment.size, width=alignment.size).clamp(-1, 1), alignment)
    layout = Layout.of(alignment)
    picture = resized(picture, height=layout.shrunk[1], width=layout.shrunk[0])
    left, top, right, bottom = layout.box
    picture = picture[:, top:bottom, left:right]
    quad = layout.quad - (left, top)
    if any(layout.pad):
        picture = _padded(picture, layout)
        quad = quad + layout.pad[:2]
    return Crop(cut(picture, quad, size=alignment.size).clamp(-1, 1), alignment)


def check_photo(picture: Picture, alignment: Alignment) -> None:
    """An alignment belongs to one photograph, known by its size.

    Raises:
        FaceError: the picture is of another size.
    """
    height, width = picture.shape[1:]
    if (width, height) != tuple(alignment.photo):
        known = f"{alignment.photo[0]} x {alignment.photo[1]}"
        raise FaceError(f"the crop is of a photograph of {known}, this one is {width} x {height}; give that photograph")


def chosen(faces: list[Face], index: int, name: str) -> Face:
    """The face of a number, or what to tell the user."""
    if not faces:
        raise FaceError(f"no face found in {name}; give a photograph in which a face looks towards the camera")
    if not 0 <= index < len(faces):
        found = "1 face, number 0" if len(faces) == 1 else f"{len(faces)} faces, numbers 0 to {len(faces) - 1}"
        raise FaceError(f"no face number {index} in {name}; found {found}, the largest first")
    return faces[index]


def _padded(picture: Picture, layout: Layout) -> Resized:
    """Reflected beyond its border, there blurred, and further out faded to its median colour."""
    left, top, right, bottom = layout.pad
    pixels = to_bytes(picture).astype(np.float32)
    pixels = np.pad(pixels, ((top, bottom), (left, right), (0, 0)), mode="reflect")
    height, width = pixels.shape[:2]
    x, y = np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)
    fade = layout.fade(x + layout.box[0] - left, y + layout.box[1] - top)
    mask = fade[..., None].astype(np.float32)
    blur = side(layout.quad) * 0.02
    pixels += (scipy.ndimage.gaussian_filter(pixels, (blur, blur, 0)) - pixels) * np.clip(mask * 3 + 1, 0, 1)
    pixels += (np.median(pixels, axis=(0, 1)) - pixels) * np.clip(mask, 0, 1)
    return from_bytes(np.clip(np.rint(pixels), 0, 255).astype(np.uint8)).to(picture)
