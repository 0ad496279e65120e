"""How a StyleMapGAN is trained in hours without a GPU (Kim et al. 2021, sections 3.1 and 3.3).

The paper's losses, but for four things. Encoder and generator first learn to reconstruct alone, most of the time by
pixels alone, and the mapping network begins as a sampler of the stylemaps that they found. The adversary are hinge
heads on frozen features, not a discriminator of its own: one that starts from nothing needs many times the pictures
that a processor sees in hours. A reconstruction is to show the same person, by dlib's face descriptor. And `Muon` takes
the steps: Adam needs several times as many for the same error.
"""

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from wplus.core.animation import sheet
from wplus.core.knobs import knob
from wplus.core.shapes import Images, Ws
from wplus.models import load_identity
from wplus.models.ops import LEAKY_GAIN, LEAKY_SLOPE
from wplus.models.squeezenet import SqueezeNetLevels
from wplus.models.stylemap import StyleMapGAN, StyleMapGANConfig, to_map
from wplus.training.adversary import contest
from wplus.training.faces import Faces
from wplus.training.features import FrozenFeatures, FrozenIdentity
from wplus.training.look import Look
from wplus.training.networks import Heads
from wplus.training.precision import native, quick
from wplus.training.updates import Balance, Muon, between, descend, follow, risen, split_weights

MAX_CHANNELS = 192


