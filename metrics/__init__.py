"""Numbers about pictures: reconstruction, identity, expression."""

from wplus.metrics.expression import eye_opening, mouth_opening, mouth_width
from wplus.metrics.identity import SAME_PERSON, identity, identity_distance
from wplus.metrics.reconstruction import mse, psnr

__all__ = [
    "SAME_PERSON",
    "eye_opening",
    "identity",
    "identity_distance",
    "mouth_opening",
    "mouth_width",
    "mse",
    "psnr",
]
