"""SqueezeNet 1.1 features in levels (Iandola et al. 2016), by torchvision: what training compares pictures by."""

from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

from wplus.core.errors import DownloadError, WeightsError
from wplus.models.catalogue import fetch, find
from wplus.models.trunks import trunk_weights

LEVELS = (1, 4, 7, 12)
"""Indices of torchvision's `features` after which a level ends: conv1, fire4, fire7, fire12."""

CHANNELS = (64, 128, 256, 512)
"""Width of every level."""


class SqueezeNetLevels(nn.Module):
    """Frozen trunk: RGB in [-1, 1] to a list of four feature maps at strides 2, 4, 8 and 16.

    Args:
        path: a file with torchvision's keys (safetensors, .pth), or None for the catalogue's, which is downloaded
            unless it is here or WPLUS_OFFLINE is set.

    Raises:
        WeightsError: no such file, other weights, or the download failed.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        super().__init__()
        network = torchvision.models.squeezenet1_1()
        try:
            if path is None:
                fetch(find("squeezenet"), watch=lambda done, total: None)
            network.load_state_dict(trunk_weights("squeezenet", None if path is None else Path(path)))
        except (DownloadError, RuntimeError) as error:
            source = path if path is not None else find("squeezenet").url
            raise WeightsError(f"cannot load SqueezeNet 1.1 from {source}: {error}".splitlines()[0]) from error
        self.features = network.features[: LEVELS[-1] + 1]
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None])
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features of `images` (batch, 3, height, width), in the precision of the weights."""
        x = ((images + 1) / 2 - self.mean.float()) / self.std.float()
        x = x.to(self.features[0].weight.dtype).contiguous(memory_format=torch.channels_last)
        levels = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in LEVELS:
                levels.append(x)
        return levels
