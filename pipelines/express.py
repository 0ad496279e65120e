"""An expression from several people to one: averaged, confined to where faces move, carried into a photograph."""

from collections.abc import Sequence

import torch

from wplus.alignment.measures import landmarks_of, yaw
from wplus.core.latent import Latent, join
from wplus.core.photograph import Photograph
from wplus.core.shapes import Mask
from wplus.editing import Relative, transfer_expression
from wplus.models import Generator
from wplus.pipelines.carry import carry
from wplus.pipelines.fields import smooth
from wplus.pipelines.rendering import render_one
from wplus.pipelines.restore import alignment_of, check_same_face

TURNED = 8.0
"""Degrees by which a lender's head may turn before the target's looks turned."""

DEFAULT = Relative()
"""Weaker rows of the difference are zeroed."""


def express(
    target: Latent,
    neutrals: Sequence[Latent],
    expressives: Sequence[Latent],
    *,
    strength: float = 1.0,
    threshold: float | Relative = DEFAULT,
    normalise: bool = False,
) -> Latent:
    """Add the mean difference of several people's two codes: what they share is the expression, not a headband.

    Args:
        target: one code.
        neutrals, expressives: of the same people in the same order.
        strength, threshold, normalise: as of `transfer_expression`.

    Raises:
        LatentError: latents of different generators or shapes.
        ValueError: no lender, or not as many neutral as expressive codes.
    """
    if not neutrals or len(neutrals) != len(expressives):
        raise ValueError(f"{len(neutrals)} neutral and {len(expressives)} expressive codes: give as many of each")
    before, after = (codes[0] if len(codes) == 1 else join(codes).mean() for codes in (neutrals, expressives))
    return transfer_expression(target, before, after, strength=strength, threshold=threshold, normalise=normalise)


def express_photo(photo: Photograph, latent: Latent, generator: Generator) -> Photograph:
    """The photograph of an edited latent with its expression, changed only where expressions act.

    Raises:
        LatentError: the latent does not tell where it belongs.
        FaceError: it is of another photograph.
    """
    before, after = (render_one(generator, code).clamp(-1, 1) for code in (latent.before, latent))
    alignment = alignment_of(latent)
    check_same_face(photo.seen(), before, alignment)
    return carry(photo, before, after, alignment, allowed=expressive_places(128))


def turned(generator: Generator, neutral: Latent, expressive: Latent) -> float:
    """Degrees by which a lender's head turned from one code to the other: the target's would be turned along."""
    first, second = (yaw(landmarks_of(render_one(generator, code)[0].clamp(-1, 1))) for code in (neutral, expressive))
    return abs(second - first)


def expressive_places(size: int) -> Mask:
    """Weights (size, size) in FFHQ's frame: 1 from the brows to the chin, 0 on forehead, ears and neck."""
    line = (torch.arange(size) + 0.5) / size
    distance = (((line[None] - 0.5) / 0.26) ** 2 + ((line[:, None] - 0.64) / 0.28) ** 2).sqrt()
    return smooth((1.2 - distance) / 0.3)
