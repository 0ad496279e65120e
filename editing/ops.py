"""Morphing, crossover and expression transfer: pure functions on latents (Image2StyleGAN section 5)."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from wplus.core.errors import LatentError
from wplus.core.latent import Latent, check_same


@dataclass(frozen=True)
class Relative:
    """A threshold as a share of the generator's own scale in W, `Origin.w_radius`.

    The paper's threshold of 1 is about 0.14 of the radius of StyleGAN1's FFHQ codes.
    """

    share: float = 0.14


def morph(a: Latent, b: Latent, *, weight: float) -> Latent:
    """Interpolate linearly: weight 0 gives `a`, 1 gives `b`, both exactly (section 5.1).

    Args:
        a, b: latents of one generator, of equal batch.
        weight: lambda; outside [0, 1] it extrapolates.

    Raises:
        LatentError: latents of different generators or shapes.
    """
    _check((a, b))
    noise = None
    if a.noise is not None and b.noise is not None:
        noise = tuple(torch.lerp(x, y, weight) for x, y in zip(a.noise, b.noise, strict=True))
    mixed = a.edited(torch.lerp(a.ws, b.ws, weight), edit=f"morph, weight {weight:g}")
    return replace(mixed, noise=noise)


def crossover(content: Latent, style: Latent, *, first_style_layer: int | str | None = None) -> Latent:
    """Take the first rows from `content` and the others from `style` (section 5.2).

    Args:
        content, style: latents of one generator, of equal batch.
        first_style_layer: index of the first row from `style`; or a resolution such as "16px", meaning the first
            row that acts at that resolution. By default half of the rows, as the paper's 9 + 9 of 18.

    Raises:
        LatentError: latents of different generators or shapes, or stylemaps, whose rows are no layers.
        ValueError: no such layer.
    """
    _check((content, style))
    if content.rows == "cells":
        raise LatentError(
            "these codes are stylemaps, which have no layers to cross over: edit a region of them instead"
        )
    layers = content.ws.shape[1]
    if first_style_layer is None:
        first = layers // 2
    elif isinstance(first_style_layer, str):
        first = layer_at(first_style_layer)
        if content.origin is not None and layers != 2 * content.origin.resolution.bit_length() - 4:
            raise ValueError(f"its {layers} layers are not two a resolution: give the style's first layer as a number")
        if first >= layers:
            raise ValueError(f"{first_style_layer} is beyond the generator's {2 << (layers // 2)}px")
    else:
        first = first_style_layer
    if not 0 <= first <= layers:
        raise ValueError(f"first_style_layer {first_style_layer} is outside 0..{layers}")
    ws = torch.cat([content.ws[:, :first], style.ws[:, first:]], dim=1)
    return content.edited(ws, edit=f"crossover, style from layer {first}")


def layer_at(resolution: str) -> int:
    """The first row of W+ that belongs to a resolution such as "16px": 4px is row 0, 8px row 2, 16px row 4.

    Two rows a resolution is the paper's count, and the field's. In StyleGAN2 the row before acts there already: it
    drives both the colours of one resolution and the first convolution of the next.

    Raises:
        ValueError: not a power of two from 4 up.
    """
    digits = resolution.removesuffix("px")
    size = int(digits) if digits.isdecimal() else 0
    if size < 4 or size & (size - 1):
        raise ValueError(f"'{resolution}' is no resolution; expected 4px, 8px, 16px, ...")
    return 2 * (size.bit_length() - 3)


def transfer_expression(
    target: Latent,
    neutral: Latent,
    expressive: Latent,
    *,
    strength: float = 1.0,
    threshold: float | Relative = Relative(),
    normalise: bool = False,
) -> Latent:
    """Add one person's change of expression to another: w1 + strength * (w3 - w2) (section 5.3).

    Args:
        target: w1, who is to change.
        neutral, expressive: w2 and w3, one source person with two expressions.
        strength: lambda.
        threshold: rows of w3 - w2 (of stylemaps: cells) whose L2 norm is below this are zeroed as noise; a number is
            an absolute norm as in the paper, `Relative` a share of the generator's radius.
        normalise: divide the remaining difference by its Frobenius norm, so that `strength` is the length of the
            step in W+, whatever the source.

    Raises:
        LatentError: latents of different generators or shapes; a relative threshold without an origin that tells
            the radius; or no row above the threshold when normalising.
        ValueError: a threshold that is negative, infinite or no number.
    """
    _check((target, neutral, expressive))
    difference = suppress_noise(expressive.ws - neutral.ws, threshold=_absolute(target, threshold))
    if normalise:
        norm = difference.flatten(1).norm(dim=1)[:, None, None]
        if not bool((norm > 0).all()):
            raise LatentError("no row of the expression's difference is above the threshold; lower it")
        difference = difference / norm
    return target.edited(target.ws + strength * difference, edit=f"expression, strength {strength:g}")


def suppress_noise(difference: Tensor, *, threshold: float) -> Tensor:
    """Zero the rows of (batch, layers, w_dim) whose L2 norm is below `threshold`.

    Raises:
        ValueError: the threshold is negative, infinite or no number.
    """
    if not 0 <= threshold < math.inf:
        raise ValueError(f"a threshold must be a number from 0, got {threshold}")
    return torch.where(difference.norm(dim=2, keepdim=True) < threshold, 0.0, difference)


def _absolute(latent: Latent, threshold: float | Relative) -> float:
    """The threshold as an L2 norm."""
    if not isinstance(threshold, Relative):
        return threshold
    if latent.origin is None or latent.origin.w_radius is None:
        raise LatentError("a relative threshold needs a latent that knows its generator's radius; give a number")
    return threshold.share * latent.origin.w_radius


def _check(latents: tuple[Latent, ...]) -> None:
    """One generator, one shape, one batch."""
    check_same(latents)
    counts = {len(latent) for latent in latents}
    if len(counts) > 1:
        raise LatentError(f"latents of {' and '.join(map(str, sorted(counts)))} codes do not match one to one")
