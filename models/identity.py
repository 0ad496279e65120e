"""dlib's face descriptor as a network that gradients pass (King 2017, dlib.net; He et al. 2016, a ResNet of 29 layers).

Two pictures show the same person where their descriptors are nearer than 0.6 (99.4 % right on LFW).
"""

import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from wplus.core.errors import WeightsError
from wplus.core.shapes import Chips, Descriptors
from wplus.models.blank import blank
from wplus.models.dlibfile import DlibFile

CHIP = 150
"""Pixels of a picture's side."""

NAME = "dlib_face_recognition_resnet_model_v1"

WIDTHS = (32, 32, 32, 64, 64, 64, 64, 128, 128, 128, 256, 256, 256, 256)
"""Channels of the residual blocks; those at `HALVING` also halve the picture."""

HALVING = (3, 7, 10, 13)


class Block(nn.Module):
    """Two convolutions beside a shortcut. dlib adds maps of different sizes as if the smaller went on with zeros."""

    def __init__(self, inputs: int, outputs: int, *, halving: bool) -> None:
        super().__init__()
        self.halving = halving
        # dlib pads no convolution that has a stride
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=2 if halving else 1, padding=0 if halving else 1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (batch, inputs, height, width) to (batch, outputs, height', width')."""
        y = self.conv2(functional.relu(self.conv1(x)))
        if self.halving:
            x = functional.avg_pool2d(x, 2)
            sizes = [max(a, b) for a, b in zip(x.shape[1:], y.shape[1:], strict=True)]
            x, y = _grown(x, sizes), _grown(y, sizes)
        return functional.relu(x + y)


class IdentityNetwork(nn.Module):
    """Frozen: face chips to descriptors. dlib's affine layers are folded into the convolutions before them."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))  # of red, green and blue in 0 to 255
        self.conv = nn.Conv2d(3, WIDTHS[0], 7, stride=2)
        before = (WIDTHS[0], *WIDTHS)
        self.blocks = nn.ModuleList(
            Block(before[index], width, halving=index in HALVING) for index, width in enumerate(WIDTHS)
        )
        self.fc = nn.Linear(WIDTHS[-1], 128, bias=False)
        self.requires_grad_(False).eval()

    def forward(self, images: Chips) -> Descriptors:
        """Descriptors of faces, one vector of 128 an image; squared distances below 0.36 are one person to dlib.

        Args:
            images: RGB (batch, 3, 150, 150) in [-1, 1], turned and cut as `wplus.alignment.chip_quad` says.
        """
        x = ((images + 1) * 127.5 - self.mean[:, None, None]) / 256
        x = functional.max_pool2d(functional.relu(self.conv(x)), 3, stride=2)
        for block in self.blocks:
            x = block(x)
        return self.fc(x.mean(dim=(2, 3)))


def load_identity(path: str | Path | None = None) -> IdentityNetwork:
    """Read dlib's network from dlib's own file; by default the one of the package `face_recognition_models`.

    Raises:
        WeightsError: no such file, or it holds another network, is damaged or goes on after its end.
    """
    with blank():
        network = IdentityNetwork()
    with DlibFile(
        Path(path) if path is not None else identity_file(), expected="dlib's face recognition network"
    ) as file:
        state = _read(file, network)
    network.load_state_dict(state, strict=True, assign=True)
    return network.requires_grad_(False)


def identity_file() -> Path:
    """Where dlib's file lies; the package is not imported: its __init__ needs pkg_resources.

    Raises:
        WeightsError: it is not installed.
    """
    spec = importlib.util.find_spec("face_recognition_models")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        path = Path(folder) / "models" / f"{NAME}.dat"
        if path.is_file():
            return path
    raise WeightsError("dlib's identity network is not installed; pip install face_recognition_models")


def _grown(x: Tensor, sizes: list[int]) -> Tensor:
    """Maps with zeros behind their channels, below and to the right."""
    channels, height, width = (size - own for size, own in zip(sizes, x.shape[1:], strict=True))
    return functional.pad(x, (0, width, 0, height, 0, channels))


