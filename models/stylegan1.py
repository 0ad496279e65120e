"""StyleGAN1 in plain PyTorch (Karras et al. 2019, "A style-based generator architecture").

Names follow StyleGAN2's: `mapping.fc0.weight`, `synthesis.b4.const`, and at every resolution two layers `conv0` and
`conv1` with `weight` (none at 4 px for `conv0`: its place is taken by the constant), `bias`, `noise_strength` (one a
channel), `noise_const` and `affine`; one `synthesis.torgb`. Weights are at unit scale, as its authors store them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from wplus.core.shapes import W, Ws, Z
from wplus.models.network import Labels, Noise, Rendered
from wplus.models.ops import LEAKY_GAIN, LEAKY_SLOPE, Linear, fir, full_precision, noise_maps, normalise_second_moment

BLUR = (1.0, 2.0, 1.0)
"""The low-pass filter after upsampling, up to its gain."""


@dataclass(frozen=True)
class StyleGAN1Config:
    """The sizes of a StyleGAN1, and what else its weights mean.

    Args:
        channels: width at 4, 8, 16 ... px; their number tells the resolution.
        z_dim, w_dim: dimensions of Z and W.
        mapping_layers: depth of the mapping network.
        colours: channels of the picture.
        fused_from: resolution in pixels from which its authors fuse upsampling with the convolution. The fused
            convolution applies its weights mirrored, so the same weights mean something else.
        epsilon: added to the variance when a channel is normalised; some ports have 1e-5.
        mapping_rate: learning rate of the mapping network relative to the synthesis network's.

    Raises:
        ValueError: a size that is not positive.
    """

    channels: tuple[int, ...]
    z_dim: int
    w_dim: int
    mapping_layers: int = 8
    colours: int = 3
    fused_from: int = 128
    epsilon: float = 1e-8
    mapping_rate: float = 0.01

    def __post_init__(self) -> None:
        sizes = (*self.channels, self.z_dim, self.w_dim, self.mapping_layers, self.colours)
        if not self.channels or min(sizes) < 1:
            raise ValueError(f"sizes must be positive: {self}")

    @property
    def title(self) -> str:
        """The architecture as people call it."""
        return "StyleGAN1"

    @property
    def resolution(self) -> int:
        """Side of the picture in pixels."""
        return 4 << (len(self.channels) - 1)

    @property
    def space(self) -> Literal["W+"]:
        """Rows stand for layers."""
        return "W+"

    @property
    def layers(self) -> int:
        """Rows of W+: two a resolution."""
        return 2 * len(self.channels)

    @property
    def labels(self) -> int:
        """Number of classes: none."""
        return 0

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "StyleGAN1Config":
        """Read what `dataclasses.asdict` wrote."""
        return cls(**{**values, "channels": tuple(values["channels"])})

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor], **unseen: Any) -> "StyleGAN1Config":
        """Deduce the sizes from a state dict in this module's names; `unseen` are the fields that no weight tells.

        Raises:
            KeyError: the names are not those of a StyleGAN1.
        """
        count = sum(name.startswith("synthesis.b") and name.endswith(".conv1.weight") for name in weights)
        channels = tuple(weights[f"synthesis.b{4 << index}.conv1.weight"].shape[0] for index in range(count))
        depth = sum(name.startswith("mapping.fc") and name.endswith(".weight") for name in weights)
        w_dim, z_dim = weights[f"mapping.fc{depth - 1}.weight"].shape[0], weights["mapping.fc0.weight"].shape[1]
        colours = weights["synthesis.torgb.weight"].shape[0]
        return cls(channels, z_dim, w_dim, depth, colours, **unseen)


class MappingNetwork(nn.Module):
    """The mapping network f: Z -> W (section 2); gains act on weights alone, not on biases as in StyleGAN2."""

    w_avg: Tensor

    def __init__(self, config: StyleGAN1Config) -> None:
        super().__init__()
        self.depth = config.mapping_layers
        for index in range(self.depth):
            inputs = config.z_dim if index == 0 else config.w_dim
            self.add_module(f"fc{index}", Linear(inputs, config.w_dim, rate=config.mapping_rate, gain=LEAKY_GAIN))
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def forward(self, z: Z, labels: Labels | None = None) -> W:
        if labels is not None:
            raise ValueError("called with labels, the network knows no classes")
        x = normalise_second_moment(z)
        for index in range(self.depth):
            x = functional.leaky_relu(getattr(self, f"fc{index}")(x), LEAKY_SLOPE)
        return x


class SynthesisLayer(nn.Module):
    """Convolution if there are `inputs`, bias, noise, leaky ReLU, then adaptive instance normalisation (section 2)."""

    noise_const: Tensor

    def __init__(self, inputs: int, outputs: int, resolution: int, config: StyleGAN1Config, *, up: bool) -> None:
        super().__init__()
        self.up = up
        self.mirrored = up and resolution < config.fused_from
        self.epsilon = config.epsilon
        if inputs:
            self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.affine = Linear(config.w_dim, 2 * outputs)

    def forward(self, x: Tensor, w: W, noise: Tensor | None) -> Tensor:
        if hasattr(self, "weight"):
            x = self._convolved(x)
        x = x + self.bias[:, None, None].to(x.dtype)
        if noise is not None:
            x = x + (noise * self.noise_strength[:, None, None]).to(x.dtype)
        x = functional.leaky_relu(x, LEAKY_SLOPE)
        scale, shift = self.affine(w).chunk(2, dim=1)
        x = functional.instance_norm(x, eps=self.epsilon)
        return x * (scale + 1)[:, :, None, None].to(x.dtype) + shift[:, :, None, None].to(x.dtype)

    def _convolved(self, x: Tensor) -> Tensor:
        kernel = (self.weight * (LEAKY_GAIN / math.sqrt(self.weight[0].numel()))).to(x.dtype)
        if not self.up:
            return functional.conv2d(x, kernel, padding=1)
        # doubling every pixel and then convolving is one transposed convolution with the mirrored kernel, doubled
        kernel = kernel.flip(2, 3) if self.mirrored else kernel
        padded = functional.pad(kernel, (1, 1, 1, 1))
        doubled = padded[..., 1:, 1:] + padded[..., 1:, :-1] + padded[..., :-1, 1:] + padded[..., :-1, :-1]
        x = functional.conv_transpose2d(x, doubled.transpose(0, 1), stride=2, padding=1)
        return fir(x, BLUR, gain=1.0, padding=1)


class Block(nn.Module):
    """One resolution: two layers."""

    const: Tensor

    def __init__(self, index: int, config: StyleGAN1Config) -> None:
        super().__init__()
        resolution, outputs = 4 << index, config.channels[index]
        inputs = config.channels[index - 1] if index else 0
        if index == 0:
            self.const = nn.Parameter(torch.ones(outputs, 4, 4))
        self.conv0 = SynthesisLayer(inputs, outputs, resolution, config, up=True)
        self.conv1 = SynthesisLayer(outputs, outputs, resolution, config, up=False)

    def forward(self, x: Tensor, ws: Ws, noise: list[Tensor | None]) -> Tensor:
        """Features from those of the block before; two rows of `ws`, two maps or None."""
        return self.conv1(self.conv0(x, ws[:, 0], noise[0]), ws[:, 1], noise[1])


class ToRGB(nn.Module):
    """1x1 convolution to colours, without style."""

    def __init__(self, inputs: int, colours: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(colours, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(colours))

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.weight / math.sqrt(self.weight.shape[1])
        return functional.conv2d(x, kernel.to(x.dtype), self.bias.to(x.dtype))


class Synthesis(nn.Module):
    """The synthesis network g: W+ -> picture."""

    def __init__(self, config: StyleGAN1Config) -> None:
        super().__init__()
        self.count = len(config.channels)
        for index in range(self.count):
            self.add_module(f"b{4 << index}", Block(index, config))
        self.torgb = ToRGB(config.channels[-1], config.colours)

    @property
    def blocks(self) -> list[Block]:
        """Blocks from 4 px up."""
        return [getattr(self, f"b{4 << index}") for index in range(self.count)]

    @property
    def noise_shapes(self) -> list[tuple[int, int]]:
        """Height and width of every noise map, in the order of the layers."""
        return [(4 << index, 4 << index) for index in range(self.count) for _ in range(2)]

    def forward(self, ws: Ws, *, noise: Noise = "const", dtype: torch.dtype | None = None) -> Rendered:
        """Render codes.

        Args:
            ws: shape (batch, layers, w_dim).
            noise: a mode, or one map (batch, 1, height, width) a layer.
            dtype: precision of the convolutions; styles and statistics stay in that of the codes. None: the codes', at
                least fp32.
        """
        constants = [layer.noise_const for block in self.blocks for layer in (block.conv0, block.conv1)]
        maps = noise_maps(noise, constants, batch=ws.shape[0])
        full = full_precision(ws)
        x = self.blocks[0].const.to(dtype or full).expand(ws.shape[0], -1, -1, -1)
        for index, block in enumerate(self.blocks):
            rows = slice(2 * index, 2 * index + 2)
            x = block(x, ws[:, rows], maps[rows])
        return self.torgb(x).to(full).contiguous()


class StyleGAN1(nn.Module):
    """Mapping and synthesis together."""

    def __init__(self, config: StyleGAN1Config) -> None:
        super().__init__()
        self.config = config
        self.mapping = MappingNetwork(config)
        self.synthesis = Synthesis(config)
