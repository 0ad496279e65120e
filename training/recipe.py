"""How a small face generator is trained in hours without a GPU: a variational warm start, then an adversary.

Phase 1 trains encoder -> w -> generator as a variational autoencoder. The switch makes the mapping network an
exact Gaussian sampler of the encoded codes. Phase 2 goes on with half of each batch reconstructed and half
sampled, both judged by hinge heads on frozen features (Sauer et al. 2021, "Projected GANs converge faster"). In phase 3
the samples settle: the slope of their Frechet distance in those features leads, textures included, and the heads,
which sharpen more than there is in life, only follow. Phase 4 is a short polish of samples alone: what their features
are on average is made what it is in life, at a rate at which nothing else moves. `Muon` takes the steps.
"""

from dataclasses import dataclass
from enum import IntEnum

from wplus.core.knobs import knob

MAX_CHANNELS = 256


class Phase(IntEnum):
    """The parts of a run, in order."""

    WARM = 0
    ADVERSARY = 1
    SETTLE = 2
    POLISH = 3


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
    seed: int = knob(0, "Random seed.")

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

    def phase(self, seen: int) -> "Phase":
        """What a run does that has seen so many pictures."""
        return Phase(sum(seen >= begun for begun in (self.warm_images, self.unsettled, self.unpolished)))

    @staticmethod
    def widths(resolution: int) -> tuple[int, ...]:
        """Channels at 4, 8 ... `resolution` px."""
        blocks = max(resolution.bit_length() - 2, 1)
        return tuple(min(MAX_CHANNELS, 32 * resolution // (4 << index)) for index in range(blocks))
