"""Masks that people paint over a photograph or over its crop, as they lie in the crop."""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path

from wplus.alignment.ffhq import Alignment
from wplus.alignment.local import crop_mask
from wplus.alignment.masks import FAINT, as_mask, same_shape
from wplus.core.errors import ImageError
from wplus.core.images import PICTURE_SUFFIXES, read_photo
from wplus.core.shapes import PooledMask


def painted_mask(path: str | Path, alignment: Alignment) -> PooledMask:
    """A mask from a picture file in the frame of a crop, (size, size) in [0, 1]: white counts, black does not.

    A mask of the photograph's shape lies over the photograph; else a square one lies over the crop. Either may be of
    another size.

    Args:
        path: the file; transparent counts as white.
        alignment: of the crop in its photograph.

    Raises:
        ImageError: no picture, of neither shape, empty, or nothing of it lies in the crop.
    """
    picture = read_photo(path)
    rows, columns = picture.shape[1:]
    width, height = alignment.photo
    if same_shape((rows, columns), height=height, width=width):
        found = crop_mask(as_mask(picture, str(path), height=height, width=width), alignment)
        if found.max() < FAINT:
            raise ImageError(f"{path}: marks nothing of the face; paint it over the face that is aligned")
        return found
    if rows == columns:
        return as_mask(picture, str(path), height=alignment.size, width=alignment.size)
    raise ImageError(
        f"{path}: {columns} x {rows} is neither of the shape of the photograph, {width} x {height}, nor square as its"
        " crop; paint it over one of them"
    )


def mask_sums(given: Path | None) -> Callable[[Path], dict[str, str]]:
    """A function of a photograph: what tells its mask from others, a sum of its bytes; nothing where it has none.

    Args:
        given: the mask, or a folder with the masks of many; None for none.
    """

    @functools.cache
    def sum_of(file: Path) -> str:
        return hashlib.sha256(file.read_bytes()).hexdigest()[:16]

    def described(photo: Path) -> dict[str, str]:
        if given is None:
            return {}
        try:
            return {"mask": sum_of(mask_file(given, photo))}
        except (ImageError, OSError):
            return {"mask": ""}  # whoever reads it says what is wrong

    return described


def mask_file(given: Path, photo: Path) -> Path:
    """The file of a photograph's mask: `given` itself, or in a folder the picture that is named as the photograph.

    Raises:
        ImageError: the folder has none of that name, or several.
    """
    if not given.is_dir():
        return given
    found = [path for suffix in PICTURE_SUFFIXES if (path := given / f"{photo.stem}{suffix}").is_file()]
    if len(found) != 1:
        raise ImageError(f"{given}: {len(found) or 'no'} masks for {photo.name}; give it one, {photo.stem}.png")
    return found[0]
