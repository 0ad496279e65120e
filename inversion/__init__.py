"""Photographs to codes: objectives, spaces, starts, and the one descent loop."""

from wplus.inversion.identity import Identity, face_place
from wplus.inversion.invert import Inversion, invert, objective_for
from wplus.inversion.masked import IMAGE2STYLEGAN_PP_TAPS, MaskedStyle, Towards, image2stylegan_pp
from wplus.inversion.methods import METHODS, Adam, Method, Projector, QuasiNewton
from wplus.inversion.noise import Still, WithNoise
from wplus.inversion.objectives import Objective, Penalty, Perceptual, Pixel, Term, image2stylegan
from wplus.inversion.optimise import steps
from wplus.inversion.penalties import NoiseCorrelation, PNNorm
from wplus.inversion.records import Ending, Progress, Record
from wplus.inversion.refine import refine_noise
from wplus.inversion.settings import PRESETS, Preset, Settings
from wplus.inversion.spaces import PN, SPACES, P, Space, W, WPlus, Z
from wplus.inversion.starts import Encoder, Given, Mean, Random, Start

__all__ = [
    "IMAGE2STYLEGAN_PP_TAPS",
    "METHODS",
    "PN",
    "PRESETS",
    "SPACES",
    "Adam",
    "Encoder",
    "Ending",
    "Given",
    "Identity",
    "Inversion",
    "MaskedStyle",
    "Mean",
    "Method",
    "NoiseCorrelation",
    "Objective",
    "P",
    "PNNorm",
    "Penalty",
    "Perceptual",
    "Pixel",
    "Preset",
    "Progress",
    "Projector",
    "QuasiNewton",
    "Random",
    "Record",
    "Settings",
    "Space",
    "Start",
    "Still",
    "Term",
    "Towards",
    "W",
    "WPlus",
    "WithNoise",
    "Z",
    "face_place",
    "image2stylegan",
    "image2stylegan_pp",
    "invert",
    "objective_for",
    "refine_noise",
    "steps",
]
