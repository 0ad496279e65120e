"""How the directions that ship were found: labels and landmarks of photographs, regressed on their codes."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from wplus.alignment.measures import MEASURES, measure
from wplus.core.direction import Direction
from wplus.core.errors import DirectionError, TrainingError
from wplus.core.images import from_bytes
from wplus.core.shapes import Images, W, Ws
from wplus.editing.directions.making import Array, direction
from wplus.editing.directions.measured import Regression, regress
from wplus.models import EncoderNetwork, Generator, compute_for, fast
from wplus.training.faces import files_in
from wplus.training.labels import read_labels, values_of

NUISANCES = ("Male", "age", "Young", "Eyeglasses", "yaw", "brightness", "warmth", "Smiling")
"""What every direction leaves as it is, unless it is about it."""


@dataclass(frozen=True)
class Recipe:
    """How one direction is found.

    Args:
        name: of the direction.
        measures: label or landmark measure; the first that is known counts.
        unit: what a strength of 1 means, in words.
        held: measures that stay besides `NUISANCES`.
        free: nuisances that may change.
        amount: change of the measure by a strength of 1; its own unit if None (`Regression.shift`).
        sign: -1 where the direction leads to less of the measure.
        area: the part of the face that it may touch.
    """

    name: str
    measures: tuple[str, ...]
    unit: str
    held: tuple[str, ...] = ()
    free: tuple[str, ...] = ()
    amount: float | None = None
    sign: int = 1
    area: str | None = None


LABEL, DEVIATION = "from photographs without to photographs with", "one standard deviation over photographs"

RECIPES = (
    Recipe("smile", ("Smiling", "corners-raised"), LABEL, ("No_Beard", "brows-raised"), area="face"),
    Recipe(
        "mouth-open",
        ("mouth-opening", "Mouth_Slightly_Open"),
        DEVIATION,
        ("brows-raised", "corners-raised"),
        area="lower-face",
    ),
    Recipe("eyes-closed", ("eye-opening",), DEVIATION, ("brows-raised", "corners-raised"), sign=-1, area="upper-face"),
    Recipe("yaw", ("yaw",), "15 degrees to the right of the picture", amount=15.0),
    Recipe("brows", ("brows-raised",), DEVIATION, ("eye-opening",), area="upper-face"),
    Recipe("age", ("age",), "15 years older", free=("Young",), amount=15.0, area="head"),
    Recipe("gender", ("Male",), "from photographs of women to photographs of men", area="head"),
    Recipe("glasses", ("Eyeglasses",), LABEL, area="upper-face"),
    Recipe("blond", ("Blond_Hair",), LABEL, area="hair"),
    Recipe("dark-hair", ("Black_Hair",), LABEL, area="hair"),
    Recipe("grey-hair", ("Gray_Hair",), LABEL, area="hair"),
    Recipe("bangs", ("Bangs",), LABEL, area="head"),
    Recipe("beard", ("No_Beard",), LABEL, sign=-1, area="lower-face"),
    Recipe("make-up", ("Heavy_Makeup",), LABEL, area="face"),
    Recipe("light", ("brightness",), DEVIATION),
    Recipe("warmth", ("warmth",), DEVIATION),
)
"""What ships, by name."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Codes of photographs and what is known of them.

    Args:
        codes: (n, w_dim).
        values: measure -> one number a code, NaN where it is not known.
    """

    codes: W
    values: dict[str, Array] = field(default_factory=dict)


def gather(
    generator: Generator,
    encoder: EncoderNetwork,
    *,
    faces: Path,
    labels: list[Path],
    count: int = 10_000,
    landmarks: int = 2_500,
    watch: Callable[[int, int], None] = lambda done, total: None,
) -> Evidence:
    """Codes of `count` aligned faces spread over a folder, their labels, and the landmarks of some of them.

    Args:
        generator: of the encoder.
        encoder: pictures to codes; rows are averaged to W.
        faces: a folder of pictures, or of tar files with pictures, that are aligned crops.
        labels: tables (`training/labels.py`), by the names that the faces have below the folder or in their tar.
        count, landmarks: how many faces are encoded, and how many measured.
        watch: is told how many faces are done, and of how many.

    Raises:
        TrainingError: no faces, or no labels for any.
        WeightsError: the encoder belongs to another generator.
    """
    known = read_labels(labels)
    wanted = {file for table in known.values() for file in table}
    names: list[str] = []
    codes: list[Tensor] = []
    measures: list[list[float]] = []
    for batch in _batches(faces, wanted, count):
        files, pictures = zip(*batch, strict=True)
        every = max(1, count // max(landmarks, 1))
        for index, picture in enumerate(pictures, len(names)):
            measured = index % every == 0
            found = measure(picture) if measured else {}
            measures.append([found.get(name, np.nan) for name in MEASURES])
        names += files
        codes.append(encoded(generator, encoder, torch.stack(pictures)))
        watch(len(names), count)
    if len(names) < 100:
        raise TrainingError(f"{faces}: {len(names)} faces with labels, at least 100 are needed; do the names match?")
    values = values_of(known, names) | dict(zip(MEASURES, np.array(measures).T, strict=True))
    return Evidence(torch.cat(codes), values)


@torch.inference_mode()
def encoded(generator: Generator, encoder: EncoderNetwork, pictures: Images) -> W:
    """Codes in W of pictures (batch, 3, size, size)."""
    quick = fast(generator, compute_for(generator))

    def render(ws: Ws) -> Images:
        """An encoder's first look compares all pictures with one code: it is rendered once."""
        return quick(ws[:1]).expand(len(ws), -1, -1, -1) if bool((ws == ws[:1]).all()) else quick(ws)

    return encoder.encode(pictures.to(generator.device), render).mean(dim=1).cpu()


