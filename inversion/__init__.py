"""Photographs to codes: spaces, starts, penalties and presets of the W+ case of the one descent."""

from wplus.inversion.curvature import factor_for, preconditioner_for
from wplus.inversion.invert import Inversion, invert
from wplus.inversion.masked import IMAGE2STYLEGAN_PP_TAPS, image2stylegan_pp
from wplus.inversion.noise import Still, WithNoise
from wplus.inversion.objective import image2stylegan, objective_for, perceptual_network
from wplus.inversion.penalties import NearW, NoiseCorrelation, PNNorm
from wplus.inversion.presets import EDITABILITY, PRESETS, Preset
from wplus.inversion.refine import refine_noise
from wplus.inversion.spaces import PN, SPACES, Codes, P, Space, W, WPlus, Z
from wplus.inversion.starts import Encoder, Given, Mean, Random, Start
from wplus.inversion.steps import Record, steps

__all__ = [
    "EDITABILITY",
    "IMAGE2STYLEGAN_PP_TAPS",
    "PN",
    "PRESETS",
    "SPACES",
    "Codes",
    "Encoder",
    "Given",
    "Inversion",
    "Mean",
    "NearW",
    "NoiseCorrelation",
    "P",
    "PNNorm",
    "Preset",
    "Random",
    "Record",
    "Space",
    "Start",
    "Still",
    "W",
    "WPlus",
    "WithNoise",
    "Z",
    "factor_for",
    "image2stylegan",
    "image2stylegan_pp",
    "invert",
    "objective_for",
    "perceptual_network",
    "preconditioner_for",
    "refine_noise",
    "steps",
]
