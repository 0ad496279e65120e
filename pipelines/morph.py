"""A morph of two photographs with the detail of both: every frame as sharp as they are.

With M what the generator shows between A and B, a frame is up(M) + (1 - t) warp(PA - up(A)) + t warp(PB - up(B)), the
detail of each photograph moved from where its parts are to where they are in M.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from wplus.alignment import Alignment, Crop, crop
from wplus.alignment.ffhq import as_corners
from wplus.alignment.local import restore_within
from wplus.alignment.warp import scaled
from wplus.core.errors import LatentError
from wplus.core.images import no_larger, resized
from wplus.core.latent import Latent
from wplus.core.shapes import Mask, Picture, Resized
from wplus.editing import morph
from wplus.models import Generator
from wplus.pipelines.fields import blurred
from wplus.pipelines.flow import followed
from wplus.pipelines.parts import allowed_places, parse
from wplus.pipelines.rendering import render_one
from wplus.pipelines.restore import alignment_of, check_same_face

TEXTURE, AROUND = 0.008, 0.03
"""Of the side: what is smaller is texture, and how far about a place its contrast is measured."""

STRONGEST = 2.0
"""The largest factor of a texture's contrast."""


@dataclass(frozen=True, eq=False)
class End:
    """One end of a morph.

    Args:
        rendering: what the generator shows of its code, (3, resolution, resolution).
        missed: what that lacks of the photograph, (3, size, size).
    """

    rendering: Picture
    missed: Resized


def end_of(photo: Picture, latent: Latent, generator: Generator, *, size: int, anyway: bool = False) -> End:
    """A photograph, upright and in sRGB, and its code as an end of a morph at `size` pixels.

    The code is checked to look like the photograph, unless `anyway`.

    Raises:
        LatentError: the latent does not tell where in the photograph it belongs.
        FaceError: it is another photograph's.
    """
    alignment = alignment_of(latent)
    rendering = render_one(generator, latent).clamp(-1, 1)
    if not anyway:
        check_same_face(photo, rendering, alignment)
    face = crop(photo, replace(alignment, size=size)).picture
    return End(rendering[0], face - resized(rendering[0], height=size, width=size))


def morph_frames(
    generator: Generator, latents: tuple[Latent, Latent], ends: tuple[End, End], weights: Sequence[float]
) -> Iterator[Picture]:
    """Frames (3, size, size) of a morph at some weights: at 0 the first photograph's crop, at 1 the second's.

    Raises:
        LatentError: latents of different generators or shapes.
        ValueError: ends of different sizes.
    """
    first, second = ends
    if first.missed.shape != second.missed.shape:
        raise ValueError(f"ends of {tuple(first.missed.shape)} and {tuple(second.missed.shape)} do not match")
    if len(latents[0]) != 1 or len(latents[1]) != 1:
        raise LatentError("a morph is between two single codes")
    size = first.missed.shape[1]
    for weight in weights:
        between = render_one(generator, morph(*latents, weight=weight))[0].clamp(-1, 1)
        frame = resized(between, height=size, width=size)
        missed = [
            share * followed(end.missed, end.rendering, between, mode="bicubic")
            for end, share in ((first, 1 - weight), (second, weight))
        ]
        if 0 < weight < 1:
            face = allowed_places(frame, parse(between)[0], ["face"])
            frame = frame + face * _strengthened(*missed, weight=weight)
        yield (frame + missed[0] + missed[1]).clamp(-1, 1)


def inside(
    photo: Picture, alignment: Alignment, frames: Iterable[Picture], weights: Iterable[float]
) -> Iterator[Picture]:
    """Frames of a morph in the first one's photograph: its hair, clothes and background stay.

    Args:
        photo: the first photograph, upright and in sRGB.
        alignment: of its crop.
        frames, weights: of `morph_frames`; at 0 the photograph is given as it is.

    Raises:
        FaceError: the alignment is of a photograph of another size.
    """
    face: Mask | None = None
    for frame, weight in zip(frames, weights, strict=True):
        if not weight:
            yield photo
            continue
        size = frame.shape[1]
        if face is None:
            own = crop(photo, replace(alignment, size=size)).picture
            face = allowed_places(own, parse(own)[0], ["face"])[0]
        other = allowed_places(frame, parse(frame)[0], ["face"])[0]
        shown = Crop(frame, replace(alignment, size=size))
        mask = blurred(torch.maximum(face, other)[None], 0.01)[0]
        yield restore_within(photo, shown, mask)


def reduced_to(photo: Picture, alignment: Alignment, side: int) -> tuple[Picture, Alignment]:
    """A photograph whose longer side has at most `side` pixels, and where its face lies there."""
    smaller = no_larger(photo, side=side)
    after = (smaller.shape[2], smaller.shape[1])
    corners = scaled(alignment.corners, before=alignment.photo, after=after)
    return smaller, replace(alignment, quad=as_corners(corners), photo=after)


def _strengthened(first: Resized, second: Resized, *, weight: float) -> Resized:
    """What to add to the sum of two shares of detail, so that it has the contrast that they have alone.

    Where details have nothing to do with each other, as two skins, their mean is half as strong as each: its texture is
    made stronger, as in variance-preserving blends (Heitz and Neyret 2018), but what is larger than texture is not.
    """
    fine = [x - blurred(x, TEXTURE) for x in (first, second)]
    wanted = sum(
        blurred(x.square().mean(0, keepdim=True), AROUND) / share
        for x, share in zip(fine, (1 - weight, weight), strict=True)
    )
    mixed = fine[0] + fine[1]
    found = blurred(mixed.square().mean(0, keepdim=True), AROUND)
    gain = (wanted / (found + 1e-6)).clamp(1, STRONGEST**2).sqrt()
    return (gain - 1) * mixed
