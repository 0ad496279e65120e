"""StyleMapGAN in plain PyTorch: a code with a place for every vector (Kim et al. 2021, arXiv 2104.14754).

Its code is a stylemap (channels, side, side). Here it is held like a W+ code, one row a cell from the upper left to the
lower right, so that all that treats rows alike (files, morphing, inversion) treats cells alike too.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from wplus.core.shapes import Images, StyleMaps, Ws, Z
from wplus.models.network import Labels, Noise, Rendered
from wplus.models.ops import Linear, fir, leaky, normalise_second_moment

Normalisation = Literal["LayerNorm", "InstanceNorm2d", "BatchNorm2d", "GroupNorm"]

GROUPS = 8
"""Of GroupNorm."""

EPSILON = 1e-5
"""Of every normalisation."""

MAPPING_RATE = 0.01
"""Learning rate of the mapping network relative to the others'."""


@dataclass(frozen=True)
class StyleMapGANConfig:
    """The sizes of a StyleMapGAN, generator and encoder.

    Args:
        channels: width of the decoder and of the encoder at `side`, 2 `side` ... px; their number tells the resolution.
        z_dim: dimension of Z.
        w_dim: channels of the stylemap.
        side: cells of the stylemap in a row and in a column.
        mapping_layers: depth of the mapping network.
        small: whether the resized stylemaps keep `w_dim` channels, instead of the decoder's at their size.
        normalisation: of feature maps, before they are modulated.

    Raises:
        ValueError: a size that is not positive, or a normalisation that the architecture does not know.
    """

    channels: tuple[int, ...]
    z_dim: int = 64
    w_dim: int = 64
    side: int = 8
    mapping_layers: int = 8
    small: bool = False
    normalisation: Normalisation = "LayerNorm"

    def __post_init__(self) -> None:
        sizes = (*self.channels, self.z_dim, self.w_dim, self.side, self.mapping_layers)
        if not self.channels or min(sizes) < 1:
            raise ValueError(f"sizes must be positive: {self}")
        if self.normalisation not in NORMALISATIONS:
            raise ValueError(f"no normalisation is named {self.normalisation!r}; it is one of {list(NORMALISATIONS)}")

    @property
    def title(self) -> str:
        """The architecture as people call it."""
        return f"StyleMapGAN ({self.side}x{self.side}{', small' if self.small else ''})"

    @property
    def resolution(self) -> int:
        """Side of the picture in pixels."""
        return self.side << (len(self.channels) - 1)

    @property
    def space(self) -> Literal["stylemap"]:
        """Rows stand for cells."""
        return "stylemap"

    @property
    def layers(self) -> int:
        """Cells of the stylemap."""
        return self.side**2

    @property
    def labels(self) -> int:
        """It knows no classes."""
        return 0

    @property
    def colours(self) -> int:
        """It renders RGB."""
        return 3

    @property
    def style_widths(self) -> tuple[int, ...]:
        """Width of the resized stylemaps at `side`, 2 `side` ... px."""
        return (self.w_dim,) * len(self.channels) if self.small else self.channels

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "StyleMapGANConfig":
        """Read what `dataclasses.asdict` wrote."""
        return cls(**{**values, "channels": tuple(values["channels"])})


def to_map(ws: Ws) -> StyleMaps:
    """Rows (batch, side^2, w_dim) to a stylemap (batch, w_dim, side, side)."""
    side = math.isqrt(ws.shape[1])
    return ws.transpose(1, 2).unflatten(2, (side, side))


def to_rows(stylemap: StyleMaps) -> Ws:
    """A stylemap (batch, w_dim, side, side) to rows (batch, side^2, w_dim)."""
    return stylemap.flatten(2).transpose(1, 2)


class StyleMapGAN(nn.Module):
    """Mapping network, synthesis network and encoder, which were trained together."""

    def __init__(self, config: StyleMapGANConfig) -> None:
        super().__init__()
        self.config = config
        self.mapping = StyleMapMapping(config)
        self.synthesis = StyleMapSynthesis(config)
        self.encoder = StyleMapEncoder(config)