def _read(file: DlibFile, network: IdentityNetwork) -> dict[str, Tensor]:
    """The weights, in dlib's order: versions from the last layer to the first, then layers from first to last."""
    file.integers(1)
    file.text("loss_metric_2")
    file.real(), file.real()  # margin and threshold of its training
    file.integers(*_versions())
    file.text("input_rgb_image_sized")
    state = {"mean": torch.tensor([file.real() for _ in range(3)])}
    file.integers(CHIP, CHIP)
    state |= _convolution(file, "conv", network.conv)
    _plain(file, "relu_")
    _plain(file, "max_pool_2", 3, 3, 2, 2, 0, 0)
    for name, block in network.blocks.named_children():
        assert isinstance(block, Block)
        state |= _convolution(file, f"blocks.{name}.conv1", block.conv1)
        _plain(file, "relu_")
        state |= _convolution(file, f"blocks.{name}.conv2", block.conv2)
        if block.halving:
            _plain(file, "avg_pool_2", 2, 2, 2, 2, 0, 0)
        _plain(file, "add_prev_")
        _plain(file, "relu_")
    _plain(file, "avg_pool_2", 0, 0, 1, 1, 0, 0)  # over the whole picture
    inputs, outputs = network.fc.in_features, network.fc.out_features
    file.text("fc_2")
    file.integers(outputs, inputs)
    state["fc.weight"] = file.tensor(inputs, outputs, 1, 1)[:, :, 0, 0].T.contiguous()
    file.integers(1, inputs, outputs, 1, 1, 1, 0, 0, 0, 0, 1)  # where in the tensor weights and bias lie; no bias
    _end_of_layer(file, rates=4)
    file.end()
    return state


def _versions() -> list[int]:
    """Versions of every layer and tag, from the last to the first."""
    block = [2] * 5 + [1]  # affine, con, relu, affine, con, tag1
    found = [2, 2]  # fc, avg_pool
    for index in reversed(range(len(WIDTHS))):
        found += [2, 2] + ([2, 1, 1] if index in HALVING else []) + block  # relu, add_prev; avg_pool, skip1, tag2
    return [*found, 2, 2, 2, 3]  # max_pool, relu, affine, con


def _convolution(file: DlibFile, name: str, conv: nn.Conv2d) -> dict[str, Tensor]:
    """A convolution and the affine layer behind it, as one convolution."""
    outputs, inputs, (height, width) = conv.out_channels, conv.in_channels, conv.kernel_size
    file.text("con_4")
    filters = outputs * inputs * height * width
    values = file.tensor(filters + outputs, 1, 1, 1).flatten()
    assert not isinstance(conv.padding, str)
    file.integers(outputs, height, width, *conv.stride, *conv.padding)
    file.integers(1, outputs, inputs, height, width, 1, 1, outputs, 1, 1)  # where in the tensor filters and biases lie
    _end_of_layer(file, rates=4)
    if name == "conv":
        file.integers(1)  # pictures that one sample of the input stands for
    file.text("affine_")
    gain, shift = file.tensor(2 * outputs, 1, 1, 1).reshape(2, outputs)
    file.integers(*(1, 1, outputs, 1, 1) * 2, 0)  # the same for gain and shift; one of each a channel
    _end_of_layer(file)
    weight = values[:filters].reshape(conv.weight.shape) * gain[:, None, None, None]
    return {f"{name}.weight": weight, f"{name}.bias": values[filters:] * gain + shift}


def _plain(file: DlibFile, kind: str, *settings: int) -> None:
    """A layer without weights."""
    file.text(kind)
    file.integers(*settings)
    _end_of_layer(file)


def _end_of_layer(file: DlibFile, *, rates: int = 0) -> None:
    """What ends every layer: rates of its training, flags, and three tensors that are empty after training."""
    for _ in range(rates):
        file.real()
    file.flags(3)
    for _ in range(3):
        file.tensor(0, 0, 0, 0)
