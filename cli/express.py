"""wplus express: one person's expression on another's face."""

import math
from pathlib import Path

import click

from wplus.cli.options import FINITE, device_option, opener, output_option, remark, write_result
from wplus.cli.photographs import mark_option, paste_option, write_photograph
from wplus.core.files import check_not_input
from wplus.core.photograph import open_photograph
from wplus.editing import Relative
from wplus.models.checkpoints.latents import load_latent
from wplus.pipelines.express import TURNED, express, express_photo, turned
from wplus.pipelines.restore import restore_face


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
@click.option(
    "--lender",
    "lenders",
    nargs=2,
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="NEUTRAL EXPRESSIVE",
    help="One more person; all are averaged, so that what is theirs alone fades.",
)
@click.option(
    "--photo",
    type=click.Path(path_type=Path),
    help="The photograph of TARGET: carry the expression into it.",
)
@paste_option
@mark_option
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
    lenders: tuple[tuple[Path, Path], ...],
    photo: Path | None,
    paste: str,
    marked: bool,
    generator: str | None,
    device: str,
) -> None:
    """Add what differs between NEUTRAL and EXPRESSIVE, two latents of one person, to TARGET.

    Lenders should be TARGET's own other photographs. Strangers lend their light and their face, too, and several of
    them little of a smile: for photographs `wplus edit --smile 0.8` serves better.

    \b
    Examples:
      wplus express me.safetensors her_neutral.safetensors her_smile.safetensors -o smile.png --photo me.jpg
      wplus express me.safetensors a.safetensors a1.safetensors --lender b.safetensors b1.safetensors -o s.safetensors
    """
    pairs = [(neutral, expressive), *lenders]
    check_not_input(output, target, *(path for pair in pairs for path in pair), *filter(None, [photo]))
    try:
        number = float(threshold.removesuffix("%"))
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise click.UsageError(f"--threshold {threshold} is neither a number from 0 nor a percentage")
    person = load_latent(target)
    before, after = ([load_latent(path) for path in paths] for paths in zip(*pairs, strict=True))
    network = opener([person, *before, *after], generator, device)
    level: float | Relative = Relative(number / 100) if threshold.endswith("%") else number
    if isinstance(level, Relative) and (person.origin is None or person.origin.w_radius is None):
        level = level.share * network().w_radius
    edited = express(person, before, after, strength=strength, threshold=level, normalise=normalise)
    if photo is None:
        write_result(output, edited, network)
    else:
        for paths, neutral_code, expressive_code in zip(pairs, before, after, strict=True):
            if (degrees := turned(network(), neutral_code, expressive_code)) > TURNED:
                remark(f"{paths[1]}: the head turned by {degrees:.0f} degrees, and that is lent, too")
        carried = express_photo if paste == "change" else restore_face
        result = carried(open_photograph(photo), edited, network())
        write_photograph(output, result, edit=f"expression, strength {strength:g}", marked=marked)
