"""All that decides an inversion besides its crops, as plain values: they travel to other processes and machines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wplus.alignment import Crop
from wplus.core.errors import LatentError, WeightsError
from wplus.core.knobs import OnProgress, knob
from wplus.inversion.curvature import factor_for
from wplus.inversion.invert import Inversion, check_space, invert
from wplus.inversion.noise import own_noise
from wplus.inversion.objective import perceptual_network
from wplus.inversion.penalties import NoiseCorrelation, on_unlikely
from wplus.inversion.presets import EDITABILITY
from wplus.inversion.refine import NOISE_SETTINGS, refine_noise
from wplus.inversion.spaces import SPACES, Space
from wplus.inversion.starts import Encoder, Given, Mean, Random, Start
from wplus.inversion.steps import Record
from wplus.models import (
    IMAGE2STYLEGAN_TAPS,
    EncoderNetwork,
    Generator,
    compute_for,
    fast,
    load_encoder,
    load_generator,
    load_identity,
    read_encoder,
)
from wplus.models.checkpoints.latents import load_latent
from wplus.models.fast import Wanted
from wplus.optimisation import QuasiNewton
from wplus.optimisation.losses.identity import Identity
from wplus.optimisation.losses.perceptual import Perceptual
from wplus.optimisation.losses.pixel import Pixel
from wplus.optimisation.losses.term import Term
from wplus.optimisation.objective import Objective
from wplus.optimisation.records import Progress
from wplus.optimisation.settings import Settings

FORM = 1
"""Goes up when a change of the code makes inversions of the same settings come out otherwise: then none is skipped."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A recipe with its networks, on one device."""

    generator: Generator
    objective: Objective
    space: Space
    start: Start
    settings: Settings
    noise_steps: int = 0
    compute: Wanted = "auto"

    def __call__(
        self,
        crops: Sequence[Crop],
        *,
        resume: Progress | None = None,
        watch: Callable[[Record], None] = lambda record: None,
        stop: Callable[[Record], bool] = lambda record: False,
    ) -> Inversion:
        """Invert crops together; see `wplus.inversion.invert` and, if there are steps for noise, `refine_noise`."""
        found = invert(
            self.generator,
            crops,
            objective=self.objective,
            space=self.space,
            start=self.start,
            settings=self.settings,
            compute=self.compute,
            resume=resume,
            watch=watch,
            stop=stop,
        )
        if not self.noise_steps or found.interrupted:
            return found
        refined = refine_noise(
            self.generator,
            crops,
            found.latents,
            objective=Objective(self.objective.terms, (NoiseCorrelation(),)),
            settings=replace(NOISE_SETTINGS, steps=self.noise_steps),
            compute=self.compute,
            watch=watch,
            stop=stop,
        )
        # broken off there, the codes are gone on from, and the noise is looked for again
        return replace(found, interrupted=True) if refined.interrupted else replace(refined, stopped=found.stopped)

    def measure(self, watch: OnProgress) -> None:
        """Measure what the method keeps of a generator, if that was not done before; see `factor_for`."""
        if isinstance(self.settings.method, QuasiNewton) and self.settings.steps:
            quick = fast(self.generator, compute_for(self.generator, wanted=self.compute))
            factor_for(quick, self.objective, self.space, self.settings.method.directions, watch=watch)

    @property
    def title(self) -> str:
        """What it works with, in a line."""
        terms = [term for term in self.objective.terms if isinstance(term, Perceptual)]
        network = f", perceptual network {terms[0].network.name}" if terms else ""
        return f"generator {self.generator.name} ({self.generator.resolution} px){network}, {self.generator.device}"

    def to_json(self) -> dict[str, Any]:
        """What tells its results from any other's."""
        return (
            self.settings.to_json()
            | {
                "form": FORM,
                "generator": self.generator.fingerprint,
                "objective": self.objective.to_json(),
                "space": self.space.name,
                "start": _start_json(self.start),
                "compute": compute_for(self.generator, wanted=self.compute).path,
            }
            | ({"noise_steps": self.noise_steps} if self.noise_steps else {})
        )


