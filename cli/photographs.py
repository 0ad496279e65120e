"""What commands that edit photographs share: how the change is carried, the mark, the writing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from wplus.cli.options import SHARE, remark
from wplus.core.photograph import Photograph
from wplus.pipelines.parts import GROUPS
from wplus.pipelines.restore import Paste, mark

Command = TypeVar("Command", bound=Callable[..., Any])


def carry_options(command: Command) -> Command:
    """--paste, --where, --light."""
    command = click.option(
        "--light", type=SHARE, default=0.0, show_default=True, help="Share of a change of light or tint that is kept."
    )(command)
    command = click.option(
        "--where",
        type=click.Choice(tuple(GROUPS)),
        multiple=True,
        default=("face",),
        show_default=True,
        help="What may change; repeat it for several.",
    )(command)
    return paste_option(command)


def paste_option(command: Command) -> Command:
    """--paste."""
    return click.option(
        "--paste",
        type=click.Choice(get_args(Paste)),
        default="change",
        show_default=True,
        help="Carry the change into the photograph, or paste the face as the generator renders it.",
    )(command)


def mark_option(command: Command) -> Command:
    """--mark/--no-mark."""
    return click.option(
        "--mark/--no-mark",
        "marked",
        default=True,
        show_default=True,
        help="Say in the file that it was edited, and how.",
    )(command)


def write_photograph(path: Path, photo: Photograph, *, edit: str, marked: bool) -> None:
    """Write an edited photograph, marked or not, and say where.

    Raises:
        OutputError: another suffix, or the file cannot be written.
    """
    tell_lost(path, photo)
    (photo.marked(mark(edit)) if marked else photo).save(path)
    click.echo(path)


def tell_lost(path: Path, photo: Photograph) -> None:
    """Say what of a photograph's file its result does not have."""
    for what in photo.lost:
        remark(f"{path}: without {what}")
