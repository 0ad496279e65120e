"""A run of the recipe: networks, their averages, their optimisers, and what a step of each stage does."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from wplus.core.animation import sheet
from wplus.core.shapes import Images, W
from wplus.models.encoder import EncoderNetwork
from wplus.models.squeezenet import SqueezeNetLevels
from wplus.models.stylegan2 import StyleGAN2, StyleGAN2Config
from wplus.training.codes import REMEMBERED, Memory, encoded
from wplus.training.faces import Faces
from wplus.training.features import FrozenFeatures
from wplus.training.game import Judge, Judged, StopRule
from wplus.training.growth import grown, grown_encoder, plain, plain_encoder
from wplus.training.look import Look
from wplus.training.networks import Discriminator
from wplus.training.precision import native
from wplus.training.recipe import Recipe, Stage
from wplus.training.sampler import code_statistics, sample_exactly
from wplus.training.updates import Balance, Muon, descend, follow, risen, split_weights

FEATURES = 64
"""Side in px at which features are compared; larger ones would cost as much as the networks that learn."""


class Run(nn.Module):
    """The state of a training run: networks, their averages, optimisers and the count of images seen.

    Args:
        recipe, faces: how, and on what.
        trunk: the frozen network that compares pictures.
        start: a generator to go on from, of the recipe's resolution or of half of it.
        encoder: one whose convolutions see faces already; that of `start`, if there is one.
        device: where to.
    """

    def __init__(
        self,
        recipe: Recipe,
        faces: Faces,
        *,
        trunk: SqueezeNetLevels,
        start: StyleGAN2 | None = None,
        encoder: EncoderNetwork | None = None,
        device: str = "cpu",
    ) -> None:
        super().__init__()
        self.recipe, self.faces, self.device, self.dtype = recipe, faces, device, native(device)
        config = StyleGAN2Config(recipe.channels, recipe.w_dim, recipe.w_dim, recipe.mapping_layers, noise=False)
        with torch.random.fork_rng():
            torch.manual_seed(recipe.seed)
            self.generator = plain(config) if start is None else grown(start, recipe.channels)
            self.encoder = plain_encoder(self.generator) if encoder is None else grown_encoder(encoder, config)
            discriminator = Discriminator(recipe.resolution, Discriminator.widths(recipe.channels))
        self.balance = Balance(2)  # reconstruction, adversary
        self.memory = Memory(recipe.w_dim)
        self.stop = StopRule()
        sample = faces.batch(torch.linspace(0, len(faces) - 1, min(len(faces), 256)).long())
        self.features = FrozenFeatures(trunk.to(device), sample.to(device), size=FEATURES)
        self.judge = Judge(discriminator, self.features, penalty=recipe.penalty)
        self.requires_grad_(True).to(device).to(memory_format=torch.channels_last)  # what was loaded is frozen
        self.generator_ema = copy.deepcopy(self.generator).requires_grad_(False)
        self.encoder_ema = copy.deepcopy(self.encoder).requires_grad_(False)
        self.seen = 0
        self.optimisers: dict[str, torch.optim.Optimizer] = {}
        self.resume(0)
        if self.stage is not Stage.WARM:
            self._remember_all()

    @property
    def frozen(self) -> str:
        """No generator: this run trains one."""
        return ""

    @property
    def average(self) -> StyleGAN2:
        """The generator that is exported."""
        return self.generator_ema

    @property
    def stage(self) -> Stage:
        """Where in its recipe the run is."""
        return self.recipe.stage(self.seen)

    @property
    def warm(self) -> bool:
        """Whether the adversary is still to come."""
        return self.stage is not Stage.ADVERSARY

    def resume(self, seen: int) -> None:
        """Take up the stage that `seen` images belong to; the weights are the caller's to load."""
        self.seen = seen
        generator, rest = split_weights(self.generator.synthesis)
        coder = nn.ModuleList([self.encoder.trunk, self.encoder.hidden, self.encoder.base])
        encoder, vectors = split_weights(coder)
        judges, others = split_weights(self.judge)
        # less momentum against an adversary, whose slopes turn
        momentum, beta = (0.95, 0.9) if self.stage is Stage.WARM else (0.5, 0.0)
        self.optimisers = {
            "generator": Muon(generator, momentum=momentum),
            "encoder": Muon(encoder, momentum=momentum, equalised=False),
            "rest": torch.optim.Adam([*rest, *vectors], betas=(beta, 0.99)),
            "judge": Muon(judges, momentum=0.5, equalised=False),
            "judge_rest": torch.optim.Adam(others, betas=(0.0, 0.99)),
        }

    def step(self) -> dict[str, float]:
        """One batch; returns the losses by name."""
        recipe, before = self.recipe, self.stage
        draws = torch.Generator().manual_seed(recipe.seed * 1_000_003 + self.seen)  # resumed runs draw the same
        chosen = torch.randint(len(self.faces), (recipe.batch,), generator=draws)
        real = self.faces.batch(chosen, flips=torch.rand(recipe.batch, generator=draws) < 0.5)
        real = real.to(self.device, memory_format=torch.channels_last)
        steps = {Stage.WARM: self._warm_step, Stage.JUDGE: self._judge_step, Stage.ADVERSARY: self._adversarial_step}
        losses = steps[before](real, draws)
        self.seen += recipe.batch
        if before is not Stage.JUDGE:
            first = 0 if before is Stage.WARM else recipe.begun
            for average, network in ((self.generator_ema, self.generator), (self.encoder_ema, self.encoder)):
                follow(average, network, seen=self.seen - first, batch=recipe.batch, half_life=recipe.half_life)
        if before is Stage.WARM and self.stage is not Stage.WARM:
            self._remember_all()
            self.resume(self.seen)
        return {name: value.item() for name, value in losses.items()}

    @torch.no_grad()
    def codes(self, faces: Faces, *, most: int = 8_192) -> W:
        """What the averaged encoder says of up to `most` pictures."""
        parts = torch.linspace(0, len(faces) - 1, min(len(faces), most)).long().split(64)
        return torch.cat(
            [encoded(faces.batch(part).to(self.device), self.encoder_ema, self.generator_ema) for part in parts]
        )

    @torch.no_grad()
    def look(self, held_out: Faces) -> Look:
        """Real pictures, their reconstructions, mixes of two and samples of the codes' Gaussian at psi 0.7.

        The spread is the variance of frozen features of those samples over that of the reconstructions.
        """
        real = held_out.batch(torch.linspace(0, len(held_out) - 1, min(128, len(held_out))).long()).to(self.device)
        codes = encoded(real, self.encoder_ema, self.generator_ema)
        draws = torch.Generator().manual_seed(0)
        if self.stage is Stage.WARM:
            self.memory.fill(codes)
        drawn = self.memory.samples(len(real), draws, psi=0.7)
        rebuilt, mixes, sampled = (
            torch.cat([self._render(part, self.generator_ema) for part in w.split(64)])
            for w in (codes, codes[:16].lerp(codes[-16:], 0.5), drawn)
        )
        variances = [self.features(x)[-1].float().mean(dim=(2, 3)).var(dim=0).sum() for x in (sampled, rebuilt)]
        error = float((rebuilt - real).square().mean())
        figures = {"held_out": error, "spread": float(variances[0] / variances[1])}
        trouble = self.stop.objection(error, self.judge.margin) if self.stage is Stage.ADVERSARY else None
        if self.stage is not Stage.WARM:
            figures |= {"margin": float(self.judge.margin.value), "penalty": float(self.judge.margin.penalty)}
        rows = torch.cat([real[:16], rebuilt[:16], real[-16:], rebuilt[-16:], mixes, sampled[:32]])
        return Look(figures, sheet(rows.clamp(-1, 1).cpu(), columns=16), trouble)

    def _render(self, w: W, generator: StyleGAN2) -> Images:
        return generator.synthesis(w[:, None].expand(-1, generator.config.layers, -1), noise="none", dtype=self.dtype)

    def _warm_step(self, real: Images, draws: torch.Generator) -> dict[str, Tensor]:
        recipe = self.recipe
        rate = risen(recipe.warm_rate, recipe.generator_rate, self.seen / recipe.warm_images)
        codes = encoded(real, self.encoder, self.generator)
        blur = torch.randn(codes.shape, generator=draws).to(self.device)
        fake = self._render(codes + recipe.blur * self.encoder.scale * blur, self.generator)
        with torch.no_grad():
            true = Judged(real, self.features(real))
        losses = self._compare(Judged(fake, self.features(fake)), true)
        loss = torch.stack([*losses.values()]).sum() + recipe.code * self._length(codes)
        descend(loss, self.optimisers, dict.fromkeys(("generator", "encoder", "rest"), rate))
        return losses

    def _judge_step(self, real: Images, draws: torch.Generator) -> dict[str, Tensor]:
        with torch.no_grad():
            fake = self._render(self._codes(real, draws), self.generator)
            pair = (Judged(images, self.features(images)) for images in (real, fake))
        return {"apart": self._teach(*pair)[1]}

    def _adversarial_step(self, real: Images, draws: torch.Generator) -> dict[str, Tensor]:
        recipe, half = self.recipe, self.recipe.batch // 2
        codes = self._codes(real, draws)
        fake = self._render(codes, self.generator)
        leaf = fake.detach().requires_grad_(True)  # the picture, at which both gradients meet
        made = Judged(leaf, self.features(leaf))
        with torch.no_grad():
            true = Judged(real, self.features(real))
        logits, apart = self._teach(true, made)
        self.judge.margin.follow(apart)
        losses = self._compare(*(Judged(images[:half], [x[:half] for x in levels]) for images, levels in (made, true)))
        against = self.judge.fooled(logits, made)
        rebuilt = torch.autograd.grad(torch.stack([*losses.values()]).sum(), leaf, retain_graph=True)
        gradient = self.balance([*rebuilt, *torch.autograd.grad(against, leaf)], (1.0, recipe.adversary))

        done = (self.seen - recipe.begun) / (recipe.images - recipe.begun)
        rate = float(self.judge.margin.pace) * risen(recipe.generator_rate, recipe.final_rate, done)
        # the picture's gradient is known, so its product with the picture is a loss that has it
        loss = (fake * gradient).sum() + recipe.code * self._length(codes[:half])
        descend(loss, self.optimisers, dict.fromkeys(("generator", "encoder", "rest"), rate))
        return losses | {"apart": apart, "against": against, "pace": self.judge.margin.pace.clone()}

    def _teach(self, real: Judged, fake: Judged) -> tuple[Tensor, Tensor]:
        """One step of the discriminator; the logits of `real` before it, and the margin."""
        recipe = self.recipe
        due = self.seen // recipe.batch % recipe.lazy == 0
        loss, logits, apart = self.judge.losses(real, fake, lazy=recipe.lazy if due else 0)
        rates = {"judge": recipe.discriminator_rate, "judge_rest": recipe.discriminator_rate / 4}
        descend(loss, self.optimisers, rates)
        return logits, apart

    def _codes(self, real: Images, draws: torch.Generator) -> W:
        """Codes of half of `real`, as many mixes of two faces' codes and draws of their Gaussian together."""
        half, quarter = len(real) // 2, len(real) // 4
        codes = encoded(real[:half], self.encoder, self.generator)
        self.memory.add(codes)
        return torch.cat([codes, self.memory.mixes(quarter, draws), self.memory.samples(quarter, draws)])

    def _compare(self, fake: Judged, real: Judged) -> dict[str, Tensor]:
        """Weighted losses by name."""
        recipe, feature = self.recipe, self.features.distance(fake.levels, real.levels)
        pixel = functional.mse_loss(fake.images, real.images)
        return {"pixel": recipe.pixel * pixel, "feature": recipe.feature * feature}

    def _length(self, codes: W) -> Tensor:
        return ((codes - self.encoder.mean) / self.encoder.scale).square().mean()

    @torch.no_grad()
    def _remember_all(self) -> None:
        """Fill the memory with codes of the present encoder."""
        self.memory.fill(self.codes(self.faces, most=REMEMBERED))

    @torch.no_grad()
    def finished(self) -> tuple[StyleGAN2, EncoderNetwork]:
        """Copies of the averages on the CPU, the mapping network a sampler of the codes of faces."""
        network, encoder = copy.deepcopy(self.generator_ema).cpu(), copy.deepcopy(self.encoder_ema).cpu()
        encoder.mean += sample_exactly(network, *code_statistics(self.codes(self.faces).cpu()))
        return network, encoder
