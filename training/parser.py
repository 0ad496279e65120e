"""How the face parser was trained: on faces of CelebAMask-HQ at 128 px, turned, moved and recoloured at random."""

import io
import math
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor
from torch.nn import functional

from wplus.core.errors import TrainingError
from wplus.core.shapes import Images
from wplus.models.parser import CLASSES, SIZE, Parser

MERGED = (0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 8, 8, 9, 10, 6, 11, 11, 12)
"""CelebAMask-HQ's 19 labels to the parser's classes."""

Labels = Int[Tensor, "batch height width"]


@dataclass(frozen=True)
class ParserTraining:
    """How to train.

    Args:
        minutes: after which it ends; the learning rate falls over them.
        batch: faces a step.
        rate: the highest learning rate.
        held_out: every n-th face is not trained on.
        seed: of weights and of what is done to the faces.

    Raises:
        ValueError: nothing to do.
    """

    minutes: float = field(default=12.0, metadata={"help": "How long to train."})
    batch: int = field(default=16, metadata={"help": "Faces a step."})
    rate: float = field(default=2e-3, metadata={"help": "The highest learning rate."})
    held_out: int = field(default=10, metadata={"help": "Every n-th face is held out."})
    seed: int = field(default=0, metadata={"help": "Of weights and augmentation."})

    def __post_init__(self) -> None:
        if not (self.minutes > 0 and self.batch > 0 and self.rate > 0 and self.held_out > 1):
            raise ValueError(f"minutes, batch and rate must be positive and held_out above 1: {self}")


def read_faces(tar: str | Path) -> tuple[Images, Labels]:
    """Faces and merged labels (n, 128, 128) of a tar with images/*.webp and masks/*.png of the same names.

    Raises:
        TrainingError: no such file, or a face without its mask.
    """
    try:
        with tarfile.open(tar) as archive:
            files = {item.name: archive.extractfile(item).read() for item in archive if item.isfile()}  # type: ignore[union-attr]
        names = sorted(Path(name).stem for name in files if "images/" in name)
        pictures = [np.array(Image.open(io.BytesIO(files[f"images/{name}.webp"])).convert("RGB")) for name in names]
        masks = [np.array(Image.open(io.BytesIO(files[f"masks/{name}.png"]))) for name in names]
    except (OSError, tarfile.TarError, KeyError) as error:
        raise TrainingError(f"{tar}: not a tar of faces and their masks ({error})") from error
    images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return images, torch.tensor(MERGED)[torch.from_numpy(np.stack(masks)).long()]


def train(images: Images, labels: Labels, settings: ParserTraining) -> Iterator[tuple[Parser, float]]:
    """The parser and its loss after every step, until the minutes are over."""
    torch.manual_seed(settings.seed)
    network = Parser()
    kept = [index for index in range(len(images)) if index % settings.held_out]
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.rate, weight_decay=1e-3)
    weights = torch.bincount(labels.flatten(), minlength=len(CLASSES)).float().clamp(min=1).rsqrt()
    began = time.process_time()
    while (share := (time.process_time() - began) / 60 / settings.minutes) < 1:
        optimiser.param_groups[0]["lr"] = (
            settings.rate * min(1.0, 20 * share + 0.02) * (1 + math.cos(math.pi * share)) / 2
        )
        rows = torch.tensor(kept)[torch.randint(len(kept), (settings.batch,))]
        pictures, targets = varied(images[rows], labels[rows])
        loss = functional.cross_entropy(network(pictures), targets, weight=weights / weights.mean())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        yield network, float(loss.detach())


def varied(images: Images, labels: Labels) -> tuple[Images, Labels]:
    """Faces mirrored, turned up to 12 degrees, moved, scaled and recoloured; labels alike, at 64 px."""
    count = len(images)
    angle = (torch.rand(count) * 2 - 1) * math.radians(12)
    scale = torch.exp((torch.rand(count) * 2 - 1) * 0.2)
    mirrored = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    moved = (torch.rand(count, 2) * 2 - 1) * 0.12
    places = torch.stack([cos * mirrored, -sin, moved[:, 0], sin * mirrored, cos, moved[:, 1]], 1).view(count, 2, 3)
    grid = functional.affine_grid(places, [count, 3, SIZE, SIZE], align_corners=False)
    pictures = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    coarse = functional.affine_grid(places, [count, 3, SIZE // 2, SIZE // 2], align_corners=False)
    targets = functional.grid_sample(
        labels[:, None].float(), coarse, mode="nearest", padding_mode="reflection", align_corners=False
    )
    return recoloured(pictures), targets[:, 0].long()


def recoloured(images: Images) -> Images:
    """Faces in other light: gamma, gain and tint at random, some grey, some soft, with grain."""
    count = len(images)
    unit = (images.clamp(-1, 1) + 1) / 2
    unit = unit.clamp(min=1e-4) ** torch.exp(torch.randn(count, 1, 1, 1) * 0.4)
    unit = unit * torch.exp(torch.randn(count, 1, 1, 1) * 0.15 + torch.randn(count, 3, 1, 1) * 0.08)
    grey = (torch.rand(count, 1, 1, 1) < 0.1).float()
    unit = torch.lerp(unit, unit.mean(1, keepdim=True).expand_as(unit), grey)
    if torch.rand(()) < 0.3:
        small = functional.interpolate(unit, scale_factor=0.5, mode="bilinear", antialias=True)
        unit = functional.interpolate(small, size=unit.shape[2:], mode="bilinear")
    return (unit + torch.randn_like(unit) * 0.02 * torch.rand(count, 1, 1, 1)).clamp(0, 1) * 2 - 1


def scores(network: Parser, images: Images, labels: Labels) -> Float[Tensor, " classes"]:
    """Intersection over union of every class, at 64 px."""
    seen = torch.cat([network.parts(part).argmax(1) for part in images.split(20)])
    wanted = labels[:, ::2, ::2]
    pairs = [(seen == number, wanted == number) for number in range(len(CLASSES))]
    return torch.stack([(a & b).sum() / (a | b).sum().clamp(min=1) for a, b in pairs])
