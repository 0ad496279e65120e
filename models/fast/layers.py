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
from wplus.models.fast.convolution import Convolution, UpConvolution
from wplus.models.fast.passes import dot
from wplus.models.ops import LEAKY_GAIN, LEAKY_SLOPE, Linear
from wplus.models.stylegan2 import SynthesisLayer, ToRGB

NOT_ZERO = 1e-6
"""The least absolute value of a style."""


class Pass(NamedTuple):
    """What a layer's pass back needs of its pass forward: maps in and out, and in fp32 their channels' scales."""

    x: Tensor
    y: Tensor
    style: Tensor
    scale: Tensor
    noise: Tensor | None


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
        dtype: of maps and of the convolution's weights.
    """

    def __init__(self, layer: SynthesisLayer, *, dtype: torch.dtype) -> None:
        self.affine = Affine(layer.affine)
        self.power_t = layer.weight.square().sum(dim=(2, 3)).t().contiguous()  # (inputs, outputs)
        self.clamp = layer.clamp
        self.bias = layer.bias * LEAKY_GAIN
        strength = getattr(layer, "noise_strength", None)
        self.strength = torch.zeros([]) if strength is None else strength * LEAKY_GAIN
        self.conv: Convolution | UpConvolution = (
            UpConvolution(layer.weight, layer.taps, dtype=dtype) if layer.up else Convolution(layer.weight, dtype=dtype)
        )

    def forward(self, x: FeatureMaps, w: W, noise: Tensor | None) -> Pass:
        """Features from those of the layer before, `w` (batch, w_dim), and a map (batch or 1, h, w, 1)."""
        style = self.affine.forward(w)
        style += NOT_ZERO * (style.abs() < NOT_ZERO)  # the pass back divides by it
        scale = (style.square() @ self.power_t + 1e-8).rsqrt() * LEAKY_GAIN
        y = self.conv.forward(x, style, scale)
        left, right = self._shift(y, noise)
        y.flatten(1, 2).baddbmm_(left.transpose(1, 2), right)  # in bf16 three times faster than by broadcasting
        functional.leaky_relu_(y, LEAKY_SLOPE)
        if self.clamp is not None:
            y.clamp_(-self.clamp, self.clamp)
        return Pass(x, y, style, scale, noise)

    def backward(self, gradient: FeatureMaps, shares: Tensor, done: Pass, *, to_noise: bool) -> Gradients:
        """Gradients from that of the output, whose memory is used up, and its `shares` as of `Gradients`."""
        y, scale, style = done.y, done.scale, done.style
        if self.clamp is not None:
            gradient *= y.abs() < self.clamp
            shares = dot(gradient, y)
        torch.ops.aten.leaky_relu_backward.grad_input(gradient, y, LEAKY_SLOPE, True, grad_input=gradient)
        left, right = self._shift(gradient, done.noise)
        sums = (torch.matmul(left, gradient.flatten(1, 2)).float() * right).sum(dim=1)
        noise = gradient.sum(dim=3, keepdim=True, dtype=torch.float32) * self.strength if to_noise else None
        to_scale = (shares - sums) / scale * LEAKY_GAIN
        gradient = self.conv.backward(gradient, scale, style)
        shares = dot(gradient, done.x)
        to_style = shares / style - style * (((scale / LEAKY_GAIN) ** 3 * to_scale) @ self.power_t.t())
        return Gradients(self.affine.backward(to_style), gradient, shares, noise)

    def _shift(self, maps: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """Bias and noise as a product of (batch, 1 or 2, pixels) and (batch, 1 or 2, channels)."""
        pixels = maps.shape[1] * maps.shape[2]
        left, right = [maps.new_ones(1, pixels)], [self.bias]
        if noise is not None:
            left.append((noise * self.strength).to(maps.dtype).view(-1, pixels))
            right.append(torch.ones_like(self.bias))
        rows = torch.stack([item.expand(len(maps), -1) for item in left], dim=1)
        return rows, torch.stack(right).to(maps.dtype).expand(len(maps), -1, -1)


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
        share = torch.matmul(x.flatten(1, 2), kernel.transpose(1, 2).to(x.dtype)).float() + self.bias
        share = share.unflatten(1, x.shape[1:3])
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
        to_kernel = torch.matmul(flat.transpose(1, 2), done.x.flatten(1, 2)).float()
        kernel = done.kernel.to(done.x.dtype)
        if into is None:
            into = torch.matmul(flat, kernel).view_as(done.x)
        else:
            into.flatten(1, 2).baddbmm_(flat, kernel)
        to_w = self.affine.backward((to_kernel * self.weight).sum(dim=1))
        return into, to_w, (to_kernel * done.kernel).sum(dim=1)
