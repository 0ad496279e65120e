"""Networks: generators that render codes, and perceptual networks that compare pictures."""

from wplus.models.catalogue import load_generator, load_perceptual
from wplus.models.generator import Card, Generator
from wplus.models.stylegan2 import StyleGAN2, StyleGAN2Config
from wplus.models.vgg import IMAGE2STYLEGAN_TAPS, VGG

__all__ = [
    "IMAGE2STYLEGAN_TAPS",
    "VGG",
    "Card",
    "Generator",
    "StyleGAN2",
    "StyleGAN2Config",
    "load_generator",
    "load_perceptual",
]
