"""An encoder: a picture to its W+ code in a few looks, as a start for an inversion or an answer by itself.

It compares the picture with what its code renders so far, at first the mean code, and corrects the code (Alaluf et al.
2021, "ReStyle", section 3). The code is one vector for all rows plus an offset for each (Tov et al. 2021, "Designing an
encoder for StyleGAN image manipulation", section 4): the penalty that training puts on the offsets keeps codes near W,
where edits work.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from wplus.core.errors import WeightsError
from wplus.core.shapes import Images, Offsets, W, Ws
from wplus.core.tensorfile import fingerprint, read_tensors, write_tensors
from wplus.models.blank import blank
from wplus.models.vgg import reduce

Render = Callable[[Ws], Images]
"""What a generator makes of codes."""

WIDTHS = (16, 32, 48, 96, 192, 256)
"""Channels at each halving, the last at 4 px."""


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of an encoder.

    Args:
        size: side in pixels at which it sees pictures, 8 to 256 and a power of two.
        layers, w_dim: of the generator's W+.
        hidden: width of the dense layer before the common vector.
        detail: the same before the offsets.
        looks: how often it compares and corrects.
        pairs: residual pairs of convolutions at every size above 4 px, beside the single ones.

    Raises:
        ValueError: a size that it cannot have.
    """

    size: int
    layers: int
    w_dim: int
    hidden: int = 256
    detail: int = 512
    looks: int = 3
    pairs: int = 0

    def __post_init__(self) -> None:
        if self.size not in [4 << count for count in range(1, len(WIDTHS) + 1)]:
            raise ValueError(f"an encoder sees 8, 16, ... {4 << len(WIDTHS)} px, not {self.size}")
        sizes = self.layers, self.w_dim, self.hidden, self.detail, self.looks
        if min(sizes) < 1 or self.pairs < 0 or max(self.layers, self.looks, self.pairs) > 64:
            raise ValueError(f"sizes must be positive, and layers, looks and pairs at most 64: {self}")


class EncoderNetwork(nn.Module):
    """Pictures to W+ codes of one generator.

    Args:
        config: its sizes.
        generator: the fingerprint of the generator whose codes it gives.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: EncoderConfig, *, generator: str) -> None:
        super().__init__()
        self.config, self.generator = config, generator
        self.trunk = strided(config.size, inputs=6, pairs=config.pairs)
        self.hidden = nn.Linear(WIDTHS[-1] * 16, config.hidden)
        self.base = nn.Linear(config.hidden, config.w_dim)
        self.detail = nn.Linear(WIDTHS[-1] * 16, config.detail)
        self.offsets = nn.Linear(config.detail, config.layers * config.w_dim)
        for layer in (self.base, self.offsets):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.register_buffer("mean", torch.zeros(config.w_dim))
        self.register_buffer("scale", torch.ones(config.w_dim))

    @property
    def fingerprint(self) -> str:
        """Hash of its own weights."""
        return fingerprint(self.state_dict())

    def encode(self, images: Images, render: Render) -> Ws:
        """W+ codes (batch, layers, w_dim) of RGB pictures in [-1, 1] of any square size.

        Args:
            images: the pictures.
            render: what the generator makes of codes.
        """
        base, offsets = self.parts(images, render, looks=self.config.looks)
        return base[:, None] + offsets

    def parts(self, images: Images, render: Render, *, looks: int) -> tuple[W, Offsets]:
        """The common vector (batch, w_dim) and the offsets from it (batch, layers, w_dim) after so many looks."""
        base = self.mean.expand(len(images), -1)
        offsets = base.new_zeros(len(images), self.config.layers, self.config.w_dim)
        for _ in range(looks):
            base, offsets = self(images, base, offsets, render)
        return base, offsets

    def forward(self, images: Images, base: W, offsets: Offsets, render: Render) -> tuple[W, Offsets]:
        """One look: the same two, corrected by how what they render differs from the pictures."""
        wanted, found = (reduce(x, self.config.size) for x in (images, render(base[:, None] + offsets)))
        pair = torch.cat([wanted, found - wanted], dim=1).contiguous(memory_format=torch.channels_last)
        x = self.trunk(pair).flatten(1)
        more = self.base(functional.leaky_relu(self.hidden(x), 0.2)).float()
        each = self.offsets(functional.leaky_relu(self.detail(x), 0.2)).float().view_as(offsets)
        return base + self.scale * more, offsets + self.scale * each

    def save(self, path: str | Path, *, dtype: torch.dtype = torch.float16, **details: Any) -> None:
        """Write weights in `dtype`, sizes and `details` (JSON) as safetensors, atomically.

        Raises:
            OutputError: the file cannot be written.
        """
        tensors = {name: tensor.to(dtype) for name, tensor in self.state_dict().items()}
        header = {"kind": "encoder", "config": asdict(self.config), "generator": self.generator, **details}
        write_tensors(path, tensors, header)


def read_encoder(path: str | Path) -> EncoderNetwork:
    """Read what `EncoderNetwork.save` wrote, frozen, as fp32 on the CPU.

    Raises:
        WeightsError: no such file, damaged, or no encoder.
    """
    tensors, header = read_tensors(path, error=WeightsError, expected="an encoder of wplus")
    if header.get("kind") != "encoder":
        raise WeightsError(f"{path}: holds a {header.get('kind', 'unknown content')}, expected an encoder")
    try:
        with blank():
            network = EncoderNetwork(EncoderConfig(**header["config"]), generator=str(header["generator"]))
        weights = {name: tensor.float() for name, tensor in tensors.items()}
        network.load_state_dict(weights, strict=True, assign=True)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"{path}: header and weights do not fit together: {reason}") from error
    return network.requires_grad_(False).eval()


def strided(size: int, *, inputs: int = 3, pairs: int = 0) -> nn.Sequential:
    """Convolutions that halve pictures down to 4 px, each followed by a residual one and, above 4 px, by `pairs`."""
    count = (size // 4).bit_length() - 1
    layers: list[nn.Module] = []
    for outputs in WIDTHS[-count:]:
        layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.LeakyReLU(0.2), Residual(outputs)]
        if outputs != WIDTHS[-1]:
            layers += [ResidualPair(outputs) for _ in range(pairs)]
        inputs = outputs
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """x + conv(x), then a leaky ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu(x + self.conv(x), 0.2)


class ResidualPair(nn.Module):
    """x + two convolutions, which start as nothing (He et al. 2016, "Identity mappings in deep residual networks")."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        for weight in self.second.parameters():
            nn.init.zeros_(weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(functional.leaky_relu(self.first(x), 0.2))
