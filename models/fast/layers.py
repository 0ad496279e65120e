"""A frozen StyleGAN2's layers, forward and backward by hand (Karras et al. 2020, section 2.2).

Maps are (batch, height, width, channels). Gradients reach codes and noise maps, never weights. What a pass forward
leaves for the pass back is its output alone: the leaky ReLU keeps signs, so `y` tells its own slope, and
y dL/dy = p dL/dp for the sum p before it, which spares keeping the convolution's result for the gradient of its scale.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from wplus.core.shapes import FeatureMaps, W
from wplus.models.fast.convolution import Convolution, Precision, UpConvolution
from wplus.models.fast.passes import dot
from wplus.models.ops import LEAKY_GAIN, LEAKY_SLOPE, Linear
from wplus.models.stylegan2 import SynthesisLayer, ToRGB

NOT_ZERO = 1e-6
"""The least absolute value of a style."""


class Pass(NamedTuple):
    """What a layer's pass back needs of its pass forward.

    Args:
        x, y: maps in and out.
        style: what channels are multiplied by before the convolution, (batch, inputs) in fp32.
        power: the inverse square of what they are multiplied by behind it, (batch, outputs) in fp32.
        shifts: as of `StyledConvolution.shifts`.
    """

    x: Tensor
    y: Tensor
    style: Tensor
    power: Tensor
    shifts: Tensor


@dataclass(frozen=True, eq=False)
class Gradients:
    """Gradients to what a layer read.

    Args:
        w: to its row of W+.
        x: to its maps.
        shares: sum over pixels of `x` times the maps themselves, (batch, channels).
        noise: to its noise map, (batch, height, width, 1), where that is wanted.
    """

    w: Tensor
    x: Tensor
    shares: Tensor
    noise: Tensor | None


class Affine:
    """A layer's map from w to styles, its scales multiplied in."""

    def __init__(self, layer: Linear, *, gain: float = 1.0) -> None:
        self.weight = layer.weight * (layer.gain * layer.rate * gain / math.sqrt(layer.weight.shape[1]))
        self.bias = layer.bias * (layer.rate * gain)

    def forward(self, w: W) -> Tensor:
        """(batch, w_dim) to (batch, channels)."""
        return functional.linear(w, self.weight, self.bias)

    def backward(self, gradient: Tensor) -> Tensor:
        """(batch, channels) to (batch, w_dim)."""
        return gradient @ self.weight


