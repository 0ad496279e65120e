"""Local editing where codes have no places: a StyleGAN2's feature maps are blended between its blocks.

Source: the activation tensors of Abdal et al., "Image2StyleGAN++" (arXiv 1911.11544, section 4.2); Suzuki et al.,
"Spatially Controllable Image Synthesis with Internal Representation Collaging" (arXiv 1811.10153).
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch

from wplus.core.errors import LatentError
from wplus.core.latent import Latent, join
from wplus.core.shapes import Images
from wplus.editing.patch import Patch, check_patches
from wplus.models import Generator, StyleGAN2

BLENDED = (4, 8, 16, 32)
"""Resolutions at which maps are blended, unless told otherwise; those the generator has."""


def blend_features(
    generator: Generator, target: Latent, *patches: Patch, resolutions: Sequence[int] = BLENDED
) -> Images:
    """The target's pictures with regions of references, blended in the feature maps of chosen resolutions.

    All that comes behind a blend is rendered with the target's code: its colours, and its styles of finer layers.

    Args:
        generator: a StyleGAN2.
        target: its code, or several that are edited alike.
        patches: what each reference gives, each at all `resolutions`.
        resolutions: px of the blocks behind which maps are blended.

    Returns:
        RGB (batch, 3, resolution, resolution).

    Raises:
        LatentError: the generator is no StyleGAN2, or the latents do not belong to it or together.
        ValueError: no patch, or the generator has none of the resolutions.
    """
    if not isinstance(generator.network, StyleGAN2):
        raise LatentError(f"{generator.name} is a {generator.network.config.title}; features are blended in StyleGAN2")
    check_patches(target, patches)
    network = generator.network
    weights = {id(item): item for item in (*network.parameters(), *network.buffers())}
    hooked = copy.copy(generator)
    hooked.network = network = copy.deepcopy(network, weights)  # of the same weights: its hooks are nobody else's
    sizes = [4 << index for index in range(len(network.synthesis.blocks))]
    if not set(sizes) & set(resolutions):
        raise ValueError(f"{generator.name} has blocks of {sizes} px, none of {list(resolutions)}")
    count = len(target)

    def blend(block: Any, arguments: Any, features: torch.Tensor) -> torch.Tensor:
        """A block's output, in which the first codes are the target's and the others a reference's each."""
        mine, *theirs = features.split([count, *(len(patch.reference) for patch in patches)])
        for patch, given in zip(patches, theirs, strict=True):
            mine = patch.blend(mine, given.expand_as(mine))
        return torch.cat([mine, *theirs])

    for size, block in zip(sizes, network.synthesis.blocks, strict=True):
        if size in resolutions:
            block.register_forward_hook(blend)
    return hooked(join([target, *(patch.reference for patch in patches)]))[:count]
