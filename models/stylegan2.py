"""StyleGAN2 and StyleGAN2-ADA in plain PyTorch (Karras et al. 2020, "Analyzing and improving StyleGAN").

Parameter names are those of StyleGAN2-ADA, so that weights from there need no table of names. Its buffers
`resample_filter` are left out: they are all the same, and `StyleGAN2Config.taps` tells them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from wplus.core.shapes import W, Ws
from wplus.models.mapping import Activation, MappingConfig, MappingNetwork
from wplus.models.network import Noise, Rendered
from wplus.models.ops import TAPS, Linear, full_precision, leaky, modulated_conv, noise_maps, takes_halves, upsample

RESIDUAL_GAIN = math.sqrt(0.5)  # keeps the variance of the sum of two branches


@dataclass(frozen=True)
class StyleGAN2Config:
    """The sizes of a StyleGAN2, and what else its weights mean.

    Args:
        channels: width at 4, 8, 16 ... px; their number tells the resolution.
        z_dim, w_dim: dimensions of Z and W.
        mapping_layers: depth of the mapping network.
        conv_clamp: bound on activations after each convolution, or None.
        labels: number of classes, 0 for none.
        architecture: colours summed over resolutions ("skip"), or read off the last one, whose blocks have a
            residual branch ("resnet") or none ("orig").
        colours: channels of the picture.
        half_resolutions: how many of the highest resolutions run in fp16 on a GPU.
        noise: whether the layers take noise.
        taps: the low-pass filter of upsampling.
        mapping_rate, mapping_width, mapping_activation, embedding: as of `MappingConfig`.

    Raises:
        ValueError: a size that is not positive.
    """

    channels: tuple[int, ...]
    z_dim: int
    w_dim: int
    mapping_layers: int
    conv_clamp: float | None = None
    labels: int = 0
    architecture: Literal["skip", "resnet", "orig"] = "skip"
    colours: int = 3
    half_resolutions: int = 0
    noise: bool = True
    taps: tuple[float, ...] = TAPS
    mapping_rate: float = 0.01
    mapping_width: int | None = None
    mapping_activation: Activation = "lrelu"
    embedding: int | None = None

    def __post_init__(self) -> None:
        sizes = (*self.channels, self.z_dim, self.w_dim, self.mapping_layers, self.colours)
        if not self.channels or min(sizes) < 1 or min(self.labels, self.half_resolutions) < 0:
            raise ValueError(f"sizes must be positive: {self}")
        if self.architecture not in ("skip", "resnet", "orig"):
            raise ValueError(f"no architecture of StyleGAN2 is named {self.architecture!r}")
        if len(self.taps) < 2 or sum(self.taps) == 0:
            raise ValueError(f"{self.taps} is no low-pass filter")

    @property
    def title(self) -> str:
        """The architecture as people call it."""
        return f"StyleGAN2 ({self.architecture})"

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

    def halved(self, index: int) -> bool:
        """Whether block `index`, counted from 4 px, was trained in fp16; the smallest never is."""
        return index >= max(len(self.channels) - self.half_resolutions, 1)

    @property
    def mapping(self) -> MappingConfig:
        """The sizes of its mapping network."""
        return MappingConfig(
            self.z_dim, self.w_dim, self.mapping_layers, self.labels,
            self.mapping_rate, self.mapping_width, self.embedding, self.mapping_activation,
        )  # fmt: skip

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "StyleGAN2Config":
        """Read what `dataclasses.asdict` wrote."""
        tuples = {name: tuple(values[name]) for name in ("channels", "taps") if name in values}
        return cls(**{**values, **tuples})

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor], **unseen: Any) -> "StyleGAN2Config":
        """Deduce the sizes from a state dict in this module's names.

        `unseen` are the fields that no weight tells: conv_clamp, half_resolutions, taps, mapping_rate and
        mapping_activation.

        Raises:
            KeyError: the names are not those of a StyleGAN2.
        """
        count = sum(name.startswith("synthesis.b") and name.endswith(".conv1.weight") for name in weights)
        channels = tuple(weights[f"synthesis.b{4 << index}.conv1.weight"].shape[0] for index in range(count))
        last = weights[f"synthesis.b{4 << (count - 1)}.torgb.weight"]
        plain = "skip" if "synthesis.b4.torgb.weight" in weights else "orig"
        depth = sum(name.startswith("mapping.fc") and name.endswith(".weight") for name in weights)
        first, final = weights["mapping.fc0.weight"], weights[f"mapping.fc{depth - 1}.weight"]
        w_dim, embed = final.shape[0], weights.get("mapping.embed.weight")
        embedded, labels = (0, 0) if embed is None else embed.shape
        seen: dict[str, Any] = {
            "labels": labels,
            "architecture": "resnet" if "synthesis.b8.skip.weight" in weights else plain,
            "colours": last.shape[0],
            "noise": "synthesis.b4.conv1.noise_const" in weights,
            "mapping_width": None if first.shape[0] == w_dim else first.shape[0],
            "embedding": None if embedded in (0, w_dim) else embedded,
        }
        return cls(channels, first.shape[1] - embedded, w_dim, depth, **seen, **unseen)


class SynthesisLayer(nn.Module):
    """Modulated convolution, noise, bias, leaky ReLU."""

    noise_const: Tensor

    def __init__(self, inputs: int, outputs: int, resolution: int, config: StyleGAN2Config, *, up: bool) -> None:
        super().__init__()
        self.up = up
        self.taps = config.taps
        self.clamp = config.conv_clamp
        self.affine = Linear(config.w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))  # unit scale: demodulation undoes it
        self.bias = nn.Parameter(torch.zeros(outputs))
        if config.noise:
            self.noise_strength = nn.Parameter(torch.zeros([]))
            self.register_buffer("noise_const", torch.randn(resolution, resolution))

    def forward(self, x: Tensor, w: W, noise: Tensor | None) -> Tensor:
        x = modulated_conv(x, self.weight, self.affine(w), demodulate=True, up=self.up, taps=self.taps)
        if noise is not None:
            x = x + (noise * self.noise_strength).to(x.dtype)
        return leaky(x + self.bias[:, None, None].to(x.dtype), clamp=self.clamp)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to colours, not demodulated."""

    def __init__(self, inputs: int, config: StyleGAN2Config) -> None:
        super().__init__()
        self.clamp = config.conv_clamp
        self.affine = Linear(config.w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(config.colours, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(config.colours))

    def forward(self, x: Tensor, w: W) -> Tensor:
        style = self.affine(w) / math.sqrt(self.weight.shape[1])
        x = modulated_conv(x, self.weight, style, demodulate=False) + self.bias[:, None, None].to(x.dtype)
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)


