"""The networks that only training needs: an encoder to W and a discriminator on frozen features."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from wplus.core.shapes import Images, W
from wplus.models.encoder import WIDTHS, strided
from wplus.models.squeezenet import CHANNELS

THUMBNAIL = 16
"""Side in pixels of the smallest picture that the discriminator judges."""


class Encoder(nn.Module):
    """A variational encoder: a picture to the mean and the log-variance of its code in W (Kingma & Welling 2014)."""

    def __init__(self, resolution: int, w_dim: int) -> None:
        super().__init__()
        self.trunk = strided(resolution)
        self.hidden = nn.Linear(WIDTHS[-1] * 16, w_dim)
        self.head = nn.Linear(w_dim, 2 * w_dim)

    def forward(self, images: Images) -> tuple[W, W]:
        """Mean and log-variance, each (batch, w_dim)."""
        x = self.trunk(images.contiguous(memory_format=torch.channels_last)).flatten(1)
        mean, log_variance = self.head(functional.leaky_relu(self.hidden(x), 0.2)).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-10, 4)


class Discriminator(nn.Module):
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