@torch.inference_mode()
def drawn(generator: Generator, *, count: int = 2_000, psi: float = 0.9) -> Evidence:
    """Codes that the generator's mapping gives and the landmarks of their pictures: no photographs, no labels."""
    codes, measures = [], []
    for seed in range(count):
        latent = generator.sample(seed, psi=psi)
        codes.append(latent.ws[0, 0].cpu())
        found = measure(generator(latent)[0].clamp(-1, 1).cpu())
        measures.append([found[name] for name in MEASURES])
    return Evidence(torch.stack(codes), dict(zip(MEASURES, np.array(measures).T, strict=True)))


def find(generator: Generator, evidence: Evidence, recipes: Sequence[Recipe] = RECIPES) -> list[Direction]:
    """The directions of all recipes whose measures are known.

    Raises:
        DirectionError: none is, or a measure is known of too few codes.
    """
    useful = {name for item in recipes for name in (*item.measures, *item.held)} | set(NUISANCES)
    values = {name: numbers for name, numbers in evidence.values.items() if name in useful}
    fit = regress(evidence.codes, values)
    found = [_found(generator, fit, item, len(evidence.codes)) for item in recipes if _measure_of(item, fit)]
    if not found:
        raise DirectionError("no direction can be found: none of the labels is one that a recipe asks for")
    return found


def _measure_of(recipe: Recipe, fit: Regression) -> str | None:
    return next((name for name in recipe.measures if name in fit.names), None)


def _found(generator: Generator, fit: Regression, recipe: Recipe, count: int) -> Direction:
    """The direction of one recipe."""
    name = _measure_of(recipe, fit)
    assert name is not None
    held = [item for item in (*NUISANCES, *recipe.held) if item in fit.names and item not in (name, *recipe.free)]
    if name == "age":  # the label says in a word what the number says in years
        held = [item for item in held if item != "Young"]
    amount = recipe.amount
    offset = recipe.sign * fit.shift(name, held=held, amount=amount)
    unit = float(fit.units[fit.names.index(name)]) if amount is None else amount
    details = {
        "codes": count,
        "amount": None if np.isnan(unit) else round(recipe.sign * unit, 6),
        "held": held,
        "correlation": round(float(fit.correlations[fit.names.index(name)]), 3),
    }
    return direction(
        offset, generator, name=recipe.name, method="measured", measure=name, unit=recipe.unit, details=details,
        region=recipe.area,
    )  # fmt: skip


def _batches(folder: Path, wanted: set[str], count: int) -> Iterator[list[tuple[str, Tensor]]]:
    """Pictures with labels as (name, picture), spread evenly over the folder."""
    if not folder.is_dir():
        raise TrainingError(f"{folder}: no such folder")
    total = len(wanted)
    batch: list[tuple[str, Tensor]] = []
    seen = 0
    for path, data in files_in(folder):
        name = path.partition(".tar:")[2] or Path(path).relative_to(folder).as_posix()
        if name not in wanted:
            continue
        seen += 1
        if seen * count // total == (seen - 1) * count // total and count < total:
            continue
        try:
            with Image.open(io.BytesIO(data)) as picture:
                batch.append((name, from_bytes(np.asarray(picture.convert("RGB")))))
        except OSError as error:
            raise TrainingError(f"{path}: not a picture, or damaged: {error}") from error
        if len(batch) == 64:
            yield batch
            batch = []
    if batch:
        yield batch


def calibrated(
    generator: Generator, directions: Sequence[Direction], codes: W, *, pictures: int = 16
) -> list[Direction]:
    """Directions with what they change on pictures: those of `MEASURES` scaled to their unit, leaks told for all.

    Args:
        generator: that renders.
        directions: as `find` gives them.
        codes: of photographs, from which `pictures` are taken evenly.
        pictures: how many are rendered for each direction, twice.
    """
    chosen = codes[torch.linspace(0, len(codes) - 1, pictures).long()]
    spread = _measured(generator, codes[torch.linspace(0, len(codes) - 1, 4 * pictures).long()]).std(0)
    return [_scaled(generator, item, chosen, spread) for item in directions]


def _scaled(generator: Generator, item: Direction, codes: W, spread: Array) -> Direction:
    """One direction with its leaks, and with the length at which its unit is true."""
    change = _change(generator, item, codes)
    amount = item.about.details.get("amount")
    if item.about.measure in MEASURES and amount:
        reached = change[MEASURES.index(item.about.measure)]
        factor = float(np.clip(amount / reached, *SCALES)) if reached * amount > 0 else 1.0
        item = replace(item, rows=item.rows * factor)
        change = _change(generator, item, codes)
    leaks = {name: round(float(value), 3) for name, value in zip(MEASURES, change / spread, strict=True)}
    return replace(item, about=replace(item.about, leaks=leaks))


SCALES = (0.5, 1.4)
"""Limits of what calibration shortens or lengthens a direction by."""


def _change(generator: Generator, item: Direction, codes: W) -> Array:
    """Mean change of all measures by a strength of 1, from both sides of codes (n, w_dim)."""
    move = item.rows.mean(dim=0)
    change: Array = (_measured(generator, codes + move) - _measured(generator, codes - move)).mean(0) / 2
    return change


@torch.inference_mode()
def _measured(generator: Generator, codes: W) -> Array:
    """All measures of what codes show, (n, measures)."""
    rows = []
    for code in codes.split(16):
        ws = code[:, None].expand(-1, generator.layers, -1).to(generator.device)
        for picture in generator(ws).clamp(-1, 1).cpu():
            found = measure(picture)
            rows.append([found[name] for name in MEASURES])
    return np.array(rows)