class Shortcut(nn.Module):
    """The branch around a residual block: 1x1 convolution to twice the size."""

    def __init__(self, inputs: int, outputs: int, config: StyleGAN2Config) -> None:
        super().__init__()
        self.taps = config.taps
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.weight * (RESIDUAL_GAIN / math.sqrt(self.weight.shape[1]))
        return upsample(functional.conv2d(x, kernel.to(x.dtype)), self.taps)


class Block(nn.Module):
    """One resolution: (up-convolution, except at 4 px,) convolution; and its share of the picture, if it has one."""

    const: Tensor

    def __init__(self, index: int, config: StyleGAN2Config) -> None:
        super().__init__()
        resolution, outputs = 4 << index, config.channels[index]
        self.residual = config.architecture == "resnet" and index > 0
        if index == 0:
            self.const = nn.Parameter(torch.randn(outputs, 4, 4))
        else:
            self.conv0 = SynthesisLayer(config.channels[index - 1], outputs, resolution, config, up=True)
        self.conv1 = SynthesisLayer(outputs, outputs, resolution, config, up=False)
        if config.architecture == "skip" or index == len(config.channels) - 1:
            self.torgb = ToRGB(outputs, config)
        if self.residual:
            self.skip = Shortcut(config.channels[index - 1], outputs, config)

    @property
    def convs(self) -> list[SynthesisLayer]:
        """The styled convolutions in order."""
        return [self.conv0, self.conv1] if hasattr(self, "conv0") else [self.conv1]

    def forward(self, x: Tensor, ws: Ws, noise: list[Tensor | None]) -> Tensor:
        """Features from those of the block before; one row of `ws` and one map or None a convolution."""
        y = x
        for row, conv in enumerate(self.convs):
            y = conv(y, ws[:, row], noise[row])
        return y * RESIDUAL_GAIN + self.skip(x) if self.residual else y


class Synthesis(nn.Module):
    """The synthesis network g: W+ -> picture."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.config = config
        for index in range(len(config.channels)):
            self.add_module(f"b{4 << index}", Block(index, config))

    @property
    def blocks(self) -> list[Block]:
        """Blocks from 4 px up."""
        return [getattr(self, f"b{4 << index}") for index in range(len(self.config.channels))]

    @property
    def noise_shapes(self) -> list[tuple[int, int]]:
        """Height and width of every noise map, in the order of the layers."""
        return [(item.shape[0], item.shape[1]) for item in self._constants]

    def forward(self, ws: Ws, *, noise: Noise = "const", dtype: torch.dtype | None = None) -> Rendered:
        """Render codes.

        Args:
            ws: shape (batch, layers, w_dim).
            noise: a mode, or one map (batch, 1, height, width) a layer.
            dtype: precision of the convolutions; styles and colours stay in that of the codes. None: the codes', at
                least fp32, and on a GPU fp16 at the config's `half_resolutions` where no gradient is wanted.
        """
        maps = noise_maps(noise, self._constants, batch=ws.shape[0]) or [None] * self.config.layers
        x = self.blocks[0].const.expand(ws.shape[0], -1, -1, -1)
        if ws.device.type == "cpu":
            x = x.contiguous(memory_format=torch.channels_last)  # depthwise filters are many times faster so
        full, halves, row = full_precision(ws), takes_halves(ws, maps), 0
        picture: Tensor | None = None
        for index, block in enumerate(self.blocks):
            end = row + len(block.convs)
            own = torch.float16 if halves and self.config.halved(index) else full
            x = block(x.to(dtype or own), ws[:, row:end], maps[row:end])
            row = end
            if picture is not None:
                picture = upsample(picture, self.config.taps)
            if hasattr(block, "torgb"):  # it reads the row that the next block's first layer reads again
                share = block.torgb(x, ws[:, row]).to(full)
                picture = share if picture is None else picture + share
        assert picture is not None
        return picture.contiguous()

    @property
    def _constants(self) -> list[Tensor]:
        """The maps that the network was saved with; none if its layers take no noise."""
        convs = [conv for block in self.blocks for conv in block.convs]
        return [conv.noise_const for conv in convs] if self.config.noise else []


class StyleGAN2(nn.Module):
    """Mapping and synthesis together, under StyleGAN2-ADA's names."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.config = config
        self.mapping = MappingNetwork(config.mapping)
        self.synthesis = Synthesis(config)
