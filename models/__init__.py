"""Networks: generators that render codes, and perceptual networks that compare pictures."""

from wplus.models.catalogue import load_encoder, load_generator, load_perceptual
from wplus.models.encoder import EncoderNetwork, read_encoder
from wplus.models.fast import Compute, Machine, compute_for, fast
from wplus.models.generator import Card, Generator
from wplus.models.identity import IdentityNetwork, load_identity
from wplus.models.network import Network
from wplus.models.stylegan1 import StyleGAN1, StyleGAN1Config
from wplus.models.stylegan2 import StyleGAN2, StyleGAN2Config
from wplus.models.stylegan3 import StyleGAN3, StyleGAN3Config
from wplus.models.stylemap import StyleMapEncoder, StyleMapGAN, StyleMapGANConfig
from wplus.models.vgg import IMAGE2STYLEGAN_TAPS, VGG

__all__ = [
    "IMAGE2STYLEGAN_TAPS",
    "VGG",
    "Card",
    "Compute",
    "EncoderNetwork",
    "Generator",
    "IdentityNetwork",
    "Machine",
    "Network",
    "StyleGAN1",
    "StyleGAN1Config",
    "StyleGAN2",
    "StyleGAN2Config",
    "StyleGAN3",
    "StyleGAN3Config",
    "StyleMapEncoder",
    "StyleMapGAN",
    "StyleMapGANConfig",
    "compute_for",
    "fast",
    "load_encoder",
    "load_generator",
    "load_identity",
    "load_perceptual",
    "read_encoder",
]
