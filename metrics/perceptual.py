"""How near two pictures look: LPIPS (Zhang et al. 2018, arXiv 1801.03924), and Image2StyleGAN's perceptual loss."""

import functools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

from torch import nn

from wplus.core.errors import WeightsError
from wplus.core.extras import load
from wplus.core.shapes import Images, Losses
from wplus.models import IMAGE2STYLEGAN_TAPS, VGG, load_perceptual
from wplus.models.trunks import trunk_weights
from wplus.optimisation import Perceptual

Distance = Callable[[Images, Images], Losses]
"""Pictures to how far each is from its counterpart."""

Backbone: TypeAlias = Literal["alex", "vgg", "squeeze"]

TRUNKS: dict[Backbone, str] = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet"}
"""What the networks of LPIPS are called in the catalogue."""

LPIPS_SIDE = 32
"""Pixels of the smallest pictures that all three networks take."""


@functools.cache
def load_lpips(network: Backbone, weights: Path | None = None) -> Distance:
    """LPIPS, version 0.1: learned weights on squared differences of unit feature vectors; 0 is the same.

    The learned weights are those of the package `lpips`; those of the network come from the catalogue.

    Args:
        network: "alex" is what most tables show, "vgg" what most optimise.
        weights: a file of the network's weights under torchvision's names, instead of the catalogue's.

    Returns:
        A function of RGB in [-1, 1], both at their own size, at least 32 px. Gradients pass; one copy a process.

    Raises:
        WeightsError: the network's weights are not here, damaged, or another network's; it says how to get them.
    """
    state = trunk_weights(TRUNKS[network], weights)
    metric = _empty_lpips(network)
    trunk = metric.get_submodule("net")
    # the package cuts the network in slices that keep the layers' numbers: slice2.3.weight is features.3.weight
    slots = {f"features.{slot.partition('.')[2]}": slot for slot in trunk.state_dict()}
    features = {name: tensor.float() for name, tensor in state.items() if name.startswith("features.")}
    try:
        trunk.load_state_dict({slots.get(name, name): tensor for name, tensor in features.items()}, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(f"{weights or TRUNKS[network]}: not the weights of LPIPS-{network}: {reason}") from error
    metric.requires_grad_(False)

    def distance(a: Images, b: Images) -> Losses:
        # one layout in memory: another would round otherwise, and equal pictures would not be at 0
        return metric.to(a.device)(a.contiguous(), b.contiguous()).flatten()

    return distance


def perceptual_loss(network: VGG, a: Images, b: Images, *, taps: tuple[str, ...] = IMAGE2STYLEGAN_TAPS) -> Losses:
    """Sum over taps of the mean squared difference of feature maps (Image2StyleGAN equation 2); 0 is the same.

    Its scale is the network's own: compare only figures of one network. Pictures over 256 px are reduced to it.

    Raises:
        ValueError: a tap that the network does not have.
    """
    return Perceptual(network, taps).against(b.contiguous())(a.contiguous())  # contiguous: see load_lpips


@functools.cache
def load_perceptual_loss(name: str) -> Distance:
    """`perceptual_loss` with a network of the catalogue, one copy a process.

    Raises:
        WeightsError: its weights are not here.
    """
    network = load_perceptual(name)
    return lambda a, b: perceptual_loss(network.to(a.device), a, b)


def _empty_lpips(network: Backbone) -> nn.Module:
    """LPIPS with its learned weights, and a network of random weights."""
    lpips = load("lpips")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls torchvision by an old name
        metric = lpips.LPIPS(net=network, version="0.1", pnet_rand=True, verbose=False)
    assert isinstance(metric, nn.Module)
    return metric
