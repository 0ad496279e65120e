"""Faces out of photographs into the FFHQ frame, and back."""

from wplus.alignment.chip import chip_quad
from wplus.alignment.ffhq import Alignment, Crop, align, as_crop, chosen, crop, ffhq_quad
from wplus.alignment.landmarks import DlibLandmarks, Face, LandmarkDetector, detect
from wplus.alignment.local import crop_mask, restore_region
from wplus.alignment.regions import REGIONS, in_crop, region
from wplus.alignment.restore import restore

__all__ = [
    "REGIONS",
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
    "crop_mask",
    "detect",
    "ffhq_quad",
    "in_crop",
    "region",
    "restore",
    "restore_region",
]
