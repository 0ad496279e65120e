"""Files to tensors and back: the only module that knows bytes, transparency, orientation tags and file formats."""

import io
import struct
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from wplus.core.colours import profile_of, to_srgb, without_inks
from wplus.core.errors import ExtraError, ImageError, OutputError
from wplus.core.extras import load
from wplus.core.files import replacing
from wplus.core.shapes import Bytes, Picture, Resized

MAX_PIXELS = 120_000_000
"""A larger picture is refused from its header, before memory is spent on it."""

PICTURE_SUFFIXES = (
    ".avif", ".bmp", ".gif", ".heic", ".heif", ".jp2", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp",
)  # fmt: skip
"""What `find_pictures` takes for a picture."""

AnyPhoto = str | Path | Image.Image | np.ndarray | torch.Tensor
"""A photograph as people have it; `as_picture` says which arrays and tensors count."""

# a closed list: among Pillow's other formats are programs (EPS runs Ghostscript)
_FORMATS = ("AVIF", "BMP", "GIF", "HEIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_WRITERS: dict[str, dict[str, Any]] = {
    ".jpeg": {"quality": 95, "subsampling": 0},
    ".jpg": {"quality": 95, "subsampling": 0},
    ".png": {},
    ".webp": {"quality": 95},
}
_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, ArithmeticError, struct.error)


def read_photo(path: str | Path) -> Picture:
    """The picture in a file as one sees it: upright, in sRGB, transparency over white, 16 bits brought to 8.

    Returns:
        Shape (3, height, width), float32, value = byte / 127.5 - 1; `to_bytes` gives the same bytes again.

    Raises:
        ImageError: no such file, a folder, empty, no picture, damaged, or of more than `MAX_PIXELS`.
    """
    path = Path(path)
    check_file(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of what is refused below, and of odd tags that do no harm
        image = load_image(path)
        try:
            image = without_inks(image)
            profile = profile_of(image)
            array = flat(image, path)
            return from_bytes(array if profile is None else to_srgb(array, profile))
        except _DAMAGE as error:
            raise ImageError(f"{path}: a damaged or cut-off picture ({_reason(error)}); get the file again") from error


def check_file(path: Path) -> None:
    """A picture's file is there and is not empty.

    Raises:
        ImageError: it is not.
    """
    if path.is_dir():
        raise ImageError(f"{path}: a folder; give one picture file")
    if not path.is_file():
        raise ImageError(f"{path}: no such file; check the name")
    if path.stat().st_size == 0:
        raise ImageError(f"{path}: an empty file; get it again")


def as_picture(photo: AnyPhoto) -> Picture:
    """A photograph in any form as RGB (3, height, width) in [-1, 1].

    Args:
        photo: a file's path; a PIL picture; an array (height, width), (height, width, 3) or (height, width, 4) of
            uint8 or of floats in [0, 1]; or a tensor (3, height, width) or (1, 3, height, width), of floats in
            [-1, 1] or of uint8. Transparency is laid over white.

    Raises:
        ImageError: the file is no picture, or the value is none of these; the message says what was given.
    """
    match photo:
        case str() | Path():
            return read_photo(photo)
        case Image.Image():
            return from_bytes(flat(ImageOps.exif_transpose(photo), Path("the picture")))
        case np.ndarray():
            return from_bytes(flat(Image.fromarray(_array_bytes(photo)), Path("the array")))
        case torch.Tensor():
            return _from_tensor(photo)
    raise ImageError(f"a photograph is a path, a PIL picture, an array or a tensor, not a {type(photo).__name__}")


def write_picture(path: str | Path, picture: Picture) -> None:
    """Write a picture, rounded and clamped to 8 bits, as the suffix says; a failure leaves the old file as it was.

    Raises:
        OutputError: a suffix other than .jpeg, .jpg, .png, .webp, or the file cannot be written.
    """
    path = Path(path)
    settings = _WRITERS.get(path.suffix.lower())
    if settings is None:
        known = ", ".join(_WRITERS)
        raise OutputError(f"cannot write {path}: the suffix is {path.suffix or 'missing'}, expected one of {known}")
    image = to_pil(picture)
    with replacing(path) as temporary:
        try:
            image.save(temporary, **settings)
        except ValueError as error:  # a side too long for the format
            raise OutputError(f"cannot write {path}: {error}") from error


def to_pil(picture: Picture) -> Image.Image:
    """A picture (3, height, width) in [-1, 1] as a PIL picture of 8 bits."""
    return Image.fromarray(to_bytes(picture))


def as_png(picture: Picture) -> bytes:
    """The PNG file of a picture, as notebooks show it."""
    file = io.BytesIO()
    to_pil(picture).save(file, "PNG")
    return file.getvalue()


def to_bytes(picture: Picture) -> Bytes:
    """Shape (3, height, width) in [-1, 1] to (height, width, 3) in 0 to 255: the project's one rounding rule.

    Raises:
        ValueError: another shape.
    """
    if picture.ndim != 3 or picture.shape[0] != 3:
        raise ValueError(f"a picture has shape (3, height, width), got {tuple(picture.shape)}")
    values = ((picture.detach().float() + 1) * 127.5).round().clamp(0, 255)
    return values.to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()


def from_bytes(array: Bytes) -> Picture:
    """Shape (height, width, 3) in 0 to 255 to float32 (3, height, width) in [-1, 1].

    Raises:
        ValueError: another shape or type.
    """
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise ValueError(f"expected uint8 (height, width, 3), got {array.dtype} {array.shape}")
    planes = torch.from_numpy(np.array(array.transpose(2, 0, 1), order="C"))
    return planes.float().div_(127.5).sub_(1)


def resized(picture: Picture, *, height: int, width: int) -> Resized:
    """The picture at another size, by Lanczos' windowed sinc over three lobes, antialiased; not rounded to bytes."""
    if tuple(picture.shape[1:]) == (height, width):
        return picture
    planes = [
        np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.LANCZOS))
        for plane in picture.detach().float().cpu().numpy()
    ]
    return torch.from_numpy(np.stack(planes)).to(picture)


