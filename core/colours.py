"""Colour profiles of pictures: to sRGB, which networks were taught to see, and back."""

import io

import numpy as np
from PIL import Image, ImageCms

from wplus.core.shapes import Bytes


def to_srgb(array: Bytes, profile: bytes) -> Bytes:
    """Bytes in a profile's colours as sRGB."""
    return _converted(array, profile, inward=True)


def from_srgb(array: Bytes, profile: bytes) -> Bytes:
    """Bytes of sRGB in a profile's colours."""
    return _converted(array, profile, inward=False)


def profile_of(image: Image.Image) -> bytes | None:
    """The profile of a picture's colours; None for sRGB, for none, and for one that cannot be read or fits not."""
    profile = image.info.get("icc_profile") or None
    if profile is None or image.mode == "CMYK":
        return None
    try:
        space = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space.strip()
    except (OSError, ImageCms.PyCMSError, TypeError, ValueError):
        return None
    return profile if space == ("GRAY" if image.mode in {"L", "LA"} else "RGB") else None


def without_inks(image: Image.Image) -> Image.Image:
    """A picture of inks (CMYK) in sRGB, by its profile where it has one that can be read; others as they are."""
    if image.mode != "CMYK":
        return image
    done = image.convert("RGB")
    profile = image.info.get("icc_profile")
    if profile:
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            done = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB") or done
        except (OSError, ImageCms.PyCMSError):
            pass
    done.info = {name: value for name, value in image.info.items() if name != "icc_profile"}
    return done


def _converted(array: Bytes, profile: bytes, *, inward: bool) -> Bytes:
    """Relative colorimetric, 8 bits; sRGB under its own name stays as it is, bit for bit."""
    own, known = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    if own.profile.xcolor_space.strip() != "RGB" or "sRGB" in (own.profile.profile_description or ""):
        return array  # a grey profile says how dark grey is, which hardly matters here
    source, target = (own, known) if inward else (known, own)
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    image = Image.fromarray(array)
    done = ImageCms.profileToProfile(image, source, target, renderingIntent=intent, outputMode="RGB")
    return np.array(done)
