"""Adam with a falling rate (Kingma and Ba 2015, algorithm 1); Image2StyleGAN's is constant."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from wplus.core.knobs import knob
from wplus.optimisation.methods.method import Evaluation, Memory, Problem, Update


@dataclass(frozen=True)
class Adam:
    """Adam; the rate falls along a cosine from `learning_rate` to `final_rate` of it.

    Raises:
        ValueError: a value out of its range.
    """

    learning_rate: float = knob(0.1, "Adam's learning rate.")
    final_rate: float = knob(0.05, "Share of the rate that Adam's cosine schedule ends at; 1 keeps it constant.")
    beta1: float = knob(0.9, "Adam's decay of the mean gradient.")
    beta2: float = knob(0.999, "Adam's decay of the mean square.")
    epsilon: float = knob(1e-8, "Adam's guard against division by zero.")
    name: str = "adam"
    searches: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not (0 < self.learning_rate < math.inf and 0 < self.final_rate <= 1):
            raise ValueError("learning_rate must be positive and final_rate in (0, 1]")
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1 and 0 < self.epsilon < math.inf):
            raise ValueError("beta1 and beta2 must be in [0, 1) and epsilon positive")

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of update `step` of `steps`, counted from 0."""
        fall = 0.5 * (1 + math.cos(math.pi * step / max(steps, 1)))
        return self.learning_rate * (self.final_rate + (1 - self.final_rate) * fall)

    def on(self, problem: Problem) -> Update:
        def update(at: Evaluation, memory: Memory) -> tuple[Tensor, Memory]:
            moved, memory = self.moved(at, memory, rate=self.rate(at.step, problem.steps))
            return at.code + moved, memory

        return update

    def moved(self, at: Evaluation, memory: Memory, *, rate: float) -> tuple[Tensor, Memory]:
        """The change of an update at a rate, and the moments after it."""
        zeros = torch.zeros_like(at.code)
        first = memory.get("first", zeros).lerp(at.gradient, 1 - self.beta1)
        second = memory.get("second", zeros).lerp(at.gradient.square(), 1 - self.beta2)
        unbiased = (second / (1 - self.beta2 ** (at.step + 1))).sqrt() + self.epsilon
        return -rate / (1 - self.beta1 ** (at.step + 1)) * first / unbiased, {"first": first, "second": second}
