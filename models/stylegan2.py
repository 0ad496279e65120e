"""StyleGAN2 with skip connections, in plain PyTorch (Karras et al. 2020, "Analyzing and improving StyleGAN").

Parameter names are those of StyleGAN2-ADA, so that weights from there need no table of names.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from wplus.core.shapes import Images, W, Ws, Z
from wplus.models.ops import Linear, leaky, modulated_conv, normalise_second_moment, upsample

NoiseMode = Literal["const", "none", "random"]


@dataclass(frozen=True)
class StyleGAN2Config:
    """The sizes of a StyleGAN2; all can be read off its weights.

    Args:
        channels: width at 4, 8, 16 ... px; their number tells the resolution.
        z_dim, w_dim: dimensions of Z and W.
        mapping_layers: depth of the mapping network.
        conv_clamp: bound on activations after each convolution, or None.

    Raises:
        ValueError: a size that is not positive.
    """

    channels: tuple[int, ...]
    z_dim: int
    w_dim: int
    mapping_layers: int
    conv_clamp: float | None = None

    def __post_init__(self) -> None:
        if not self.channels or min(*self.channels, self.z_dim, self.w_dim, self.mapping_layers) < 1:
            raise ValueError(f"sizes must be positive: {self}")

    @property
    def resolution(self) -> int:
        """Side of the picture in pixels."""
        return 4 << (len(self.channels) - 1)

    @property
    def layers(self) -> int:
        """Rows of W+: two a resolution."""
        return 2 * len(self.channels)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "StyleGAN2Config":
        """Read what `dataclasses.asdict` wrote."""
        return cls(**{**values, "channels": tuple(values["channels"])})

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor], *, conv_clamp: float | None = None) -> "StyleGAN2Config":
        """Deduce the sizes from a state dict in this module's names.

        Raises:
            KeyError: the names are not those of a StyleGAN2 with skip connections.
        """
        count = sum(name.startswith("synthesis.b") and name.endswith(".torgb.weight") for name in weights)
        channels = tuple(weights[f"synthesis.b{4 << index}.torgb.weight"].shape[1] for index in range(count))
        first = weights["mapping.fc0.weight"]
        layers = sum(name.startswith("mapping.fc") and name.endswith(".weight") for name in weights)
        w_dim = weights[f"mapping.fc{layers - 1}.weight"].shape[0]
        return cls(channels, first.shape[1], w_dim, layers, conv_clamp)


class MappingNetwork(nn.Module):
    """The mapping network f: Z -> W (section 1 and StyleGAN1 section 2)."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.depth = config.mapping_layers
        for index in range(self.depth):
            inputs = config.z_dim if index == 0 else config.w_dim
            self.add_module(f"fc{index}", Linear(inputs, config.w_dim, rate=0.01))
        self.w_avg: Tensor
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    @property
    def stack(self) -> list[Linear]:
        """Its layers in order."""
        return [getattr(self, f"fc{index}") for index in range(self.depth)]

    def forward(self, z: Z) -> W:
        x = normalise_second_moment(z)
        for layer in self.stack:
            x = leaky(layer(x))
        return x


class SynthesisLayer(nn.Module):
    """Modulated convolution, noise, bias, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, resolution: int, config: StyleGAN2Config, *, up: bool) -> None:
        super().__init__()
        self.up = up
        self.clamp = config.conv_clamp
        self.affine = Linear(config.w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))  # unit scale: demodulation undoes it
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.noise_const: Tensor
        self.register_buffer("noise_const", torch.randn(resolution, resolution))

    def forward(self, x: Tensor, w: W, noise: Tensor | None) -> Tensor:
        x = modulated_conv(x, self.weight, self.affine(w), demodulate=True, up=self.up)
        if noise is not None:
            x = x + (noise * self.noise_strength).to(x.dtype)
        return leaky(x + self.bias[:, None, None].to(x.dtype), clamp=self.clamp)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to colours, not demodulated."""

    def __init__(self, inputs: int, config: StyleGAN2Config) -> None:
        super().__init__()
        self.clamp = config.conv_clamp
        self.affine = Linear(config.w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(3, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, w: W) -> Tensor:
        style = self.affine(w) / math.sqrt(self.weight.shape[1])
        x = modulated_conv(x, self.weight, style, demodulate=False) + self.bias[:, None, None].to(x.dtype)
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)