class StyledConvolution:
    """Modulated convolution, noise, bias, leaky ReLU.

    Args:
        layer: of the reference, whose weights stay as they are.
        precision: of the convolution's products; that of maps is the one of the way forward.
    """

    def __init__(self, layer: SynthesisLayer, *, precision: Precision) -> None:
        self.affine = Affine(layer.affine)
        # (inputs, outputs); halved, for the leaky ReLU's gain is applied where the sum is still linear
        self.power = layer.weight.square().sum(dim=(2, 3)).t().contiguous() / LEAKY_GAIN**2
        self.power_t = self.power.t().contiguous()
        self.least = layer.bias.new_tensor([1e-8 / LEAKY_GAIN**2])
        self.clamp = layer.clamp
        self.dtype = precision.forward
        bias = (layer.bias * LEAKY_GAIN).to(self.dtype)
        self.shares = torch.stack([bias, torch.ones_like(bias)])[None]  # of the two rows of `shifts`
        strength = getattr(layer, "noise_strength", None)
        self.strength = torch.zeros([]) if strength is None else strength * LEAKY_GAIN
        self.constant = None if strength is None else self.shifts(layer.noise_const[None, None])
        self.conv: Convolution | UpConvolution = (
            UpConvolution(layer.weight, layer.taps, precision=precision)
            if layer.up
            else Convolution(layer.weight, precision=precision)
        )

    def shifts(self, noise: Tensor) -> Tensor:
        """What is added to maps, a product of these (batch or 1, 2, pixels) and `shares`: a one, and the noise.

        Args:
            noise: map (batch or 1, 1, height, width).
        """
        scaled = (noise * self.strength).flatten(2)
        return torch.cat([torch.ones_like(scaled), scaled], dim=1).to(self.dtype)

    def forward(self, x: FeatureMaps, w: W, shifts: Tensor | None) -> Pass:
        """Features from those of the layer before, `w` (batch, w_dim), and `shifts`; None without noise."""
        style = self.affine.forward(w)
        style = torch.where(style.abs() < NOT_ZERO, NOT_ZERO, style)  # the pass back divides by it
        power = torch.addmm(self.least, style.square(), self.power)
        y = self.conv.forward(x, style, power.rsqrt())
        flat = y.flatten(1, 2)
        rows = flat.new_ones(1, 1, flat.shape[1]) if shifts is None else shifts
        # in bf16 three times faster than by broadcasting
        flat.baddbmm_(rows.transpose(1, 2).expand(len(y), -1, -1), self._shares(rows, len(y)))
        functional.leaky_relu_(y, LEAKY_SLOPE)
        if self.clamp is not None:
            y.clamp_(-self.clamp, self.clamp)
        return Pass(x, y, style, power, rows)

    def backward(self, gradient: FeatureMaps, shares: Tensor, done: Pass, *, to_noise: bool) -> Gradients:
        """Gradients from that of the output, whose memory is used up, and its `shares` as of `Gradients`."""
        y, power, style = done.y, done.power, done.style
        if self.clamp is not None:
            gradient *= y.abs() < self.clamp
            shares = dot(gradient, y)
        torch.ops.aten.leaky_relu_backward.grad_input(gradient, y, LEAKY_SLOPE, True, grad_input=gradient)
        sums = torch.bmm(done.shifts.expand(len(y), -1, -1), gradient.flatten(1, 2))
        sums = (sums.float() * self._shares(done.shifts, len(y))).sum(dim=1)
        noise = gradient.sum(dim=3, keepdim=True, dtype=torch.float32) * self.strength if to_noise else None
        to_power = (shares - sums) / power  # times -2
        gradient = self.conv.backward(gradient, power.rsqrt(), style)
        shares = dot(gradient, done.x)
        to_style = torch.addcmul(shares / style, style, to_power @ self.power_t, value=-1)
        return Gradients(self.affine.backward(to_style), gradient, shares, noise)

    def _shares(self, rows: Tensor, count: int) -> Tensor:
        """Of each row of `shifts` in each channel: the bias, and all of the noise."""
        return self.shares[:, : rows.shape[1]].expand(count, -1, -1)


class ColourPass(NamedTuple):
    """What the pass back through colours needs: kernel (batch, colours, inputs), and where nothing was clamped."""

    x: Tensor
    kernel: Tensor
    kept: Tensor | None


class Colours:
    """Modulated 1x1 convolution to colours, not demodulated, with the weights of the reference's `layer`."""

    def __init__(self, layer: ToRGB) -> None:
        self.affine = Affine(layer.affine, gain=1 / math.sqrt(layer.weight.shape[1]))
        self.weight = layer.weight[:, :, 0, 0]  # (colours, inputs)
        self.bias = layer.bias
        self.clamp = layer.clamp

    def forward(self, x: FeatureMaps, w: W) -> tuple[Tensor, ColourPass]:
        """The picture's share, (batch, height, width, colours) in fp32."""
        kernel = self.weight * self.affine.forward(w)[:, None]
        share = torch.bmm(x.flatten(1, 2), kernel.transpose(1, 2).to(x.dtype)).float().add_(self.bias)
        share = share.view(*x.shape[:3], -1)
        if self.clamp is None:
            return share, ColourPass(x, kernel, None)
        return share.clamp(-self.clamp, self.clamp), ColourPass(x, kernel, share.abs() <= self.clamp)

    def backward(
        self, gradient: Tensor, done: ColourPass, *, into: FeatureMaps | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients to the maps, added to `into` if there is any, and to the row of W+; `shares` as of `Gradients`."""
        if done.kept is not None:
            gradient = gradient * done.kept
        flat = gradient.flatten(1, 2).to(done.x.dtype)  # (batch, pixels, colours)
        to_kernel = torch.bmm(flat.transpose(1, 2), done.x.flatten(1, 2)).float()
        kernel = done.kernel.to(done.x.dtype)
        if into is None:
            into = torch.bmm(flat, kernel).view_as(done.x)
        else:
            into.flatten(1, 2).baddbmm_(flat, kernel)
        to_w = self.affine.backward((to_kernel * self.weight).sum(dim=1))
        return into, to_w, (to_kernel * done.kernel).sum(dim=1)
