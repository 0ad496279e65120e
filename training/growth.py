"""A network that goes on from a trained one: the same sizes, or one resolution more (Karras et al. 2018, section 2)."""

from dataclasses import replace

import torch

from wplus.core.errors import TrainingError
from wplus.models.encoder import EncoderConfig, EncoderNetwork
from wplus.models.stylegan2 import StyleGAN2, StyleGAN2Config
from wplus.training.networks import Discriminator

SEES = 64
"""Largest side in px at which a new encoder sees pictures; a code in W holds no more."""

FAINT = 0.05
"""The scale of a new block's colours: the picture begins as the smaller one, enlarged."""


@torch.no_grad()
def grown(network: StyleGAN2, channels: tuple[int, ...]) -> StyleGAN2:
    """A copy of `network` without noise inputs, and with a new block if `channels` has one width more.

    A new block's convolutions hardly depend on the code at first, and its colours are faint.

    Raises:
        TrainingError: other widths, or an architecture that does not grow.
    """
    config, old = network.config, network.config.channels
    if channels[: len(old)] != old or len(channels) > len(old) + 1 or config.architecture != "skip" or config.labels:
        raise TrainingError(f"a plain skip StyleGAN2 of widths {channels} or one less expected, not {config}")
    larger = StyleGAN2(replace(config, channels=channels, noise=False))
    weights = {name: weight for name, weight in network.state_dict().items() if ".noise_" not in name}
    missing, strangers = larger.load_state_dict(weights, strict=False)
    own = f"synthesis.b{config.resolution * 2}."
    assert not strangers
    assert all(name.startswith(own) for name in missing)
    for block in larger.synthesis.blocks[len(old) :]:
        block.torgb.weight.mul_(FAINT)
        for conv in block.convs:
            conv.affine.weight.mul_(0.3)
    return larger


def inherit(larger: Discriminator, smaller: Discriminator) -> None:
    """Give a discriminator the blocks that it shares with one of smaller pictures; its first layers stay new."""
    theirs, ours = smaller.state_dict(), larger.state_dict()
    same = {name: weight for name, weight in theirs.items() if name in ours and weight.shape == ours[name].shape}
    larger.load_state_dict(ours | {name: weight for name, weight in same.items() if not name.startswith("colours")})


def plain(config: StyleGAN2Config) -> StyleGAN2:
    """A new network whose colours begin faint."""
    network = StyleGAN2(config)
    with torch.no_grad():
        for block in network.synthesis.blocks:
            block.torgb.weight.mul_(0.1)
    return network


@torch.no_grad()
def plain_encoder(network: StyleGAN2) -> EncoderNetwork:
    """A new encoder, which begins at the mean code of `network`; it gives no offsets of rows."""
    config, draws = network.config, torch.Generator().manual_seed(0)
    sizes = EncoderConfig(min(config.resolution, SEES), config.layers, config.w_dim, looks=1, pairs=1)
    encoder = EncoderNetwork(sizes, generator="")
    w = network.mapping(torch.randn(10_000, config.z_dim, generator=draws))
    encoder.mean.copy_(w.mean(dim=0))
    encoder.scale.fill_(float((w - w.mean(dim=0)).square().mean().sqrt()))
    return encoder


def grown_encoder(encoder: EncoderNetwork, config: StyleGAN2Config) -> EncoderNetwork:
    """A copy of `encoder` for as many rows as `config` has, whose offsets are none."""
    sizes = replace(encoder.config, layers=config.layers, looks=1)
    larger = EncoderNetwork(sizes, generator="")
    kept = {name: weight for name, weight in encoder.state_dict().items() if not name.startswith("offsets.")}
    larger.load_state_dict(larger.state_dict() | kept)
    return larger
