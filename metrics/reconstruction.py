"""How near two pictures are, pixel by pixel."""

from wplus.core.shapes import Images, Losses


def mse(a: Images, b: Images) -> Losses:
    """Mean squared error over channels and pixels on the range [-1, 1], one number an image."""
    return (a - b).square().mean(dim=(1, 2, 3))


def psnr(a: Images, b: Images) -> Losses:
    """Peak signal-to-noise ratio in dB with a peak of 2 (the range [-1, 1]), one number an image.

    Both are clamped to the range first, as files are.
    """
    return 10 * (4 / mse(a.clamp(-1, 1), b.clamp(-1, 1))).log10()
