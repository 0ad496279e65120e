"""What wplus invert is told beside its objective: where to look, how likely codes are to be, and noise after them."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from wplus.core.images import find_pictures

Command = TypeVar("Command", bound=Callable[..., Any])


def told_of_mask(given: Path | None) -> dict[str, str]:
    """What tells a mask, or a folder of them, from others: a sum of all bytes; nothing where there is none.

    Raises:
        ImageError: it cannot be read.
    """
    if given is None:
        return {}
    digest = hashlib.sha256()
    for path in find_pictures(given):
        digest.update(path.name.encode() + path.read_bytes())
    return {"mask": digest.hexdigest()[:16]}


def fitting_options(command: Command) -> Command:
    """--mask, --editability and --noise-steps."""
    options = (
        click.option(
            "--mask",
            type=click.Path(path_type=Path),
            metavar="FILE|FOLDER",
            help="Fit only what is white in it, painted over the photograph or, square, over its crop;"
            " a folder holds one for each photograph, by its name.",
        ),
        click.option(
            "--editability",
            type=click.FloatRange(min=0),
            help="Keep codes likely, so that they edit well: lambda of their mean square in P_N.  [the preset's]",
        ),
        click.option(
            "--noise-steps",
            type=click.IntRange(0),
            default=0,
            show_default=True,
            help="Then fit the generator's noise maps to what codes left over, codes fixed; try 100.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