@dataclass(frozen=True)
class Recipe:
    """What is minimised, where, from where and how, by names.

    Args:
        generator: a name in the catalogue, or a file.
        perceptual: a perceptual network's name or file; None for the one that the generator names.
        taps: its layers that are compared.
        space: W+, W, Z, P or P_N.
        start: mean, random, encoder, the file of one latent, or guess: the encoder's where there is one, else the mean.
        encoder: an encoder's file; None for the generator's own.
        settings: how the descent goes.
        compute: the path through the networks, as of `compute_for`.
        perceptual_weight, pixel_weight, identity_weight, editability, noise_steps: as their metadata says, from which
            the command's options are built; without weight there is no identity, and a stylemap has no editability.

    Raises:
        ValueError: fewer than no steps.
    """

    generator: str
    perceptual: str | None = None
    taps: tuple[str, ...] = IMAGE2STYLEGAN_TAPS
    space: str = "W+"
    start: str = "mean"
    encoder: Path | None = None
    settings: Settings = Settings()  # noqa: RUF009  (frozen values)
    compute: Wanted = "auto"
    perceptual_weight: float = knob(1.0, "Weight of the perceptual loss.")
    pixel_weight: float = knob(1.0, "Weight of the squared error of pixels.")
    identity_weight: float = knob(0.0, "Weight of the squared distance of dlib's face descriptors; try 0.1.")
    editability: float = knob(
        EDITABILITY, "Weight of the prior on codes (mean square in P_N): likely codes edit better; try 0.06."
    )
    noise_steps: int = knob(0, "Then fit the noise maps to the residual, codes fixed; try 100.")

    def __post_init__(self) -> None:
        if self.noise_steps < 0:
            raise ValueError(f"noise_steps must be 0 or more, got {self.noise_steps}")

    @property
    def evaluations(self) -> int:
        """Records of an inversion at most."""
        return self.settings.steps + 1 + (self.noise_steps and self.noise_steps + 1)

    def on(self, device: str) -> Prepared:
        """Load its networks to a device.

        Raises:
            GeneratorError: no such generator, or it does not have this space.
            LatentError: the start is no file of one latent of this generator.
            WeightsError: weights of another network are missing or damaged.
            ValueError: weights or taps that make no objective.
        """
        generator = load_generator(self.generator).to(device)
        spaces = {space.name: space for space in SPACES}
        if self.space not in spaces:
            raise ValueError(f"no space is named {self.space!r}; they are {', '.join(spaces)}")
        space = spaces[self.space]
        check_space(generator, space)
        start = self._start(generator)
        if self.noise_steps:
            own_noise(generator)  # says so where it takes none
        network = perceptual_network(generator, self.perceptual, compute=self.compute)
        terms: list[Term] = [Perceptual(network, self.taps, weight=self.perceptual_weight), Pixel(self.pixel_weight)]
        if self.identity_weight != 0:
            terms.append(Identity(load_identity().to(device), self.identity_weight))
        objective = Objective(terms, on_unlikely(generator, self.editability))
        return Prepared(generator, objective, space, start, self.settings, self.noise_steps, self.compute)

    def _start(self, generator: Generator) -> Start:
        """The start of that name, or the latent in the file of that name; it belongs to `generator`."""
        match self.start:
            case "mean":
                return Mean()
            case "random":
                return Random()
            case "encoder":
                return Encoder(read_encoder(self.encoder) if self.encoder else load_encoder(generator))
            case "guess":
                try:
                    return Encoder(load_encoder(generator))
                except WeightsError:
                    return Mean()
        latent = load_latent(self.start)
        generator.check(latent)
        if len(latent) != 1:
            raise LatentError(f"{self.start}: holds {len(latent)} codes, expected one to start every picture from")
        return Given(latent)


def _start_json(start: Start) -> object:
    """What tells a start from any other."""
    match start:
        case Given(latent=latent):
            return latent.ws.flatten().tolist()
        case Encoder(network=EncoderNetwork() as network):
            return network.fingerprint
    return start.name