@dataclass(frozen=True)
class StyleMapRecipe:
    """Everything that decides a run; stored in the trained file's header.

    Raises:
        ValueError: sizes or counts that make no sense.
    """

    resolution: int = knob(64, "Side of the pictures in px.")
    channels: tuple[int, ...] = (192, 128, 64, 32)
    w_dim: int = knob(64, "Channels of the stylemap.")
    side: int = knob(8, "Cells of a stylemap in a row.")
    mapping_layers: int = knob(8, "Depth of the mapping network.")
    batch: int = knob(8, "Pictures a step.")
    warm_images: int = knob(110_000, "Pictures seen before the adversary comes.")
    pixels_only: float = knob(0.65, "Part of those of which pixels alone are compared, which is quicker.")
    images: int = knob(130_000, "Pictures seen in all.")
    held_out: int = knob(1_000, "Pictures set aside, never trained on (at most a tenth).")
    warm_rate: float = knob(6e-3, "Learning rate at first.")
    rate: float = knob(5e-4, "Learning rate when the adversary comes.")
    final_rate: float = knob(1e-4, "The rate that it falls to.")
    discriminator_rate: float = knob(4e-4, "The discriminator's learning rate.")
    adversary: float = knob(0.4, "Norm of the adversarial gradient relative to that of the reconstruction.")
    pixel: float = knob(2.0, "Weight of the squared error of pixels.")
    feature: float = knob(0.1, "Weight of the squared distance of features.")
    identity: float = knob(0.5, "Weight of the squared distance of face descriptors; 0 for what are no faces.")
    latent: float = knob(1.0, "Weight of the squared error of stylemaps that the encoder finds in samples.")
    half_life: int = knob(10_000, "Pictures after which a weight counts half in the average that ships.")
    seed: int = knob(0, "Random seed.")

    def __post_init__(self) -> None:
        made = self.side << (len(self.channels) - 1)
        if made != self.resolution:
            raise ValueError(f"{len(self.channels)} widths from {self.side} px make {made} px, not {self.resolution}")
        if self.batch < 8 or self.batch % 4 or not 0 < self.warm_images < self.images:
            raise ValueError("batch must be a multiple of 4 and at least 8, and 0 < warm_images < images")

    @staticmethod
    def widths(resolution: int, side: int) -> tuple[int, ...]:
        """Channels at `side`, 2 `side` ... `resolution` px."""
        blocks = max((resolution // max(side, 1)).bit_length(), 1)
        return tuple(min(MAX_CHANNELS, 32 * resolution // (side << index)) for index in range(blocks))


class StyleMapRun(nn.Module):
    """The state of a training run: networks, their average, optimisers and the count of images seen."""

    def __init__(self, recipe: StyleMapRecipe, faces: Faces, *, trunk: SqueezeNetLevels, device: str = "cpu") -> None:
        super().__init__()
        torch.manual_seed(recipe.seed)
        self.recipe, self.faces, self.device = recipe, faces, device
        sizes = (recipe.channels, recipe.w_dim, recipe.w_dim, recipe.side, recipe.mapping_layers)
        self.network = StyleMapGAN(StyleMapGANConfig(*sizes))
        self.discriminator = Heads()
        self.balance = Balance(2)
        self.to(device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.features = FrozenFeatures(
            trunk.to(device), faces.batch(torch.linspace(0, len(faces) - 1, 256).long()).to(device)
        )
        self.identity = FrozenIdentity(load_identity().to(device), faces) if recipe.identity else None
        self.seen = 0
        self.optimisers: dict[str, torch.optim.Optimizer] = {}
        self.resume(0)

    @property
    def frozen(self) -> str:
        """No generator: this run trains one."""
        return ""

    @property
    def warm(self) -> bool:
        """Whether the adversary is still to come."""
        return self.seen < self.recipe.warm_images

    def resume(self, seen: int) -> None:
        """Take up the phase that `seen` images belong to; the weights are the caller's to load."""
        self.seen = seen
        heads = [weight for weight in self.discriminator.parameters() if weight.requires_grad]
        parts = split_weights(self.network.encoder), split_weights(self.network.synthesis)
        matrices, others = ([*ours, *theirs] for ours, theirs in zip(*parts, strict=True))
        others += self.network.mapping.parameters()  # whose weights have scales of their own
        # less momentum against an adversary, whose slopes turn
        self.optimisers = {
            "matrices": Muon(matrices, momentum=0.95 if self.warm else 0.5),
            "others": torch.optim.Adam(others, betas=(0.9 if self.warm else 0.0, 0.99)),
            "discriminator": torch.optim.Adam(heads, betas=(0.0, 0.99)),
        }

    def step(self) -> dict[str, float]:
        """One batch; returns the losses by name."""
        recipe = self.recipe
        torch.manual_seed(recipe.seed * 1_000_003 + self.seen)  # a resumed run draws what an unbroken one would
        flips = torch.rand(recipe.batch) < 0.5
        real = self.faces.batch(torch.randint(len(self.faces), (recipe.batch,)), flips=flips)
        real = real.to(self.device, memory_format=torch.channels_last)
        was_warm = self.warm
        losses = self._warm_step(real) if was_warm else self._adversarial_step(real)
        self.seen += recipe.batch
        follow(self.average, self.network, seen=self.seen, batch=recipe.batch, half_life=recipe.half_life)
        if was_warm and not self.warm:
            self._switch()
        return losses

    @torch.no_grad()
    def look(self, held_out: Faces) -> Look:
        """Held-out squared error; reals, their reconstructions, the middles between neighbours, samples."""
        real = held_out.batch(torch.arange(min(128, len(held_out)))).to(self.device)
        ws = self.average.encoder(real)
        rebuilt = self.average.synthesis(ws)
        z = torch.randn(16, self.recipe.w_dim, generator=torch.Generator().manual_seed(0)).to(self.device)
        sampled = self.average.synthesis(self.average.mapping(z))
        middles = self.average.synthesis(ws[:8].lerp(ws[8:16], 0.5))
        figures = {"held_out": float((rebuilt - real).square().mean())}
        rows = torch.cat([real[:8], rebuilt[:8], real[8:16], rebuilt[8:16], middles, sampled])
        return Look(figures, sheet(rows.clamp(-1, 1).cpu(), columns=8))

    def _encode(self, images: Images) -> Ws:
        with quick(self.device):
            return self.network.encoder(images).float()

    def _warm_step(self, real: Images) -> dict[str, float]:
        recipe = self.recipe
        done = self.seen / recipe.warm_images
        rebuilt = self.network.synthesis(self._encode(real), dtype=native(self.device))
        losses = self._reconstruction(rebuilt, real, pixels_only=done < recipe.pixels_only)
        rate = risen(recipe.warm_rate, recipe.rate, done)
        descend(torch.stack([*losses.values()]).sum(), self.optimisers, {"matrices": rate, "others": rate})
        return {name: value.item() for name, value in losses.items()}

    def _adversarial_step(self, real: Images) -> dict[str, float]:
        """The paper's losses at once: of reconstructions and, for a quarter of the batch, of samples."""
        recipe = self.recipe
        count = recipe.batch - recipe.batch // 4
        drawn = self.network.mapping(torch.randn(recipe.batch - count, recipe.w_dim, device=self.device))
        fake = self.network.synthesis(torch.cat([self._encode(real[:count]), drawn]), dtype=native(self.device))
        found = self._encode(fake[count:].detach())
        latent = (found - drawn.detach()).square().mean()
        leaf = fake.detach().requires_grad_(True)  # the picture, at which the gradients meet
        told, against = contest(
            self.features, self.discriminator, leaf, real, self.optimisers, recipe.discriminator_rate
        )

        rebuilt = self._reconstruction(leaf[:count], real[:count])
        losses = (torch.stack([*rebuilt.values()]).sum(), against)
        gradient = self.balance([torch.autograd.grad(loss, leaf)[0] for loss in losses], (1.0, recipe.adversary))
        done = (self.seen - recipe.warm_images) / (recipe.images - recipe.warm_images)
        rate = between(recipe.rate, recipe.final_rate, done)
        # the picture's gradient is known, so its product with the picture is a loss that has it
        descend((fake * gradient).sum() + recipe.latent * latent, self.optimisers, {"matrices": rate, "others": rate})
        values = rebuilt | {"latent": latent, "hinge": told, "fooled": against}
        return {name: value.item() for name, value in values.items()}

    def _reconstruction(self, rebuilt: Images, real: Images, *, pixels_only: bool = False) -> dict[str, Tensor]:
        """Weighted losses by name: of pixels, of features and of who is shown."""
        recipe = self.recipe
        losses = {"pixel": recipe.pixel * (rebuilt - real).square().mean()}
        if pixels_only:
            return losses
        with torch.no_grad():
            wanted = self.features(real)
        losses["feature"] = recipe.feature * self.features.distance(self.features(rebuilt), wanted)
        if self.identity is not None:
            losses["identity"] = recipe.identity * self.identity.distance(rebuilt, real)
        return losses

    @torch.no_grad()
    def _switch(self) -> None:
        """Make the mapping network sample along the main axes of the encoded stylemaps, and start the adversary.

        With all hidden units shifted into the linear range of the leaky ReLU, the last layer gets z + shift, and
        answers with mean and axes of the stylemaps as they are before their own leaky ReLU.
        """
        for network in (self.network, self.average):
            mean, axes = self._main_axes(network)
            last = network.mapping.stack[-1]
            shift = 1.1 * math.sqrt(self.recipe.w_dim)  # z is normalised to this length, so no entry exceeds it
            for index, layer in enumerate(network.mapping.stack[:-1]):
                size = layer.weight.shape[1]
                layer.weight.copy_(torch.eye(size, device=mean.device) / LEAKY_GAIN * math.sqrt(size) / layer.rate)
                layer.bias.fill_(shift / LEAKY_GAIN / layer.rate if index == 0 else 0.0)
            last.weight.copy_(axes * math.sqrt(axes.shape[1]) / last.rate)
            last.bias.copy_((mean - axes.sum(dim=1) * shift) / last.rate)
        self.resume(self.seen)

    def _main_axes(self, network: StyleMapGAN) -> tuple[Tensor, Tensor]:
        """Mean (numbers,) and main axes times standard deviations (numbers, z_dim) of stylemaps before activation."""
        maps = []
        for indices in torch.linspace(0, len(self.faces) - 1, min(len(self.faces), 4096)).long().split(128):
            rows = network.encoder(self.faces.batch(indices).to(self.device))
            maps.append(functional.leaky_relu(to_map(rows).flatten(1) / LEAKY_GAIN, 1 / LEAKY_SLOPE))
        values = torch.cat(maps)
        mean = values.mean(dim=0)
        _, deviations, axes = torch.svd_lowrank(values - mean, q=self.recipe.w_dim + 16, niter=4)
        kept = deviations[: self.recipe.w_dim] / math.sqrt(len(values))
        return mean, axes[:, : self.recipe.w_dim] * kept
