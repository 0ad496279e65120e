"""StyleGAN3, configurations t and r, in plain PyTorch (Karras et al. 2021, "Alias-free GANs").

Names are those of NVIDIA's stylegan3, filters and magnitudes included.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from wplus.core.shapes import W, Ws
from wplus.models.filters import lowpass, radial_lowpass
from wplus.models.mapping import MappingConfig, MappingNetwork
from wplus.models.network import Noise, Rendered
from wplus.models.ops import LEAKY_GAIN, LEAKY_SLOPE, Linear, full_precision, takes_halves

Transform = Float[Tensor, "*batch 3 3"]
"""Where a point of the picture is looked up: a matrix on (x, y, 1), pictures being one unit wide around the origin."""


@dataclass(frozen=True)
class Stage:
    """The signal between two layers (section 3.2): side in samples, samples a unit, channels, band limits."""

    size: int
    rate: int
    channels: int
    cutoff: float
    half_width: float


@dataclass(frozen=True)
class StyleGAN3Config:
    """What a StyleGAN3 was built from; names and defaults are its authors', of configuration t.

    Args:
        resolution: side of the picture in pixels.
        z_dim, w_dim: dimensions of Z and W.
        mapping_layers: depth of the mapping network.
        labels: number of classes, 0 for none.
        colours: channels of the picture.
        channel_base, channel_max: width is channel_base / (2 cutoff), at most channel_max.
        num_layers, num_critical: layers before the colours, and how many of the last sample critically.
        first_cutoff, first_stopband, last_stopband_rel: band limits; the last relative to the cutoff.
        margin_size: samples around the picture, so that borders do not tell where they are.
        output_scale: of the picture.
        half_resolutions: how many of the highest sampling rates run in fp16 on a GPU.
        conv_kernel: side of the convolutions: 3 in t, 1 in r.
        filter_size: taps of a filter a factor of resampling.
        lrelu_upsampling: oversampling around the leaky ReLU.
        use_radial_filters: the same response in every direction: r.
        conv_clamp: bound on activations, or None.
        mapping_rate: learning rate of the mapping network relative to the synthesis network's.

    Raises:
        ValueError: sizes that make no network.
    """

    resolution: int
    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 2
    labels: int = 0
    colours: int = 3
    channel_base: int = 32768
    channel_max: int = 512
    num_layers: int = 14
    num_critical: int = 2
    first_cutoff: float = 2.0
    first_stopband: float = 2.0**2.1
    last_stopband_rel: float = 2.0**0.3
    margin_size: int = 10
    output_scale: float = 0.25
    half_resolutions: int = 4
    conv_kernel: int = 3
    filter_size: int = 6
    lrelu_upsampling: int = 2
    use_radial_filters: bool = False
    conv_clamp: float | None = 256.0
    mapping_rate: float = 0.01

    def __post_init__(self) -> None:
        positive = (
            self.z_dim, self.w_dim, self.mapping_layers, self.colours, self.channel_base, self.channel_max,
            self.conv_kernel, self.filter_size, self.lrelu_upsampling,
        )  # fmt: skip
        if min(positive) < 1 or min(self.labels, self.margin_size, self.half_resolutions) < 0:
            raise ValueError(f"sizes must be positive: {self}")
        if self.resolution < 4 or self.resolution & (self.resolution - 1):
            raise ValueError(f"the resolution must be a power of two, and at least 4: {self.resolution}")
        if not 0 <= self.num_critical < self.num_layers:
            raise ValueError(f"{self.num_critical} of {self.num_layers} layers cannot sample critically")
        if not 0 < self.first_cutoff < self.first_stopband or self.last_stopband_rel <= 1:
            raise ValueError(f"cutoffs must be positive and below their stopbands: {self}")

    @property
    def title(self) -> str:
        """The architecture as people call it."""
        return f"StyleGAN3-{'r' if self.use_radial_filters else 't'}"

    @property
    def space(self) -> Literal["W+"]:
        """Rows stand for layers."""
        return "W+"

    @property
    def layers(self) -> int:
        """Rows of W+: the input's, and one a layer, the colours' included."""
        return self.num_layers + 2

    @property
    def channels(self) -> tuple[int, ...]:
        """Width after every layer but the colours'."""
        return tuple(stage.channels for stage in self.stages[:-1])

    @property
    def mapping(self) -> MappingConfig:
        """The sizes of its mapping network."""
        return MappingConfig(self.z_dim, self.w_dim, self.mapping_layers, self.labels, self.mapping_rate)

    @cached_property
    def stages(self) -> list[Stage]:
        """The signal after every layer, the colours' included (section 3.2 and appendix C.1)."""
        last_cutoff = self.resolution / 2
        last_stopband = last_cutoff * self.last_stopband_rel
        stages = []
        for index in range(self.num_layers + 1):
            progress = min(index / (self.num_layers - self.num_critical), 1.0)
            cutoff = self.first_cutoff * (last_cutoff / self.first_cutoff) ** progress
            stopband = self.first_stopband * (last_stopband / self.first_stopband) ** progress
            rate = 2 ** math.ceil(math.log2(min(2 * stopband, self.resolution)))
            final = index >= self.num_layers - 1  # the last two see the picture without margin
            size = self.resolution if final else rate + 2 * self.margin_size
            channels = round(min(self.channel_base / 2 / cutoff, self.channel_max))
            channels = self.colours if index == self.num_layers else channels
            stages.append(Stage(size, rate, channels, cutoff, max(stopband, rate / 2) - cutoff))
        return stages

    @property
    def names(self) -> list[str]:
        """What its authors call the layers: number, side and width."""
        return [f"L{index}_{stage.size}_{stage.channels}" for index, stage in enumerate(self.stages)]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "StyleGAN3Config":
        """Read what `dataclasses.asdict` wrote."""
        return cls(**values)


