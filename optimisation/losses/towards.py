"""A term with a target of its own, and one that compares neighbouring frames."""

from dataclasses import dataclass, replace
from typing import Any

import torch

from wplus.core.shapes import Images, Losses
from wplus.optimisation.losses.squared_error import squared_error
from wplus.optimisation.losses.term import Comparison, Term, WholePicture, check_weight
from wplus.optimisation.masks import Masks, Rows


@dataclass(frozen=True, eq=False)
class Towards:
    """A term whose target is a picture of its own, instead of what the descent is given.

    Args:
        term: what compares.
        picture: one for all pictures of a descent, or one each.
    """

    term: Term
    picture: Images
    name: str

    def against(self, target: Images) -> Comparison:
        return self.term.against(self.picture.to(target).expand_as(target))

    def select(self, rows: Rows) -> "Towards":
        picture = self.picture if len(self.picture) == 1 else self.picture[rows.to(self.picture.device)]
        return replace(self, term=self.term.select(rows), picture=picture)

    def within(self, mask: Masks) -> "Towards":
        return replace(self, term=self.term.within(mask))

    def to_json(self) -> dict[str, Any]:
        return {self.term.name: self.term.to_json()}


@dataclass(frozen=True)
class Steadiness(WholePicture):
    """How much more the pictures change from one frame to the next than the target does, times `weight`.

    The pictures of a batch are the frames of a video, in order. Each frame carries half of its squared error with
    either neighbour, so this is the one term in which pictures feel each other: a batch is not its single runs.

    Args:
        weight: lambda.
        frames: numbers of the batch's pictures in the video; None before any has left it. Only neighbours compare.

    Raises:
        ValueError: a weight that is negative or not finite.
    """

    weight: float = 1.0
    name: str = "steadiness"
    frames: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check_weight(self.weight)

    def against(self, target: Images) -> Comparison:
        frames = self.frames or tuple(range(len(target)))
        first = torch.tensor([i for i in range(len(frames) - 1) if frames[i + 1] == frames[i] + 1], dtype=torch.long)
        first = first.to(target.device)
        change = target[first + 1] - target[first]

        def compare(images: Images) -> Losses:
            losses = images.new_zeros(len(images))
            if not len(first):
                return losses
            half = 0.5 * self.weight * squared_error(images[first + 1] - images[first], change)
            return losses.index_add(0, first, half).index_add(0, first + 1, half)

        return compare

    def select(self, rows: Rows) -> "Steadiness":
        frames = self.frames
        return replace(self, frames=tuple(int(row) if frames is None else frames[int(row)] for row in rows))

    def to_json(self) -> dict[str, Any]:
        return {"weight": self.weight}
