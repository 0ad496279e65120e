"""Edits of photographs at their own resolution: how sharp, how much the same person, how much is left alone.

    python -m benchmarks.photographs ../shared [--generator faces-64w] [-o runs/photographs] [--most 6]

On wild photographs, CelebA-HQ crops of 1024 px and volunteers: no edit, a smile up and down, a volunteer's own
expression, the middle of a morph, a mouth from another. Sharpness is the variance of the Laplacian of luma in the inner
face at 512 px, over the photograph's own. Identity is the distance of dlib's descriptors. Kept is the share of pixels
of hair, clothes and background that keep their bits. The seam is the mean step between neighbouring pixels across the
edge of what changed, over the photograph's own step there. Sheets show photograph, edits, and the ten worst.
"""

import itertools
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import lpips
import numpy as np
import torch
from safetensors.torch import load_file
from scipy import ndimage
from tqdm import tqdm

from wplus.alignment import crop, detect
from wplus.core.animation import sheet
from wplus.core.images import resized, write_picture
from wplus.core.latent import Latent
from wplus.core.photograph import Photograph, open_photograph
from wplus.core.shapes import Picture
from wplus.metrics import identity_distance
from wplus.models import Generator, load_generator
from wplus.models.parser import CLASSES
from wplus.pipelines.directions import known_directions
from wplus.pipelines.edit import Subject, choose, move, subject
from wplus.pipelines.express import express_photo
from wplus.pipelines.morph import end_of, morph_frames
from wplus.pipelines.parts import parse
from wplus.pipelines.portrait import Portrait, embed
from wplus.pipelines.regions import edit_region, into_photograph, named
from wplus.pipelines.restore import restore_face

SIDE = 512
"""Pixels of the crops that are measured and shown."""

WILD = ("astronaut_NASA_publicdomain.png", "biden.jpg", "obama.jpg", "rose_leslie_img1.jpg", "kit_harington_john1.jpg",
        "paul_rudd_1.jpg")  # fmt: skip

BARS = {
    "no edit": "the photograph",
    "smile +1": "sharpness >= 0.85 median, >= 0.6 least; identity <= 0.35 mean, < 0.6 most",
    "smile -1": "the same",
    "own smile": "the same",
    "morph": "sharpness >= 0.6 of the two photographs' mean, least",
    "mouth": "sharpness >= 0.8; seam within 0.85 to 1.15",
}


@dataclass(frozen=True, eq=False)
class Result:
    """An edit of a photograph, as it is measured."""

    edit: str
    name: str
    before: Picture
    after: Picture
    figures: dict[str, float]


def sharpness(face: Picture) -> float:
    """Variance of the Laplacian of luma, 0 to 255, in the inner face of a crop of `SIDE` px."""
    luma = 127.5 * (face * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0).numpy()
    inner = np.s_[round(0.35 * SIDE) : round(0.85 * SIDE), round(0.3 * SIDE) : round(0.7 * SIDE)]
    return float(ndimage.laplace(luma)[inner].var())


def kept(face: Picture, before: Picture, after: Picture) -> float:
    """The share of hair, clothes and background of a crop where nothing at all changed."""
    (seen,) = parse(face)
    rest = sum(seen[CLASSES.index(name)] for name in ("hair", "cloth", "background"))
    away = ndimage.binary_erosion((rest > 0.9).numpy(), iterations=2)
    same = (before == after).all(0)
    share = torch.nn.functional.interpolate(same[None, None].float(), away.shape, mode="area")[0, 0].numpy()
    return float(share[away].mean()) if away.any() else float("nan")


def seam(before: Picture, after: Picture) -> float:
    """The step across the edge of what changed, over the photograph's own step there."""
    changed = ndimage.binary_opening((before != after).any(0).numpy(), iterations=2)
    steps = []
    for dim in (1, 2):
        edge = torch.from_numpy(np.diff(changed, axis=dim - 1) != 0)
        steps.append([picture.diff(dim=dim).abs().mean(0)[edge] for picture in (after, before)])
    new, old = (torch.cat(parts).mean() for parts in zip(*steps, strict=True))
    return float(new / old)


def measured(edit: str, person: Subject, name: str, result: Photograph, seconds: float) -> Result:
    """An edited photograph with its figures."""
    place = replace(person.alignment, size=SIDE)
    old, new = person.photo.seen(), result.seen()
    before, after = (crop(picture, place).picture for picture in (old, new))
    return Result(edit, name, before, after, figures_of(before, after, old, new) | {"seconds": seconds})


