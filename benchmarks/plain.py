"""The usual step of an inversion, for comparison: modulated weights per picture in grouped convolutions, NCHW.

Written anew from the papers (Karras et al. 2020, section 2.2), in the manner in which most public repositories run it.
"""

import math
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from wplus.core.shapes import Images, Losses, Ws
from wplus.models import IMAGE2STYLEGAN_TAPS, VGG
from wplus.models.ops import LEAKY_GAIN, LEAKY_SLOPE
from wplus.models.stylegan2 import Synthesis, SynthesisLayer, ToRGB


def render(synthesis: Synthesis, ws: Ws, maps: Sequence[Tensor]) -> Images:
    """Pictures of a network of architecture "skip"; one map (1, 1, h, w) a layer."""
    x = synthesis.blocks[0].const.expand(len(ws), -1, -1, -1)
    picture: Tensor | None = None
    row = 0
    for block in synthesis.blocks:
        for conv in block.convs:
            x = _styled(x, conv, ws[:, row], maps[row])
            row += 1
        share = _colours(x, block.torgb, ws[:, row])
        if picture is not None:
            size = picture.shape[2]
            kernel = _filter(picture.device).expand(picture.shape[1], 1, -1, -1)
            spread = functional.pad(picture.new_zeros(*picture.shape[:2], 2 * size, 2 * size), (2, 1, 2, 1))
            spread[:, :, 2 : 2 + 2 * size : 2, 2 : 2 + 2 * size : 2] = picture
            share = share + functional.conv2d(spread, kernel, groups=picture.shape[1])
        picture = share
    assert picture is not None
    return picture


def losses(network: VGG, given: Images, target: Images) -> Losses:
    """Image2StyleGAN's loss; the target's features are computed anew, as in many repositories."""
    found, wanted = network(given, IMAGE2STYLEGAN_TAPS), network(target, IMAGE2STYLEGAN_TAPS)
    parts = [(found[tap] - wanted[tap]).square().mean(dim=(1, 2, 3)) for tap in IMAGE2STYLEGAN_TAPS]
    return torch.stack([*parts, (given - target).square().mean(dim=(1, 2, 3))]).sum(dim=0)


def _styled(x: Tensor, layer: SynthesisLayer, w: Tensor, noise: Tensor) -> Tensor:
    """Modulated convolution, noise, bias, leaky ReLU."""
    count, inputs, height, width = x.shape
    weight = layer.weight * layer.affine(w)[:, None, :, None, None]  # (batch, outputs, inputs, 3, 3)
    weight = weight * (weight.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    x = x.reshape(1, count * inputs, height, width)
    if layer.up:
        grouped = weight.transpose(1, 2).reshape(count * inputs, -1, 3, 3)
        x = functional.conv_transpose2d(x, grouped, stride=2, groups=count)
        kernel = _filter(x.device).expand(x.shape[1], 1, -1, -1)
        x = functional.conv2d(x, kernel, padding=1, groups=x.shape[1])
    else:
        x = functional.conv2d(x, weight.reshape(-1, inputs, 3, 3), padding=1, groups=count)
    x = x.reshape(count, -1, *x.shape[2:]) + noise * layer.noise_strength + layer.bias[:, None, None]
    return functional.leaky_relu(x, LEAKY_SLOPE) * LEAKY_GAIN


def _colours(x: Tensor, layer: ToRGB, w: Tensor) -> Tensor:
    """Modulated 1x1 convolution to colours."""
    count, inputs, height, width = x.shape
    weight = layer.weight * (layer.affine(w) / math.sqrt(inputs))[:, None, :, None, None]
    flat = functional.conv2d(x.reshape(1, -1, height, width), weight.reshape(-1, inputs, 1, 1), groups=count)
    return flat.reshape(count, -1, height, width) + layer.bias[:, None, None]


@cache
def _filter(device: torch.device) -> Tensor:
    """StyleGAN2's low-pass filter, of sum 4."""
    line = torch.tensor([1.0, 3.0, 3.0, 1.0], device=device) / 8
    return torch.outer(line, line) * 4
