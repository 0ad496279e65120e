"""Faces out of photographs into the FFHQ frame, and back."""

from wplus.alignment.chip import chip_quad
from wplus.alignment.ffhq import Alignment, Crop, align, as_crop, chosen, crop, ffhq_quad
from wplus.alignment.landmarks import DlibLandmarks, Face, LandmarkDetector, detect
from wplus.alignment.restore import restore

__all__ = [
    "Alignment",
    "Crop",
    "DlibLandmarks",
    "Face",
    "LandmarkDetector",
    "align",
    "as_crop",
    "chip_quad",
    "chosen",
    "crop",
    "detect",
    "ffhq_quad",
    "restore",
]
