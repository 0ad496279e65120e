"""Networks by name whose features sets of pictures are compared in: two figures of different networks say nothing."""

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from torch.nn import functional

from wplus.core.errors import ExtraError, WeightsError
from wplus.core.extras import load
from wplus.core.shapes import AnyPicture, Features, Images, ResizedImages
from wplus.models import load_perceptual
from wplus.models.catalogue import file_of, find, suggest
from wplus.models.googlenet import load_googlenet
from wplus.models.squeezenet import SqueezeNetLevels
from wplus.models.trunks import trunk_weights

Extractor = Callable[[Images], Features]
"""RGB in [-1, 1] of any size to one vector an image."""

SIDE, INCEPTION_SIDE = 128, 299
"""Pixels at which the networks see pictures."""


@dataclass(frozen=True)
class FeatureNetwork:
    """A network, one of its layers, and the size at which it sees pictures.

    Args:
        name: what users type.
        layer: whose features they are, after which pooling.
        side: to which pictures are brought, by antialiased bicubic resizing.
        dims: length of a feature vector.
        about: whose weights.
        load: opens it; of a file of weights, or without one from what ships or was fetched.
    """

    name: str
    layer: str
    side: int
    dims: int
    about: str
    load: Callable[[Path | None], Extractor]

    @property
    def description(self) -> str:
        """Network and layer in words."""
        return f"{self.name} {self.layer} ({self.dims})"


def find_features(name: str) -> FeatureNetwork:
    """The feature network of a name.

    Raises:
        WeightsError: there is none; the nearest is suggested.
    """
    for network in FEATURE_NETWORKS:
        if network.name == name:
            return network
    known = [network.name for network in FEATURE_NETWORKS]
    raise WeightsError(f"no feature network is named '{name}'{suggest(name, known)}")


@torch.inference_mode()
def features_of(pictures: Iterable[AnyPicture], extract: Extractor) -> Features:
    """Features of pictures of any sizes, one at a time.

    Raises:
        ValueError: no pictures.
    """
    found = [extract(picture[None].clamp(-1, 1)) for picture in pictures]
    if not found:
        raise ValueError("no pictures, no features")
    return torch.cat(found)


def _vgg_slim(weights: Path | None) -> Extractor:
    network = load_perceptual(weights or "vgg-slim")
    return lambda images: network(_seen(images, SIDE), ["conv4_2"])["conv4_2"].mean(dim=(2, 3))


def _squeezenet(weights: Path | None) -> Extractor:
    network = SqueezeNetLevels(weights or file_of(find("squeezenet"), error=WeightsError))
    return lambda images: network(_seen(images, SIDE))[-1].mean(dim=(2, 3))


def _googlenet(weights: Path | None) -> Extractor:
    if weights is None:
        raise WeightsError("googlenet needs its weights, BVLC's under Caffe's names as safetensors: give the file")
    network = load_googlenet(weights)
    return lambda images: network(images, size=SIDE)


def _inception(weights: Path | None) -> Extractor:
    """FID's own network; pictures are rounded to bytes after resizing, for it takes nothing else."""
    try:
        network_of = load("torch_fidelity.feature_extractor_inceptionv3").FeatureExtractorInceptionV3
    except ExtraError as error:
        raise WeightsError(f"inception {error}") from error

    plain = io.BytesIO()  # the package unpickles without limits: it gets what was read as data
    torch.save(trunk_weights("inception", weights), plain)
    plain.seek(0)
    try:
        network = network_of("inception", ["2048"], feature_extractor_weights_path=plain)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(f"{weights or 'inception'}: not the weights of Inception: {reason}") from error

    def extract(images: Images) -> Features:
        levels = ((_seen(images, INCEPTION_SIDE) + 1) * 127.5).round().to(torch.uint8)
        found: Features = network.to(images.device)(levels)[0]
        return found

    return extract


def _seen(images: Images, side: int) -> ResizedImages:
    """Pictures as a network sees them; as clean-fid does it, in floating point and clamped."""
    return functional.interpolate(images, (side, side), mode="bicubic", antialias=True).clamp(-1, 1)


FEATURE_NETWORKS = (
    FeatureNetwork("vgg-slim", "conv4_2, mean", SIDE, 256, f"ships with wplus {version('wplus')}", _vgg_slim),
    FeatureNetwork("squeezenet", "fire12, mean", SIDE, 512, "SqueezeNet 1.1, torchvision's names", _squeezenet),
    FeatureNetwork("googlenet", "pool5", SIDE, 1024, "BVLC GoogLeNet (Caffe)", _googlenet),
    FeatureNetwork("inception", "pool3", INCEPTION_SIDE, 2048, "Inception 2015-12-05 by torch-fidelity", _inception),
)
"""By which distances of distributions are measured; FID and KID of the papers are those of `inception`."""
