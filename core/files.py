"""Writing that never leaves half a file, and never loses the file that was there before; where files are kept."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wplus.core.errors import OutputError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success it takes the place of `path`.

    Parent folders are made. On any failure the temporary file is removed and `path` is as before.

    Raises:
        OutputError: the folder or the file cannot be written.
    """
    target = Path(path)
    try:
        if target.parent.exists() and not target.parent.is_dir():
            raise NotADirectoryError(20, f"{target.parent} is a file, not a folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            raise IsADirectoryError(21, "is a folder")
        # the suffix stays: writers such as Pillow and PyAV choose the format by it
        temporary = target.parent / f".wplus-{secrets.token_hex(6)}{target.suffix}"
        temporary.touch(exist_ok=False)  # not by mkstemp, whose files only their owner can read
        rights = temporary.stat().st_mode
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    try:
        yield temporary
        temporary.chmod(rights)  # some writers make the file anew, for its owner alone
        temporary.replace(target)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def check_not_input(output: Path, *inputs: Path) -> None:
    """See that a result does not take the place of what it is made of.

    Raises:
        OutputError: it would.
    """
    for path in inputs:
        if output.exists() and path.exists() and output.samefile(path):
            raise OutputError(f"cannot write over {path}: it is an input; give another name")


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, atomically.

    Raises:
        OutputError: the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")  # file names need not be UTF-8


def cache_folder() -> Path:
    """Where what was fetched or measured is kept: WPLUS_CACHE, or the folder wplus in XDG_CACHE_HOME or in ~/.cache."""
    if given := os.environ.get("WPLUS_CACHE"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "wplus"
