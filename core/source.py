"""The code itself as a key of what it computed."""

import functools
import hashlib
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path


@functools.cache
def source_sum(*rooms: str) -> str:
    """A sum over the source files of packages such as "wplus.models", wherever they are installed."""
    digest = hashlib.sha256()
    for room in rooms:
        spec = find_spec(room)
        assert spec is not None
        for path in _sources(spec.submodule_search_locations or ()):
            digest.update(room.encode() + path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _sources(folders: Iterable[str]) -> list[Path]:
    return sorted(path for folder in folders for path in Path(folder).rglob("*.py"))
