"""A descent that was broken off, on disk: what it needs to go on as if nothing had happened."""

from pathlib import Path

from wplus.core.errors import LatentError
from wplus.core.tensorfile import read_tensors, write_tensors
from wplus.optimisation.records import Progress


def save_progress(path: Path, progress: Progress, *, index: int, key: str) -> None:
    """Write the state of one picture of a batch; `key` names the input and settings it belongs to.

    Raises:
        OutputError: the file cannot be written.
    """
    row = slice(index, index + 1)
    tensors = {name: getattr(progress, name)[row] for name in ("code", "ceiling", "best_code", "mark", "ending")}
    tensors |= {f"memory.{name}": values[row] for name, values in progress.memory.items()}
    tensors |= {f"best_losses.{name}": loss[row] for name, loss in progress.best_losses.items()}
    order = list(progress.best_losses)  # sums of floats depend on it
    told = {"step": progress.step, "seconds": progress.seconds, "key": key, "terms": order}
    write_tensors(path, tensors, {"kind": "progress", **told})


def load_progress(path: Path, *, key: str) -> Progress | None:
    """Read what `save_progress` wrote; None where there is nothing, or nothing that belongs to `key`."""
    if not path.exists():
        return None
    try:
        tensors, header = read_tensors(path, error=LatentError, expected="a broken-off inversion")
        if header["key"] != key:
            return None
        best = {name: tensors.pop(f"best_losses.{name}") for name in header["terms"]}
        kept = [name for name in tensors if name.startswith("memory.")]
        memory = {name.removeprefix("memory."): tensors.pop(name) for name in kept}
        seconds = float(header["seconds"])
        return Progress(step=int(header["step"]), memory=memory, best_losses=best, seconds=seconds, **tensors)
    except (LatentError, KeyError, TypeError):
        return None  # damaged: begun again
