"""VGG16 as a perceptual network: feature maps by name, before the ReLU (Simonyan & Zisserman 2015).

Image2StyleGAN compares pictures at conv1_1, conv1_2, conv3_2 and conv4_2. `vgg-slim`, which ships, has the same
names with fewer channels; a linear head on each tap makes its distances those of the full network.
"""

import contextlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from urllib.error import URLError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from wplus.core.errors import WeightsError
from wplus.core.shapes import Images, ResizedImages
from wplus.core.tensorfile import read_tensors
from wplus.models.blank import blank
from wplus.models.download import is_offline, sha256_of

IMAGE2STYLEGAN_TAPS = ("conv1_1", "conv1_2", "conv3_2", "conv4_2")
"""The layers of Image2StyleGAN (section 4.1 of the paper)."""

INPUT_SIZE = 256
"""Pictures with a longer side than this are reduced to it."""

TORCHVISION_INDEX = {
    "conv1_1": 0, "conv1_2": 2, "conv2_1": 5, "conv2_2": 7, "conv3_1": 10, "conv3_2": 12, "conv3_3": 14,
    "conv4_1": 17, "conv4_2": 19,
}  # fmt: skip
"""Where torchvision keeps each convolution in `features`."""


@dataclass(frozen=True)
class VGGConfig:
    """Sizes of a VGG trunk.

    Args:
        widths: channels of blocks 1 to 4.
        layers: names of the convolutions it has, in order.
        heads: names of the taps that pass through a linear head.
    """

    widths: tuple[int, ...] = (64, 128, 256, 512)
    layers: tuple[str, ...] = tuple(TORCHVISION_INDEX)
    heads: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "VGGConfig":
        """Read what `dataclasses.asdict` wrote."""
        return cls(**{name: tuple(value) for name, value in values.items()})


class VGG(nn.Module):
    """A frozen VGG trunk with taps by name."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: VGGConfig, *, name: str) -> None:
        super().__init__()
        self.config, self.name = config, name
        self.convs, self.heads = nn.ModuleDict(), nn.ModuleDict()
        inputs = 3
        for layer in config.layers:
            outputs = config.widths[_block(layer) - 1]
            self.convs[layer] = nn.Conv2d(inputs, outputs, 3, padding=1)
            if layer in config.heads:
                self.heads[layer] = nn.Conv2d(outputs, outputs, 1, bias=False)
            inputs = outputs
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None], persistent=False)
        self.requires_grad_(False).eval()

    def forward(self, images: Images, taps: Sequence[str], *, after_relu: bool = False) -> dict[str, Tensor]:
        """Feature maps by name, each (batch, channels, height, width), before the ReLU unless asked otherwise.

        Args:
            images: RGB in [-1, 1]; reduced to at most 256 px, antialiased, and normalised as for ImageNet here.
            taps: names such as "conv3_2".
            after_relu: tap behind the ReLU, as several re-implementations do.

        Raises:
            ValueError: a tap that this network does not have.
        """
        missing = [tap for tap in taps if tap not in self.convs]
        if missing or not taps:
            raise ValueError(
                f"{self.name} has no {', '.join(missing) or 'empty set of taps'}; it has {', '.join(self.convs)}"
            )
        x = ((reduce(images, INPUT_SIZE) + 1) / 2 - self.mean) / self.std
        found: dict[str, Tensor] = {}
        for name, conv in self.convs.items():
            if name.endswith("_1") and name != "conv1_1":
                x = functional.max_pool2d(x, 2)
            before = conv(x)
            x = functional.relu(before)  # not in place: the tap before it must stay
            if name in taps:
                tap = x if after_relu else before
                found[name] = self.heads[name](tap) if name in self.heads else tap
                if len(found) == len(set(taps)):
                    break
        return found


def reduce(images: Images, size: int) -> ResizedImages:
    """Shrink pictures whose longer side exceeds `size` to it, antialiased; others pass unchanged."""
    longer = max(images.shape[2:])
    if longer <= size:
        return images
    shape = [max(1, round(side * size / longer)) for side in images.shape[2:]]
    return functional.interpolate(images, size=shape, mode="bilinear", antialias=True)


def load_vgg16() -> VGG:
    """The full network with torchvision's ImageNet weights, kept in torch's cache and checked by hash.

    They are downloaded unless they are there or WPLUS_OFFLINE is set.

    Raises:
        WeightsError: not in the cache and not to be downloaded; the message says where to put the file.
    """
    from torchvision.models import VGG16_Weights  # here, for it takes a second, and the network that ships needs none

    weights = VGG16_Weights.IMAGENET1K_V1
    file = Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rsplit("/", 1)[1]
    start = file.stem.rsplit("-", 1)[1]  # torchvision's names carry the first digits of the sum
    if file.exists() and not sha256_of(file).startswith(start):
        raise WeightsError(f"{file}: damaged, its SHA-256 does not begin with {start}; delete it and try again")
    if not file.exists() and is_offline():
        raise WeightsError("vgg16 is not here yet: fetch it with `wplus models fetch vgg16`")
    try:
        with contextlib.redirect_stdout(sys.stderr):  # torch tells there that it downloads
            state = weights.get_state_dict(progress=sys.stderr.isatty(), check_hash=True, weights_only=True)
    except (URLError, OSError, RuntimeError, UnpicklingError) as error:
        raise WeightsError(
            f"the VGG16 weights {file.name} could not be downloaded from {weights.url}, or read ({error});"
            f" put that file into {file.parent}, or use the network that ships: vgg-slim"
        ) from error
    return _from_torchvision(state, name="vgg16")


def load_vgg_file(path: str | Path) -> VGG:
    """A trunk from a safetensors file: one of ours, or one with torchvision's keys (features.N.weight).

    Raises:
        WeightsError: no such file, damaged, or other keys.
    """
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: no file of VGG weights, or damaged: {error}") from error
    if "features.0.weight" in state:
        return _from_torchvision(state, name=Path(path).stem)
    tensors, header = read_tensors(path, error=WeightsError, expected="a perceptual network")
    if header.get("kind") != "perceptual":
        raise WeightsError(f"{path}: holds a {header.get('kind', 'unknown content')}, expected a perceptual network")
    try:
        with blank("cpu"):
            network = VGG(VGGConfig.from_json(header["config"]), name=str(header["name"]))
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, strict=True)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"{path}: header and weights do not fit together: {reason}") from error
    return network


def _from_torchvision(state: Mapping[str, Tensor], *, name: str) -> VGG:
    """Build the trunk that the given torchvision keys reach to."""
    layers = tuple(layer for layer, index in TORCHVISION_INDEX.items() if f"features.{index}.weight" in state)
    with blank("cpu"):
        network = VGG(VGGConfig(layers=layers), name=name)
    renamed = {
        f"convs.{layer}.{part}": state[f"features.{TORCHVISION_INDEX[layer]}.{part}"].float()
        for layer in layers
        for part in ("weight", "bias")
    }
    network.load_state_dict(renamed, strict=True)
    return network


def _block(layer: str) -> int:
    """The block a layer's name tells: conv3_2 -> 3."""
    return int(layer.removeprefix("conv").split("_")[0])
