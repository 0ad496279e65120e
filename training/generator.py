"""A run of the recipe: networks, their averages, their optimisers, and what a step of each phase does."""

import copy

import torch
from torch import Tensor, nn

from wplus.core.animation import sheet
from wplus.core.shapes import Features, Images, W
from wplus.models.squeezenet import CHANNELS, SqueezeNetLevels
from wplus.models.stylegan2 import StyleGAN2, StyleGAN2Config
from wplus.training.adversary import contest
from wplus.training.faces import Faces
from wplus.training.features import FrozenFeatures
from wplus.training.look import Look
from wplus.training.moments import FrechetCritic, MeanCritic, summary
from wplus.training.networks import Discriminator, Encoder
from wplus.training.recipe import Phase, Recipe
from wplus.training.sampler import code_statistics, sample_exactly, widen
from wplus.training.updates import Balance, Muon, between, descend, follow, risen, split_weights

REMEMBERED = 3_200
"""Samples over which their moments are averaged."""

POLISHED = 1_920
"""The same in the last phase, whose slope turns sooner."""

TEXTURED = 3
"""Levels of the frozen features whose textures count while samples settle."""


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
    def phase(self) -> Phase:
        """Where in its recipe the run is."""
        return self.recipe.phase(self.seen)

    @property
    def warm(self) -> bool:
        """Whether the run is still in its variational phase, and its mapping network no sampler."""
        return self.phase is Phase.WARM

    def resume(self, seen: int) -> None:
        """Take up the phase that `seen` images belong to; the weights are the caller's to load."""
        self.seen = seen
        self.optimisers = self._optimisers()

    def step(self) -> dict[str, float]:
        """One batch; returns the losses by name."""
        recipe = self.recipe
        torch.manual_seed(recipe.seed * 1_000_003 + self.seen)  # a resumed run draws what an unbroken one would
        phase = self.phase
        losses = self._polish_step() if phase is Phase.POLISH else self._real_step()
        self.seen += recipe.batch
        first = recipe.unpolished if phase is Phase.POLISH else 0
        for average, network in ((self.generator_ema, self.generator), (self.encoder_ema, self.encoder)):
            follow(average, network, seen=self.seen - first, batch=recipe.batch, half_life=recipe.half_life)
        begin = {Phase.ADVERSARY: self._switch, Phase.SETTLE: self._settle, Phase.POLISH: self._polish}
        for entered in range(phase + 1, self.phase + 1):
            begin[Phase(entered)]()
        if self.seen >= recipe.images:
            self._widen()
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
        sampled = render(z if self.warm else generator.mapping(z))
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
        momentum, beta = (0.95, 0.9) if self.warm else (0.5 if self.phase is Phase.ADVERSARY else 0.9, 0.0)
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
        told, against = contest(
            self.features, self.discriminator, leaf, real, self.optimisers, recipe.discriminator_rate
        )

        with torch.no_grad():
            theirs = self.features(real[:half])
        pixel = (leaf[:half] - real[:half]).square().mean()
        feature = self.features.distance(self.features(leaf[:half]), theirs)
        critic, textured = (self.textures, TEXTURED) if self.phase is Phase.SETTLE else (self.critic, 0)
        moments = critic(summary(leaf[half:], self.features(leaf[half:]), textured=textured))
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
        if self.phase is Phase.SETTLE:
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

    def _widen(self) -> None:
        """Let the samples of the average vary `spread` times as much."""
        network = self.generator_ema
        mean = network.mapping(torch.randn(10_000, self.recipe.w_dim, device=self.device)).mean(dim=0)
        widen(network, self.encoder_ema, self.recipe.spread, mean=mean, offset=self.offset)

    @torch.no_grad()
    def _switch(self) -> None:
        """Make the mapping network sample the encoded codes exactly, and start the adversary."""
        mean, root = code_statistics(self.encoder, self.faces, device=self.device)
        self.offset.copy_(3 * root.square().sum(dim=1).sqrt() - mean.clamp(max=0))
        sample_exactly(self.generator, mean, root, offset=self.offset)
        average = code_statistics(self.encoder_ema, self.faces, device=self.device)
        sample_exactly(self.generator_ema, *average, offset=self.offset)
        self.optimisers = self._optimisers()
