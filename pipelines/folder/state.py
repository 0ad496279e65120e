"""The state of a group whose descent was broken off, on disk: a file for each of its pictures."""

from pathlib import Path

import torch

from wplus.optimisation.progress import load_progress, save_progress
from wplus.optimisation.records import Progress, combined


def save_state(path: Path, progress: Progress, *, pictures: int, key: str) -> None:
    """Write the state of a group; `key` names it.

    Raises:
        OutputError: a file cannot be written.
    """
    for index in range(pictures):
        save_progress(_row(path, index), progress, index=index, key=key)


def load_state(path: Path, *, pictures: int, key: str) -> Progress | None:
    """Read what `save_state` wrote; None where there is nothing, or not all of what belongs to `key`."""
    found = [load_progress(_row(path, index), key=key) for index in range(pictures)]
    rows = [row for row in found if row is not None]
    if len(rows) < pictures or len({row.step for row in rows}) > 1:  # killed while it was written: begun again
        return None
    return combined(rows, torch.cat)


def remove_state(path: Path) -> None:
    """Forget it."""
    for file in path.parent.glob(f"{path.name}-*"):
        file.unlink(missing_ok=True)


def _row(path: Path, index: int) -> Path:
    return path.with_name(f"{path.name}-{index}.safetensors")
