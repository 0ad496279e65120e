"""How near two pictures are, by pixels and by windows (SSIM: Wang et al. 2004; MS-SSIM: Wang et al. 2003)."""

import torch
from torch import Tensor
from torch.nn import functional

from wplus.core.shapes import Images, Losses
from wplus.optimisation import squared_error

WINDOW, SIGMA = 11, 1.5
"""Pixels of SSIM's Gaussian window, and its standard deviation."""

STABILITY = (0.01**2, 0.03**2)
"""SSIM's constants C1 and C2 for values in [0, 1]."""

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales of MS-SSIM, from the finest."""


def mse(a: Images, b: Images) -> Losses:
    """Mean squared error over channels and pixels on the range [-1, 1], one number an image."""
    return squared_error(a, b)


def psnr(a: Images, b: Images) -> Losses:
    """Peak signal-to-noise ratio in dB with a peak of 2 (the range [-1, 1]), one number an image.

    Both are clamped to the range first, as files are.
    """
    return 10 * (4 / mse(a.clamp(-1, 1), b.clamp(-1, 1))).log10()


def ssim(a: Images, b: Images) -> Losses:
    """Structural similarity, at most 1: Gaussian window of 11 px, only where it lies within the picture.

    The mean over red, green and blue. Both are clamped to [-1, 1] and brought to [0, 1] first: SSIM compares means as
    ratios, so black must be 0.

    Raises:
        ValueError: a side below 11 px.
    """
    luminance, contrast = _similarity(_intensities(a), _intensities(b))
    return (luminance * contrast).mean(dim=(1, 2, 3)).to(a.dtype)


def ms_ssim(a: Images, b: Images) -> Losses:
    """Structural similarity at up to five scales, at most 1; as `ssim`, a mean over colours.

    Five scales need sides above 160 px. A smaller picture has as many as its window fits (`scales`), their weights
    brought to a sum of 1. Contrast that is negative counts as 0.

    Raises:
        ValueError: a side below 11 px.
    """
    a, b, dtype = _intensities(a), _intensities(b), a.dtype
    count = scales(*a.shape[2:])
    total = a.new_ones(a.shape[:2])
    for scale, weight in enumerate(SCALE_WEIGHTS[:count]):
        luminance, contrast = _similarity(a, b)
        likeness = luminance * contrast if scale == count - 1 else contrast
        total = total * likeness.mean(dim=(2, 3)).clamp(min=0) ** (weight / sum(SCALE_WEIGHTS[:count]))
        a, b = (functional.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False) for x in (a, b))
    return total.mean(dim=1).to(dtype)


def scales(height: int, width: int) -> int:
    """How many of the five scales of MS-SSIM a picture has: at each its window must fit.

    Raises:
        ValueError: a side below 11 px.
    """
    found = sum(min(height, width) > (WINDOW - 1) << scale for scale in range(len(SCALE_WEIGHTS)))
    if not found:
        raise ValueError(f"SSIM needs {WINDOW} px, the pictures have {height}x{width}")
    return found


def _intensities(images: Images) -> Tensor:
    """Values in [0, 1], in double precision: windows' variances are small differences."""
    return (images.clamp(-1, 1).double() + 1) / 2


def _similarity(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Maps of the luminance term, and of contrast and structure together."""
    scales(*a.shape[2:])
    c1, c2 = STABILITY
    mean_a, mean_b = _blurred(a), _blurred(b)
    variances = _blurred(a * a) - mean_a * mean_a + (_blurred(b * b) - mean_b * mean_b)
    covariance = _blurred(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + c1) / (mean_a * mean_a + mean_b * mean_b + c1)
    return luminance, (2 * covariance + c2) / (variances + c2)


def _blurred(x: Tensor) -> Tensor:
    """Means in the Gaussian window, where it lies within the picture."""
    places = torch.arange(WINDOW, dtype=x.dtype, device=x.device) - WINDOW // 2
    window = (-places.square() / (2 * SIGMA**2)).exp()
    window = (window / window.sum()).expand(3, 1, 1, WINDOW)
    return functional.conv2d(functional.conv2d(x, window, groups=3), window.transpose(2, 3), groups=3)