def figures_of(before: Picture, after: Picture, old: Picture, new: Picture) -> dict[str, float]:
    """Figures of a crop before and after, and of the photographs that they are cut from."""
    changed = not torch.equal(old, new)
    return {
        "sharpness": sharpness(after) / sharpness(before),
        "identity": nan(identity_distance(before, after)),
        "faces": float(len(detect(after)) == len(detect(before))),
        "kept": kept(before, before, after),
        "seam": seam(old, new) if changed else 1.0,
        "identical": float(not changed),
    }


def nan(value: float | None) -> float:
    """A number for a table."""
    return float("nan") if value is None else value


def timed(work: Callable[[], Photograph]) -> tuple[Photograph, float]:
    """A result and the seconds that it took."""
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def people(shared: Path, network: Generator, most: int | None) -> Iterator[tuple[str, Path, Subject, float]]:
    """Names, files and subjects with the seconds that finding their codes took."""
    photos = shared / "photos"
    groups = (
        [photos / "wild" / name for name in WILD],
        sorted((photos / "aligned").glob("celebahq*.jpg")),
        sorted((photos / "expressions").glob("*_neutral.jpg")),
    )
    for path in tqdm([path for group in groups for path in group[:most]], desc="photographs", disable=None):
        began = time.perf_counter()
        person = subject(open_photograph(path), network, cropped=path.parent.name == "aligned")
        yield path.stem, path, person, time.perf_counter() - began


def of_one(name: str, person: Subject, network: Generator, known: dict) -> Iterator[Result]:
    """No edit, and smiles."""
    for edit, strength in (("no edit", 0.0), ("smile +1", 1.0), ("smile -1", -1.0)):
        result, seconds = timed(lambda strength=strength: move(person, network, choose(known, {"smile": strength})))
        yield measured(edit, person, name, result, seconds)


def own_expression(name: str, path: Path, person: Subject, network: Generator, truth: "Truth") -> Result:
    """A volunteer's neutral photograph with the difference to her own smile."""
    smiling = subject(open_photograph(Path(str(path).replace("neutral", "smiling"))), network)
    moved = person.latent.edited(smiling.latent.ws, edit="own smile")
    result, seconds = timed(lambda: express_photo(person.photo, moved, network))
    found = measured("own smile", person, name, result, seconds)
    pasted = crop(restore_face(person.photo, moved, network).seen(), replace(person.alignment, size=SIDE)).picture
    true = crop(smiling.photo.seen(), replace(smiling.alignment, size=SIDE)).picture
    truth.note(name, carried=found.after, pasted=pasted, true=true)
    return found


def middle(one: tuple[str, Subject], other: tuple[str, Subject], network: Generator) -> Result:
    """The middle of a morph of two photographs; its sharpness is over their mean."""
    began = time.perf_counter()
    pair = [person for _, person in (one, other)]
    ends = tuple(end_of(person.photo.seen(), person.latent, network, size=SIDE) for person in pair)
    codes: tuple[Latent, Latent] = (pair[0].latent, pair[1].latent)
    frame = next(iter(morph_frames(network, codes, (ends[0], ends[1]), [0.5])))
    seconds = time.perf_counter() - began
    first, second = (crop(p.photo.seen(), replace(p.alignment, size=SIDE)).picture for p in pair)
    mean = (sharpness(first) + sharpness(second)) / 2
    figures = {"sharpness": sharpness(frame) / mean, "faces": float(len(detect(frame)) == 1), "seconds": seconds}
    return Result("morph", f"{one[0]} and {other[0]}", first, frame, figures)


def mouth(spatial: Generator, one: tuple[str, Path], other: tuple[str, Path]) -> Result | None:
    """A mouth from another; None where a face is not found."""
    target, reference = (
        (Portrait.of_crop if path.parent.name == "aligned" else Portrait.of_photo)(path, size=spatial.resolution)
        for _, path in (one, other)
    )
    if target.landmarks is None or reference.landmarks is None:
        return None
    began = time.perf_counter()
    edit = edit_region(spatial, target, [named("mouth")(target, reference)], lambda them: embed(spatial, them))
    result = into_photograph(edit, spatial)
    seconds = time.perf_counter() - began
    place = replace(target.crop.alignment, size=SIDE)
    before, after = (crop(picture, place).picture for picture in (target.photo, result.seen()))
    figures = figures_of(before, after, target.photo, result.seen()) | {"seconds": seconds}
    return Result("mouth", f"{one[0]} from {other[0]}", before, after, figures)


class Truth:
    """How near carried and pasted expressions come to the true photograph."""

    def __init__(self, networks: Path) -> None:
        warnings.filterwarnings("ignore", module="torchvision")  # of lpips, about its own arguments
        self.distance = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False)
        weights = load_file(networks / "squeezenet1_1.safetensors")
        slices = {name: weights[f"features.{name.split('.', 1)[1]}"] for name in self.distance.net.state_dict()}
        self.distance.net.load_state_dict(slices)
        self.rows: list[tuple[str, float, float, float, float]] = []

    def note(self, name: str, *, carried: Picture, pasted: Picture, true: Picture) -> None:
        """One volunteer."""
        with torch.no_grad():
            far = [float(self.distance(picture[None], true[None])) for picture in (carried, pasted)]
        apart = [nan(identity_distance(picture, true)) for picture in (carried, pasted)]
        self.rows.append((name, *far, *apart))