def no_larger(picture: Picture, *, side: int) -> Resized:
    """The picture reduced so that its longer side has at most `side` pixels, clamped; a smaller one stays as it is."""
    height, width = picture.shape[1:]
    scale = min(1.0, side / max(height, width))
    return resized(picture, height=round(height * scale), width=round(width * scale)).clamp(-1, 1)


def find_pictures(path: str | Path) -> list[Path]:
    """A file gives itself; a folder its picture files, by suffix and sorted, without hidden files and subfolders.

    Raises:
        ImageError: no such path, or a folder without pictures.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ImageError(f"{path}: no such file or folder; check the name")
    found = [item for item in path.iterdir() if item.suffix.lower() in PICTURE_SUFFIXES]
    found = sorted(item for item in found if item.is_file() and not item.name.startswith("."))
    if not found:
        known = ", ".join(PICTURE_SUFFIXES)
        raise ImageError(f"{path}: a folder without pictures; expected files named {known}")
    return found


def passed_over(path: str | Path) -> list[Path]:
    """The files of a folder that `find_pictures` does not take, hidden ones aside; none for a file."""
    path = Path(path)
    if not path.is_dir():
        return []
    rest = (item for item in path.iterdir() if item.suffix.lower() not in PICTURE_SUFFIXES)
    return sorted(item for item in rest if item.is_file() and not item.name.startswith("."))


def load_image(path: Path) -> Image.Image:
    """A file that is there as Pillow's image, upright and loaded, with all that it says of itself.

    Raises:
        ImageError: no picture, damaged, or of more than `MAX_PIXELS`.
        ExtraError: HEIC, and the package that reads it is not installed.
    """
    with _opened(path) as image:
        try:
            image.load()
            return ImageOps.exif_transpose(image)
        except _DAMAGE as error:
            raise ImageError(f"{path}: a damaged or cut-off picture ({_reason(error)}); get the file again") from error


def left_out(path: Path) -> tuple[str, ...]:
    """What of a picture's file `load_image` does not read, in words: 16 bits a channel, frames after the first.

    Raises:
        ImageError, ExtraError: as of `load_image`.
    """
    found, frames = [], 1
    with _opened(path) as image:
        deep = image.mode.startswith("I;16")  # Pillow tells so of grey ones alone
        if image.format == "TIFF":
            bits = getattr(image, "tag_v2", {}).get(258, (8,))
            deep = max(bits if isinstance(bits, tuple) else (bits,)) > 8
        if image.format == "PNG":
            with path.open("rb") as file:
                deep = file.read(25)[24:] == b"\x10"  # the header chunk's depth
        with suppress(*_DAMAGE):  # in a later frame, which nobody asks for
            frames = getattr(image, "n_frames", 1)
    if deep:
        found.append("16 bits a channel: 8 are left")
    if frames > 1:
        found.append(f"{frames - 1} of its {frames} frames: the first is taken")
    return tuple(found)


def _opened(path: Path) -> Image.Image:
    """A picture's file by its header, as one of the forms that are read.

    Raises:
        ImageError, ExtraError: as of `load_image`.
    """
    Image.init()
    too_large = f"{path}: more than {MAX_PIXELS // 1_000_000} million pixels; make the picture smaller first"
    try:
        if _is_heif(path):
            load("pillow_heif").register_heif_opener()
        image = Image.open(path, formats=[name for name in _FORMATS if name in Image.OPEN])
    except ExtraError as error:
        raise ExtraError(f"{path}: {error}") from error
    except Image.DecompressionBombError as error:
        raise ImageError(too_large) from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{path}: not a picture; give a jpg, png, webp, tiff, bmp or gif file") from error
    except _DAMAGE as error:
        raise ImageError(f"{path}: cannot be opened ({_reason(error)}); get the file again") from error
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise ImageError(too_large)
    return image


def _is_heif(path: Path) -> bool:
    """Whether a file holds what iPhones write, for which Pillow needs a package, whatever its name."""
    with path.open("rb") as file:
        start = file.read(12)
    return start[4:8] == b"ftyp" and start[8:] in _HEIF


def flat(image: Image.Image, path: Path) -> Bytes:
    """RGB bytes of any kind of image; transparency is laid over white."""
    if image.mode.startswith("I"):
        image = _eight_bits(image, path)
    elif image.mode == "F":
        raise ImageError(f"{path}: floating-point values, whose white is unknown; save it with 8 or 16 bits")
    if image.has_transparency_data:
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
    return np.array(image.convert("RGB"))


def _eight_bits(image: Image.Image, path: Path) -> Image.Image:
    """Grey of 16 bits in 8: Pillow's own conversion clips everything above 255 to white."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ImageError(f"{path}: grey values from {values.min()} to {values.max()}; save it with 8 or 16 bits")
    grey = ((values + 128) // 257).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return Image.fromarray(grey)


def _array_bytes(array: np.ndarray) -> np.ndarray:
    """An array as uint8 of one, three or four channels."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))) or 0 in array.shape:
        raise ImageError(f"an array of shape {array.shape}; expected (height, width, 3)")
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if not np.issubdtype(array.dtype, np.floating):
        raise ImageError(f"an array of {array.dtype}; expected uint8, or floats in [0, 1]")
    if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
        raise ImageError(f"floats from {array.min():.3g} to {array.max():.3g}; an array's are in [0, 1]")
    return (array * 255).round().astype(np.uint8)


def _from_tensor(tensor: torch.Tensor) -> Picture:
    """A tensor as a picture."""
    planes = tensor[0] if tensor.ndim == 4 and len(tensor) == 1 else tensor
    if planes.ndim != 3 or planes.shape[0] != 3 or 0 in planes.shape:
        raise ImageError(f"a tensor of shape {tuple(tensor.shape)}; expected (3, height, width)")
    if planes.dtype == torch.uint8:
        return from_bytes(planes.permute(1, 2, 0).contiguous().cpu().numpy())
    if not planes.is_floating_point():
        raise ImageError(f"a tensor of {planes.dtype}; expected floats in [-1, 1], or uint8")
    low, high = (float(value) for value in planes.detach().aminmax())
    if not -2 <= low <= high <= 2:  # resampled and rendered pictures overshoot
        raise ImageError(f"floats from {low:.3g} to {high:.3g}; a tensor's are in [-1, 1]")
    return planes.float()


def _reason(error: BaseException) -> str:
    """The error's words in one line."""
    return " ".join(str(error).split()) or type(error).__name__
