"""A photograph's crop to the latent whose picture is nearest to it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from wplus.alignment import Crop
from wplus.core.errors import GeneratorError
from wplus.core.latent import Latent, join
from wplus.inversion.noise import WithNoise
from wplus.inversion.objectives import Objective, image2stylegan, in_fp32, perceptual_network
from wplus.inversion.optimise import steps
from wplus.inversion.penalties import on_unlikely
from wplus.inversion.records import Ending, Progress, Record
from wplus.inversion.settings import EDITABILITY, Settings
from wplus.inversion.spaces import Space, W, WPlus, read
from wplus.inversion.starts import Given, Mean, Start
from wplus.models import VGG, Generator, compute_for, fast
from wplus.models.fast import Wanted


@dataclass(frozen=True)
class Inversion:
    """What an inversion found.

    Args:
        latents: one a picture, the best it had, with origin.
        history: total loss of every step, one tuple of floats a picture.
        stopped: for each picture why its descent ended early, or None.
        interrupted: whether Ctrl-C ended all.
        progress: to go on from.
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


def invert(
    generator: Generator,
    crop: Crop | Sequence[Crop],
    *,
    objective: Objective | None = None,
    space: Space = WPlus(),  # noqa: B008  (frozen values)
    start: Start = Mean(),  # noqa: B008
    settings: Settings = Settings(),  # noqa: B008
    compute: Wanted = "auto",
    resume: Progress | None = None,
    watch: Callable[[Record], None] = lambda record: None,
) -> Inversion:
    """Find the codes that render `crop` (Image2StyleGAN).

    Args:
        generator: frozen.
        crop: one crop, or several that are descended together with the results that each would have alone; where
            one has a mask, terms look only there.
        objective: what is minimised; by default `objective_for` the perceptual network that the generator's card
            names.
        space, start, settings: what moves, from where, and how.
        compute: the path through the generator, and through the network of the default objective (`compute_for`);
            "bf16" takes the second half of the steps with pictures and losses in fp32.
        resume: `progress` of an earlier inversion with the same arguments.
        watch: is shown every record as it comes.

    Returns:
        The best codes; Ctrl-C ends the descent and keeps them too.

    Raises:
        GeneratorError: the generator does not have this space.
        ValueError: no crops, or crops of another size than the generator's pictures.
        WeightsError: the perceptual network's weights are missing.
    """
    if isinstance(start, Given) and isinstance(space, WithNoise) and space.maps is None:
        space = replace(space, maps=start.latent.noise)
    check_space(generator, space)
    crops = [crop] if isinstance(crop, Crop) else list(crop)
    sizes = {tuple(item.picture.shape[1:]) for item in crops}
    if sizes != {(generator.resolution, generator.resolution)}:
        raise ValueError(f"crops have sizes {sorted(sizes)}, expected {generator.resolution} px square")
    target = torch.stack([item.picture for item in crops]).to(generator.device)
    resume = resume and resume.to(generator.device)
    masks = [torch.ones_like(item.picture[0]) if item.mask is None else item.mask for item in crops]
    if objective is None:
        objective = objective_for(generator, perceptual_network(generator, compute=compute))
    if any(item.mask is not None for item in crops):
        objective = objective.masked(torch.stack(masks))
    chosen = compute_for(generator, wanted=compute)
    began = time.monotonic()
    totals: list[torch.Tensor] = []
    record: Record | None = None
    interrupted = False
    try:
        quick = fast(generator, chosen)
        precise = (fast(generator, compute_for(generator)), in_fp32(objective)) if chosen.path == "bf16" else None
        descent = steps(
            quick, target, objective, space=space, start=start, settings=settings, resume=resume, precise=precise,
            graph=generator.device.type == "cuda" and chosen.path != "reference",
        )  # fmt: skip
        for record in descent:
            totals.append(record.total)
            watch(record)
    except KeyboardInterrupt:
        if record is None:
            raise
        interrupted = True
    assert record is not None
    described = settings.to_json() | {
        "space": generator.space if isinstance(space, WPlus) else space.name,
        "start": start.name,
        "objective": objective.to_json(),
        "steps_done": record.step,
        "compute": chosen.path,
        "torch": torch.__version__,
    }
    progress = record.progress
    ws, noise = read(progress.best_code, space, generator)
    latents = tuple(
        Latent(
            ws[index : index + 1].cpu(),
            None if noise is None else tuple(item[index : index + 1].cpu() for item in noise),
            origin=generator.origin(
                crop=item.alignment.to_json(),
                settings=described,
                seed=settings.seed,
                losses={name: float(loss[index]) for name, loss in progress.best_losses.items()},
            ),
        )
        for index, item in enumerate(crops)
    )
    return Inversion(
        latents,
        tuple(zip(*torch.stack(totals).tolist(), strict=True)),
        tuple(_reason(progress, index) for index in range(len(crops))),
        interrupted,
        progress,
        time.monotonic() - began,
    )


def objective_for(generator: Generator, network: VGG, *, editability: float = EDITABILITY) -> Objective:
    """Image2StyleGAN's objective, with II2S's penalty on unlikely codes where the generator has a W.

    Without it a quasi-Newton descent ends further from the mean code than Adam does at the same loss.

    Raises:
        ValueError: `editability`, the penalty's weight, is negative or not finite.
    """
    return Objective(image2stylegan(network).terms, on_unlikely(generator, editability))


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