class SynthesisInput(nn.Module):
    """Fourier features, turned and shifted by the first row of W+ and by the user (section 3.2, appendix F)."""

    freqs: Tensor
    phases: Tensor
    transform: Tensor

    def __init__(self, config: StyleGAN3Config) -> None:
        super().__init__()
        stage = config.stages[0]
        self.size, self.rate, self.bandwidth = stage.size, stage.rate, stage.cutoff
        self.weight = nn.Parameter(torch.randn(stage.channels, stage.channels))
        self.affine = Linear(config.w_dim, 4)
        with torch.no_grad():
            self.affine.weight.zero_()
            self.affine.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))  # no turn, no shift
        freqs = torch.randn(stage.channels, 2)
        radii = freqs.norm(dim=1, keepdim=True)
        self.register_buffer("transform", torch.eye(3))
        self.register_buffer("freqs", freqs / (radii * radii.square().exp().pow(0.25)) * stage.cutoff)
        self.register_buffer("phases", torch.rand(stage.channels) - 0.5)

    def forward(self, w: W, transform: Transform | None) -> Tensor:
        matrix = self._own_transform(w) @ (self.transform if transform is None else transform)  # (batch, 3, 3)
        phases = self.phases + (self.freqs @ matrix[:, :2, 2:]).squeeze(2)
        freqs = self.freqs @ matrix[:, :2, :2]  # (batch, channels, 2)
        # frequencies that a zoom pushes beyond the band fade out
        fade = (1 - (freqs.norm(dim=2) - self.bandwidth) / (self.rate / 2 - self.bandwidth)).clamp(0, 1)
        at = (torch.arange(self.size, device=w.device, dtype=freqs.dtype) + 0.5 - self.size / 2) / self.rate
        grid = torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=-1).reshape(1, -1, 2)  # (1, pixels, 2)
        x = grid @ freqs.transpose(1, 2) + phases[:, None]  # (batch, pixels, channels)
        x = torch.sin(x * (2 * math.pi)) * fade[:, None]
        x = x @ (self.weight / math.sqrt(self.weight.shape[1])).t()
        return x.unflatten(1, (self.size, self.size)).permute(0, 3, 1, 2)  # channels_last in memory

    def _own_transform(self, w: W) -> Tensor:
        """The turn and shift that w asks for, (batch, 3, 3)."""
        asked = self.affine(w)
        cos, sin, x, y = (asked / asked[:, :2].norm(dim=1, keepdim=True)).unbind(dim=1)
        zero, one = torch.zeros_like(cos), torch.ones_like(cos)
        turn = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], dim=1).unflatten(1, (3, 3))
        shift = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], dim=1).unflatten(1, (3, 3))
        return turn @ shift


