"""Many photographs: fixed groups, read ahead in worker processes, sized by memory, inverted here or on several devices.

recipe = Recipe("faces-64")
prepared = recipe.on("cpu")
groups = Group.chunks(photos, batch=8)
for found in invert_groups(groups, Reading(size=64), Here(prepared)):
    ...  # found.photo, found.latent or found.reason
"""

from wplus.inversion.folder.executors import Executor, Here, Processes, Task, executor_for
from wplus.inversion.folder.groups import Group, Unfinished
from wplus.inversion.folder.memory import batch_size
from wplus.inversion.folder.reading import Reading
from wplus.inversion.folder.recipe import Prepared, Recipe
from wplus.inversion.folder.stream import Inverted, invert_groups

__all__ = [
    "Executor",
    "Group",
    "Here",
    "Inverted",
    "Prepared",
    "Processes",
    "Reading",
    "Recipe",
    "Task",
    "Unfinished",
    "batch_size",
    "executor_for",
    "invert_groups",
]
