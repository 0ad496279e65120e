"""SqueezeNet 1.1 features in levels (Iandola et al. 2016), by torchvision: what training compares pictures by."""

from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

from wplus.core.errors import WeightsError
from wplus.models.trunks import trunk_weights

LEVELS = (1, 4, 7, 12)
"""Indices of torchvision's `features` after which a level ends: conv1, fire4, fire7, fire12."""

CHANNELS = (64, 128, 256, 512)
"""Width of every level."""


class SqueezeNetLevels(nn.Module):
    """Frozen trunk: RGB in [-1, 1] to a list of four feature maps at strides 2, 4, 8 and 16.

    Args:
        path: a file with torchvision's keys (safetensors, .pth), or None for torchvision's own download.

    Raises:
        WeightsError: no such file, other weights, or the download failed.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        super().__init__()
        weights = torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1
        network = torchvision.models.squeezenet1_1()
        try:
            network.load_state_dict(
                weights.get_state_dict(check_hash=True) if path is None else trunk_weights("squeezenet", Path(path))
            )
        except (OSError, RuntimeError) as error:
            source = path if path is not None else weights.url
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
