"""The command `wplus`: finds the subcommand, and turns every user's mistake into one line."""

import difflib
import sys
from importlib import import_module

import click

from wplus.core import WplusError
from wplus.core.errors import printable

COMMANDS = (
    "align",
    "invert",
    "render",
    "restore",
    "morph",
    "crossover",
    "express",
    "edit-region",
    "sample",
    "info",
    "measure",
    "study",
    "convert",
    "models",
    "train",
    "train-encoder",
    "demo",
)


class Commands(click.Group):
    """Subcommands that are imported only when called: `wplus --help` needs no torch."""

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


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="wplus", message="wplus %(version)s")
def cli() -> None:
    """Photographs to the latent space of a GAN and back: embed, edit, render.

    \b
    wplus invert portrait.jpg -o codes             photograph -> latent
    wplus morph codes/a.safetensors codes/b.safetensors -o morph.gif
    wplus demo -o demo                             all of it, on a photograph of NASA's
    """


def main() -> None:
    """Run the command line; exits with 0, 1 (a user's mistake), 2 (usage) or 130 (Ctrl-C)."""
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except WplusError as error:
        # file names and what files hold may contain anything; a message is one line all the same
        click.echo(f"wplus: {printable(' '.join(str(error).split()))}", err=True)
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt):
        click.echo("wplus: interrupted", err=True)
        sys.exit(130)
