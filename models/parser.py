"""A small face parser: which part of an aligned face each place of a picture shows.

A U-Net (Ronneberger et al. 2015, arXiv 1505.04597) of residual convolutions that sees 128 px and answers at 64 px. Its
classes are those of CelebAMask-HQ (Lee et al. 2020, arXiv 1907.11922) with left and right as one.
"""

import functools
import itertools
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from wplus.core.errors import WeightsError
from wplus.core.shapes import Images
from wplus.core.tensorfile import read_tensors, write_tensors
from wplus.models.blank import blank
from wplus.models.entries import WEIGHTS

SIZE = 128
"""Side in pixels at which it sees a face."""

CLASSES = (
    "background",
    "skin",
    "nose",
    "glasses",
    "eyes",
    "brows",
    "ears",
    "mouth",
    "lips",
    "hair",
    "hat",
    "neck",
    "cloth",
)
"""What it tells apart, in the order of its channels; earrings are ears, a necklace is neck."""

Parts = Float[Tensor, "batch classes 64 64"]
"""Probabilities of `CLASSES` at 64 px."""

FILE = "parser-faces.safetensors"


@dataclass(frozen=True)
class ParserConfig:
    """Channels at 64, 32, 16 and 8 px.

    Raises:
        ValueError: widths that are not four positive numbers.
    """

    widths: tuple[int, int, int, int] = (16, 32, 64, 96)

    def __post_init__(self) -> None:
        if len(self.widths) != 4 or not all(0 < width <= 512 for width in self.widths):
            raise ValueError(f"a parser has four widths of 1 to 512 channels, got {self.widths}")


class Parser(nn.Module):
    """Aligned faces to the parts that they show."""

    def __init__(self, config: ParserConfig | None = None) -> None:
        super().__init__()
        self.config = config or ParserConfig()
        first, *_, last = widths = self.config.widths
        self.stem = nn.Conv2d(3, first, 4, stride=2, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in itertools.pairwise(widths))
        self.inward = nn.ModuleList(Residual(width) for width in widths)
        self.middle = Residual(last)
        self.up = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in itertools.pairwise(widths))
        self.outward = nn.ModuleList(Residual(width) for width in widths[:-1])
        self.head = nn.Conv2d(first, len(CLASSES), 1)

    def forward(self, images: Images) -> Parts:
        """Logits of `CLASSES` (batch, 13, 64, 64) of faces in the FFHQ frame, RGB in [-1, 1], of 128 px."""
        x = self.inward[0](self.stem(images))
        skipped = []
        for down, inward in zip(self.down, self.inward[1:], strict=True):
            skipped.append(x)
            x = inward(down(x))
        x = self.middle(x)
        for up, outward, skip in zip(reversed(self.up), reversed(self.outward), reversed(skipped), strict=True):
            x = outward(skip + functional.interpolate(up(x), scale_factor=2, mode="bilinear"))
        return self.head(x)

    @torch.no_grad()
    def parts(self, images: Images) -> Parts:
        """Probabilities of `CLASSES` of aligned faces of any size."""
        seen = functional.interpolate(images, (SIZE, SIZE), mode="bilinear", antialias=True).clamp(-1, 1)
        return self(seen).softmax(1)

    def save(self, path: str | Path, **details: Any) -> None:
        """Write the weights in half precision, with the configuration and `details` in the header."""
        tensors = {name: value.half() for name, value in self.state_dict().items()}
        write_tensors(path, tensors, {"kind": "parser", "config": asdict(self.config), "classes": CLASSES, **details})


class Residual(nn.Module):
    """x + two 3x3 convolutions of it, normalised in groups of eight channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.norm = nn.GroupNorm(max(1, width // 8), width)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x + self.second(functional.relu(self.first(functional.relu(self.norm(x)))))


def read_parser(path: str | Path) -> Parser:
    """A parser from a file that `Parser.save` wrote, frozen.

    Raises:
        WeightsError: no such file, damaged, or no parser of these classes.
    """
    tensors, header = read_tensors(path, error=WeightsError, expected="a face parser")
    if header.get("kind") != "parser" or tuple(header.get("classes", ())) != CLASSES:
        raise WeightsError(
            f"{path}: holds a {header.get('kind', 'thing of no kind')}, expected a parser of these classes"
        )
    try:
        with blank("cpu"):
            network = Parser(ParserConfig(tuple(header["config"]["widths"])))
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, strict=True)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"{path}: header and weights do not fit together: {reason}") from error
    return network.eval().requires_grad_(False)


@functools.cache
def load_parser() -> Parser:
    """The parser that comes with the package, read once.

    Raises:
        WeightsError: its file is missing or damaged.
    """
    return read_parser(WEIGHTS / FILE)
