"""A morph of two photographs with the detail of both: every frame as sharp as they are.

With M what the generator shows between A and B, a frame is up(M) + (1 - t) warp(PA - up(A)) + t warp(PB - up(B)), the
detail of each photograph moved from where its parts are to where they are in M.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from wplus.alignment import crop
from wplus.core.errors import LatentError
from wplus.core.images import resized
from wplus.core.latent import Latent
from wplus.core.shapes import Picture, Resized
from wplus.editing import morph
from wplus.models import Generator
from wplus.pipelines.fields import enlarged, looked_at
from wplus.pipelines.flow import flow
from wplus.pipelines.rendering import render_one
from wplus.pipelines.restore import alignment_of, check_same_face


@dataclass(frozen=True, eq=False)
class End:
    """One end of a morph.

    Args:
        rendering: what the generator shows of its code, (3, resolution, resolution).
        missed: what that lacks of the photograph, (3, size, size).
    """

    rendering: Picture
    missed: Resized


def end_of(photo: Picture, latent: Latent, generator: Generator, *, size: int) -> End:
    """A photograph, upright and in sRGB, and its code as an end of a morph at `size` pixels.

    Raises:
        LatentError: the latent does not tell where in the photograph it belongs.
        FaceError: it is another photograph's.
    """
    alignment = alignment_of(latent)
    rendering = render_one(generator, latent).clamp(-1, 1)
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
        for end, share in ((first, 1 - weight), (second, weight)):
            if share:
                frame = frame + share * looked_at(end.missed, enlarged(flow(end.rendering, between), size))
        yield frame.clamp(-1, 1)
