"""Faces out of photographs into the FFHQ frame, and back; every mask of a photograph."""

from wplus.alignment.chip import chip_quad
from wplus.alignment.ffhq import Alignment, Crop, align, as_crop, as_crops, chosen, crop, ffhq_quad
from wplus.alignment.landmarks import DlibLandmarks, Face, LandmarkDetector, detect
from wplus.alignment.local import crop_mask, restore_region
from wplus.alignment.masks import read_mask
from wplus.alignment.parts import PARTS, part, read_labels, rectangle
from wplus.alignment.regions import REGIONS, in_crop, region
from wplus.alignment.restore import restore

__all__ = [
    "PARTS",
    "REGIONS",
    "Alignment",
    "Crop",
    "DlibLandmarks",
    "Face",
    "LandmarkDetector",
    "align",
    "as_crop",
    "as_crops",
    "chip_quad",
    "chosen",
    "crop",
    "crop_mask",
    "detect",
    "ffhq_quad",
    "in_crop",
    "part",
    "read_labels",
    "read_mask",
    "rectangle",
    "region",
    "restore",
    "restore_region",
]
