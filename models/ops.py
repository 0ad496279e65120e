"""The arithmetic that the StyleGAN networks share, in plain PyTorch (Karras et al. 2020, section 2 and appendix B)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

LEAKY_SLOPE = 0.2
LEAKY_GAIN = math.sqrt(2.0)  # keeps the variance of what passes the leaky ReLU


def normalise_second_moment(x: Tensor) -> Tensor:
    """Scale every row to a mean square of one."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


def leaky(x: Tensor, *, clamp: float | None = None) -> Tensor:
    """Leaky ReLU that keeps the variance, optionally clamped (StyleGAN2-ADA's `conv_clamp`)."""
    x = functional.leaky_relu(x, LEAKY_SLOPE) * LEAKY_GAIN
    return x if clamp is None else x.clamp(-clamp, clamp)


class Linear(nn.Module):
    """A dense layer with equalised learning rate: weights are stored at unit scale, scaled when used."""

    def __init__(self, inputs: int, outputs: int, *, rate: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        self.rate = rate
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias))

    def forward(self, x: Tensor) -> Tensor:
        gain = self.rate / math.sqrt(self.weight.shape[1])
        return functional.linear(x, self.weight * gain, self.bias * self.rate)


def fir(x: Tensor, *, gain: float, padding: int) -> Tensor:
    """The [1, 3, 3, 1] low-pass filter, every channel by itself; sides shrink by 3 and grow by 2 `padding`."""
    return functional.conv2d(x, _kernel(x, gain), padding=padding, groups=x.shape[1])


def upsample(x: Tensor) -> Tensor:
    """Double the size through the low-pass filter; (n, c, h, w) -> (n, c, 2 h, 2 w)."""
    return functional.conv_transpose2d(x, _kernel(x, 4.0), stride=2, padding=1, groups=x.shape[1])


def _kernel(x: Tensor, gain: float) -> Tensor:
    """The filter of sum `gain`, once a channel; shape (channels, 1, 4, 4)."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], device=x.device, dtype=x.dtype) / 8.0
    return (torch.outer(taps, taps) * gain).expand(x.shape[1], 1, 4, 4)


def modulated_conv(x: Tensor, weight: Tensor, style: Tensor, *, demodulate: bool, up: bool = False) -> Tensor:
    """Convolution whose input channels are scaled by `style`, optionally scaled back to unit variance.

    Scaling activations instead of weights is the same product with one shared convolution for the batch
    (Karras et al. 2020, section 2.2 and equations 1-3).

    Args:
        x: (n, inputs, h, w).
        weight: (outputs, inputs, k, k).
        style: (n, inputs).
        demodulate: divide by the expected standard deviation of the output.
        up: double the size, by a transposed convolution and the low-pass filter.

    Returns:
        (n, outputs, h, w), or twice the size.
    """
    x = x * style[:, :, None, None].to(x.dtype)
    kernel = weight.to(x.dtype)  # the caller chooses the precision of the convolutions by that of x
    if up:
        x = functional.conv_transpose2d(x, kernel.transpose(0, 1), stride=2)
        x = fir(x, gain=4.0, padding=1)
    else:
        x = functional.conv2d(x, kernel, padding=kernel.shape[-1] // 2)
    if demodulate:
        power = weight.square().sum(dim=(2, 3))  # (outputs, inputs)
        scale = (style.square() @ power.t() + 1e-8).rsqrt()
        x = x * scale[:, :, None, None].to(x.dtype)
    return x
