"""A photograph's crop to the latent whose picture is nearest to it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from wplus.alignment import Crop, as_crops
from wplus.core.errors import GeneratorError
from wplus.core.images import AnyPhoto
from wplus.core.latent import Latent, join
from wplus.inversion.noise import WithNoise
from wplus.inversion.objective import objective_for, perceptual_network
from wplus.inversion.spaces import Space, W, WPlus, to_ws
from wplus.inversion.starts import Given, Mean, Start
from wplus.inversion.steps import Record, steps
from wplus.models import Generator, compute_for, fast
from wplus.models.fast import Wanted
from wplus.optimisation import Ending, Objective, Progress, Settings


@dataclass(frozen=True)
class Inversion:
    """The result of an inversion.

    Args:
        latents: one a picture, the best it had, with origin.
        history: total loss of every step, one tuple of floats a picture.
        stopped: for each picture why its descent ended early, or None.
        interrupted: whether `stop` ended it.
        progress: to resume from.
        seconds: wall time of this run.
    """

    latents: tuple[Latent, ...]
    history: tuple[tuple[float, ...], ...]
    stopped: tuple[str | None, ...]
    interrupted: bool
    progress: Progress
    seconds: float

    @property
    def latent(self) -> Latent:
        """All codes as one latent; of a single picture with its whole origin."""
        return join(self.latents)

    def __repr__(self) -> str:
        losses = ", ".join(f"{values[-1]:.4g}" for values in self.history[:4])
        more = ", ..." if len(self.history) > 4 else ""
        steps_done = len(self.history[0]) - 1
        return f"Inversion(loss {losses}{more} after {steps_done} steps, {self.seconds:.1f} s)"


def invert(
    generator: Generator,
    crop: Crop | AnyPhoto | Sequence[Crop | AnyPhoto],
    *,
    objective: Objective | None = None,
    space: Space = WPlus(),  # noqa: B008  (frozen values)
    start: Start = Mean(),  # noqa: B008
    settings: Settings = Settings(),  # noqa: B008
    compute: Wanted = "auto",
    resume: Progress | None = None,
    watch: Callable[[Record], None] = lambda record: None,
    stop: Callable[[Record], bool] = lambda record: False,
) -> Inversion:
    """Find the codes that render `crop` (Image2StyleGAN).

        generator = wplus.load_generator("faces-64")
        crop = wplus.align("portrait.jpg", size=generator.resolution)
        latent = wplus.invert(generator, crop).latent

    Args:
        generator: frozen.
        crop: one crop, or several that are descended together with the results that each would have alone; where
            one has a mask, terms look only there. A path, PIL picture, array or tensor is a photograph and is
            aligned first, unless it is a square of the generator's resolution.
        objective: what is minimised; by default `objective_for` the perceptual network that the generator's card
            names.
        space, start, settings: what moves, from where, and how.
        compute: the path through the generator, and through the network of the default objective (`compute_for`);
            "bf16" takes the second half of the steps with pictures and losses in fp32.
        resume: `progress` of an earlier inversion with the same arguments.
        watch: is shown every record as it comes.
        stop: is shown every record, too; once it says so the descent ends, with the best codes so far.

    Raises:
        FaceError: a photograph shows no face.
        GeneratorError: the generator does not have this space.
        ValueError: no crops, or crops of another size than the generator's pictures.
        WeightsError: the perceptual network's weights are missing.
    """
    if isinstance(start, Given):
        space = _with_noise_of(start.latent, space)
    check_space(generator, space)
    crops = as_crops(crop, size=generator.resolution)
    target = torch.stack([item.picture for item in crops]).to(generator.device)
    if objective is None:
        objective = objective_for(generator, perceptual_network(generator, compute=compute))
    if any(item.mask is not None for item in crops):
        masks = [torch.ones_like(item.picture[0]) if item.mask is None else item.mask for item in crops]
        objective = objective.within(torch.stack(masks))
    path = compute_for(generator, wanted=compute)
    precise = (fast(generator, compute_for(generator)), objective.in_fp32()) if path.path == "bf16" else None
    began = time.monotonic()
    totals: list[torch.Tensor] = []
    interrupted = False
    for record in steps(
        fast(generator, path),
        target,
        objective,
        space=space,
        start=start,
        settings=settings,
        resume=resume and resume.to(generator.device),
        precise=precise,
    ):
        totals.append(record.total)
        watch(record)
        if stop(record):
            interrupted = True
            break
    described = settings.to_json() | {
        "space": generator.space if isinstance(space, WPlus) else space.name,
        "start": start.name,
        "objective": objective.to_json(),
        "steps_done": record.step,
        "compute": path.path,
        "torch": torch.__version__,
    }
    progress = record.progress
    return Inversion(
        _latents(generator, crops, space, progress, described),
        tuple(zip(*torch.stack(totals).tolist(), strict=True)),
        tuple(_reason(progress, index) for index in range(len(crops))),
        interrupted,
        progress,
        time.monotonic() - began,
    )


def _latents(
    generator: Generator, crops: Sequence[Crop], space: Space, progress: Progress, described: dict[str, object]
) -> tuple[Latent, ...]:
    """The best codes of each crop, with where they came from."""
    ws, noise = to_ws(progress.best_code, space, generator)
    return tuple(
        Latent(
            ws[index : index + 1].cpu(),
            None if noise is None else tuple(item[index : index + 1].cpu() for item in noise),
            origin=generator.origin(
                crop=crop.alignment.to_json(),
                settings=described,
                seed=described["seed"],
                losses={name: float(loss[index]) for name, loss in progress.best_losses.items()},
            ),
        )
        for index, crop in enumerate(crops)
    )


def _with_noise_of(latent: Latent, space: Space) -> Space:
    """A space of noise maps begins at those of the latent that is started from.

    Raises:
        ValueError: the latent has noise maps, which a space without would drop.
    """
    if isinstance(space, WithNoise):
        return replace(space, maps=latent.noise) if space.maps is None else space
    if latent.noise is not None:
        raise ValueError("the starting latent has noise maps, which this space drops; take WithNoise()")
    return space


def check_space(generator: Generator, space: Space) -> None:
    """See that codes of `generator` can be looked for in `space`.

    Raises:
        GeneratorError: they cannot.
    """
    if generator.space == "stylemap" and isinstance(space, W):
        raise GeneratorError(
            f"{generator.name} has stylemaps, whose cells never share one vector of W; use another space"
        )
    space.code(generator.mean_ws, generator)  # says what else is missing, before any photograph is read


def _reason(progress: Progress, index: int) -> str | None:
    """Why a picture's descent ended early."""
    match Ending(int(progress.ending[index])):
        case Ending.DIVERGED:
            return "its loss diverged; the best codes before that are kept"
        case Ending.NOT_FINITE:
            return "its loss is not finite; the best codes before that are kept"
    return None
