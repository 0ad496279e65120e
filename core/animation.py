"""Pictures one after another: strips and sheets, GIF and MP4."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.nn import functional

from wplus.core.errors import OutputError
from wplus.core.extras import load
from wplus.core.files import replacing
from wplus.core.images import to_bytes
from wplus.core.marks import Mark
from wplus.core.photograph import Photograph
from wplus.core.shapes import Images, Picture, Resized, ResizedImages

_CODECS = {".mp4": ("libx264", {"crf": "16"}), ".webm": ("libvpx-vp9", {"crf": "24", "b": "0"})}

PLAYED = (".gif", ".webp", *_CODECS)
"""Suffixes of animations."""

SHOWN_SIZE = 256
"""Smaller frames are enlarged in animations and strips, so that one sees something."""


def shown(images: Images) -> ResizedImages:
    """Pictures enlarged to at least `SHOWN_SIZE` pixels by a whole factor, bicubic."""
    factor = -(-SHOWN_SIZE // max(images.shape[2:]))
    if factor <= 1:
        return images
    return functional.interpolate(images, scale_factor=factor, mode="bicubic").clamp(-1, 1)


def strip(images: Images) -> Resized:
    """Pictures side by side."""
    return torch.cat(list(images), dim=2)


def sheet(images: Images, *, columns: int) -> Resized:
    """Pictures in rows of `columns`; a last row that is not full is filled with white."""
    rows = [list(part) for part in images.split(columns)]
    rows[-1] += [torch.ones_like(images[0])] * (columns - len(rows[-1]))
    return torch.cat([torch.cat(row, dim=2) for row in rows], dim=1)


def write_frames(path: str | Path, images: Images, *, seconds: float = 3.0, mark: Mark | None = None) -> None:
    """Write frames by suffix: .gif, .webp, .mp4 or .webm play them in `seconds`, .png and .jpg lay them side by side.

    Args:
        path: the file.
        images: the frames, in [-1, 1].
        seconds: of an animation.
        mark: what the file says of itself: XMP in pictures, a comment in .gif and videos.

    Raises:
        OutputError: another suffix, or the file cannot be written.
        ValueError: a length outside 0.1 to 600 seconds.
    """
    if not 0.1 <= seconds <= 600:
        raise ValueError(f"seconds must be in [0.1, 600], got {seconds}")
    suffix = Path(path).suffix.lower()
    frames = shown(images)
    if suffix == ".gif" or (suffix == ".webp" and len(frames) > 1):
        _write_pictures(path, frames, seconds=seconds, mark=mark)
    elif suffix in _CODECS:
        _write_video(path, frames, seconds=seconds, mark=mark)
    elif suffix in {".png", ".jpg", ".jpeg", ".webp"}:
        picture = Photograph(strip(frames))
        (picture if mark is None else picture.marked(mark)).save(path)
    else:
        raise OutputError(f"{path}: cannot write frames as '{suffix}'; use .gif, .mp4, .webm, .png, .jpg or .webp")


def _write_pictures(path: str | Path, frames: Images, *, seconds: float, mark: Mark | None) -> None:
    pictures = [Image.fromarray(to_bytes(frame)) for frame in frames]
    duration = max(20, round(1000 * seconds / len(pictures)))  # browsers play faster than 50 a second as 10
    told: dict[str, Any] = {}
    if mark is not None and Path(path).suffix.lower() == ".gif":
        told["comment"] = mark.text
    elif mark is not None:
        told["xmp"] = mark.added(None)
    with replacing(path) as temporary:
        pictures[0].save(
            temporary, save_all=True, append_images=pictures[1:], duration=duration, loop=0, quality=90, **told
        )


def _write_video(path: str | Path, frames: Images, *, seconds: float, mark: Mark | None) -> None:
    av = load("av")
    codec, options = _CODECS[Path(path).suffix.lower()]
    height, width = (side - side % 2 for side in frames.shape[2:])  # codecs halve the colours' resolution
    with replacing(path) as temporary, av.open(str(temporary), "w") as container:
        if mark is not None:
            container.metadata["comment"] = mark.text
        rate = Fraction(len(frames) / seconds).limit_denominator(1000)
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = options
        for picture in frames:
            frame = av.VideoFrame.from_ndarray(to_bytes(picture[:, :height, :width]), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def there_and_back(frames: Sequence[Picture]) -> Images:
    """Frames forward and back again without showing an end twice: a loop without a jump."""
    return torch.stack([*frames, *list(frames)[-2:0:-1]])
