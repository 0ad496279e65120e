"""Where the parts of one rendering lie in another: dense optical flow between two small pictures.

Source: Zach, Pock, Bischof, "A Duality Based Approach for Realtime TV-L1 Optical Flow" (DAGM 2007), in scikit-image's
implementation, on luma with its local mean and contrast taken out: an edit that brightens a face moves nothing.
"""

import numpy as np
import scipy
import torch
from jaxtyping import Float
from torch import Tensor

from wplus.alignment.warp import Array, reduced
from wplus.core.shapes import Picture
from wplus.pipelines.fields import Field, enlarged, looked_at

SIDE = 96
"""Pixels of the side at which flow is measured; 128 takes twice the time and moves no part of a face elsewhere."""

Flow = Float[Tensor, "2 flow_height flow_width"]
"""For every place of a picture, how far to the right and down it lies in another, as parts of the side."""

_LUMA = (0.299, 0.587, 0.114)
_ATTACHMENT, _TIGHTNESS = 10.0, 0.3
_REACH = 0.08  # of the side: what is a part's surroundings, when its contrast is taken out
_SMOOTH = 0.012  # of the side: blur of the flow, which has steps where the total variation lets it


def flow(source: Picture, target: Picture) -> Flow:
    """Displacements by which each place of `target` is found in `source`.

    Args:
        source, target: square pictures of one size, in [-1, 1].

    Returns:
        Displacements at `SIDE` px or the pictures' own size, the smaller of the two; zero where the pictures agree
        everywhere.

    Raises:
        ValueError: pictures of different sizes.
    """
    if source.shape != target.shape:
        raise ValueError(f"pictures of one size expected, got {tuple(source.shape)} and {tuple(target.shape)}")
    size = min(SIDE, source.shape[1])
    if torch.equal(source, target):
        return torch.zeros(2, size, size)
    from skimage.registration import optical_flow_tvl1  # here, not above: it loads half of scikit-image

    before, after = (_contrast(reduced(picture.cpu().float(), height=size, width=size)) for picture in (source, target))
    down, right = optical_flow_tvl1(
        after, before, dtype=np.float32, attachment=_ATTACHMENT, tightness=_TIGHTNESS, num_warp=4
    )
    moved = np.stack([scipy.ndimage.gaussian_filter(part, _SMOOTH * size, mode="nearest") for part in (right, down)])
    return torch.from_numpy(moved / size).float()


def followed(maps: Field, source: Picture, target: Picture, *, mode: str = "bilinear") -> Field:
    """Maps that lie over `source`, of any size, moved to where `target` shows the same parts."""
    return looked_at(maps, enlarged(flow(source, target), maps.shape[-1]), mode=mode)


def _contrast(picture: Picture) -> Array:
    """Luma (height, width) without its local mean, divided by its local deviation, about -1 to 1."""
    grey = np.tensordot(_LUMA, picture.numpy(), axes=1)
    reach = _REACH * len(grey)
    level = grey - scipy.ndimage.gaussian_filter(grey, reach, mode="nearest")
    spread = np.sqrt(scipy.ndimage.gaussian_filter(level**2, reach, mode="nearest"))
    contrast: Array = level / (spread + 0.08) / 3
    return contrast
