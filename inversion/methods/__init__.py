"""How steps are taken: records that are handed to the one descent loop."""

from wplus.inversion.methods.adam import Adam
from wplus.inversion.methods.method import Evaluation, Memory, Method, Problem, Update
from wplus.inversion.methods.projector import Projector
from wplus.inversion.methods.quasi_newton import QuasiNewton

METHODS: tuple[type[Adam] | type[QuasiNewton] | type[Projector], ...] = (Adam, QuasiNewton, Projector)

__all__ = ["METHODS", "Adam", "Evaluation", "Memory", "Method", "Problem", "Projector", "QuasiNewton", "Update"]
