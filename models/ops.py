"""The arithmetic that the StyleGAN networks share, in plain PyTorch (Karras et al. 2020, section 2 and appendix B)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from wplus.core.shapes import Ws
from wplus.models.network import Noise

TAPS = (1.0, 3.0, 3.0, 1.0)
"""StyleGAN2's low-pass filter, up to its gain."""

LEAKY_SLOPE = 0.2
LEAKY_GAIN = math.sqrt(2.0)  # keeps the variance of what passes the leaky ReLU


def full_precision(ws: Tensor) -> torch.dtype:
    """What these codes are rendered in unless told otherwise: their own precision, at least fp32."""
    return torch.promote_types(ws.dtype, torch.float32)


def takes_halves(ws: Ws, maps: Sequence[Tensor | None] = ()) -> bool:
    """Whether layers that were trained in fp16 run in it: on a GPU, where no gradient is wanted.

    That of a mean over pixels would vanish in fp16; NVIDIA's training scales losses for it.
    """
    return ws.device.type == "cuda" and not any(item is not None and item.requires_grad for item in (ws, *maps))


def normalise_second_moment(x: Tensor) -> Tensor:
    """Scale every row to a mean square of one."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


def leaky(x: Tensor, *, clamp: float | None = None) -> Tensor:
    """Leaky ReLU that keeps the variance, optionally clamped (StyleGAN2-ADA's `conv_clamp`)."""
    x = functional.leaky_relu(x, LEAKY_SLOPE) * LEAKY_GAIN
    return x if clamp is None else x.clamp(-clamp, clamp)


class Linear(nn.Module):
    """A dense layer with equalised learning rate: weights are stored at unit scale, scaled when used.

    Args:
        rate: learning rate relative to the others'; scales weights and biases.
        bias: what biases start from.
        gain: scales the weights alone.
    """

    def __init__(self, inputs: int, outputs: int, *, rate: float = 1.0, bias: float = 0.0, gain: float = 1.0) -> None:
        super().__init__()
        self.rate = rate
        self.gain = gain
        self.weight = nn.Parameter(torch.empty(outputs, inputs).normal_(std=1 / rate))
        self.bias = nn.Parameter(torch.full((outputs,), bias))

    def forward(self, x: Tensor) -> Tensor:
        gain = self.gain * self.rate / math.sqrt(self.weight.shape[1])
        return functional.linear(x, self.weight * gain, self.bias * self.rate)


def noise_maps(noise: Noise, constants: Sequence[Tensor], *, batch: int) -> list[Tensor | None]:
    """One map a noisy layer, or None: given ones, or what a mode makes of the maps that the network was saved with.

    Raises:
        ValueError: more or fewer maps than the network takes.
    """
    if isinstance(noise, tuple):
        if len(noise) != len(constants):
            raise ValueError(f"{len(noise)} noise maps given, the network takes {len(constants)}")
        return [*noise]
    if noise == "none":
        return [None] * len(constants)
    if noise == "const":
        return [*constants]
    return [torch.randn(batch, 1, *item.shape, device=item.device) for item in constants]


def fir(x: Tensor, taps: tuple[float, ...] = TAPS, *, gain: float, padding: int) -> Tensor:
    """A separable low-pass filter, every channel by itself; sides shrink by len(taps) - 1 and grow by 2 `padding`."""
    kernel = _kernel(x, taps[::-1], gain)  # reversed: the network's filters convolve, torch's correlate
    return functional.conv2d(x, kernel, padding=padding, groups=x.shape[1])


def upsample(x: Tensor, taps: tuple[float, ...] = TAPS) -> Tensor:
    """Double the size through a low-pass filter of at least two taps; (n, c, h, w) -> (n, c, 2 h, 2 w)."""
    return doubled(x, _kernel(x, taps, 4.0))


def doubled(x: Tensor, kernel: Tensor) -> Tensor:
    """`upsample` with the filter as a kernel of sum 4, (c, 1, taps, taps)."""
    height, width, taps = 2 * x.shape[2], 2 * x.shape[3], int(kernel.shape[-1])
    x = functional.conv_transpose2d(x, kernel, stride=2, padding=taps - 1 - (taps + 1) // 2, groups=x.shape[1])
    return x[:, :, :height, :width]  # odd filters leave one row and column too many


def _kernel(x: Tensor, taps: tuple[float, ...], gain: float) -> Tensor:
    """The filter of sum `gain`, once a channel; shape (channels, 1, taps, taps)."""
    line = torch.stack([x.new_full((), tap) for tap in taps]) / sum(taps)  # filled in place: a GPU need not wait
    return (torch.outer(line, line) * gain).expand(x.shape[1], 1, len(taps), len(taps))


def modulated_conv(
    x: Tensor, weight: Tensor, style: Tensor, *, demodulate: bool, up: bool = False, taps: tuple[float, ...] = TAPS
) -> Tensor:
    """Convolution whose input channels are scaled by `style`, optionally scaled back to unit variance.

    Scaling activations instead of weights is the same product with one shared convolution for the batch
    (Karras et al. 2020, section 2.2 and equations 1-3).

    Args:
        x: (n, inputs, h, w).
        weight: (outputs, inputs, k, k).
        style: (n, inputs).
        demodulate: divide by the expected standard deviation of the output.
        up: double the size, by a transposed convolution and the low-pass filter `taps`.

    Returns:
        (n, outputs, h, w), or twice the size.
    """
    if demodulate and x.dtype == torch.float16:  # demodulation undoes both scales; half precision would overflow
        weight = weight / (weight.abs().amax(dim=(1, 2, 3), keepdim=True) * math.sqrt(weight[0].numel()))
        style = style / style.abs().amax(dim=1, keepdim=True)
    height, width = x.shape[2:]
    x = x * style[:, :, None, None].to(x.dtype)
    kernel = weight.to(x.dtype)  # the caller chooses the precision of the convolutions by that of x
    if up:
        x = functional.conv_transpose2d(x, kernel.transpose(0, 1), stride=2)
        x = fir(x, taps, gain=4.0, padding=(len(taps) + 1) // 2 - 1)[:, :, : 2 * height, : 2 * width]
    else:
        x = functional.conv2d(x, kernel, padding=int(kernel.shape[-1]) // 2)
    if demodulate:
        power = weight.square().sum(dim=(2, 3))  # (outputs, inputs)
        scale = (style.square() @ power.t() + 1e-8).rsqrt()
        x = x * scale[:, :, None, None].to(x.dtype)
    return x
