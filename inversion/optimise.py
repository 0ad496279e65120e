"""The one descent loop of the project, as an iterator of records (Image2StyleGAN algorithm 1)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from wplus.core.knobs import knob
from wplus.core.latent import Latent, Origin
from wplus.core.shapes import Flags, Images, Losses, Ws
from wplus.inversion.objectives import Objective
from wplus.inversion.spaces import Space
from wplus.inversion.starts import Start
from wplus.models import Generator

DIVERGED = 10.0
"""A loss this many times that of the start, and of a grey picture, counts as diverged."""


@dataclass(frozen=True)
class Settings:
    """How the descent goes; the defaults are the short preset, measured in benchmarks/presets.py.

    What each field means stands in its metadata, from which the command's options are built.

    Raises:
        ValueError: a value out of its range.
    """

    steps: int = knob(1500, "Updates of Adam.")
    learning_rate: float = knob(0.1, "Adam's learning rate.")
    final_rate: float = knob(0.05, "Share of the rate that its cosine falls to; 1 keeps it.")
    beta1: float = knob(0.9, "Adam's decay of the mean gradient.")
    beta2: float = knob(0.999, "Adam's decay of the mean square.")
    epsilon: float = knob(1e-8, "Adam's guard against division by zero.")
    seed: int = knob(0, "Seed of whatever is drawn.")

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"steps must be 0 or more, got {self.steps}")
        if not (0 < self.learning_rate < math.inf and 0 < self.final_rate <= 1):
            raise ValueError("learning_rate must be positive and final_rate in (0, 1]")
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1 and 0 < self.epsilon < math.inf):
            raise ValueError("beta1 and beta2 must be in [0, 1) and epsilon positive")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed must be in [0, 2**63), got {self.seed}")

    @classmethod
    def image2stylegan(cls) -> "Settings":
        """The paper's values: 5000 steps of Adam at a constant 0.01 (section 4.1)."""
        return cls(steps=5000, learning_rate=0.01, final_rate=1.0)

    def rate(self, step: int) -> float:
        """The learning rate of update `step`, counted from 0."""
        fall = 0.5 * (1 + math.cos(math.pi * step / max(self.steps, 1)))
        return self.learning_rate * (self.final_rate + (1 - self.final_rate) * fall)


@dataclass(frozen=True)
class Progress:
    """All that a descent needs to go on: as if it had never stopped."""

    step: int
    """The next step to evaluate."""
    code: Tensor
    first_moment: Tensor
    second_moment: Tensor
    ceiling: Losses
    """The loss above which a picture counts as diverged."""
    best_ws: Ws
    best_losses: dict[str, Losses]
    """Losses by term of `best_ws`, infinite before any was finite."""
    alive: Flags
    """False where a picture's descent was stopped."""


@dataclass(frozen=True)
class Record:
    """One moment of a descent: these losses belong to these codes.

    Args:
        step: updates made so far.
        losses: by term, each of shape (batch,).
        ws: the codes, shape (batch, layers, w_dim).
        progress: what is needed to go on after this record; also the best codes so far.
        origin: names the generator.
    """

    step: int
    losses: dict[str, Losses]
    ws: Ws
    progress: Progress
    origin: Origin

    @property
    def latent(self) -> Latent:
        """The codes as a latent; of a picture that was stopped its best ones."""
        alive = self.progress.alive[:, None, None]
        return Latent(torch.where(alive, self.ws, self.progress.best_ws), origin=self.origin)

    @property
    def total(self) -> Losses:
        """The sum of the terms, shape (batch,)."""
        return torch.stack(list(self.losses.values())).sum(dim=0)


def steps(
    generator: Generator,
    target: Images,
    objective: Objective,
    *,
    space: Space,
    start: Start,
    settings: Settings,
    resume: Progress | None = None,
) -> Iterator[Record]:
    """Descend; yields `settings.steps` + 1 records, the first before any update.

    No picture feels another, so a batch gives what its pictures give alone. A picture whose loss is not finite, or
    rises to ten times that of its start and that of a grey picture, is stopped: its best codes stay, the others go on.

    Args:
        target: RGB (batch, 3, resolution, resolution) in [-1, 1].
        resume: the `progress` of an earlier record of the same call.
    """
    compare = objective.against(target)
    origin = generator.origin()
    if resume is None:
        resume = _begin(space.code(start.ws(generator, target, seed=settings.seed), generator), space, generator)
    code, adam = _adam(resume, settings)
    best_ws, best = resume.best_ws, resume.best_losses
    ceiling, alive = resume.ceiling, resume.alive
    for step in range(min(resume.step, settings.steps), settings.steps + 1):
        adam.zero_grad()
        ws = space.ws(code, generator)
        losses = compare(generator(ws))
        total = torch.stack(list(losses.values())).sum(dim=0)
        ws, losses = ws.detach().clone(), {name: loss.detach() for name, loss in losses.items()}

        if step == 0:
            grey = torch.stack(list(compare(torch.zeros_like(target)).values())).sum(dim=0)
            ceiling = DIVERGED * torch.maximum(total.detach(), grey)
            best = {name: torch.full_like(loss, math.inf) for name, loss in losses.items()}
        alive = alive & torch.isfinite(total) & (total <= ceiling)
        better = alive & (total.detach() < torch.stack(list(best.values())).sum(dim=0))
        best_ws = torch.where(better[:, None, None], ws, best_ws)
        best = {name: torch.where(better, loss, best[name]) for name, loss in losses.items()}

        if step < settings.steps and bool(alive.any()):
            total[alive].sum().backward()  # a sum, not a mean: no image feels the others
            adam.param_groups[0]["lr"] = settings.rate(step)
            adam.step()
        moments = adam.state[code]
        progress = Progress(
            step + 1,
            code.detach().clone(),
            moments["exp_avg"].clone(),
            moments["exp_avg_sq"].clone(),
            ceiling,
            best_ws,
            best,
            alive,
        )
        yield Record(step, losses, ws, progress, origin)
        if not bool(alive.any()):
            return


def _begin(code: Tensor, space: Space, generator: Generator) -> Progress:
    """The state before the first step."""
    count = code.shape[0]
    unknown = torch.zeros(count, device=code.device)
    best = space.ws(code, generator).clone()
    alive = torch.ones(count, dtype=torch.bool, device=code.device)
    return Progress(0, code, torch.zeros_like(code), torch.zeros_like(code), unknown, best, {}, alive)


def _adam(progress: Progress, settings: Settings) -> tuple[Tensor, torch.optim.Adam]:
    """The parameter and its optimiser, both as `progress` tells."""
    code = progress.code.detach().clone().requires_grad_(True)
    betas = (settings.beta1, settings.beta2)
    adam = torch.optim.Adam([code], lr=settings.learning_rate, betas=betas, eps=settings.epsilon)
    adam.state[code] = {
        "step": torch.tensor(float(progress.step)),
        "exp_avg": progress.first_moment.clone(),
        "exp_avg_sq": progress.second_moment.clone(),
    }
    return code, adam
