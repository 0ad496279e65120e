"""Paths through several codes: straight, on the sphere, or smooth, open or closed."""

from typing import Literal, get_args

import torch
from torch import Tensor

from wplus.core.latent import Latent
from wplus.core.origin import Origin

Curve = Literal["linear", "slerp", "catmull-rom"]
"""Straight from code to code; along great circles about the first code's origin (Shoemake 1985), which suits Z; or a
smooth curve through all of them (Catmull and Rom 1974)."""


def path(latents: Latent, steps: int, *, curve: Curve = "linear", closed: bool = False) -> Latent:
    """Codes along a path through others, which are all on it.

        loop = wplus.path(generator.sample(range(4), psi=0.7), 24, curve="catmull-rom", closed=True)

    Args:
        latents: the codes to pass through, in their order; two or more.
        steps: codes from one to the next, the first counted, the last not.
        curve: how to go from code to code.
        closed: whether to return to the first code.

    Returns:
        `steps` codes a section, and the last code behind them unless the path is closed: then the next would be the
        first again. Origins of photographs are left out.

    Raises:
        ValueError: fewer than two codes, no steps, or no such curve.
    """
    if curve not in get_args(Curve):
        raise ValueError(f"no curve is named {curve!r}; they are {', '.join(get_args(Curve))}")
    if len(latents) < 2 or steps < 1:
        raise ValueError(f"a path goes through two or more codes in one or more steps, not {len(latents)} in {steps}")
    origin: Origin | None = None
    if latents.origin is not None:
        origin = (
            Latent(latents.ws[:1], origin=latents.origin.shared()).edited(latents.ws[:1], edit=f"{curve} path").origin
        )
    noise = None if latents.noise is None else tuple(_along(item, steps, curve, closed) for item in latents.noise)
    return Latent(_along(latents.ws, steps, curve, closed), noise, origin)


def _along(points: Tensor, steps: int, curve: Curve, closed: bool) -> Tensor:
    count = len(points)
    sections = count if closed else count - 1

    def at(index: int) -> Tensor:
        return points[index % count] if closed else points[min(max(index, 0), count - 1)]

    places = [
        _between(at(first - 1), at(first), at(first + 1), at(first + 2), step / steps, curve)
        for first in range(sections)
        for step in range(steps)
    ]
    return torch.stack(places if closed else [*places, points[-1]])


def _between(before: Tensor, start: Tensor, end: Tensor, after: Tensor, t: float, curve: Curve) -> Tensor:
    """The point at `t` in [0, 1) between `start` and `end`; at 0 it is `start`, bit for bit."""
    if t == 0:
        return start
    if curve == "linear":
        return torch.lerp(start, end, t)
    if curve == "slerp":
        return _slerp(start, end, t)
    tangents = 0.5 * (end - before), 0.5 * (after - start)
    cubic = 2 * t**3 - 3 * t**2 + 1, -2 * t**3 + 3 * t**2, t**3 - 2 * t**2 + t, t**3 - t**2
    return cubic[0] * start + cubic[1] * end + cubic[2] * tangents[0] + cubic[3] * tangents[1]


def _slerp(start: Tensor, end: Tensor, t: float) -> Tensor:
    """Along the arc between rows, whose lengths change evenly; rows that point the same way go straight."""
    lengths = [x.norm(dim=-1, keepdim=True) for x in (start, end)]
    a, b = (x / length.clamp(min=1e-12) for x, length in zip((start, end), lengths, strict=True))
    angle = (a * b).sum(dim=-1, keepdim=True).clamp(-1, 1).acos()
    sine = angle.sin()
    turned = ((1 - t) * angle).sin() / sine.clamp(min=1e-6) * a + (t * angle).sin() / sine.clamp(min=1e-6) * b
    return torch.where(sine < 1e-4, torch.lerp(start, end, t), turned * torch.lerp(lengths[0], lengths[1], t))
