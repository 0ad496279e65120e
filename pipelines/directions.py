"""The directions that a generator has: those that ship with it, or those of a file."""

from pathlib import Path

from wplus.core.direction import Direction, load_directions
from wplus.core.errors import DirectionError
from wplus.core.tensorfile import is_foreign
from wplus.editing.directions import read_directions
from wplus.models import Generator
from wplus.models.entries import WEIGHTS


def known_directions(generator: Generator, path: Path | None = None) -> dict[str, Direction]:
    """Directions of a generator by name.

    Args:
        generator: whose codes they move.
        path: their file, of wplus or of another program; what ships with the generator if None.

    Raises:
        DirectionError: no such file, damaged, or directions of another generator; none ship with this one.
    """
    if path is not None and is_foreign(path):
        return read_directions(path, generator)
    if path is None:
        path = WEIGHTS / f"{generator.name}-directions.safetensors"
        if not path.is_file():
            raise DirectionError(
                f"no directions ship with {generator.name}; find some with `wplus directions find`,"
                " and give their file by --directions"
            )
    found = load_directions(path)
    for item in found.values():
        if item.about.fingerprint not in ("", *generator.family):
            raise DirectionError(
                f"{path}: directions of generator {item.about.generator} ({item.about.fingerprint}),"
                f" not of {generator.name} ({generator.fingerprint})"
            )
    # directions of a parent move the codes of its children: they are told as these from here on
    return {name: item.told_for(generator.name, generator.fingerprint) for name, item in found.items()}
