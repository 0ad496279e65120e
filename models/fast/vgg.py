"""A frozen VGG as one step of autograd, by hand (Simonyan & Zisserman 2015; `models/vgg.py` is the reference)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from wplus.core.shapes import Images
from wplus.models.fast.convolution import BF16, FP32, Convolution, Precision
from wplus.models.vgg import INPUT_SIZE, VGG, reduce

POOL = ([2, 2], [2, 2], [0, 0], [1, 1], False)
"""Kernel, stride, padding, dilation and rounding of the pooling between blocks."""


class FastVGG(VGG):
    """A trunk with the very weights of `reference`, which must not change any more.

    Args:
        reference: shares its modules; used on devices other than the CPU.
        precision: of products; that of maps is the one of the way forward.
    """

    def __init__(self, reference: VGG, *, precision: Precision = FP32) -> None:
        nn.Module.__init__(self)
        self.config, self.name, self.precision = reference.config, reference.name, precision
        self.convs, self.heads = reference.convs, reference.heads
        for name, buffer in reference.named_buffers(recurse=False):
            self.register_buffer(name, buffer, persistent=False)
        self._prepared: list[_Layer] = []

    def forward(self, images: Images, taps: Sequence[str], *, after_relu: bool = False) -> dict[str, Tensor]:
        """As of the reference; maps are channels_last, and of this network's precision."""
        known = bool(taps) and set(taps) <= set(self.convs)  # the reference says what is wrong
        if images.device.type != "cpu" or not known:
            with torch.autocast(images.device.type, torch.bfloat16, enabled=self.precision == BF16):
                return super().forward(images, taps, after_relu=after_relu)
        if not self._prepared:
            heads: dict[str, Any] = dict(self.heads.items())
            with torch.no_grad():
                self._prepared = [
                    _Layer(name, conv, heads.get(name), precision=self.precision) for name, conv in self.convs.items()
                ]
        last = max(list(self.convs).index(tap) for tap in taps)
        layers = self._prepared[: last + 1]
        x = ((reduce(images, INPUT_SIZE) + 1) / 2 - self.mean) / self.std
        names = [layer.name for layer in layers if layer.name in taps]
        return dict(zip(names, _Features.apply(layers, names, after_relu, x), strict=True))


class _Layer:
    """A convolution with its name, its linear head if it has one, and whether pooling comes before it."""

    def __init__(self, name: str, conv: Any, head: Any, *, precision: Precision) -> None:
        self.name, self.pooled = name, name.endswith("_1") and name != "conv1_1"
        self.conv = Convolution(conv.weight, conv.bias, precision=precision)
        self.head = None if head is None else Convolution(head.weight, precision=precision)
        self.dtype = precision.forward


class _Features(torch.autograd.Function):
    """Normalised pictures to taps."""

    @staticmethod
    def forward(
        ctx: Any, layers: list[_Layer], taps: list[str], after_relu: bool, images: Images
    ) -> tuple[Tensor, ...]:
        x = images.permute(0, 2, 3, 1).to(layers[0].dtype).contiguous()
        found: list[Tensor] = []
        saved: list[Tensor] = []
        for layer in layers:
            if layer.pooled:
                pooled, places = functional.max_pool2d(x.permute(0, 3, 1, 2), 2, return_indices=True)
                saved.append(places)
                x = pooled.permute(0, 2, 3, 1)
            if layer.name not in taps or after_relu:
                x = tap = layer.conv.forward(x, relu=True)
            else:
                tap = layer.conv.forward(x)
                x = tap if layer is layers[-1] else tap.relu()
            saved.append(x)
            if layer.name in taps:
                found.append((tap if layer.head is None else layer.head.forward(tap)).permute(0, 3, 1, 2))
        if ctx.needs_input_grad[3]:
            ctx.layers, ctx.taps, ctx.after_relu = layers, taps, after_relu
            ctx.save_for_backward(*saved)
        return tuple(found)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        saved, given = list(ctx.saved_tensors), list(gradients)
        x: Tensor | None = None
        for layer in reversed(ctx.layers):
            y = saved.pop()
            tapped = None
            if layer.name in ctx.taps:
                tapped = given.pop().permute(0, 2, 3, 1).contiguous()
                tapped = tapped if layer.head is None else layer.head.backward(tapped)
            if ctx.after_relu and tapped is not None:
                x, tapped = tapped.clone() if x is None else x.add_(tapped), None
            if x is not None:
                torch.ops.aten.threshold_backward.grad_input(x, y, 0, grad_input=x)
            x = tapped if x is None else x if tapped is None else x.add_(tapped)
            x = layer.conv.backward(x)
            if layer.pooled:
                places, before = saved.pop(), saved[-1].permute(0, 3, 1, 2)
                x = torch.ops.aten.max_pool2d_with_indices_backward(x.permute(0, 3, 1, 2), before, *POOL, places)
                x = x.permute(0, 2, 3, 1)
        assert x is not None
        return None, None, None, x.permute(0, 3, 1, 2).float()
