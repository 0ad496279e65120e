"""Convolutions whose weights never change, on maps whose channels lie last: packed once for oneDNN, then used often.

Maps are (batch, height, width, channels) and contiguous: what torch calls channels_last, seen with its axes in order.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from wplus.core.shapes import FeatureMaps
from wplus.models.fast.winograd import Winograd, pays

ONEDNN = torch.ops.mkldnn
"""Private operators; `trial` says whether this torch has them. Their names are looked up when they are called."""

NONE, ONES, TWOS = [0, 0], [1, 1], [2, 2]
"""Paddings, dilations and strides as oneDNN takes them."""


class Precision(NamedTuple):
    """In what products are formed, on the way forward and on the way back.

    What rounding adds to a gradient falls with the gradient; what it adds to a loss stays, and hides what the last
    steps gain. So a descent with bf16 on the way back alone ends where one in fp32 does.
    """

    forward: torch.dtype
    backward: torch.dtype


FP32 = Precision(torch.float32, torch.float32)
MIXED = Precision(torch.float32, torch.bfloat16)
BF16 = Precision(torch.bfloat16, torch.bfloat16)


class _Packed:
    """Weights in the layouts in which oneDNN takes them, each packed at its first use."""

    def __init__(self, precision: Precision) -> None:
        self._precision = precision
        self._packed: dict[tuple[str, torch.Size], Tensor] = {}

    def _dtype(self, way: str) -> torch.dtype:
        """Of products on that way, "forward" or "backward"."""
        return self._precision.forward if way == "forward" else self._precision.backward

    def _pack(
        self,
        way: str,
        weight: Callable[[], Tensor],
        shape: torch.Size,
        pack: Callable[..., Tensor],
        *numbers: list[int],
    ) -> Tensor:
        """Weights for maps (n, h, w, channels) of this height and width."""
        count, height, width, channels = shape
        key = way, shape[1:]
        if key not in self._packed:
            plain = weight().to(self._dtype(way)).contiguous()
            self._packed[key] = pack(plain, *numbers, ONES, 1, [count, channels, height, width])
        return self._packed[key]


class Convolution(_Packed):
    """A 3x3 or 1x1 convolution that keeps the size, and its gradient to the data.

    Args:
        weight: (outputs, inputs, k, k).
        bias: (outputs,), or None.
        precision: of products forward and backward.
        winograd: whether fp32 maps may go through fewer products.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None = None, *, precision: Precision, winograd: bool = True
    ) -> None:
        super().__init__(precision)
        self.bias = None if bias is None else bias.to(precision.forward)
        self._weight = weight
        self._winograd = winograd and weight.shape[-1] == 3
        self._by_tiles: dict[str, Winograd] = {}

    def forward(
        self, x: FeatureMaps, into: Tensor | None = None, out: Tensor | None = None, *, relu: bool = False
    ) -> Tensor:
        """(n, h, w, inputs) to (n, h, w, outputs).

        Args:
            x: maps.
            into, out: what channels are multiplied by before and behind, (n, inputs) and (n, outputs), or None.
            relu: whether negative sums become 0.
        """
        return self._run(x, "forward", lambda: self._weight, into, out, bias=self.bias, relu=relu)

    def backward(self, gradient: FeatureMaps, into: Tensor | None = None, out: Tensor | None = None) -> Tensor:
        """The gradient to the data: the convolution with the weights turned by half a turn."""
        return self._run(gradient, "backward", lambda: self._weight.flip(2, 3).transpose(0, 1), into, out)

    def _run(
        self,
        x: Tensor,
        way: str,
        weight: Callable[[], Tensor],
        into: Tensor | None,
        out: Tensor | None,
        *,
        bias: Tensor | None = None,
        relu: bool = False,
    ) -> Tensor:
        dtype = self._dtype(way)
        if self._winograd and dtype == torch.float32 and pays(self._weight.numel() // 9, x.shape):
            if way not in self._by_tiles:
                self._by_tiles[way] = Winograd(weight(), tiles=x.shape[:3].numel() // 16)
            y = self._by_tiles[way](x, into)
            y = y if bias is None else y.add_(bias)
            return scale_(y.relu_() if relu else y, out)
        pads = [self._weight.shape[-1] // 2] * 2
        if into is not None and out is not None and folds(x, self._weight, dtype):
            kernel, into, out = folded(weight(), into, out, dtype=dtype), None, None
        else:
            kernel = self._pack(way, weight, x.shape, ONEDNN._reorder_convolution_weight, pads, ONES)
        maps = scaled(x, into).to(dtype).permute(0, 3, 1, 2)
        y = ONEDNN._convolution_pointwise.default(
            maps, kernel, bias, pads, ONES, ONES, 1, "relu" if relu else "none", [], ""
        )
        return scale_(y.permute(0, 2, 3, 1).to(x.dtype), out)


class UpConvolution(_Packed):
    """A 3x3 transposed convolution of stride 2 and a low-pass filter, h to 2 h, and its gradient to the data.

    Args:
        weight: (outputs, inputs, 3, 3), as of the convolution that it transposes in space alone.
        taps: the filter, of even length.
        precision: of products forward and backward.
    """

    def __init__(self, weight: Tensor, taps: Sequence[float], *, precision: Precision) -> None:
        super().__init__(precision)
        line = torch.tensor(taps, device=weight.device) / sum(taps)
        self._filter = (torch.outer(line, line) * 4).expand(weight.shape[0], 1, -1, -1)
        self._weight = weight.transpose(0, 1)  # (inputs, outputs, 3, 3)

    def forward(self, x: FeatureMaps, into: Tensor | None = None, out: Tensor | None = None) -> Tensor:
        """(n, h, w, inputs) to (n, 2 h, 2 w, outputs); channels are multiplied as in a `Convolution`."""
        dtype = self._precision.forward
        if into is not None and folds(x, self._weight, dtype):
            kernel, into = folded(self._weight, out=into, dtype=dtype), None
        else:
            pack = ONEDNN._reorder_convolution_transpose_weight
            kernel = self._pack("forward", lambda: self._weight, x.shape, pack, NONE, NONE, TWOS)
        x = scaled(x, into).permute(0, 3, 1, 2)
        y = ONEDNN._convolution_transpose_pointwise.default(x, kernel, None, NONE, NONE, TWOS, ONES, 1, "none", [], "")
        return self._low_pass(y, self._filter.flip(2, 3), self._filter.shape[-1] // 2 - 1, out)

    def backward(self, gradient: FeatureMaps, into: Tensor | None = None, out: Tensor | None = None) -> Tensor:
        """(n, 2 h, 2 w, outputs) to (n, h, w, inputs)."""
        dtype = self._precision.backward
        y = self._low_pass(gradient.permute(0, 3, 1, 2), self._filter, self._filter.shape[-1] // 2, into)
        if out is not None and folds(y, self._weight, dtype):
            kernel, out = folded(self._weight, out=out, dtype=dtype), None
        else:
            pack = ONEDNN._reorder_convolution_weight
            kernel = self._pack("backward", lambda: self._weight, y.shape, pack, NONE, TWOS)
        x = ONEDNN._convolution_pointwise.default(
            y.to(dtype).permute(0, 3, 1, 2), kernel, None, NONE, TWOS, ONES, 1, "none", [], ""
        )
        return scale_(x.permute(0, 2, 3, 1).to(gradient.dtype), out)

    def _low_pass(self, x: Tensor, kernel: Tensor, padding: int, scale: Tensor | None) -> Tensor:
        """Filter (n, channels, height, width) and multiply channels; gives (n, height, width, channels)."""
        if scale is not None and len(scale) == 1:
            kernel, scale = kernel * scale.view(-1, 1, 1, 1), None
        kernel = kernel.to(x.dtype).contiguous(memory_format=torch.channels_last)
        return scale_(functional.conv2d(x, kernel, padding=padding, groups=x.shape[1]).permute(0, 2, 3, 1), scale)


def folds(x: FeatureMaps, weight: Tensor, dtype: torch.dtype) -> bool:
    """Whether it is quicker to multiply the weights by what channels are multiplied by: few weights, one picture.

    Where maps are rounded for products of less precision, it would be rounded otherwise alone than among others.
    """
    outputs, inputs = weight.shape[:2]
    return x.dtype == dtype and x.shape[0] == 1 and 72 * inputs * outputs < x.shape[1] * x.shape[2] * (inputs + outputs)


def folded(weight: Tensor, into: Tensor | None = None, out: Tensor | None = None, *, dtype: torch.dtype) -> Tensor:
    """Weights (a, b, k, k) times `out` (1, a) and `into` (1, b)."""
    weight = weight if into is None else weight * into.view(-1, 1, 1)
    weight = weight if out is None else weight * out.view(-1, 1, 1, 1)
    return weight.to(dtype).contiguous()


def scaled(x: FeatureMaps, scale: Tensor | None) -> Tensor:
    """Maps times a number a channel, (batch, channels), in the maps' precision."""
    return x if scale is None else x * scale.to(x.dtype).view(len(scale), 1, 1, -1)


def scale_(x: FeatureMaps, scale: Tensor | None) -> Tensor:
    """As `scaled`, in place."""
    return x if scale is None else x.mul_(scale.to(x.dtype).view(len(scale), 1, 1, -1))