class Block(nn.Module):
    """One resolution: (up-convolution, except at 4 px,) convolution, and its share of the picture."""

    const: Tensor

    def __init__(self, index: int, config: StyleGAN2Config) -> None:
        super().__init__()
        resolution, outputs = 4 << index, config.channels[index]
        if index == 0:
            self.const = nn.Parameter(torch.randn(outputs, 4, 4))
        else:
            self.conv0 = SynthesisLayer(config.channels[index - 1], outputs, resolution, config, up=True)
        self.conv1 = SynthesisLayer(outputs, outputs, resolution, config, up=False)
        self.torgb = ToRGB(outputs, config)

    @property
    def convs(self) -> list[SynthesisLayer]:
        """The styled convolutions in order."""
        return [self.conv0, self.conv1] if hasattr(self, "conv0") else [self.conv1]


class Synthesis(nn.Module):
    """The synthesis network g: W+ -> picture."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.count = len(config.channels)
        for index in range(self.count):
            self.add_module(f"b{4 << index}", Block(index, config))

    @property
    def blocks(self) -> list[Block]:
        """Blocks from 4 px up."""
        return [getattr(self, f"b{4 << index}") for index in range(self.count)]

    @property
    def affines(self) -> list[Linear]:
        """Every map from W to styles."""
        return [
            affine for block in self.blocks for affine in (*(conv.affine for conv in block.convs), block.torgb.affine)
        ]

    @property
    def noise_shapes(self) -> list[tuple[int, int]]:
        """Height and width of every noise map, in the order of the layers."""
        return [
            (layer.noise_const.shape[0], layer.noise_const.shape[1]) for block in self.blocks for layer in block.convs
        ]

    def forward(
        self, ws: Ws, *, noise: NoiseMode | tuple[Tensor, ...] = "const", dtype: torch.dtype = torch.float32
    ) -> Images:
        """Render codes.

        Args:
            ws: shape (batch, layers, w_dim).
            noise: a mode, or one map (batch, 1, height, width) a layer.
            dtype: precision of the convolutions; styles and colours stay in fp32.
        """
        maps = iter(self._noise(ws, noise))
        x = self.blocks[0].const.to(dtype).expand(ws.shape[0], -1, -1, -1)
        if ws.device.type == "cpu":
            x = x.contiguous(memory_format=torch.channels_last)  # depthwise filters are many times faster so
        row = 0
        picture: Tensor | None = None
        for block in self.blocks:
            for layer in block.convs:
                x = layer(x, ws[:, row], next(maps))
                row += 1
            share = block.torgb(x, ws[:, row]).float()  # reads the row that the next block's first layer reads again
            picture = share if picture is None else upsample(picture) + share
        assert picture is not None
        return picture.contiguous()

    def _noise(self, ws: Ws, noise: NoiseMode | tuple[Tensor, ...]) -> list[Tensor | None]:
        """One map a layer, or None."""
        if isinstance(noise, tuple):
            return list(noise)
        layers = [layer for block in self.blocks for layer in block.convs]
        if noise == "none":
            return [None] * len(layers)
        if noise == "const":
            return [layer.noise_const for layer in layers]
        return [torch.randn(ws.shape[0], 1, *layer.noise_const.shape, device=ws.device) for layer in layers]


class StyleGAN2(nn.Module):
    """Mapping and synthesis together, under StyleGAN2-ADA's names."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.config = config
        self.mapping = MappingNetwork(config)
        self.synthesis = Synthesis(config)
