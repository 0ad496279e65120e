"""From a start to a minimum: the one descent, its methods, and the losses that all rooms share."""

from wplus.optimisation.descent import Decode, Goal, descend
from wplus.optimisation.losses.gram import Gram, gram_matrix
from wplus.optimisation.losses.identity import Identity, face_place
from wplus.optimisation.losses.perceptual import Perceptual
from wplus.optimisation.losses.pixel import Pixel
from wplus.optimisation.losses.squared_error import squared_error
from wplus.optimisation.losses.term import Comparison, Term, check_weight
from wplus.optimisation.losses.towards import Steadiness, Towards
from wplus.optimisation.methods import METHODS, Adam, Landscape, Method, Projector, QuasiNewton
from wplus.optimisation.objective import Objective, Penalty, Rendering
from wplus.optimisation.records import Ending, Progress, Step
from wplus.optimisation.settings import Settings

__all__ = [
    "METHODS",
    "Adam",
    "Comparison",
    "Decode",
    "Ending",
    "Goal",
    "Gram",
    "Identity",
    "Landscape",
    "Method",
    "Objective",
    "Penalty",
    "Perceptual",
    "Pixel",
    "Progress",
    "Projector",
    "QuasiNewton",
    "Rendering",
    "Settings",
    "Steadiness",
    "Step",
    "Term",
    "Towards",
    "check_weight",
    "descend",
    "face_place",
    "gram_matrix",
    "squared_error",
]
