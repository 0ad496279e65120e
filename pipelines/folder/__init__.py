"""Many photographs: fixed groups, read ahead in worker processes, sized by memory, inverted here or on several devices.

recipe = Recipe("faces-64")
prepared = recipe.on("cpu")
groups = Group.chunks(photos, batch=8)
for found in invert_groups(groups, Reading(size=64), Here(prepared)):
    ...  # found.photo, found.latent or found.reason
"""

from wplus.pipelines.folder.executors import Executor, Here, Processes, Task, executor_for
from wplus.pipelines.folder.groups import Group, Unfinished
from wplus.pipelines.folder.memory import batch_size
from wplus.pipelines.folder.reading import Reading
from wplus.pipelines.folder.recipe import Prepared, Recipe
from wplus.pipelines.folder.stream import Inverted, invert_groups

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
