"""GoogLeNet up to its pooled features, by which two sets of pictures are compared (Szegedy et al. 2015, table 1).

It reads BVLC's Caffe weights under Caffe's own layer names; the original has response normalisation and no batch
normalisation, unlike torchvision's.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from wplus.core.errors import WeightsError
from wplus.core.shapes import Features, Images

BLOCKS = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
POOLED_AFTER = {"3b", "4e"}
BGR_MEAN = (104.0, 117.0, 123.0)
FEATURES = 1024


class Inception(nn.Module):
    """Four branches side by side (section 4, figure 2b)."""

    def __init__(self, weights: Mapping[str, Tensor], name: str) -> None:
        super().__init__()
        branches = ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj")
        self.convs = nn.ModuleDict({branch: _conv(weights, f"inception_{name}/{branch}") for branch in branches})

    def forward(self, x: Tensor) -> Tensor:
        def conv(branch: str, value: Tensor) -> Tensor:
            return functional.relu(self.convs[branch](value))

        pooled = functional.max_pool2d(x, 3, stride=1, padding=1)
        parts = [
            conv("1x1", x),
            conv("3x3", conv("3x3_reduce", x)),
            conv("5x5", conv("5x5_reduce", x)),
            conv("pool_proj", pooled),
        ]
        return torch.cat(parts, dim=1)


class GoogLeNet(nn.Module):
    """Pictures to the features of the last pooling, frozen.

    Args:
        weights: Caffe's names ("conv1/7x7_s2.weight" ...) to tensors; linear layers as 1x1 convolutions.

    Raises:
        KeyError: a weight is missing.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.conv1 = _conv(weights, "conv1/7x7_s2", stride=2)
        self.reduce = _conv(weights, "conv2/3x3_reduce")
        self.conv2 = _conv(weights, "conv2/3x3")
        self.blocks = nn.ModuleDict({name: Inception(weights, name) for name in BLOCKS})
        self.requires_grad_(False)

    def forward(self, images: Images, *, size: int = 128) -> Features:
        """Features (batch, 1024) of RGB pictures in [-1, 1], seen at `size` pixels (bicubic, antialiased)."""
        x = functional.interpolate(images, size=(size, size), mode="bicubic", antialias=True, align_corners=False)
        x = (x.clamp(-1, 1).flip(1) + 1) * 127.5 - torch.tensor(BGR_MEAN, device=x.device)[:, None, None]
        x = x.contiguous(memory_format=torch.channels_last)
        x = _normalise(_pool(functional.relu(self.conv1(x))))
        x = _pool(_normalise(functional.relu(self.conv2(functional.relu(self.reduce(x))))))
        for name, block in self.blocks.items():
            x = block(x)
            if name in POOLED_AFTER:
                x = _pool(x)
        return x.mean(dim=(2, 3))


def load_googlenet(path: str | Path) -> GoogLeNet:
    """Read BVLC's weights from a safetensors file, as fp32.

    Raises:
        WeightsError: no such file, damaged, or other weights.
    """
    try:
        return GoogLeNet({name: tensor.float() for name, tensor in load_file(path).items()})
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: cannot be read as safetensors: {error}") from error
    except KeyError as error:
        raise WeightsError(f"{path}: no GoogLeNet in Caffe's names: {error} is missing") from error


def _conv(weights: Mapping[str, Tensor], name: str, *, stride: int = 1) -> nn.Conv2d:
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    outputs, inputs, side, _ = weight.shape
    conv = nn.Conv2d(inputs, outputs, side, stride=stride, padding=side // 2)
    conv.weight, conv.bias = nn.Parameter(weight), nn.Parameter(bias)
    return conv.to(memory_format=torch.channels_last)


def _pool(x: Tensor) -> Tensor:
    return functional.max_pool2d(x, 3, stride=2, ceil_mode=True)


def _normalise(x: Tensor) -> Tensor:
    return functional.local_response_norm(x, 5, alpha=1e-4, beta=0.75)
