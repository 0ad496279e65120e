"""Whether torch's private oneDNN operators are there and do what they did: each computes something small once."""

import functools
import logging

import torch
from torch import Tensor
from torch.nn import functional

from wplus.models.fast.convolution import FP32, Convolution, UpConvolution
from wplus.models.fast.winograd import Winograd

TOLERANCE = 1e-3
"""Of sums of a few dozen products of about 1."""


@functools.cache
def objection() -> str | None:
    """Why networks cannot be computed by hand with this torch, or None; the first call then logs a warning."""
    try:
        wrong = [name for name, (found, expected) in _results().items() if _differs(found, expected)]
        reason = f"{' and '.join(wrong)} gives other numbers" if wrong else None
    except Exception as error:  # whatever an operator raises that is missing, or that takes other arguments
        reason = " ".join(str(error).split())[:100]
    if reason is None:
        return None
    objection = f"oneDNN's operators of torch {torch.__version__} are not those that the fast path knows: {reason}"
    logging.getLogger("wplus").warning("%s; networks take the slower plain path", objection)
    return objection


def _results() -> dict[str, tuple[Tensor, Tensor]]:
    """What the operators give, and what torch's public functions give; maps have their channels last."""
    numbers = torch.linspace(-1, 1, 8 * 8 * 16 * 16).sin()
    weight = numbers[: 8 * 8 * 9].view(8, 8, 3, 3).mul(99).cos()
    maps, bias = numbers[: 8 * 16 * 16].view(1, 16, 16, 8).mul(9).cos(), numbers[:8]
    planes = maps.permute(0, 3, 1, 2)
    convolution, up = Convolution(weight, bias, precision=FP32), UpConvolution(weight, [1.0, 1.0], precision=FP32)
    turned = functional.conv_transpose2d(planes, weight.transpose(0, 1), stride=2)
    blurred = functional.avg_pool2d(turned, 2, stride=1) * 4
    ahead = functional.conv2d(planes, weight, bias, padding=1)
    return {
        "a convolution": (convolution.forward(maps, relu=True).permute(0, 3, 1, 2), ahead.relu()),
        "its gradient": (
            convolution.backward(maps).permute(0, 3, 1, 2),
            functional.conv_transpose2d(planes, weight, padding=1),
        ),
        "a transposed convolution": (up.forward(maps).permute(0, 3, 1, 2), blurred),
        "a linear layer": (Winograd(weight, tiles=16)(maps).permute(0, 3, 1, 2), ahead - bias.view(-1, 1, 1)),
    }


def _differs(found: Tensor, expected: Tensor) -> bool:
    return found.shape != expected.shape or float((found - expected).abs().max()) > TOLERANCE * float(expected.std())
