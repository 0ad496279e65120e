"""The networks that only training needs: a discriminator of pictures, and one on frozen features."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from wplus.core.shapes import Images
from wplus.models.squeezenet import CHANNELS
from wplus.models.stylegan2 import RESIDUAL_GAIN
from wplus.training.precision import quick

THUMBNAIL = 16
"""Side in pixels of the smallest picture that the discriminator judges."""


class Discriminator(nn.Module):
    """Residual convolutions from the full rate down to 4 px, joined by a frozen network's features, and a logit.

    The first layer has stride 1: what it skips the generator fills with grain. The frozen levels (Sauer et al. 2021)
    make up for the pictures that a discriminator of pixels alone would have to see first: after 800, it ordered 75 %
    of pairs of real and made faces, with them 99 %.

    Args:
        resolution: side of the pictures in px.
        widths: channels at 4, 8 ... `resolution` px.
    """

    def __init__(self, resolution: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        if 4 << (len(widths) - 1) != resolution:
            raise ValueError(f"{len(widths)} widths make {4 << (len(widths) - 1)} px, not {resolution}")
        self.colours = nn.Conv2d(3, widths[-1], 3, padding=1)
        blocks = {4 << index: Halving(widths[index + 1], widths[index]) for index in range(len(widths) - 1)}
        self.blocks = nn.ModuleDict({f"b{size}": blocks[size] for size in sorted(blocks, reverse=True)})
        sizes = {level: 32 >> level for level in range(len(CHANNELS)) if 32 >> level in blocks}
        self.joined = nn.ModuleDict(
            {f"b{size}": nn.Conv2d(CHANNELS[level], widths[size.bit_length() - 3], 1) for level, size in sizes.items()}
        )
        self.levels = {f"b{size}": level for level, size in sizes.items()}
        self.spread = BatchSpread()
        self.last = nn.Conv2d(widths[0] + 1, widths[0], 3, padding=1)
        self.out = nn.Linear(widths[0] * 16, 1)

    def forward(self, images: Images, levels: list[Tensor]) -> Tensor:
        """Logits, (batch,); `levels` are the standardised features of `images` at 64 px."""
        with quick(images.device.type):
            x = self.colours(images.contiguous(memory_format=torch.channels_last))
            for name, block in self.blocks.items():
                x = block(x)
                if name in self.levels:
                    more = self.joined[name](levels[self.levels[name]].to(x.dtype))
                    x = x + functional.interpolate(more, size=x.shape[2:], mode="bilinear")
            x = functional.leaky_relu(self.last(functional.leaky_relu(self.spread(x), 0.2)), 0.2)
            return self.out(x.flatten(1)).float()[:, 0]

    @staticmethod
    def widths(channels: tuple[int, ...]) -> tuple[int, ...]:
        """Three quarters of a generator's channels: the discriminator sees two pictures for each of its."""
        return tuple(max(8, 3 * width // 4) for width in channels)


class Halving(nn.Module):
    """A residual block to half the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.second = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False)
        for conv in (self.first, self.second):
            nn.init.kaiming_normal_(conv.weight, a=0.2)
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)
        with torch.no_grad():
            self.second.weight.mul_(0.5)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.avg_pool2d(self.first(functional.leaky_relu(x, 0.2)), 2)
        return (self.second(functional.leaky_relu(y, 0.2)) + self.skip(functional.avg_pool2d(x, 2))) * RESIDUAL_GAIN


class Heads(nn.Module):
    """Hinge heads on four levels of a frozen network, on the pixels and on a thumbnail (Sauer et al. 2021, section 3).

    Every level is first mixed by a frozen random 1x1 projection, so that no head can rest on a few channels. There is
    no batch normalisation: it would undo the bound that spectral normalisation sets on the heads' slopes, and an
    unbounded discriminator taught the generator blotches and outlines.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (32, 48, 96, 128)
        self.mixers = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 1, bias=False) for inputs, outputs in zip(CHANNELS, widths, strict=True)
        ).requires_grad_(False)
        chains = ((32, 48, 64, 96), (48, 96, 128), (96, 128, 128), (128, 128))
        self.heads = nn.ModuleList(_head(chain) for chain in chains)
        self.pixels = _head((3, 32, 64, 96, 128))
        self.thumbnail = _head((3, 64, 128))  # sees the whole frame's colours, to which the frozen network is dull

    def forward(self, images: Images, levels: list[Tensor]) -> list[Tensor]:
        """Logits of every head, each (batch, positions); `levels` are the standardised features of `images`."""
        small = functional.adaptive_avg_pool2d(images, THUMBNAIL)
        inputs = [images, small, *(mixer(level) for mixer, level in zip(self.mixers, levels, strict=True))]
        heads = [self.pixels, self.thumbnail, *self.heads]
        return [head(x).flatten(1).float() for head, x in zip(heads, inputs, strict=True)]


class BatchSpread(nn.Module):
    """Appends the standard deviation over the batch as a channel: a collapsed batch is told by it (Karras 2018)."""

    def forward(self, x: Tensor) -> Tensor:
        spread = (x.float().var(dim=0, unbiased=False) + 1e-8).sqrt().mean()
        return torch.cat([x, spread.to(x.dtype).expand(x.shape[0], 1, *x.shape[2:])], dim=1)


def _head(chain: tuple[int, ...]) -> nn.Sequential:
    """Strided convolutions along `chain`, then one logit a position."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(chain):
        conv = nn.Conv2d(inputs, outputs, 4, stride=2, padding=2)
        layers += [spectral_norm(conv), nn.LeakyReLU(0.2, inplace=True)]
    return nn.Sequential(*layers, BatchSpread(), spectral_norm(nn.Conv2d(chain[-1] + 1, 1, 3, padding=1)))