class SynthesisLayer(nn.Module):
    """Modulated convolution, then bias and leaky ReLU between two resamplings (section 3.2, figure 4b)."""

    magnitude_ema: Tensor
    up_filter: Tensor
    down_filter: Tensor

    def __init__(self, index: int, config: StyleGAN3Config) -> None:
        super().__init__()
        source, target = config.stages[max(index - 1, 0)], config.stages[index]
        self.colours = index == config.num_layers
        self.clamp = config.conv_clamp
        self.halved = target.rate * 2**config.half_resolutions > config.resolution
        self.affine = Linear(config.w_dim, source.channels, bias=1.0)
        kernel = 1 if self.colours else config.conv_kernel
        self.weight = nn.Parameter(torch.randn(target.channels, source.channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(target.channels))
        self.register_buffer("magnitude_ema", torch.ones([]))

        rate = max(source.rate, target.rate) * (1 if self.colours else config.lrelu_upsampling)
        self.up, self.down = rate // source.rate, rate // target.rate
        taps = [1 if self.colours or factor == 1 else config.filter_size * factor for factor in (self.up, self.down)]
        if taps[0] > 1:
            width = 2 * source.half_width
            self.register_buffer("up_filter", lowpass(taps[0], cutoff=source.cutoff, width=width, rate=rate))
        if taps[1] > 1:
            critical = index >= config.num_layers - config.num_critical
            design = radial_lowpass if config.use_radial_filters and not critical else lowpass
            width = 2 * target.half_width
            self.register_buffer("down_filter", design(taps[1], cutoff=target.cutoff, width=width, rate=rate))
        # samples to add around the picture so that the target's size comes out
        missing = (target.size - 1) * self.down + 1 - (source.size + kernel - 1) * self.up + sum(taps) - 2
        before = (missing + self.up) // 2
        self.padding = (before, missing - before)

    def forward(self, x: Tensor, w: W) -> Tensor:
        x = self._convolved(x, self.affine(w))
        if not self.colours:
            x = functional.leaky_relu(self._upsampled(x), LEAKY_SLOPE, inplace=True)  # large: memory is what costs
        if self.clamp is not None:
            x = x.clamp(-self.clamp, self.clamp)
        return self._downsampled(x)

    def _convolved(self, x: Tensor, style: Tensor) -> Tensor:
        """Modulated convolution and bias; a running mean of the input's power stands for normalising it."""
        weight: Tensor = self.weight
        gain = self.magnitude_ema.rsqrt()
        if self.colours:
            style, scale = style / math.sqrt(weight.shape[1]), gain.expand(1, 1)
        else:
            weight = weight * weight.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()
            style = style * style.square().mean(dim=1, keepdim=True).rsqrt()
            scale = gain * (style.square() @ weight.square().sum(dim=(2, 3)).t() + 1e-8).rsqrt()
        x = x * style[:, :, None, None].to(x.dtype)
        x = functional.conv2d(x, weight.to(x.dtype), padding=int(weight.shape[-1]) - 1)
        return torch.addcmul(self.bias[:, None, None].to(x.dtype), x, scale[:, :, None, None].to(x.dtype))

    def _upsampled(self, x: Tensor) -> Tensor:
        """Insert zeros, pad, filter: as transposed convolutions, which leave the zeros out; times the ReLU's gain."""
        before, after = self.padding
        if not hasattr(self, "up_filter"):
            return functional.pad(x, (before, after, before, after)) * LEAKY_GAIN
        taps, groups = self.up_filter.shape[0], x.shape[1]
        kernel = (self.up_filter * (self.up * math.sqrt(LEAKY_GAIN))).to(x.dtype).expand(groups, 1, taps)
        before, after = before - taps + 1, after - taps + self.up
        crop = max(0, min(-before, -after))
        vertical, horizontal = kernel[..., None], kernel[..., None, :]
        x = functional.conv_transpose2d(x, vertical, stride=(self.up, 1), padding=(crop, 0), groups=groups)
        x = functional.conv_transpose2d(x, horizontal, stride=(1, self.up), padding=(0, crop), groups=groups)
        before, after = before + crop, after + crop
        return functional.pad(x, (before, after, before, after)) if before or after else x

    def _downsampled(self, x: Tensor) -> Tensor:
        """Filter, keep every so manyth sample."""
        if not hasattr(self, "down_filter"):
            return x
        kernel = self.down_filter.to(x.dtype).expand(x.shape[1], 1, *self.down_filter.shape)
        if self.down_filter.ndim == 2:
            return functional.conv2d(x, kernel, stride=self.down, groups=x.shape[1])
        x = functional.conv2d(x, kernel[..., None], stride=(self.down, 1), groups=x.shape[1])
        return functional.conv2d(x, kernel[..., None, :], stride=(1, self.down), groups=x.shape[1])


class Synthesis(nn.Module):
    """The synthesis network g: W+ -> picture."""

    def __init__(self, config: StyleGAN3Config) -> None:
        super().__init__()
        self.output_scale = config.output_scale
        self.input = SynthesisInput(config)
        self.names = config.names
        for index, name in enumerate(self.names):
            self.add_module(name, SynthesisLayer(index, config))

    @property
    def stack(self) -> list[SynthesisLayer]:
        """Its layers in order, the colours' last."""
        return [getattr(self, name) for name in self.names]

    @property
    def noise_shapes(self) -> list[tuple[int, int]]:
        """It takes no noise."""
        return []

    def forward(
        self,
        ws: Ws,
        *,
        noise: Noise = "const",
        dtype: torch.dtype | None = None,
        transform: Transform | None = None,
    ) -> Rendered:
        """Render codes.

        Args:
            ws: shape (batch, layers, w_dim).
            noise: any mode, it takes none.
            dtype: precision of the layers. None: the codes', at least fp32, and on a GPU fp16 where the config says so
                and no gradient is wanted.
            transform: where the picture's points are looked up, (3, 3) or one an image; None for the network's own.

        Raises:
            ValueError: noise maps are given.
        """
        if isinstance(noise, tuple) and noise:
            raise ValueError(f"{len(noise)} noise maps given, StyleGAN3 takes none")
        full, halves = full_precision(ws), takes_halves(ws)
        x = self.input(ws[:, 0], transform)
        for row, layer in enumerate(self.stack, start=1):
            own = torch.float16 if halves and layer.halved else full
            x = layer(x.to(dtype or own), ws[:, row])
        return x.to(full).contiguous() * self.output_scale


class StyleGAN3(nn.Module):
    """Mapping and synthesis together, under NVIDIA's names."""

    def __init__(self, config: StyleGAN3Config) -> None:
        super().__init__()
        self.config = config
        self.mapping = MappingNetwork(config.mapping)
        self.synthesis = Synthesis(config)
