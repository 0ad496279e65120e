"""How steps are taken: records that are handed to the one descent loop."""

from wplus.optimisation.methods.adam import Adam
from wplus.optimisation.methods.method import Evaluation, Landscape, Memory, Method, Problem, Update
from wplus.optimisation.methods.projector import Projector
from wplus.optimisation.methods.quasi_newton import QuasiNewton

METHODS: tuple[type[Adam] | type[QuasiNewton] | type[Projector], ...] = (Adam, QuasiNewton, Projector)

__all__ = [
    "METHODS",
    "Adam",
    "Evaluation",
    "Landscape",
    "Memory",
    "Method",
    "Problem",
    "Projector",
    "QuasiNewton",
    "Update",
]
