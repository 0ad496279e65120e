"""A training run as an iterator of reports: it resumes, saves, and draws its sheets as it goes."""

import copy
import csv
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Protocol, runtime_checkable

import torch

from wplus.core.errors import TrainingError
from wplus.core.files import replacing
from wplus.core.images import write_picture
from wplus.core.tensorfile import write_tensors
from wplus.models import Card, Generator
from wplus.models.generator import read_generator
from wplus.training.faces import Faces
from wplus.training.generator import Run
from wplus.training.look import Look
from wplus.training.stylemap import StyleMapRun

DAMAGE = (OSError, RuntimeError, EOFError, LookupError, TypeError, ValueError, AttributeError, UnpicklingError)
"""What a file that is no checkpoint makes torch and us raise."""


@runtime_checkable
class Trainable(Protocol):
    """What a training run must offer to be driven, saved and resumed here."""

    seen: int
    optimisers: dict[str, torch.optim.Optimizer]

    @property
    def recipe(self) -> Any:
        """A frozen record with the number of `images` to see."""

    @property
    def frozen(self) -> str:
        """The fingerprint of the generator that the run is for; empty if it trains one itself."""

    def step(self) -> dict[str, float]:
        """One batch; the losses by name."""

    def look(self, held_out: Faces) -> Look:
        """Figures and a sheet of pictures."""

    def resume(self, seen: int) -> None:
        """Take up the phase that `seen` images belong to."""

    def state_dict(self) -> dict[str, Any]:
        """All weights."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """Take over all weights."""


@dataclass(frozen=True)
class Report:
    """Where a run stands.

    Args:
        seen: pictures seen so far.
        rate: pictures a second since the last report.
        losses: means since the last report, by name.
        figures: what the run's look at pictures it was not trained on found.
    """

    seen: int
    rate: float
    losses: dict[str, float]
    figures: dict[str, float]

    def __str__(self) -> str:
        values = (self.figures | self.losses).items()
        return f"{self.seen:,}: " + ", ".join(f"{name} {value:.3g}" for name, value in values)


def train(run: Trainable, held_out: Faces, folder: Path, *, every: int = 5_000) -> Iterator[Report]:
    """Go on with `run` until its recipe is fulfilled; yield a report and save every `every` pictures.

    Writes `checkpoint.pt`, `log.csv` and `sheet-NNNNNNN.png` to `folder`.

    Raises:
        OutputError: the folder cannot be written.
        TrainingError: the run's own look says that it makes no sense to go on.
    """
    began, sums, steps, since = time.monotonic(), dict[str, float](), 0, run.seen
    while run.seen < run.recipe.images:
        for name, value in run.step().items():
            sums[name] = sums.get(name, 0.0) + value
        steps += 1
        if run.seen - since >= every or run.seen >= run.recipe.images:
            look = run.look(held_out)
            rate = (run.seen - since) / (time.monotonic() - began)
            report = Report(run.seen, rate, {name: total / steps for name, total in sums.items()}, look.figures)
            save_checkpoint(run, folder / "checkpoint.pt")
            write_picture(folder / f"sheet-{run.seen:07}.png", look.sheet)
            _log(report, folder / "log.csv")
            yield report
            if look.trouble is not None:
                raise TrainingError(f"stopped at {run.seen:,} pictures: {look.trouble}")
            began, sums, steps, since = time.monotonic(), {}, 0, run.seen


def _log(report: Report, path: Path) -> None:
    """Append a line to the run's table; the losses of its phases differ, so they share a column."""
    losses = " ".join(f"{name}={value:.5g}" for name, value in report.losses.items())
    row = {"seen": report.seen, "rate": f"{report.rate:.4g}"}
    row |= {name: f"{value:.5g}" for name, value in report.figures.items()} | {"losses": losses}
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def save_checkpoint(run: Trainable, path: Path) -> None:
    """Write everything a run needs to go on, atomically."""
    state = {
        "recipe": asdict(run.recipe),
        "generator": run.frozen,
        "seen": run.seen,
        "weights": run.state_dict(),
        "optimisers": {name: optimiser.state_dict() for name, optimiser in run.optimisers.items()},
    }
    with replacing(path) as temporary:
        torch.save(state, temporary)


def load_checkpoint(run: Trainable, path: Path) -> None:
    """Bring `run` to where `save_checkpoint` left it.

    Raises:
        TrainingError: damaged, or of another recipe (the number of images may differ).
    """
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        theirs, ours = ({**recipe, "images": 0} for recipe in (state["recipe"], asdict(run.recipe)))
        if theirs != ours:
            changed = sorted(name for name in ours if theirs.get(name) != ours[name])
            raise TrainingError(f"{path}: made with another recipe ({', '.join(changed)}); give another folder")
        if state.get("generator", "") != run.frozen:
            raise TrainingError(
                f"{path}: made for generator {state['generator']}, not {run.frozen}; give another folder"
            )
        run.load_state_dict(state["weights"])
        run.resume(state["seen"])
        for name, optimiser in run.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
    except DAMAGE as error:
        raise TrainingError(f"{path}: no checkpoint of wplus, or damaged") from error


@torch.no_grad()
def export(run: Run | StyleMapRun, folder: Path, card: Card) -> Path:
    """Write the averaged generator in fp16, with its recipe in the header; gives its path.

    A StyleGAN2 has its encoder and its discriminator beside it.

    Raises:
        OutputError: a file cannot be written.
    """
    training = {"recipe": asdict(run.recipe), "images_seen": run.seen, "training_faces": len(run.faces)}
    path = folder / "generator.safetensors"
    if isinstance(run, StyleMapRun):
        network = copy.deepcopy(run.average).cpu()
        z = torch.randn(10_000, network.config.z_dim, generator=torch.Generator().manual_seed(0))
        network.mapping.w_avg.copy_(network.mapping(z).mean(dim=0))
        Generator(network, replace(card, training=training)).save(path, dtype=torch.float16)
        return path
    plain, encoder = run.finished()
    Generator(plain, replace(card, training=training)).save(path, dtype=torch.float16)
    encoder.generator = read_generator(path).fingerprint
    encoder.save(folder / "encoder.safetensors", licence=card.licence, terms=card.terms, training=training)
    halves = {name: weight.half() for name, weight in run.judge.discriminator.state_dict().items()}
    write_tensors(folder / "discriminator.safetensors", halves, {"kind": "discriminator", "training": training})
    return path
