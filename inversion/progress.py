"""A descent that was broken off, on disk: what it needs to go on as if nothing had happened."""

from pathlib import Path

from wplus.core.errors import LatentError
from wplus.core.tensorfile import read_tensors, write_tensors
from wplus.inversion.optimise import Progress


def save_progress(path: Path, progress: Progress, *, index: int, key: str) -> None:
    """Write the state of one picture of a batch; `key` names the input and settings it belongs to.

    Raises:
        OutputError: the file cannot be written.
    """
    row = slice(index, index + 1)
    names = ("code", "first_moment", "second_moment", "ceiling", "best_ws", "alive")
    tensors = {name: getattr(progress, name)[row] for name in names}
    tensors |= {f"best_losses.{name}": loss[row] for name, loss in progress.best_losses.items()}
    order = list(progress.best_losses)  # sums of floats depend on it
    write_tensors(path, tensors, {"kind": "progress", "step": progress.step, "key": key, "terms": order})


def load_progress(path: Path, *, key: str) -> Progress | None:
    """Read what `save_progress` wrote; None where there is nothing, or nothing that belongs to `key`."""
    if not path.exists():
        return None
    try:
        tensors, header = read_tensors(path, error=LatentError, expected="a broken-off inversion")
        if header["key"] != key:
            return None
        best = {name: tensors.pop(f"best_losses.{name}") for name in header["terms"]}
        return Progress(step=int(header["step"]), best_losses=best, **tensors)
    except (LatentError, KeyError, TypeError):
        return None  # damaged: begun again
