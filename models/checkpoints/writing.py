"""Generators written in others' formats, so that their tools can be fed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from wplus.core.errors import OutputError
from wplus.core.files import replacing
from wplus.models.checkpoints import nvidia_export, rosinality
from wplus.models.checkpoints.tables import CARD, Weights
from wplus.models.network import Config

Foreign = Literal["nvidia", "rosinality"]
Told = Mapping[str, str]
NOTHING: Told = {}


class Writer(NamedTuple):
    """A foreign format that can be written: why it cannot hold a generator, and how it is written."""

    refuses: Callable[[Config], str | None]
    write: Callable[[Path, Config, Weights, Told], None]


def write_checkpoint(path: str | Path, config: Config, state: Weights, *, form: Foreign, card: Told = NOTHING) -> None:
    """Write a generator's weights in a foreign format, atomically; `card` goes along for those who read it.

    Raises:
        OutputError: the format cannot hold this generator, or the file cannot be written.
    """
    writer = WRITERS[form]
    reason = writer.refuses(config)
    if reason is not None:
        raise OutputError(f"cannot write {path} as {form}: {reason}")
    with replacing(path) as temporary:
        writer.write(temporary, config, state, card)


def _write_rosinality(path: Path, config: Config, state: Weights, card: Told) -> None:
    with path.open("wb") as file:  # a file: torch refuses a path of ours without a suffix
        torch.save(rosinality.export(config, state) | {CARD: dict(card)}, file)


def _write_nvidia(path: Path, config: Config, state: Weights, card: Told) -> None:
    with path.open("wb") as file:
        for piece in nvidia_export.export(config, state, card):
            file.write(piece)


WRITERS: dict[Foreign, Writer] = {
    "nvidia": Writer(nvidia_export.refuses, _write_nvidia),
    "rosinality": Writer(rosinality.refuses, _write_rosinality),
}
