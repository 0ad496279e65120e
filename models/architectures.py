"""Which generators there are: their names in our files, what their sizes are, and what is built of them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from wplus.core.shapes import Z
from wplus.models.blank import blank
from wplus.models.network import Config, Labels, Network
from wplus.models.stylegan1 import StyleGAN1, StyleGAN1Config
from wplus.models.stylegan2 import StyleGAN2, StyleGAN2Config
from wplus.models.stylegan3 import StyleGAN3, StyleGAN3Config
from wplus.models.stylemap import StyleMapGAN, StyleMapGANConfig

ARCHITECTURES: dict[str, tuple[type[Any], type[Any]]] = {
    "stylegan1": (StyleGAN1Config, StyleGAN1),
    "stylegan2": (StyleGAN2Config, StyleGAN2),
    "stylegan3": (StyleGAN3Config, StyleGAN3),
    "stylemap": (StyleMapGANConfig, StyleMapGAN),
}
"""Name in our files -> what its sizes are, and the module that is built of them."""

LARGEST = {
    "resolution": 1 << 12, "layers": 64, "mapping_layers": 64, "labels": 1 << 14, "z_dim": 1 << 14, "w_dim": 1 << 14,
    "margin_size": 1 << 10, "side": 64, "filter_size": 64, "lrelu_upsampling": 16,
}  # fmt: skip
"""Sizes that cost memory or time before any weight is looked at."""

MEAN_DRAWS = 4096
"""Codes that are mapped for the mean code, where there is none."""


def build(config: Config, weights: Mapping[str, Tensor]) -> Network:
    """A network of these sizes around these very weights: none is copied, none drawn at random.

    Where `mapping.w_avg` is missing, the mean of mapped codes (seed 0) takes its place; of a network that knows
    classes, each as often.

    Raises:
        RuntimeError: names or shapes of the weights are not those of the network; it lists them.
        ValueError: a size that no generator has; a file may claim anything.
    """
    for name, most in LARGEST.items():
        if name == "layers" and config.space == "stylemap":
            continue  # cells, whose number `side` bounds
        if getattr(config, name, 0) > most:
            raise ValueError(f"{name} is {getattr(config, name)}, expected at most {most}")
    module = next(module for sizes, module in ARCHITECTURES.values() if isinstance(config, sizes))
    with blank():
        network = module(config)
    centred = "mapping.w_avg" in weights
    known = weights if centred else {**weights, "mapping.w_avg": torch.zeros(network.mapping.w_avg.shape)}
    network.load_state_dict(known, strict=True, assign=True)
    if not centred:
        z = torch.randn(MEAN_DRAWS, config.z_dim, generator=torch.Generator().manual_seed(0))
        classes = None
        if config.labels:
            classes = functional.one_hot(torch.arange(MEAN_DRAWS) % config.labels, config.labels).float()
        with torch.no_grad():
            network.mapping.w_avg = mean_code(network, z, classes)
    return network


def mean_code(network: Network, z: Z, labels: Labels | None) -> Tensor:
    """The mean of mapped codes, shape (w_dim,), or (layers, w_dim) where the rows of a mapped code differ."""
    if network.config.space == "W+":
        return network.mapping(z, labels).mean(dim=0)
    # in parts, for ten thousand maps of 32 x 32 cells take gigabytes
    return torch.stack([network.mapping(part).sum(dim=0) for part in z.split(256)]).sum(dim=0) / len(z)
