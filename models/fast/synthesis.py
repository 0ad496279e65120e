"""The synthesis network of a frozen StyleGAN2 as one step of autograd, by hand (Karras et al. 2020, section 2)."""

import copy
import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from wplus.core.shapes import FeatureMaps, Ws
from wplus.models.fast.convolution import FP32, Precision
from wplus.models.fast.layers import ColourPass, Colours, Pass, StyledConvolution
from wplus.models.network import Noise, Rendered
from wplus.models.ops import doubled, noise_maps
from wplus.models.stylegan2 import Block, StyleGAN2Config, Synthesis

EXACT = 3
"""Blocks whose way forward is always in fp32: up to 16 px rounding costs accuracy of all that follows."""


def by_hand(config: StyleGAN2Config) -> bool:
    """Whether a network of these sizes can be computed by hand."""
    return config.architecture in ("skip", "orig") and len(config.taps) % 2 == 0


class FastSynthesis(Synthesis):
    """A synthesis network with the very weights of `reference`, which must not change any more.

    It shares the reference's modules, which are used for what is not done by hand: other devices, precisions and
    architectures, and copies, which are made to be changed.

    Args:
        reference: trained.
        precision: of products unless a call says otherwise; that of maps is the one of the way forward.
    """

    def __init__(self, reference: Synthesis, *, precision: Precision = FP32) -> None:
        nn.Module.__init__(self)
        self.config, self.precision = reference.config, precision
        for name, block in reference.named_children():
            self.add_module(name, block)
        self._prepared: dict[Precision, list[_FastBlock]] = {}

    def forward(self, ws: Ws, *, noise: Noise = "const", dtype: torch.dtype | None = None) -> Rendered:
        """As of the reference; `dtype` None means this network's own."""
        dtype = dtype or self.precision.forward
        known = dtype in (torch.float32, torch.bfloat16) and ws.dtype == torch.float32 and by_hand(self.config)
        if ws.device.type != "cpu" or not known:
            return super().forward(ws, noise=noise, dtype=None if dtype == torch.float32 else dtype)
        precision = self.precision if dtype == self.precision.forward else Precision(dtype, dtype)
        if precision not in self._prepared:
            exact = Precision(torch.float32, precision.backward)
            with torch.no_grad():
                self._prepared[precision] = [
                    _FastBlock(block, precision=exact if index < EXACT else precision)
                    for index, block in enumerate(self.blocks)
                ]
        prepared, constant = self._prepared[precision], noise == "const" and self.config.noise
        given = () if constant else noise_maps(noise, self._constants, batch=len(ws))
        return _Render.apply(prepared, constant, ws, *(item for item in given if item is not None))

    def __deepcopy__(self, memo: dict[int, Any]) -> Synthesis:
        plain = Synthesis.__new__(Synthesis)
        nn.Module.__init__(plain)
        plain.config = self.config
        for name, block in self.named_children():
            plain.add_module(name, copy.deepcopy(block, memo))
        return plain


class _FastBlock:
    """One resolution: its convolutions, and its layer of colours if it has one."""

    def __init__(self, block: Block, *, precision: Precision) -> None:
        self.dtype = precision.forward
        self.const = block.const.permute(1, 2, 0)[None].to(self.dtype).contiguous() if hasattr(block, "const") else None
        self.convs = [StyledConvolution(conv, precision=precision) for conv in block.convs]
        self.colours = Colours(block.torgb) if hasattr(block, "torgb") else None
        line = block.conv1.bias.new_tensor(block.conv1.taps)
        self.filter = torch.outer(line, line) * (4 / line.sum() ** 2)  # of pictures


class _Render(torch.autograd.Function):
    """Codes to pictures; gradients to the codes, and to the noise maps that want one."""

    @staticmethod
    def forward(ctx: Any, blocks: list[_FastBlock], constant: bool, ws: Ws, *maps: Tensor) -> Tensor:
        convs: list[Pass] = []
        colours: list[ColourPass] = []
        picture: Tensor | None = None
        assert blocks[0].const is not None
        x = blocks[0].const.expand(len(ws), -1, -1, -1)
        row, recorded = 0, any(ctx.needs_input_grad)
        for block in blocks:
            x = x.to(block.dtype)
            for conv in block.convs:
                shifts = conv.constant if constant else None
                if maps:
                    shifts = conv.shifts(maps[row].reshape(-1, 1, *maps[row].shape[-2:]))
                done = conv.forward(x, ws[:, row], shifts)
                convs += [done] if recorded else []
                x, row = done.y, row + 1
            if block.colours is not None:  # it reads the row that the next block's first layer reads again
                share, read = block.colours.forward(x, ws[:, row])
                picture = share if picture is None else _upsample(picture, block.filter).add_(share)
                colours += [read] if recorded else []
        assert picture is not None
        if recorded:
            ctx.blocks, ctx.shape = blocks, ws.shape
            ctx.save_for_backward(*maps, *itertools.chain(*convs, *colours))
        return picture.permute(0, 3, 1, 2).contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        blocks: list[_FastBlock] = ctx.blocks
        rows = sum(len(block.convs) for block in blocks)
        saved = list(ctx.saved_tensors)
        colours = [ColourPass(*_take(saved, 3)) for block in blocks if block.colours][::-1]
        convs = [Pass(*_take(saved, 5)) for _ in range(rows)][::-1]
        to_rows = [gradient.new_zeros(ctx.shape[0], ctx.shape[2])] * ctx.shape[1]
        to_maps: list[Tensor | None] = [None] * len(saved)
        x: Tensor | None = None
        shares = gradient.new_zeros(())
        gradient = gradient.permute(0, 2, 3, 1).contiguous()
        for block in reversed(blocks):
            x = None if x is None else x.to(block.dtype)
            if block.colours is not None:
                x, to_row, more = block.colours.backward(gradient, colours.pop(), into=x)
                to_rows[rows] = to_rows[rows] + to_row
                shares = shares + more
                gradient = _downsample(gradient, block.filter) if colours else gradient
            assert x is not None  # the last block has colours
            for conv in reversed(block.convs):
                rows -= 1
                wanted = bool(saved) and ctx.needs_input_grad[3 + rows]
                found = conv.backward(x, shares, convs.pop(), to_noise=wanted)
                to_rows[rows] = to_rows[rows] + found.w
                x, shares = found.x, found.shares
                if found.noise is not None:
                    shape = saved[rows].shape
                    shared = torch.broadcast_shapes(shape, (1, 1, 1, 1))
                    to_maps[rows] = found.noise.permute(0, 3, 1, 2).sum_to_size(shared).view(shape)
        return None, None, torch.stack(to_rows, dim=1), *to_maps


def _take(stack: list[Tensor | None], count: int) -> list[Any]:
    """The last `count` of a list, which it loses."""
    taken = stack[-count:]
    del stack[-count:]
    return taken


def _upsample(picture: FeatureMaps, kernel: Tensor) -> Tensor:
    """Double the size through a low-pass filter; channels last, where it is many times faster."""
    kernel = kernel.expand(picture.shape[3], 1, -1, -1)
    return doubled(picture.permute(0, 3, 1, 2), kernel).permute(0, 2, 3, 1)


def _downsample(picture: FeatureMaps, kernel: Tensor) -> Tensor:
    """The adjoint of `_upsample`."""
    x, kernel = picture.permute(0, 3, 1, 2), kernel.expand(picture.shape[3], 1, -1, -1)
    padding = kernel.shape[-1] // 2 - 1
    return functional.conv2d(x, kernel, stride=2, padding=padding, groups=len(kernel)).permute(0, 2, 3, 1)
