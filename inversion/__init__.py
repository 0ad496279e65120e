"""Photographs to codes: objectives, spaces, starts, and the one descent loop."""

from wplus.inversion.identity import Identity, face_place
from wplus.inversion.invert import Inversion, invert
from wplus.inversion.masked import MaskedPerceptual, MaskedPixel, MaskedStyle, Towards, image2stylegan_pp
from wplus.inversion.objectives import Objective, Perceptual, Pixel, Term, image2stylegan
from wplus.inversion.optimise import Progress, Record, Settings, steps
from wplus.inversion.spaces import SPACES, Space, W, WPlus, Z
from wplus.inversion.starts import Encoder, Given, Mean, Random, Start

__all__ = [
    "SPACES",
    "Encoder",
    "Given",
    "Identity",
    "Inversion",
    "MaskedPerceptual",
    "MaskedPixel",
    "MaskedStyle",
    "Mean",
    "Objective",
    "Perceptual",
    "Pixel",
    "Progress",
    "Random",
    "Record",
    "Settings",
    "Space",
    "Start",
    "Term",
    "Towards",
    "W",
    "WPlus",
    "Z",
    "face_place",
    "image2stylegan",
    "image2stylegan_pp",
    "invert",
    "steps",
]
