"""The command `wplus`: finds the subcommand, and turns every user's mistake into one line."""

import difflib
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import click

COMMANDS = {
    "align": "Align faces: crop them from photographs as FFHQ did.",
    "faces": "Number the faces of a photograph, as --face counts them.",
    "invert": "Invert photographs: align, then find their codes.",
    "render": "Render codes as pictures.",
    "restore": "Return an edited face to its photograph.",
    "morph": "Morph from one latent to another: a strip or an animation.",
    "crossover": "Mix styles: coarse layers of one latent, fine layers of another.",
    "express": "Transfer an expression from one person to another.",
    "edit-region": "Give a face the mouth, the eyes ... of another.",
    "edit": "Change faces in photographs: smile, age, glasses ...",
    "directions": "Find, list, show and compare directions.",
    "sample": "Sample faces from a generator.",
    "info": "Show what a file holds, or what this machine can do.",
    "measure": "Measure pictures or codes by the metrics of the field.",
    "study": "Run the papers' experiments, with a report.",
    "convert": "Convert generators and latents from and to other programs.",
    "models": "List the catalogue's models; fetch or check them.",
    "train": "Train a generator on faces.",
    "train-encoder": "Train an encoder for a generator.",
    "demo": "Everything once on one photograph, with a page to look at.",
}
"""What there is, by name; told here so that `wplus --help` waits for no torch."""

ALONE = frozenset({"render", "restore", "morph", "crossover", "express", "edit-region"})
"""Commands whose words are files, and that do nothing where one is missing."""

MANY = frozenset({"align", "invert"})
"""Commands that go through files, and let none that is missing stop the others."""

LOG = logging.getLogger("wplus")


class _Lines(logging.Handler):
    """Every record is a line on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(record.getMessage(), err=True)


class Commands(click.Group):
    """Subcommands that are imported only when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            near = difflib.get_close_matches(cmd_name, COMMANDS, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else f"; commands: {', '.join(COMMANDS)}"
            raise click.UsageError(f"no command '{cmd_name}'{hint}", ctx)
        command = import_module(f"wplus.cli.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="wplus", message="wplus %(version)s")
@click.option("-v", "--verbose", is_flag=True, help="Also say which ways were taken, on standard error.")
@click.option("-q", "--quiet", is_flag=True, help="Only results and errors: no remarks, no progress.")
def cli(verbose: bool, quiet: bool) -> None:
    """Photographs to the latent space of a GAN and back: embed, edit, render.

    \b
    wplus invert portrait.jpg -o codes             photograph -> latent
    wplus morph codes/a.safetensors codes/b.safetensors -o morph.gif
    wplus demo -o demo                             all of it, on a photograph of NASA's
    """
    LOG.setLevel(logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO)
    LOG.handlers[:] = [_Lines()]


def missing_input(words: Sequence[str]) -> str | None:
    """An input file that is not there, as far as one can tell before a command and its options are known.

    Words before the first option are inputs, and so are those behind -o and its value.

    Args:
        words: of the command line, without the program's name.
    """
    rest = [word for word in words if word not in {"-v", "-q", "--verbose", "--quiet"}]
    if not rest or rest[0] not in ALONE | MANY or not {"-o", "--output"} & set(rest) or {"-h", "--help"} & set(rest):
        return None
    files: list[str] = []
    following = iter(rest[1:])
    for word in following:
        if word in {"-o", "--output"}:
            next(following, None)
        elif word.startswith("-"):
            break
        else:
            files.append(word)
    missing = [file for file in files if file.isprintable() and not os.path.lexists(file)]
    if rest[0] in MANY and len(missing) < len(files):
        return None
    return missing[0] if missing else None


def main() -> None:
    """Run the command line; exits with 0, 1 (a user's mistake), 2 (usage) or 130 (Ctrl-C)."""
    try:
        Path.cwd()
    except OSError:
        click.echo("wplus: the folder that this is called in is gone; change to another", err=True)
        sys.exit(1)
    if missing := missing_input(sys.argv[1:]):  # here, for nobody waits for torch to be told so
        click.echo(f"wplus: {missing}: no such file; check the name", err=True)
        sys.exit(1)
    try:
        sys.exit(cli.main(prog_name="wplus", standalone_mode=False) or 0)
    except click.ClickException as error:
        told = error.format_message()
        if not told.startswith("Usage:"):  # a group that was called alone tells its help
            command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "wplus"
            told = f"wplus: {' '.join(told.split()).removesuffix('.')}; see `{command} --help`"
        click.echo(told, err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("wplus: interrupted", err=True)
        sys.exit(130)
    except Exception as error:
        from wplus.core.errors import WplusError, printable  # not before: torch comes with it

        if not isinstance(error, WplusError | OSError):  # a full disk behind standard output, and the like
            raise
        # file names and what files hold may contain anything; a message is one line all the same
        click.echo(f"wplus: {printable(' '.join(str(error).split()))}", err=True)
        sys.exit(1)
