"""What every room shares: errors, named shapes, latents, pictures and files."""

from wplus.core.direction import Direction
from wplus.core.errors import (
    DirectionError,
    DownloadError,
    ExtraError,
    FaceError,
    GeneratorError,
    ImageError,
    LatentError,
    OutputError,
    TrainingError,
    WeightsError,
    WplusError,
)
from wplus.core.latent import Latent
from wplus.core.origin import Origin

__all__ = [
    "Direction",
    "DirectionError",
    "DownloadError",
    "ExtraError",
    "FaceError",
    "GeneratorError",
    "ImageError",
    "Latent",
    "LatentError",
    "Origin",
    "OutputError",
    "TrainingError",
    "WeightsError",
    "WplusError",
]
