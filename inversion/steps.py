"""The W+ case of the one descent: codes of a frozen generator, as an iterator of records."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from wplus.core.latent import Latent
from wplus.core.origin import Origin
from wplus.core.shapes import Images, Ws
from wplus.inversion.curvature import preconditioner_for
from wplus.inversion.noise import WithNoise, noise_numbers
from wplus.inversion.spaces import Space, decode, to_ws
from wplus.inversion.starts import Start
from wplus.models import Generator
from wplus.optimisation import Decode, Goal, Landscape, Objective, Progress, Settings, Step, descend


@dataclass(frozen=True)
class Record(Step):
    """One moment of an inversion.

    Args:
        ws: the codes, shape (batch, layers, w_dim).
        noise: their noise maps, or None for the generator's own.
        origin: names the generator.
    """

    ws: Ws
    noise: tuple[Tensor, ...] | None
    origin: Origin

    @property
    def latent(self) -> Latent:
        """The codes as a latent."""
        return Latent(self.ws, self.noise, origin=self.origin)


def steps(
    generator: Generator,
    target: Images,
    objective: Objective,
    *,
    space: Space,
    start: Start,
    settings: Settings,
    resume: Progress | None = None,
    precise: tuple[Generator, Objective] | None = None,
) -> Iterator[Record]:
    """Descend in a space of a generator's codes; see `wplus.optimisation.descend`.

    Args:
        generator: frozen.
        target: RGB (batch, 3, resolution, resolution) in [-1, 1].
        objective, space, start, settings: what is minimised, what moves, from where, and how.
        resume: the `progress` of an earlier record of the same call.
        precise: the same generator and objective in more precision, for the last half of the steps.
    """
    origin = generator.origin()
    code = (
        space.code(start.ws(generator, target, seed=settings.seed), generator)
        if resume is None
        else resume.code  # shape and device are all that is left to say of a start
    )
    later = None if precise is None else (_decode_in(precise[0], space), Goal(precise[1], target))
    for step in descend(
        _decode_in(generator, space),
        code,
        Goal(objective, target),
        settings,
        landscape=landscape_of(generator, objective, space),
        resume=resume,
        precise=later,
    ):
        ws, noise = to_ws(step.code, space, generator)
        yield Record(step.step, step.losses, step.code, step.progress, ws, noise, origin)


def landscape_of(generator: Generator, objective: Objective, space: Space) -> Landscape:
    """What is known of the loss of a generator's codes."""
    return Landscape(
        # w_radius is the length of a whole row, the spread that of each of its numbers
        spread=lambda: generator.w_radius / generator.w_dim**0.5,
        undisturbed=noise_numbers(generator) if isinstance(space, WithNoise) else 0,
        curvature=lambda directions: preconditioner_for(generator, objective, space, directions),
    )


def _decode_in(generator: Generator, space: Space) -> Decode:
    return lambda code: decode(code, space, generator)