def table(results: Sequence[Result]) -> None:
    """A row for each edit, as Markdown."""
    click.echo("\n| edit | n | sharpness median | least | identity mean | most | kept | seam | faces | seconds | bar |")
    click.echo("|---|---|---|---|---|---|---|---|---|---|---|")
    groups = defaultdict(list)
    for result in results:
        groups[result.edit].append(result.figures)
    for edit, rows in groups.items():
        of = {key: np.array([row.get(key, np.nan) for row in rows]) for key in rows[0]}
        cells = [
            f"{np.median(of['sharpness']):.2f}", f"{of['sharpness'].min():.2f}",
            *((f"{np.nanmean(of['identity']):.2f}", f"{np.nanmax(of['identity']):.2f}") if "identity" in of else "--"),
            f"{np.nanmedian(of['kept']):.1%}" if "kept" in of else "-",
            f"{np.median(of['seam']):.2f}" if "seam" in of else "-",
            f"{of['faces'].mean():.0%}", f"{np.median(of['seconds']):.1f}",
        ]  # fmt: skip
        if edit == "no edit":
            cells[4] += f" ({of['identical'].mean():.0%} bit for bit)"
        click.echo(f"| {edit} | {len(rows)} | {' | '.join(cells)} | {BARS.get(edit, '')} |")


def draw(folder: Path, results: Sequence[Result]) -> None:
    """A sheet for each edit, photograph over result, and one of the ten that lost most."""
    for edit in dict.fromkeys(result.edit for result in results):
        some = [result for result in results if result.edit == edit][:12]
        rows = torch.stack([picture for result in some for picture in (result.before, result.after)])
        write_picture(folder / f"{edit.replace(' ', '-')}.jpg", sheet(shown(rows), columns=6))
    edited = [result for result in results if result.edit != "no edit"]
    worst = sorted(edited, key=lambda result: min(1, result.figures["sharpness"]) - nan_zero(result))[:10]
    rows = torch.stack([picture for result in worst for picture in (result.before, result.after)])
    write_picture(folder / "worst.jpg", sheet(shown(rows), columns=4))
    for result in worst:
        told = ", ".join(f"{key} {value:.2f}" for key, value in result.figures.items())
        click.echo(f"worst: {result.edit} of {result.name}: {told}")


def nan_zero(result: Result) -> float:
    """Identity, 0 where it is not known."""
    value = result.figures.get("identity", 0.0)
    return 0.0 if np.isnan(value) else value


def shown(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures at the size of a sheet."""
    return torch.stack([resized(picture, height=320, width=320).clamp(-1, 1) for picture in pictures])


@click.command()
@click.argument("shared", type=click.Path(path_type=Path, exists=True))
@click.option("--generator", default="faces-64w", show_default=True)
@click.option("--directions", type=click.Path(path_type=Path))
@click.option("--most", type=int, help="Photographs of each kind at most.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default="runs/photographs", show_default=True)
def main(shared: Path, generator: str, directions: Path | None, most: int | None, output: Path) -> None:
    """Print the tables, and draw the sheets."""
    network, spatial = load_generator(generator), load_generator("stylemap-faces")
    known, truth = dict(known_directions(network, directions)), Truth(shared / "networks")
    results: list[Result] = []
    everyone: list[tuple[str, Path, Subject]] = []
    seconds = []
    for name, path, person, took in people(shared, network, most):
        everyone.append((name, path, person))
        seconds.append(took)
        results += of_one(name, person, network, known)
        if "neutral" in name:
            results.append(own_expression(name, path, person, network, truth))
    for (name, path, person), (other, theirs, second) in itertools.pairwise(everyone):
        results.append(middle((name, person), (other, second), network))
        if (found := mouth(spatial, (name, path), (other, theirs))) is not None:
            results.append(found)
    output.mkdir(parents=True, exist_ok=True)
    click.echo(f"{len(everyone)} photographs, {generator}; finding their codes {np.median(seconds):.1f} s (median)")
    table(sorted(results, key=lambda result: list(BARS).index(result.edit)))
    click.echo("\n| volunteer | LPIPS carried | pasted | identity carried | pasted |\n|---|---|---|---|---|")
    for row in truth.rows:
        click.echo(f"| {row[0]} | " + " | ".join(f"{value:.3f}" for value in row[1:]) + " |")
    draw(output, results)


if __name__ == "__main__":
    main()
