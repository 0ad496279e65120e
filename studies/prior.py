"""Embeddings that stay as likely as the generator's own codes, and ones of W+ that reconstruct no better.

The prior is P_N, in which mapped codes are a standard Gaussian (Zhu et al. 2020, arXiv 2012.09036, sections 3.2 and
3.3). There the paper adds the mean square of the code to the loss; here rows are kept inside a ball, to which some
weight of that penalty belongs: so the loss stays the one that W+ is compared by.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from wplus.alignment import as_crop
from wplus.core.shapes import Images, Losses, Ws
from wplus.inversion import Record, invert
from wplus.models import Generator
from wplus.models.pn import PNSpace
from wplus.studies.bench import Bench

RADIUS = 1.0
"""Of the ball, in typical lengths of mapped codes in P_N: no row is less likely than those."""


@dataclass(frozen=True, eq=False)
class Likely:
    """A space for inversions: every layer its own vector of P_N, no longer than `radius` times a mapped one.

    Args:
        space: fitted to the generator.
        radius: root mean square over a row's numbers; mapped codes have 1.

    Raises:
        ValueError: a radius that is not positive.
    """

    space: PNSpace
    radius: float = RADIUS

    def __post_init__(self) -> None:
        if not self.radius > 0:
            raise ValueError(f"a radius must be positive, got {self.radius}")

    @property
    def name(self) -> str:
        return f"P_N within {self.radius:g}"

    def code(self, ws: Ws, generator: Generator) -> Tensor:
        return self.space.to_pn(ws)

    def ws(self, code: Tensor, generator: Generator) -> Ws:
        length = code.square().mean(dim=2, keepdim=True).sqrt()
        return self.space.from_pn(code / (length / self.radius).clamp(min=1))

    def noise(self, code: Tensor, generator: Generator) -> None:
        return None


def stopped(bench: Bench, pictures: Images, losses: Losses) -> tuple[Ws, Ws]:
    """W+ embeddings at the first step at which each reaches a loss, and at the end of the same descent.

    A picture that never reaches its loss has the codes of the end in both.

    Args:
        bench: its settings and objective are taken.
        pictures: few enough for one batch.
        losses: one a picture.
    """

    def make() -> dict[str, Tensor]:
        codes = torch.zeros(len(pictures), bench.generator.layers, bench.generator.w_dim)
        reached = torch.zeros(len(pictures), dtype=torch.bool)

        def watch(record: Record) -> None:
            bench.watch("embed in W+, to the same loss", record.step, bench.settings.steps)
            now = ~reached & (record.total.cpu() <= losses)
            codes[now] = record.ws.cpu()[now]
            reached.logical_or_(now)

        crops = [as_crop(picture, size=bench.generator.resolution) for picture in pictures]
        found = invert(bench.generator, crops, objective=bench.objective, settings=bench.settings, watch=watch)
        end = torch.cat([latent.ws for latent in found.latents])
        return {"stopped": torch.where(reached[:, None, None], codes, end), "end": end}

    key = {"what": "stopped", "settings": bench.settings.to_json(), "objective": bench.objective.to_json()}
    kept = bench.kept(key, {"pictures": pictures, "losses": losses}, make)
    return kept["stopped"], kept["end"]