class StyleMapMapping(nn.Module):
    """Z to stylemaps; the last layer is activated like the others."""

    w_avg: Tensor

    def __init__(self, config: StyleMapGANConfig) -> None:
        super().__init__()
        self.config = config
        sizes = [*[config.z_dim] * config.mapping_layers, config.w_dim * config.layers]
        for index, (inputs, outputs) in enumerate(pairwise(sizes)):
            self.add_module(f"fc{index}", Linear(inputs, outputs, rate=MAPPING_RATE))
        self.register_buffer("w_avg", torch.zeros(config.layers, config.w_dim))

    @property
    def stack(self) -> list[Linear]:
        """Its layers in order."""
        return [getattr(self, f"fc{index}") for index in range(self.config.mapping_layers)]

    def forward(self, z: Z, labels: Labels | None = None) -> Ws:
        x = normalise_second_moment(z)
        for layer in self.stack:
            x = leaky(layer(x))
        return to_rows(x.unflatten(1, (self.config.w_dim, self.config.side, self.config.side)))


class StyleMapSynthesis(nn.Module):
    """Stylemaps to pictures: resized to every resolution, where they modulate the decoder place by place."""

    def __init__(self, config: StyleMapGANConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.style_widths
        self.const = nn.Parameter(torch.randn(1, config.channels[0], config.side, config.side))
        resizer = [Conv(config.w_dim, widths[0]), Conv(widths[0], widths[0])]
        for inputs, outputs in pairwise(widths):
            resizer += [Conv(inputs, outputs, scale="up"), Conv(outputs, outputs)]
        self.resizer = nn.ModuleList(resizer)
        self.first = StyledConv(config, config.channels[0], config.channels[0], widths[0])
        self.blocks = nn.ModuleList(
            DecoderBlock(config, pair, styles)
            for pair, styles in zip(pairwise(config.channels), pairwise(widths), strict=True)
        )
        self.torgb = StyledConv(config, config.channels[-1], 3, widths[-1], kernel=1)

    @property
    def noise_shapes(self) -> list[tuple[int, int]]:
        """It takes no noise."""
        return []

    def forward(self, ws: Ws, *, noise: Noise = "const", dtype: torch.dtype | None = None) -> Rendered:
        if isinstance(noise, tuple) and noise:
            raise ValueError(f"{len(noise)} noise maps given, the network takes none")
        return self.render(self.resized(ws, dtype=dtype))

    def resized(self, ws: Ws, *, dtype: torch.dtype | None = None) -> list[StyleMaps]:
        """The stylemap at the size of every modulated layer, two maps a resolution (section 3.2)."""
        x = to_map(ws).to(dtype or ws.dtype).contiguous()
        maps = []
        for layer in self.resizer:
            x = leaky(layer(x))
            maps.append(x)
        return maps

    def render(self, styles: Sequence[Tensor]) -> Rendered:
        """Pictures of resized stylemaps, one a modulated layer: two a resolution, as `resized` gives them.

        Raises:
            ValueError: more or fewer maps.
        """
        if len(styles) != len(self.resizer):
            raise ValueError(f"{len(styles)} resized stylemaps given, the network takes {len(self.resizer)}")
        x = self.const.to(styles[0].dtype).expand(styles[0].shape[0], -1, -1, -1)  # len() would export as a constant
        x = self.first(x, styles[0])
        for index, block in enumerate(self.blocks):
            x = block(x, styles[2 * index + 1], styles[2 * index + 2])
        return self.torgb(x, styles[-1]).float()


class StyleMapEncoder(nn.Module):
    """Pictures to stylemaps in one pass (section 3.1)."""

    def __init__(self, config: StyleMapGANConfig) -> None:
        super().__init__()
        widths = config.channels[::-1]
        self.fromrgb = Conv(3, widths[0], kernel=1)
        self.blocks = nn.ModuleList(EncoderBlock(*pair) for pair in pairwise(widths))
        self.last = Conv(widths[-1], config.w_dim)

    def forward(self, images: Images) -> Ws:
        """Stylemaps as rows (batch, side^2, w_dim) of RGB pictures in [-1, 1] at the generator's resolution."""
        x = leaky(self.fromrgb(images))
        for block in self.blocks:
            x = block(x)
        return to_rows(leaky(self.last(x)))


class DecoderBlock(nn.Module):
    """Two styled convolutions, of which the first doubles the size, beside a plain path."""

    def __init__(self, config: StyleMapGANConfig, widths: tuple[int, int], styles: tuple[int, int]) -> None:
        super().__init__()
        self.conv0 = StyledConv(config, *widths, styles[0], scale="up")
        self.conv1 = StyledConv(config, widths[1], widths[1], styles[1])
        self.skip = Conv(*widths, kernel=1, scale="up", bias=False)

    def forward(self, x: Tensor, coarse: Tensor, fine: Tensor) -> Tensor:
        y = self.conv1(self.conv0(x, coarse), fine)
        return (y + self.skip(x)) * math.sqrt(0.5)


class EncoderBlock(nn.Module):
    """Two convolutions, of which the second halves the size, beside a plain path."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv0 = Conv(inputs, inputs)
        self.conv1 = Conv(inputs, outputs, scale="down")
        self.skip = Conv(inputs, outputs, kernel=1, scale="down", bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = leaky(self.conv1(leaky(self.conv0(x))))
        return (y + self.skip(x)) * math.sqrt(0.5)


class Conv(nn.Module):
    """A convolution with equalised learning rate, which may double or halve the size through a low-pass filter."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int = 3,
        scale: Literal["same", "up", "down"] = "same",
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.weight.shape[-1]
        weight = (self.weight / math.sqrt(self.weight[0].numel())).to(x.dtype)
        if self.scale == "up":
            x = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
            x = fir(x, gain=4.0, padding=1 if kernel > 1 else 2)
        elif self.scale == "down":
            x = fir(x, gain=1.0, padding=2 if kernel > 1 else 1)
            x = functional.conv2d(x, weight, stride=2)
        else:
            x = functional.conv2d(x, weight, padding=int(kernel) // 2)
        return x if self.bias is None else x + self.bias.to(x.dtype)[:, None, None]


class StyledConv(nn.Module):
    """Normalise, scale and shift every place by its own style, convolve, activate (equation 1).

    Colours pass through it too, leaky ReLU and all.
    """

    def __init__(
        self,
        config: StyleMapGANConfig,
        inputs: int,
        outputs: int,
        style: int,
        *,
        kernel: int = 3,
        scale: Literal["same", "up"] = "same",
    ) -> None:
        super().__init__()
        self.norm = NORMALISATIONS[config.normalisation](inputs)
        self.gamma = Conv(style, inputs)
        self.beta = Conv(style, inputs)
        assert self.gamma.bias is not None
        nn.init.ones_(self.gamma.bias)
        self.conv = Conv(inputs, outputs, kernel=kernel, scale=scale)

    def forward(self, x: Tensor, style: StyleMaps) -> Tensor:
        return leaky(self.conv(self.norm(x) * self.gamma(style) + self.beta(style)))


class PictureNorm(nn.Module):
    """Every picture's features to mean 0 and variance 1, over channels and places together."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, x.shape[1:], eps=EPSILON)


class RunningNorm(nn.Module):
    """Every channel by its mean and variance over batches: those of training, once the network is in eval mode.

    Not torch's own, whose count of batches no file of real numbers has a place for.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.batch_norm(x, self.running_mean, self.running_var, training=self.training, eps=EPSILON)


NORMALISATIONS: Mapping[str, Any] = {
    "LayerNorm": lambda width: PictureNorm(),
    "InstanceNorm2d": lambda width: nn.InstanceNorm2d(width, eps=EPSILON),
    "BatchNorm2d": RunningNorm,
    "GroupNorm": lambda width: nn.GroupNorm(GROUPS, width, eps=EPSILON, affine=False),
}
"""What each name makes of the number of channels."""
