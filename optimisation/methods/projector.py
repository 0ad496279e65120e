"""The schedule of StyleGAN2's projector (Karras et al. 2020, section 5 and appendix D)."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from wplus.core.knobs import knob
from wplus.optimisation.methods.adam import Adam
from wplus.optimisation.methods.method import Evaluation, Memory, Problem, Update


@dataclass(frozen=True)
class Projector:
    """Adam whose rate rises and falls, at codes with noise that dies out.

    The rate rises over the first 5 % of the steps and falls along a cosine over the last quarter. The noise on codes
    is `code_noise` of the landscape's spread (of w), times the square of what is left of the first three quarters;
    it is the same for every picture. Noise maps that move with the codes get none.

    Raises:
        ValueError: a value out of its range.
    """

    peak_rate: float = knob(0.1, "The projector's highest learning rate.")
    code_noise: float = knob(0.05, "The projector's noise on codes, in spreads of w.")
    name: str = "projector"
    searches: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not (0 < self.peak_rate < math.inf and 0 <= self.code_noise < math.inf):
            raise ValueError("peak_rate must be positive and code_noise not negative")

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of update `step` of `steps`, counted from 0."""
        part = step / max(steps, 1)
        fall = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - part) / 0.25))
        return self.peak_rate * fall * min(1.0, part / 0.05)

    def on(self, problem: Problem) -> Update:
        spread, undisturbed = problem.landscape.spread(), problem.landscape.undisturbed

        def update(at: Evaluation, memory: Memory) -> tuple[Tensor, Memory]:
            centre = memory.get("centre", at.code)
            moved, moments = Adam().moved(at, memory, rate=self.rate(at.step, problem.steps))
            centre = centre + moved
            left = max(0.0, 1 - (at.step + 1) / max(problem.steps, 1) / 0.75)
            draw = torch.Generator().manual_seed(problem.seed + at.step + 1)
            noise = torch.randn(centre.shape[1:], generator=draw).to(centre)
            noise[..., noise.shape[-1] - undisturbed :] = 0
            return centre + spread * self.code_noise * left**2 * noise, moments | {"centre": centre}

        return update
