"""How an encoder is trained for a frozen generator: on real faces by what they render, on samples by their codes.

Real pictures are compared with their reconstructions by the objective of an inversion, so that the encoder's codes
start where a descent would go. Samples have known codes. Offsets from the common vector are penalised
(Tov et al. 2021, section 4.2). A step trains one of the encoder's looks, drawn at random, after those before it.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wplus.core.animation import sheet
from wplus.core.errors import TrainingError
from wplus.core.knobs import knob
from wplus.core.shapes import Images, Ws
from wplus.models import VGG, Generator
from wplus.models.encoder import EncoderConfig, EncoderNetwork
from wplus.optimisation import Objective, Perceptual, Pixel
from wplus.training.faces import Faces
from wplus.training.look import Look
from wplus.training.precision import native, quick
from wplus.training.updates import Muon, descend, risen, split_weights

LARGEST = 256
"""Pictures of larger generators are seen at this size in px."""


@dataclass(frozen=True)
class EncoderRecipe:
    """Everything that decides the training of an encoder; stored in its file's header.

    Raises:
        ValueError: counts that make no sense.
    """

    images: int = knob(100_000, "Pictures seen in all.")
    batch: int = knob(32, "Pictures a step; a quarter of them are samples.")
    held_out: int = knob(3_000, "Pictures set aside, never trained on (at most a tenth).")
    rate: float = knob(1e-2, "Learning rate; falls to nothing by a cosine.")
    pixel: float = knob(1.0, "Weight of the squared error of pixels.")
    perceptual: float = knob(1.0, "Weight of the perceptual loss.")
    code: float = knob(0.1, "Weight of the squared error of samples' codes, in units of the spread of W.")
    offset: float = knob(0.005, "Weight of the squared offsets from W, in the same units.")
    seed: int = knob(0, "Random seed.")

    def __post_init__(self) -> None:
        if self.batch < 4 or self.batch % 4 or self.images < self.batch:
            raise ValueError("batch must be a multiple of 4, and images at least one batch")


class EncoderRun(nn.Module):
    """The state of an encoder's training: its network, its optimiser and the count of pictures seen.

    Args:
        recipe, faces: how, and on what.
        generator, perceptual: frozen.
        start: an encoder to go on from, of this generator or of one like it; it is trained in place.
        device: where to.

    Raises:
        TrainingError: the generator knows classes, its pictures are not RGB, or `start` has other sizes.
    """

    def __init__(
        self,
        recipe: EncoderRecipe,
        faces: Faces,
        *,
        generator: Generator,
        perceptual: VGG,
        start: EncoderNetwork | None = None,
        device: str = "cpu",
    ) -> None:
        super().__init__()
        if generator.labels or generator.network.config.colours != 3:
            raise TrainingError(f"{generator.name} knows classes or has no RGB pictures; encoders are for plain RGB")
        torch.manual_seed(recipe.seed)
        self.recipe, self.faces, self.device = recipe, faces, device
        self._generator = generator.to(device)
        terms = (Pixel(recipe.pixel), Perceptual(perceptual.to(device), weight=recipe.perceptual))
        self._objective = Objective(terms)  # no module: its network is frozen, and no part of a checkpoint
        self.network = start or _fresh(generator)
        config = self.network.config
        if (config.layers, config.w_dim) != (generator.layers, generator.w_dim):
            raise TrainingError(
                f"an encoder of {config.layers} x {config.w_dim} codes cannot go on for {generator.name}, which has"
                f" {generator.layers} x {generator.w_dim}"
            )
        self.network.generator = generator.fingerprint
        self.network.requires_grad_(True)
        self.spread = _spread(generator)
        self.to(device).to(memory_format=torch.channels_last)
        self.seen = 0
        self.optimisers: dict[str, torch.optim.Optimizer] = {}
        self.resume(0)

    @property
    def frozen(self) -> str:
        """The fingerprint of the generator that it is for."""
        return self.network.generator

    def resume(self, seen: int) -> None:
        """Take up the training after `seen` pictures; weights and the optimiser's state are the caller's to load."""
        self.seen = seen
        matrices, others = split_weights(self.network)
        self.optimisers = {"matrices": Muon(matrices, equalised=False), "others": torch.optim.Adam(others)}

    def step(self) -> dict[str, float]:
        """One batch; returns the losses by name."""
        recipe, generator = self.recipe, self._generator
        torch.manual_seed(recipe.seed * 1_000_003 + self.seen)  # a resumed run draws what an unbroken one would
        samples = recipe.batch // 4
        count = recipe.batch - samples
        real = self.faces.batch(torch.randint(len(self.faces), (count,)), flips=torch.rand(count) < 0.5)
        real = real.to(self.device)
        with torch.no_grad():
            wanted = generator.map(torch.randn(samples, generator.z_dim, device=self.device))
            pictures = self.render(wanted)
        images = torch.cat([real, pictures])
        looks = int(torch.randint(self.network.config.looks, ()))
        # two contexts: torch 2.6 would give weights that one has rounded without gradients to the other
        with quick(self.device), torch.no_grad():
            before = self.network.parts(images, self.render, looks=looks)
        with quick(self.device):
            base, offsets = self.network(images, *before, self.render)
        ws = base[:, None] + offsets
        losses = self.compare(self.render(ws[:count]), real)
        losses["code"] = recipe.code * (ws[count:] - wanted).square().mean() / self.spread**2
        losses["offset"] = recipe.offset * offsets.square().mean() / self.spread**2
        rate = risen(recipe.rate, 0.0, self.seen / recipe.images)
        descend(torch.stack([*losses.values()]).sum(), self.optimisers, {"matrices": rate, "others": rate / 10})
        self.seen += recipe.batch
        return {name: loss.item() for name, loss in losses.items()}

    def render(self, ws: Ws) -> Images:
        """Pictures of codes."""
        return self._generator.network.synthesis(ws, dtype=native(self.device))

    def compare(self, images: Images, real: Images) -> dict[str, Tensor]:
        """Image2StyleGAN's loss by term, averaged over the pictures."""
        with quick(self.device):
            losses = self._objective.against(real)(images)
        return {name: loss.mean() for name, loss in losses.items()}

    @torch.no_grad()
    def look(self, held_out: Faces) -> Look:
        """Losses on held-out pictures; reals, and what their codes render."""
        real = held_out.batch(torch.arange(min(64, len(held_out)))).to(self.device)
        rebuilt = self.render(self.network.encode(real, self.render))
        figures = {f"held_out_{name}": float(loss) for name, loss in self.compare(rebuilt, real).items()}
        rows = torch.stack([real, rebuilt], dim=1)[:32].flatten(0, 1)
        return Look(figures, sheet(rows.clamp(-1, 1).cpu(), columns=8))


@torch.no_grad()
def _fresh(generator: Generator) -> EncoderNetwork:
    """An encoder that starts near the mean code."""
    size = min(generator.resolution, LARGEST)
    config = EncoderConfig(size, generator.layers, generator.w_dim, looks=5, pairs=1)
    network = EncoderNetwork(config, generator=generator.fingerprint)
    network.mean.copy_(generator.mapped(10_000).mean(dim=0))
    network.scale.fill_(_spread(generator))
    return network


def _spread(generator: Generator) -> float:
    """The standard deviation of a number of a mapped code."""
    return generator.w_radius / math.sqrt(generator.w_dim)
