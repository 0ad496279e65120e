"""What a file holds, for the commands that take any."""

from pathlib import Path
from typing import NamedTuple

from wplus.core import GeneratorError, ImageError, WplusError
from wplus.core.images import read_photo
from wplus.core.tensorfile import KEY, read_header
from wplus.models.checkpoints import format_of, unread
from wplus.models.checkpoints.foreign import read_tree
from wplus.models.checkpoints.latents import holds_codes


class Contents(NamedTuple):
    """A file's kind ("generator", "latent", "perceptual", "picture" ...), and the form it is written in."""

    kind: str
    form: str


def contents_of(path: Path) -> Contents:
    """Tell what a file holds by its contents.

    Raises:
        WplusError: no such file, damaged, or nothing that is known.
    """
    try:
        tree = read_tree(path, error=GeneratorError, unread=unread)
    except GeneratorError as error:
        try:
            read_photo(path)
        except ImageError:
            raise error from None
        return Contents("picture", path.suffix.lstrip("."))
    if isinstance(tree, dict) and KEY in (tree.get("__metadata__") or {}):
        header = read_header(path, error=WplusError, expected="a file of wplus")
        return Contents(str(header.get("kind", "unknown content")), "wplus")
    found = format_of(tree)
    if not isinstance(found, str):
        return Contents("generator", found.NAME)
    if holds_codes(tree):
        return Contents("latent", "another program's")
    raise GeneratorError(f"{path}: no known generator, and no codes: {found}")
