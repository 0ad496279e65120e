"""How a small face generator is trained in hours without a GPU: a variational warm start, then an adversary.

Phase 1 trains encoder -> w -> generator as a variational autoencoder. The switch makes the mapping network an
exact Gaussian sampler of the encoded codes. Phase 2 goes on with half of each batch reconstructed and half
sampled, both judged by hinge heads on frozen features (Sauer et al. 2021, "Projected GANs converge faster"). In phase 3
the samples settle: the slope of their Frechet distance in those features leads, textures included, and the heads,
which sharpen more than there is in life, only follow. Phase 4 is a short polish of samples alone: what their features
are on average is made what it is in life, at a rate at which nothing else moves. `Muon` takes the steps.
"""

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wplus.core.animation import sheet
from wplus.core.knobs import knob
from wplus.core.shapes import Features, Images, W
from wplus.models.squeezenet import CHANNELS, SqueezeNetLevels
from wplus.models.stylegan2 import StyleGAN2, StyleGAN2Config
from wplus.models.stylespace import affines
from wplus.training.augment import augmented
from wplus.training.faces import Faces
from wplus.training.features import FrozenFeatures, fooled, hinge
from wplus.training.look import Look
from wplus.training.moments import FrechetCritic, MeanCritic, summary
from wplus.training.networks import Discriminator, Encoder
from wplus.training.updates import Balance, Muon, between, descend, follow, risen, split_weights

MAX_CHANNELS = 256

REMEMBERED = 3_200
"""Samples over which their moments are averaged."""

POLISHED = 1_920
"""The same in the last phase, whose slope turns sooner."""

