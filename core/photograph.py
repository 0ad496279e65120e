"""A photograph with what its file says beside the picture: profile, EXIF, transparency, resolution in print."""

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, PngImagePlugin

from wplus.core.colours import from_srgb, profile_of, to_srgb, without_inks
from wplus.core.errors import OutputError
from wplus.core.files import replacing
from wplus.core.images import check_file, flat, from_bytes, left_out, load_image, to_bytes
from wplus.core.marks import Mark, read_mark
from wplus.core.shapes import Images, Mask, Picture

_ORIENTATION, _SOFTWARE = 0x0112, 0x0131  # EXIF tags
_WRITERS: dict[str, dict[str, Any]] = {
    ".jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".png": {"format": "PNG"},
    ".webp": {"format": "WEBP", "quality": 95},
}


@dataclass(frozen=True, eq=False)
class Photograph:
    """A picture and what a file says of it.

    Args:
        picture: upright RGB (3, height, width) in [-1, 1], in the colours of `profile`, transparency over white.
        alpha: opacity (height, width) in [0, 1]; None where all is opaque.
        profile: the ICC profile of its colours; None means sRGB.
        exif: EXIF without the orientation, as Pillow writes it.
        xmp: the XMP packet.
        dpi: pixels an inch, across and down.
        grey: whether the file holds no colours.
        lost: what of the file the picture no longer has, in words.
    """

    picture: Picture
    alpha: Mask | None = None
    profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    grey: bool = False
    lost: tuple[str, ...] = ()

    @property
    def mark(self) -> Mark | None:
        """What an earlier edit says of itself; None for a photograph that says nothing."""
        return read_mark(self.xmp)

    def seen(self) -> Picture:
        """The picture in sRGB, as networks were taught to see."""
        if self.profile is None:
            return self.picture
        return from_bytes(to_srgb(to_bytes(self.picture), self.profile)).to(self.picture)

    def native(self, rendering: Images) -> Images:
        """Pictures of sRGB in the colours of this photograph."""
        if self.profile is None:
            return rendering
        own = [from_bytes(from_srgb(to_bytes(picture), self.profile)) for picture in rendering.clamp(-1, 1)]
        return torch.stack(own).to(rendering)

    def changed(self, seen: Picture) -> "Photograph":
        """The same with what a picture in sRGB, made from `seen()`, shows otherwise; else it keeps its bits."""
        if self.profile is None:
            return replace(self, picture=seen)
        kept = (seen == self.seen()).all(0)
        return replace(self, picture=torch.where(kept, self.picture, self.native(seen[None])[0]))

    def marked(self, mark: Mark) -> "Photograph":
        """The same, saying what was done to it."""
        exif = Image.Exif()
        if self.exif is not None:
            exif.load(self.exif)
        exif[_SOFTWARE] = mark.software
        return replace(self, xmp=mark.added(self.xmp), exif=exif.tobytes())

    def save(self, path: str | Path) -> None:
        """Write it as the suffix says with all that the form holds; JPEG has no transparency and lies over white.

        Raises:
            OutputError: a suffix other than .jpeg, .jpg, .png, .webp, or the file cannot be written.
        """
        path = Path(path)
        settings = dict(_WRITERS.get(path.suffix.lower(), {}))
        if not settings:
            suffixes = ", ".join(_WRITERS)
            found = path.suffix or "missing"
            raise OutputError(f"cannot write {path}: the suffix is {found}, expected one of {suffixes}")
        known = {"icc_profile": self.profile, "exif": self.exif, "dpi": self.dpi}
        settings |= {name: value for name, value in known.items() if value is not None}
        if self.xmp is not None and settings["format"] == "PNG":
            settings["pnginfo"] = PngImagePlugin.PngInfo()
            settings["pnginfo"].add_itxt("XML:com.adobe.xmp", self.xmp.decode("utf-8", errors="replace"))
        elif self.xmp is not None:
            settings["xmp"] = self.xmp
        image = self._image(transparent=settings["format"] != "JPEG")
        with replacing(path) as temporary:
            try:
                image.save(temporary, **settings)
            except ValueError as error:  # a side too long for the format, or metadata too long
                raise OutputError(f"cannot write {path}: {error}") from error

    def _image(self, *, transparent: bool) -> Image.Image:
        """Pillow's image of it."""
        image = Image.fromarray(to_bytes(self.picture))
        if self.grey:
            image = image.convert("L")
        if self.alpha is not None and transparent:
            image.putalpha(Image.fromarray((self.alpha * 255).round().to(torch.uint8).numpy()))
        return image


def open_photograph(path: str | Path) -> Photograph:
    """Read a photograph with what its file says of it.

    CMYK becomes sRGB, by its profile where it has one; 16 bits become 8: `lost` says so.

    Raises:
        ImageError: no such file, empty, no picture, damaged, or too large.
    """
    path = Path(path)
    check_file(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in `read_photo`
        image = load_image(path)
        lost = (*left_out(path), *(["CMYK: it is sRGB now"] if image.mode == "CMYK" else []))
        image = without_inks(image)
        profile = profile_of(image)
        alpha = None
        if image.has_transparency_data:
            opacity = np.asarray(image.convert("RGBA").getchannel("A"))
            alpha = torch.from_numpy(opacity.astype(np.float32) / 255)
        picture = from_bytes(flat(image, path))
        grey = image.mode in {"1", "L", "LA", "I;16"}
        return Photograph(picture, alpha, profile, _exif(image), _xmp(image), _dpi(image), grey, lost)


def _exif(image: Image.Image) -> bytes | None:
    """EXIF without the orientation, which the picture has taken up; None where there is nothing to say."""
    exif = image.getexif()
    exif.pop(_ORIENTATION, None)
    return exif.tobytes() if len(exif) or exif.get_ifd(0x8769) else None


def _xmp(image: Image.Image) -> bytes | None:
    """The XMP packet, wherever the form keeps it."""
    found = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    return found.encode() if isinstance(found, str) else found


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    """Pixels an inch, as plain numbers."""
    found = image.info.get("dpi")
    return None if not found or not all(value > 0 for value in found) else (float(found[0]), float(found[1]))
