"""wplus express: one person's expression on another's face."""

import math
from pathlib import Path

import click

from wplus.cli.options import FINITE, device_option, opener, output_option, write_result
from wplus.core.files import check_not_input
from wplus.editing import Relative, transfer_expression
from wplus.models.checkpoints.latents import load_latent


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.argument("neutral", type=click.Path(path_type=Path))
@click.argument("expressive", type=click.Path(path_type=Path))
@output_option(folder=False)
@click.option(
    "--strength",
    type=FINITE,
    default=1.0,
    show_default=True,
    help="Strength (lambda); negative removes the expression.",
)
@click.option(
    "--threshold",
    default="14%",
    show_default=True,
    metavar="PERCENT|NORM",
    help="Zero weaker rows of the difference: a share of the generator's radius, or an L2 norm.",
)
@click.option(
    "--normalise", is_flag=True, help="Divide the difference by its norm, so that strength is the length of the step."
)
@click.option("--generator", help="Catalogue name or file, for codes that do not name their generator.")
@device_option
def command(
    target: Path,
    neutral: Path,
    expressive: Path,
    output: Path,
    strength: float,
    threshold: str,
    normalise: bool,
    generator: str | None,
    device: str,
) -> None:
    """Add what differs between NEUTRAL and EXPRESSIVE, two latents of one person, to TARGET.

    \b
    Example:
      wplus express me.safetensors her_neutral.safetensors her_smile.safetensors -o smile.png --strength 1.2
    """
    check_not_input(output, target, neutral, expressive)
    try:
        number = float(threshold.removesuffix("%"))
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise click.UsageError(f"--threshold {threshold} is neither a number from 0 nor a percentage")
    person, before, after = (load_latent(path) for path in (target, neutral, expressive))
    network = opener([person, before, after], generator, device)
    level: float | Relative = Relative(number / 100) if threshold.endswith("%") else number
    if isinstance(level, Relative) and (person.origin is None or person.origin.w_radius is None):
        level = level.share * network().w_radius
    edited = transfer_expression(person, before, after, strength=strength, threshold=level, normalise=normalise)
    write_result(output, edited, network)
