"""What two pictures may have in common, each by itself: colours, edges, features."""

import torch

from wplus.core.shapes import Features, Images, Losses
from wplus.metrics import perceptual_loss
from wplus.studies.bench import Bench

_LUMINANCE = (0.299, 0.587, 0.114)


def colours(images: Images) -> Features:
    """Mean and standard deviation of each channel: six numbers an image, on the range [-1, 1]."""
    return torch.cat([images.mean(dim=(2, 3)), images.std(dim=(2, 3))], dim=1)


def colour_distance(a: Images, b: Images) -> Losses:
    """Root mean square difference of `colours`, one number a pair; 0 where one is the other's pixels in disorder."""
    return (colours(a) - colours(b)).square().mean(dim=1).sqrt()


def edge_distance(a: Images, b: Images) -> Losses:
    """One minus the cosine of the gradients of luminance, one number a pair: 0 the same edges, 1 unrelated ones.

    A change of colour, brightness or contrast leaves it as it is.
    """
    x, y = _edges(a), _edges(b)
    return 1 - (x * y).sum(dim=1) / (x.norm(dim=1) * y.norm(dim=1)).clamp(min=1e-8)


def feature_distance(bench: Bench, a: Images, b: Images) -> Losses:
    """The perceptual loss between pictures, with the bench's network, one number a pair."""
    pairs = zip(a.split(8), b.split(8), strict=True)
    device = bench.generator.device
    with torch.no_grad():
        return torch.cat([perceptual_loss(bench.perceptual, x.to(device), y.to(device)).cpu() for x, y in pairs])


def _edges(images: Images) -> Features:
    """Differences of neighbouring pixels' luminance, across and down."""
    grey = (images * images.new_tensor(_LUMINANCE)[:, None, None]).sum(dim=1)
    return torch.cat([grey.diff(dim=2).flatten(1), grey.diff(dim=1).flatten(1)], dim=1)
