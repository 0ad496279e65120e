"""Whether W holds a face: held-out faces through the encoder's common vector alone, and midpoints of two of them."""

from pathlib import Path

import torch
from torch.nn import functional

from benchmarks.shipped.figures import Figure, mean
from wplus.core.animation import sheet
from wplus.core.images import write_picture
from wplus.core.shapes import Images, Ws
from wplus.metrics import identity_distance
from wplus.models import Generator
from wplus.models.encoder import EncoderNetwork
from wplus.training.faces import Faces

PART, PEOPLE = 50, 200


@torch.inference_mode()
def through_w(generator: Generator, encoder: EncoderNetwork, held_out: Faces, output: Path) -> list[Figure]:
    """Squared error in W and in W+, identity distance, and how far offsets lie beside the common vector.

    The sheet shows faces, what their common vectors render, and midpoints of neighbours.
    """

    def render(ws: Ws) -> Images:
        return generator.network.synthesis(ws).clamp(-1, 1)

    rows, errors, gaps, lengths = [], [], list[float](), []
    for part in torch.arange(len(held_out)).split(PART):
        real = held_out.batch(part)
        base, offsets = encoder.parts(real, render, looks=encoder.config.looks)
        common = base[:, None].expand(-1, encoder.config.layers, -1)
        rebuilt = render(common)
        errors.append([float(functional.mse_loss(x, real)) for x in (rebuilt, render(common + offsets))])
        away = base - generator.network.mapping.w_avg
        lengths.append([float(x.flatten(1).norm(dim=1).mean()) for x in (offsets, away)])
        if len(rows) < 4:
            rows += [real[:16], rebuilt[:16], render((common[:16] + common[16:32]) / 2)]
        if len(gaps) < PEOPLE:
            distances = (identity_distance(x, y) for x, y in zip(real, rebuilt, strict=True))
            gaps += [gap for gap in distances if gap is not None]
    write_picture(output / "through-w.png", sheet(torch.cat(rows), columns=16))
    alone, with_offsets = (mean(column) for column in zip(*errors, strict=True))
    offset, away_from_mean = (mean(column) for column in zip(*lengths, strict=True))
    return [
        Figure(f"{len(held_out)} held-out faces through W alone: mean squared error", alone, 0.03),
        Figure("the same with the offsets of the rows", with_offsets),
        Figure(f"through W alone: identity distance of {len(gaps)}, mean", mean(gaps), 0.45),
        Figure("length of the offsets over the common vector's from the mean", offset / away_from_mean, 0.5),
    ]
