"""Image2StyleGAN++'s masked terms: one picture inside a mask, another outside (Abdal et al. 2020, arXiv 1911.11544).

The paper's weights of 1e-5 belong to pixels from 0 to 255; here, on [-1, 1], they are 1. A mask meets a feature map at
the map's own size.
"""

from collections.abc import Sequence

from wplus.core.shapes import Images
from wplus.models import VGG
from wplus.optimisation import Gram, Objective, Perceptual, Pixel, Term, Towards
from wplus.optimisation.masks import Masks

IMAGE2STYLEGAN_PP_TAPS = ("conv1_1", "conv1_2", "conv2_2", "conv3_3")
"""The layers of Image2StyleGAN++'s perceptual loss; not those of Image2StyleGAN."""


def image2stylegan_pp(network: VGG, reference: Images, mask: Masks, *, style_weight: float = 0.0) -> Objective:
    """Image crossover: the reference inside the mask, the inversion's target outside, in one code.

    Args:
        network: for features; Image2StyleGAN++ takes VGG16.
        reference: one for all targets, or one each.
        mask: 1 is the reference's; the paper blurs it.
        style_weight: of a loss that asks for the target's texture inside the mask; the paper's ratio is 0.05.

    Raises:
        ValueError: a weight that is negative or not finite.
    """
    outside = 1 - mask
    terms: Sequence[Term] = (
        Towards(Perceptual(network, IMAGE2STYLEGAN_PP_TAPS, mask=mask), reference, "perceptual inside"),
        Towards(Pixel(mask=mask), reference, "pixel inside"),
        Perceptual(network, IMAGE2STYLEGAN_PP_TAPS, name="perceptual outside", mask=outside),
        Pixel(name="pixel outside", mask=outside),
    )
    style = Gram(network, weight=style_weight, name="style inside", mask=mask)
    return Objective((*terms, style) if style_weight else terms)