TEXTURED = 3
"""Levels of the frozen features whose textures count while samples settle."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a run; stored in the trained file's header.

    Raises:
        ValueError: sizes or counts that make no sense.
    """

    resolution: int = knob(64, "Side of the pictures in px.")
    channels: tuple[int, ...] = (256, 256, 128, 64, 32)
    w_dim: int = knob(256, "Dimension of Z and W.")
    mapping_layers: int = knob(4, "Depth of the mapping network.")
    batch: int = knob(16, "Pictures a step.")
    warm_images: int = knob(50_000, "Pictures seen in the variational phase.")
    settle_images: int = knob(40_000, "Pictures seen while the samples settle.")
    polish_images: int = knob(4_000, "Pictures made in the last phase, in which only the means of features move.")
    images: int = knob(224_000, "Pictures seen in all.")
    held_out: int = knob(3_000, "Pictures set aside, never trained on (at most a tenth).")
    warm_rate: float = knob(6e-3, "Learning rate of the variational phase.")
    generator_rate: float = knob(5e-4, "Learning rate when the adversary comes.")
    final_rate: float = knob(1e-4, "The rate that it falls to.")
    discriminator_rate: float = knob(4e-4, "The discriminator's learning rate.")
    adversary: float = knob(0.8, "Norm of the adversarial gradient relative to that of the reconstruction.")
    final_adversary: float = knob(0.5, "What that falls to.")
    moments: float = knob(0.6, "The same for the gradient of the Frechet distance of samples.")
    settle_rate: float = knob(3e-4, "Learning rate when the samples begin to settle; it falls to a twentieth.")
    settle_adversary: float = knob(0.3, "The adversary's share then.")
    settle_moments: float = knob(3.0, "That of the Frechet distance then.")
    polish_rate: float = knob(1.5e-5, "Learning rate of the last phase; it falls to a tenth.")
    spread: float = knob(1.08, "The trained generator's samples vary so many times as much as its last ones did.")
    pixel: float = knob(2.0, "Weight of the squared error of pixels.")
    feature: float = knob(0.05, "Weight of the squared distance of features.")
    divergence: float = knob(1.5e-4, "Weight of the divergence from the Gaussian, in nats.")
    half_life: int = knob(30_000, "Pictures after which a weight counts half in the average that ships.")
    seed: int = knob(0, "Seed of all draws.")

    def __post_init__(self) -> None:
        if 4 << (len(self.channels) - 1) != self.resolution:
            raise ValueError(
                f"{len(self.channels)} widths make {4 << (len(self.channels) - 1)} px, not {self.resolution}"
            )
        if (
            self.batch < 4
            or self.batch % 2
            or not 0 < self.warm_images < self.unsettled <= self.unpolished <= self.images
        ):
            raise ValueError(
                "batch must be even and at least 4, and 0 < warm_images < images - settle_images - polish_images"
            )

    @property
    def unsettled(self) -> int:
        """Pictures seen before the samples settle."""
        return self.unpolished - self.settle_images

    @property
    def unpolished(self) -> int:
        """Pictures seen before the last phase."""
        return self.images - self.polish_images

    @staticmethod
    def widths(resolution: int) -> tuple[int, ...]:
        """Channels at 4, 8 ... `resolution` px."""
        blocks = max(resolution.bit_length() - 2, 1)
        return tuple(min(MAX_CHANNELS, 32 * resolution // (4 << index)) for index in range(blocks))


class Run(nn.Module):
    """The state of a training run: networks, their averages, optimisers and the count of images seen."""

    def __init__(self, recipe: Recipe, faces: Faces, *, trunk: SqueezeNetLevels, device: str = "cpu") -> None:
        super().__init__()
        torch.manual_seed(recipe.seed)
        self.recipe, self.faces, self.device = recipe, faces, device
        config = StyleGAN2Config(recipe.channels, recipe.w_dim, recipe.w_dim, recipe.mapping_layers)
        self.generator = StyleGAN2(config)
        with torch.no_grad():
            for block in self.generator.synthesis.blocks:
                block.torgb.weight.mul_(0.1)
        self.encoder = Encoder(recipe.resolution, recipe.w_dim)
        self.discriminator = Discriminator()
        self.balance = Balance(3)  # reconstruction, adversary, moments
        self.to(device).to(memory_format=torch.channels_last)
        self.generator_ema = copy.deepcopy(self.generator).requires_grad_(False)
        self.encoder_ema = copy.deepcopy(self.encoder).requires_grad_(False)
        self.register_buffer("offset", torch.zeros(recipe.w_dim, device=device))
        self.offset: Tensor
        self.seen = 0
        self.optimisers = self._optimisers()
        sample = faces.batch(torch.linspace(0, len(faces) - 1, 256).long())
        self.features = FrozenFeatures(trunk.to(device), sample.to(device))
        with torch.no_grad():
            chosen = torch.linspace(0, len(faces) - 1, min(len(faces), 8192)).long()
            parts = [faces.batch(part).to(device) for part in chosen.split(64)]
            real = torch.cat([summary(part, self.features(part), textured=TEXTURED) for part in parts])
            decay = 1 - recipe.batch / 2 / REMEMBERED
            plain = real.shape[1] - sum(CHANNELS[:TEXTURED])
            self.critic, self.textures = FrechetCritic(real[:, :plain], decay=decay), FrechetCritic(real, decay=decay)
            self.means = MeanCritic(real, decay=1 - recipe.batch / POLISHED)

    @property
    def frozen(self) -> str:
        """No generator: this run trains one."""
        return ""

    @property
    def average(self) -> StyleGAN2:
        """What ships."""
        return self.generator_ema

    @property
    def warm(self) -> bool:
        """Whether the run is still in its variational phase."""
        return self.seen < self.recipe.warm_images

    @property
    def settling(self) -> bool:
        """Whether the samples settle, or have."""
        return self.seen >= self.recipe.unsettled

    @property
    def polishing(self) -> bool:
        """Whether the run is in its last phase."""
        return self.seen >= self.recipe.unpolished

    def resume(self, seen: int) -> None:
        """Take up the phase that `seen` images belong to; the weights are the caller's to load."""
        self.seen = seen
        self.optimisers = self._optimisers()

    def step(self) -> dict[str, float]:
        """One batch; returns the losses by name."""
        recipe = self.recipe
        torch.manual_seed(recipe.seed * 1_000_003 + self.seen)  # a resumed run draws what an unbroken one would
        phase = self.warm, self.settling, self.polishing
        losses = self._polish_step() if self.polishing else self._real_step()
        self.seen += recipe.batch
        first = recipe.unpolished if phase[2] else 0
        for average, network in ((self.generator_ema, self.generator), (self.encoder_ema, self.encoder)):
            follow(average, network, seen=self.seen - first, batch=recipe.batch, half_life=recipe.half_life)
        if phase[0] and not self.warm:
            self._switch()
        if self.seen >= recipe.images:
            self._widen()
        elif self.polishing and not phase[2]:
            self._polish()
        elif self.settling and not phase[1]:
            self._settle()
        return losses

    @torch.no_grad()
    def look(self, held_out: Faces) -> Look:
        """Held-out squared error, spread of samples; reals, their reconstructions, samples.

        The spread is the variance of frozen features of samples over that of real pictures; 1 is as varied as life.
        """
        real = held_out.batch(torch.arange(min(256, len(held_out)))).to(self.device)
        mean, _ = self.encoder_ema(real)
        generator = self.generator_ema

        def render(w: W) -> Images:
            ws = w[:, None].expand(-1, generator.config.layers, -1)
            return torch.cat([generator.synthesis(part) for part in ws.split(64)])

        rebuilt = render(mean + self.offset)
        z = torch.randn(len(real), self.recipe.w_dim, generator=torch.Generator().manual_seed(0)).to(self.device)
        sampled = render(generator.mapping(z) if not self.warm else z)
        variances = [self.features(images)[-1].float().mean(dim=(2, 3)).var(dim=0).sum() for images in (sampled, real)]
        figures = {
            "held_out": float((rebuilt - real).square().mean()),
            "spread": float(variances[0] / variances[1]),
        }
        rows = torch.cat([real[:8], rebuilt[:8], real[8:16], rebuilt[8:16], sampled[:32]])
        return Look(figures, sheet(rows.clamp(-1, 1).cpu(), columns=8))

    def _optimisers(self) -> dict[str, torch.optim.Optimizer]:
        heads = [weight for weight in self.discriminator.parameters() if weight.requires_grad]
        generator, rest = split_weights(self.generator.synthesis)
        encoder, vectors = split_weights(self.encoder)
        rest += [*self.generator.mapping.parameters(), *vectors]
        # less momentum against an adversary, whose slopes turn; while samples settle it only follows
        momentum, beta = (0.95, 0.9) if self.warm else (0.9 if self.settling else 0.5, 0.0)
        return {
            "generator": Muon(generator, momentum=momentum),
            "encoder": Muon(encoder, equalised=False),
            "rest": torch.optim.Adam(rest, betas=(beta, 0.99)),
            "discriminator": torch.optim.Adam(heads, betas=(0.0, 0.99)),
        }

    def _render(self, w: W) -> Images:
        ws = w[:, None].expand(-1, self.generator.config.layers, -1)
        return self.generator.synthesis(ws, noise="random", dtype=torch.bfloat16)

    def _encode(self, real: Images) -> tuple[W, Tensor]:
        """A drawn code for every picture, and its divergence from the unit Gaussian in nats."""
        with torch.autocast(self.device, dtype=torch.bfloat16):
            mean, log_variance = self.encoder(real)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
        return mean + (0.5 * log_variance).exp() * torch.randn_like(mean) + self.offset, divergence

    def _real_step(self) -> dict[str, float]:
        """A step that needs real pictures."""
        count = self.recipe.batch
        drawn = torch.randint(len(self.faces), (count,))
        real = self.faces.batch(drawn, flips=torch.rand(count) < 0.5)
        real = real.to(self.device, memory_format=torch.channels_last)
        return self._warm_step(real) if self.warm else self._adversarial_step(real)

    def _warm_step(self, real: Images) -> dict[str, float]:
        recipe = self.recipe
        fraction = self.seen / recipe.warm_images
        rate = risen(recipe.warm_rate, recipe.generator_rate, fraction)
        w, divergence = self._encode(real)
        fake = self._render(w)
        with torch.no_grad():
            theirs = self.features(real)
        pixel = (fake - real).square().mean()
        feature = self.features.distance(self.features(fake), theirs)
        loss = recipe.pixel * pixel + recipe.feature * feature + recipe.divergence * divergence.mean()
        descend(loss, self.optimisers, dict.fromkeys(("generator", "encoder", "rest"), rate))
        return {"pixel": pixel.item(), "feature": feature.item(), "divergence": divergence.mean().item()}

    def _adversarial_step(self, real: Images) -> dict[str, float]:
        recipe = self.recipe
        half = recipe.batch // 2
        encoded, divergence = self._encode(real[:half])
        sampled = self.generator.mapping(torch.randn(half, recipe.w_dim, device=self.device))
        fake = self._render(torch.cat([encoded, sampled]))
        leaf = fake.detach().requires_grad_(True)  # the picture, at which both gradients meet

        seen, other = augmented(leaf), augmented(real)
        levels = self.features(seen)
        with torch.no_grad():
            theirs = self.features(other)
        reals = self.features.judge(self.discriminator, other, theirs)
        fakes = self.features.judge(self.discriminator, seen.detach(), [x.detach() for x in levels])
        told = hinge(reals, fakes)
        descend(told, self.optimisers, {"discriminator": recipe.discriminator_rate})

        with torch.no_grad():
            theirs = self.features(real[:half])
        pixel = (leaf[:half] - real[:half]).square().mean()
        feature = self.features.distance(self.features(leaf[:half]), theirs)
        critic, textured = (self.textures, TEXTURED) if self.settling else (self.critic, 0)
        moments = critic(summary(leaf[half:], self.features(leaf[half:]), textured=textured))
        against = fooled(self.features.judge(self.discriminator, seen, levels))
        losses = (recipe.pixel * pixel + recipe.feature * feature, against, moments)
        slopes = [torch.autograd.grad(loss, leaf)[0] for loss in losses]
        rate, adversary, share = self._pace()
        gradient = self.balance(slopes, (1.0, adversary, share * critic.certainty))

        # the picture's gradient is known, so its product with the picture is a loss that has it
        loss = (fake * gradient).sum() + recipe.divergence * divergence.mean()
        descend(loss, self.optimisers, dict.fromkeys(("generator", "encoder", "rest"), rate))
        values = {"pixel": pixel, "feature": feature, "divergence": divergence.mean(), "hinge": told}
        values |= {"fooled": against, "moments": critic.distance}
        return {name: value.item() for name, value in values.items()}

    def _pace(self) -> tuple[float, float, float]:
        """The learning rate, and the shares of the adversary and of the Frechet distance."""
        recipe = self.recipe
        if self.settling:
            done = (self.seen - recipe.unsettled) / recipe.settle_images
            rate = between(recipe.settle_rate, recipe.settle_rate / 20, done)
            return rate, recipe.settle_adversary, recipe.settle_moments
        done = (self.seen - recipe.warm_images) / (recipe.unsettled - recipe.warm_images)
        adversary = between(recipe.adversary, recipe.final_adversary, done)  # its restlessness dies down with the rates
        return between(recipe.generator_rate, recipe.final_rate, done), adversary, recipe.moments

    def _polish_step(self) -> dict[str, float]:
        recipe = self.recipe
        fake = self._render(self.generator.mapping(torch.randn(recipe.batch, recipe.w_dim, device=self.device)))
        leaf = fake.detach().requires_grad_(True)
        toward = self.means(summary(leaf, self.features(leaf), textured=TEXTURED))
        (slope,) = torch.autograd.grad(toward, leaf)
        done = (self.seen - recipe.unpolished) / recipe.polish_images
        rate = between(recipe.polish_rate, recipe.polish_rate / 10, done)
        descend((fake * slope / slope.norm()).sum(), self.optimisers, dict.fromkeys(("generator", "rest"), rate))
        return {"means": self.means.distance.item()}

    @torch.no_grad()
    def _made(self, count: int) -> Features:
        """Features of so many samples, textures included."""
        parts = []
        for _ in range(count // 64):
            w = self.generator.mapping(torch.randn(64, self.recipe.w_dim, device=self.device))
            images = self._render(w)
            parts.append(summary(images, self.features(images), textured=TEXTURED))
        return torch.cat(parts)

    def _settle(self) -> None:
        """Know the moments of samples, with their textures, before their slope leads."""
        self.textures.begin(self._made(REMEMBERED))
        self.optimisers = self._optimisers()

    def _polish(self) -> None:
        """Go on from the average."""
        self.generator.load_state_dict(self.generator_ema.state_dict())
        self.means.begin(self._made(POLISHED))
        self.optimisers = self._optimisers()

    @torch.no_grad()
    def _widen(self) -> None:
        """Let codes count for `spread` times their distance from the mean, which the affine layers can."""
        network, more = self.generator_ema, self.recipe.spread
        mean = network.mapping(torch.randn(10_000, self.recipe.w_dim, device=self.device)).mean(dim=0)
        for affine in affines(network.synthesis):
            affine.layer.bias.sub_((more - 1) * affine.layer.weight @ mean / math.sqrt(mean.numel()))
            affine.layer.weight.mul_(more)

    @torch.no_grad()
    def _switch(self) -> None:
        """Make the mapping network sample the encoded codes exactly, and start the adversary.

        With all units shifted into the linear range of the leaky ReLU, mapping(z) = L z + mean + offset, where
        L L^T is the covariance of the codes. Style biases take the offset back.
        """
        mean, root = self._code_statistics(self.encoder)
        self.offset.copy_(3 * root.square().sum(dim=1).sqrt() - mean.clamp(max=0))
        for network, encoder in ((self.generator, self.encoder), (self.generator_ema, self.encoder_ema)):
            mean, root = self._code_statistics(encoder)
            for index, layer in enumerate(network.mapping.stack):
                size = layer.weight.shape[1]
                matrix = root if index == 0 else torch.eye(size, device=root.device)
                # divided by the leaky ReLU's gain, and by the scale that the layer applies when used
                layer.weight.copy_(matrix / math.sqrt(2) * math.sqrt(size) / layer.rate)
                layer.bias.copy_((mean + self.offset) / math.sqrt(2) / layer.rate if index == 0 else torch.zeros(size))
            network.mapping.w_avg.copy_(mean + self.offset)
            for affine in affines(network.synthesis):
                affine.layer.bias.sub_(affine.layer.weight @ self.offset / math.sqrt(self.offset.numel()))
        self.optimisers = self._optimisers()

    def _code_statistics(self, encoder: Encoder) -> tuple[Tensor, Tensor]:
        """Mean (w_dim,) and the root of the covariance (w_dim, w_dim) of drawn codes of the training faces."""
        count = min(len(self.faces), 8192)
        codes, noise = [], torch.zeros(self.recipe.w_dim, device=self.device)
        for indices in torch.linspace(0, len(self.faces) - 1, count).long().split(256):
            mean, log_variance = encoder(self.faces.batch(indices).to(self.device))
            codes.append(mean)
            noise += log_variance.exp().sum(dim=0) / count
        stacked = torch.cat(codes).double()
        covariance = stacked.T.cov() + torch.diag(noise.double())
        values, vectors = torch.linalg.eigh(covariance)
        root = vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T
        return stacked.mean(dim=0).float(), root.float()
