"""wplus edit-region: a region of one photograph from another."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import click

from wplus.alignment import REGIONS
from wplus.alignment.parts import PARTS
from wplus.cli.options import SHARE, descent, device_option, output_option, remark
from wplus.cli.photographs import mark_option, write_photograph
from wplus.core import Latent, WplusError
from wplus.core.files import check_not_input
from wplus.core.images import write_picture
from wplus.editing.local import Where, synthesis_of
from wplus.inversion import Encoder, invert
from wplus.models import Generator, load_generator
from wplus.optimisation import Settings
from wplus.pipelines.portrait import Portrait, embed
from wplus.pipelines.region_sheet import sheet_of
from wplus.pipelines.regions import TURNED, edit_region, into_photograph, named, painted, paired, turned

DEFAULT_GENERATOR = "stylemap-faces"


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.argument("references", nargs=-1, required=True, type=click.Path(path_type=Path))
@output_option(folder=False)
@click.option(
    "--region",
    "regions",
    multiple=True,
    metavar="NAME|LEFT,TOP,RIGHT,BOTTOM",
    help=f"What a reference gives: {', '.join(REGIONS)}; or a rectangle, in parts of the crop's side.",
)
@click.option(
    "--mask",
    "masks",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A mask instead: a picture of TARGET's shape with the region painted white on black.",
)
@click.option(
    "--labels",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A face parser's label maps (19 labels of CelebAMask-HQ) of TARGET, then of each reference;"
    f" --region then also takes {', '.join(name for name in PARTS if name not in REGIONS)}.",
)
@click.option("--strength", type=SHARE, default=1.0, show_default=True, help="0 changes nothing.")
@click.option(
    "--where",
    type=click.Choice(get_args(Where)),
    default="w+",
    show_default=True,
    help="Blend in the stylemap (w, coarse cells), or at every resolution (w+).",
)
@click.option(
    "--paste",
    type=click.Choice(["region", "face", "none"]),
    default="region",
    show_default=True,
    help="Paste back the region, or the whole face as the generator renders it; none writes the rendering itself.",
)
@click.option(
    "--refine",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="STEPS",
    help="Steps of optimisation from the encoder's codes: closer to the photographs, and slower; try 50.",
)
@click.option("--sheet", is_flag=True, help="Also write OUTPUT-sheet.png: everything side by side, with figures.")
@click.option("--crop", "cropped", is_flag=True, help="The inputs are already aligned crops: squares of any size.")
@click.option("--face", type=click.IntRange(0), default=0, show_default=True, help="Which face of TARGET; 0: largest.")
@mark_option
@click.option("--generator", default=DEFAULT_GENERATOR, show_default=True, help="A StyleMapGAN: a name, or a file.")
@device_option
def command(
    target: Path,
    references: tuple[Path, ...],
    output: Path,
    regions: tuple[str, ...],
    masks: tuple[Path, ...],
    labels: tuple[Path, ...],
    strength: float,
    where: Where,
    paste: Literal["region", "face", "none"],
    refine: int,
    sheet: bool,
    cropped: bool,
    face: int,
    marked: bool,
    generator: str,
    device: str,
) -> None:
    """Give the face in TARGET the mouth, the eyes ... of REFERENCES, all of them photographs.

    Each reference gives one --region or --mask, in their order, regions before masks; a single one gives all. What is
    replaced is the region of both faces together, so that nothing of the old one is left beside the new one.

    \b
    Examples:
      wplus edit-region me.jpg her.jpg --region mouth -o smile.jpg
      wplus edit-region me.jpg her.jpg --region eyes --strength 0.8 -o eyes.jpg --sheet
      wplus edit-region me.jpg her.jpg --region mouth --refine 50 -o nearer.jpg
      wplus edit-region me.jpg her.jpg him.jpg --region eyes --mask painted.png -o both.jpg
    """
    choices = [*map(named, regions), *map(painted, masks)]
    if not choices:
        raise click.UsageError("say what a reference gives, by --region or --mask")
    pairs = paired(choices, len(references))
    if len(labels) not in (0, 1 + len(references)):
        raise WplusError(
            f"{len(labels)} --labels for {1 + len(references)} photographs; give TARGET's and each reference's"
        )
    page = output.with_name(f"{output.stem}-sheet.png")
    for file in (output, *[page] * sheet):
        check_not_input(file, target, *references, *masks, *labels)
    network = load_generator(generator).to(device)
    synthesis_of(network)
    portraits = _portraits((target, *references), labels, face=None if cropped else face, size=network.resolution)
    patches = [choice(portraits[0], portraits[number]) for number, choice in pairs]
    for reference in portraits[1:]:
        degrees = turned(portraits[0], reference)
        if degrees > TURNED:
            remark(f"{reference.name}: the heads look {degrees:.0f} degrees apart; what it lends may show it")
    codes = partial(_refined, network, refine) if refine else partial(embed, network)
    edit = edit_region(network, portraits[0], patches, codes, strength=strength, where=where)
    result = None if paste == "none" else into_photograph(edit, network, paste)
    if result is None:
        write_picture(output, edit.picture)
        click.echo(output)
    else:
        what = ", ".join([*regions, *("a painted region" for _ in masks)])
        write_photograph(output, result, edit=f"{what} of another photograph", marked=marked)
    if sheet:
        write_picture(page, sheet_of(edit, result, network))
        click.echo(page)


def _portraits(paths: Sequence[Path], labels: Sequence[Path], *, face: int | None, size: int) -> list[Portrait]:
    """Target and references, with label maps if there are; no number of a face means that they are crops."""
    portraits = [
        Portrait.of_crop(path, size=size)
        if face is None
        else Portrait.of_photo(path, size=size, face=face if number == 0 else 0)
        for number, path in enumerate(paths)
    ]
    if not labels:
        return portraits
    return [portrait.parsed(path) for portrait, path in zip(portraits, labels, strict=True)]


def _refined(generator: Generator, steps: int, portraits: Sequence[Portrait]) -> Sequence[Latent]:
    """Codes that an inversion finds from the encoder's on."""
    settings = Settings(steps=steps)
    with descent(steps + 1, text="refine") as watch:
        found = invert(
            generator, [portrait.crop for portrait in portraits], start=Encoder(), settings=settings, watch=watch
        )
    return found.latents
