"""How many pictures fit into memory together: measured by trial steps of one, two, four ..., not guessed."""

import contextlib
import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from wplus.alignment import Crop
from wplus.core.errors import WplusError
from wplus.pipelines.folder.reading import Reading
from wplus.pipelines.folder.recipe import Prepared

PAYS = 8
"""Pictures together, where more than one pays."""

_MARGIN = 1.25
"""How much more a larger batch may take than in proportion."""

_SHARE = 0.95
"""Of a limit, what is used: a heap frays in long runs."""


def measurable(device: torch.device) -> bool:
    """Whether the peak of a piece of work can be told: on CUDA, and on Linux."""
    return device.type == "cuda" or (device.type == "cpu" and sys.platform == "linux")


def peak_of(work: Callable[[], object], device: torch.device) -> int:
    """Most bytes that this process held while it worked: of the device, or on the CPU of main memory (resident)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return torch.cuda.max_memory_reserved(device)
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far (man 5 proc)
    work()
    return _status("VmHWM")


def in_use(device: torch.device) -> int:
    """Bytes that this process holds now."""
    return torch.cuda.memory_reserved(device) if device.type == "cuda" else _status("VmRSS")


def free(device: torch.device) -> int:
    """Bytes that are left to this process, in its container too."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    left = _kilobytes(Path("/proc/meminfo"), "MemAvailable")
    group = Path("/sys/fs/cgroup")
    try:
        most = int((group / "memory.max").read_text())
        cached = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())["inactive_file"]
        return min(left, most - int((group / "memory.current").read_text()) + int(cached))
    except (OSError, ValueError, KeyError):  # no such limit
        return left


def batch_size(
    prepared: Prepared, reading: Reading, photos: Sequence[Path], *, memory: int | None = None, among: int = 1
) -> int:
    """How many of `photos` to invert together: what pays on the device, where that fits.

    Args:
        memory: bytes that all processes may take together, or on GPUs each; None for what is free.
        among: processes that invert at once.

    Raises:
        WplusError: not even one fits into `memory`, or this machine cannot tell.
    """
    device = prepared.generator.device
    pays = PAYS if prepared.generator.resolution <= 128 or device.type == "cuda" else 1  # large ones fill a processor
    at_most = min(pays, len(photos))
    if not measurable(device):
        if memory is not None:
            raise WplusError(f"--memory cannot be held on {device.type} of {sys.platform}; give --batch instead")
        return at_most
    if memory is None and at_most == 1:
        return 1
    limit = in_use(device) + int(0.9 * free(device)) if memory is None else memory
    if device.type != "cuda":
        limit = limit if among == 1 else (limit - in_use(device)) // among
    for photo in sorted(photos, key=lambda photo: photo.stat().st_size, reverse=True):  # the largest takes most to read
        with contextlib.suppress(WplusError):
            crop = reading(photo)
            break
    else:
        return 1
    try:
        return largest_batch(prepared, crop, at_most=at_most, limit=limit)
    except WplusError:
        if memory is None:  # nobody asked for a limit: one is tried
            return 1
        raise


def largest_batch(prepared: Prepared, crop: Crop, *, at_most: int, limit: int) -> int:
    """How many pictures are inverted together within `limit` bytes: `at_most`, or a power of two.

    Raises:
        WplusError: not even one fits.
    """
    device, limit = prepared.generator.device, int(limit * _SHARE)
    begun = in_use(device)
    batch, peak = 1, max(begun, peak_of(lambda: _try(prepared, [crop]), device))
    if peak > limit:
        raise WplusError(
            f"one picture of {prepared.generator.name} takes {peak / _SHARE / 1e9:.3g} GB of memory, more than the"
            f" {limit / _SHARE / 1e9:.3g} GB given; give more, or take a smaller generator"
        )
    while batch < at_most:
        fits = [more for more in (at_most, 2 * batch) if _expected(begun, peak, more / batch) <= limit]
        if not fits or fits[0] == at_most:
            return max([batch, *fits])
        batch *= 2
        peak = max(peak, peak_of(functools.partial(_try, prepared, [crop] * batch), device))
    return batch


def _expected(begun: int, peak: int, times: float) -> int:
    """The peak of a batch that many times as large; what is held once and for all counts as if it grew."""
    return begun + int((peak - begun) * times * _MARGIN)


def _try(prepared: Prepared, crops: list[Crop]) -> None:
    """The first steps of a descent."""
    prepared(crops, stop=lambda record: record.step == 1)


def _status(name: str) -> int:
    return _kilobytes(Path("/proc/self/status"), name)


def _kilobytes(path: Path, name: str) -> int:
    line = next(line for line in path.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024
