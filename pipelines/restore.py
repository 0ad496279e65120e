"""An edited latent into the photograph that it was found in, with a check that it is that photograph."""

from dataclasses import replace
from importlib.metadata import version
from typing import Literal

import torch
from torch.nn import functional

from wplus.alignment import Alignment, chosen, crop, detect
from wplus.alignment import restore as pasted
from wplus.core.errors import FaceError, LatentError
from wplus.core.latent import Latent
from wplus.core.marks import Mark
from wplus.core.photograph import Photograph
from wplus.core.shapes import CommonImages, Images, Picture
from wplus.models import Generator
from wplus.pipelines.carry import DEFAULT, carry
from wplus.pipelines.change import Carry
from wplus.pipelines.rendering import render_one

Paste = Literal["change", "face"]
"""What of an edit goes into the photograph: what changed, or the whole face as the generator renders it."""

ALIKE = 0.85
"""Correlation at 16 px of a crop and what the generator shows of its code; less, and it is another photograph's."""


def alignment_of(latent: Latent, name: str = "the latent") -> Alignment:
    """Where in its photograph the face of a latent was.

    Raises:
        LatentError: the latent does not tell, or what it tells is no alignment.
    """
    if latent.origin is None or latent.origin.crop is None:
        raise LatentError(f"{name}: does not tell where in a photograph it belongs; it was not made by 'wplus invert'")
    try:
        return Alignment.from_json(latent.origin.crop)
    except ValueError as error:
        raise LatentError(f"{name}: {error}") from error


def restore_edit(
    photo: Photograph, latent: Latent, generator: Generator, *, settings: Carry = DEFAULT, anyway: bool = False
) -> Photograph:
    """The photograph with what was edited of its latent carried into it; the photograph itself if nothing was.

    Args:
        photo: the photograph that was inverted.
        latent: one code, with its alignment and the code that it was before the edit.
        generator: which renders both.
        settings: see `Carry`.
        anyway: do not mind that the code looks like another face.

    Raises:
        LatentError: the latent does not tell where it belongs.
        FaceError: it is of a photograph of another size, or of one that looks otherwise.
    """
    alignment = alignment_of(latent)
    before, after = (render_one(generator, code).clamp(-1, 1) for code in (latent.before, latent))
    if not anyway:
        check_same_face(photo.seen(), before, alignment)
    return carry(photo, before, after, alignment, settings=settings)


def restore_face(photo: Photograph, latent: Latent, generator: Generator) -> Photograph:
    """The photograph with the whole face as the generator renders it, feathered at the sides of the crop.

    Raises:
        LatentError: the latent does not tell where it belongs.
        FaceError: it is of a photograph of another size.
    """
    picture = render_one(generator, latent).clamp(-1, 1)
    alignment = alignment_of(latent)
    return replace(photo, picture=pasted(photo.picture, photo.native(picture)[0], alignment))


def fitted_to(latent: Latent, photo: Photograph, *, face: int = 0, name: str = "the photograph") -> Latent:
    """The same codes as of a face in another photograph, where it is looked for.

    Raises:
        LatentError: a latent that does not name its generator.
        FaceError: there is no such face.
    """
    if latent.origin is None:
        raise LatentError("the latent does not say which generator it belongs to")
    seen = photo.seen()
    found = chosen(detect(seen), face, name)
    place = Alignment.of(found.landmarks, photo=(seen.shape[2], seen.shape[1]), size=latent.origin.resolution)
    return replace(latent, origin=replace(latent.origin, crop=place.to_json()))


def check_same_face(photo: Picture, rendering: CommonImages, alignment: Alignment) -> None:
    """A code's rendering looks about like the place in the photograph that it is to change.

    Raises:
        FaceError: the photograph has another size, or shows something else there.
    """
    face = crop(photo, replace(alignment, size=64)).picture
    found = likeness(face[None], rendering)
    if found < ALIKE:
        raise FaceError(
            f"the latent does not look like the face in this photograph (correlation {found:.2f}, expected {ALIKE} or"
            " more): it is of another photograph, or this one was cropped or turned since; invert this one"
        )


def likeness(face: Images, rendering: CommonImages) -> float:
    """Correlation of two pictures at 16 px, -1 to 1."""
    first, second = (functional.interpolate(x.cpu(), (16, 16), mode="area").flatten() for x in (face, rendering))
    return float(torch.corrcoef(torch.stack([first, second]))[0, 1])


def mark(edit: str) -> Mark:
    """What a file that wplus edited says of itself."""
    return Mark(f"wplus {version('wplus')}", edit)
