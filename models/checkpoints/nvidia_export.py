"""Snapshots in the shape of NVIDIA's: what `wplus convert OUT.pkl` writes.

Modules, attributes and names are those that stylegan3's code gives its networks. In place of their source stands a line
that imports the classes of the program that opens the file, which `legacy.load_network_pkl` then does as it is.
"""

from collections.abc import Iterator, Mapping

from wplus.models.checkpoints import nvidia_stylegan2, nvidia_stylegan3
from wplus.models.checkpoints.foreign import Thing
from wplus.models.checkpoints.pickled import Attributes, dense, module, pickled
from wplus.models.checkpoints.tables import CARD, Weights
from wplus.models.mapping import MappingConfig
from wplus.models.network import Config
from wplus.models.stylegan2 import StyleGAN2Config
from wplus.models.stylegan3 import StyleGAN3Config

STYLEGAN2 = """try:
    from training.networks_stylegan2 import *
except ImportError:
    from training.networks import *
"""
"""Where the classes are: in NVIDIA's stylegan3, or in stylegan2-ada-pytorch."""

STYLEGAN3 = "from training.networks_stylegan3 import *\n"

AVERAGE_BETA = 0.998  # of the mean code's running average in training, which is over


def refuses(config: Config) -> str | None:
    """None for a generator that this format can hold, else why it cannot."""
    known = isinstance(config, StyleGAN2Config | StyleGAN3Config)
    return None if known else f"NVIDIA's PyTorch code has no {config.title}"


def export(config: Config, state: Weights, card: Mapping[str, str]) -> Iterator[bytes]:
    """The pickle of a snapshot, piece by piece; the card lies beside it.

    NVIDIA's reader wants a generator in training and a discriminator, too: here they are the generator once more.
    """
    assert isinstance(config, StyleGAN2Config | StyleGAN3Config)
    source = STYLEGAN2 if isinstance(config, StyleGAN2Config) else STYLEGAN3
    generator = snapshot(config, state)
    yield from pickled({"G": generator, "D": generator, "G_ema": generator, CARD: dict(card)}, source)


def snapshot(config: StyleGAN2Config | StyleGAN3Config, state: Weights) -> Thing:
    """The generator as a tree of persistent objects."""
    sizes: Attributes = {"z_dim": config.z_dim, "c_dim": config.labels, "w_dim": config.w_dim}
    picture: Attributes = {"img_resolution": config.resolution, "img_channels": config.colours}
    if isinstance(config, StyleGAN2Config):
        call = nvidia_stylegan2.call(config)
        synthesis = nvidia_stylegan2.synthesis(config, state, call)
        unused: Attributes = {}
    else:
        call = nvidia_stylegan3.call(config)
        synthesis = nvidia_stylegan3.synthesis(config, state, call)
        unused = {} if config.labels else {"embed": None}
    inner = config.mapping
    kwargs: Attributes = {"num_layers": inner.depth, "lr_multiplier": inner.rate}
    if isinstance(config, StyleGAN2Config):  # StyleGAN3's mapping network takes no more
        kwargs |= {"layer_features": inner.width, "embed_features": inner.embedding, "activation": inner.activation}
    own = {**sizes, "num_ws": config.layers}
    mapping = module(
        "MappingNetwork",
        {**own, "num_layers": inner.depth, "w_avg_beta": AVERAGE_BETA, **unused},
        buffers={"w_avg": state["mapping.w_avg"]},
        parts=_mapping_layers(inner, state),
        kwargs={**own, **kwargs},
    )
    parts = {"synthesis": synthesis, "mapping": mapping}
    every = {**sizes, **picture, "mapping_kwargs": kwargs, **call}
    return module("Generator", {**sizes, **picture, "num_ws": config.layers}, parts=parts, kwargs=every)


def _mapping_layers(config: MappingConfig, state: Weights) -> dict[str, Thing]:
    """The dense layers of the mapping network, and the one of its classes."""
    names = [f"fc{index}" for index in range(config.depth)]
    layers = {name: dense(state, f"mapping.{name}", rate=config.rate, activation=config.activation) for name in names}
    return {"embed": dense(state, "mapping.embed"), **layers} if config.labels else layers
