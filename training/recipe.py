"""How a small face generator is trained without a GPU: an autoencoder with codes in W, then an adversary.

The warm stage trains picture -> W -> picture as a regularised autoencoder (Ghosh et al. 2020, "From variational to
deterministic autoencoders"): noise on the codes and a penalty on their length take the place of a variational bound.
Then a discriminator is trained alone against the frozen result, and last both play: it judges reconstructions of
faces, mixes of two faces' codes and draws of the Gaussian of all codes, in one batch. What it never judges in training
is rendered badly afterwards. The mapping network is fitted to the codes when the generator is exported.
"""

from dataclasses import dataclass
from enum import IntEnum

from wplus.core.knobs import knob

MAX_CHANNELS = 256


class Stage(IntEnum):
    """The parts of a run, in order."""

    WARM = 0
    JUDGE = 1
    ADVERSARY = 2


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
    batch: int = knob(16, "Pictures a step: half reconstructions, a quarter mixes, a quarter samples.")
    warm_images: int = knob(150_000, "Pictures seen by the autoencoder before the discriminator comes; may be 0.")
    judge_images: int = knob(2_000, "Pictures of which the discriminator learns alone.")
    images: int = knob(1_000_000, "Pictures seen in all.")
    held_out: int = knob(3_000, "Pictures set aside, never trained on (at most a tenth).")
    warm_rate: float = knob(6e-3, "Learning rate of the warm stage.")
    generator_rate: float = knob(5e-4, "Learning rate when the adversary comes.")
    final_rate: float = knob(1e-4, "The rate that it falls to.")
    discriminator_rate: float = knob(3e-3, "The discriminator's learning rate.")
    adversary: float = knob(1.0, "Norm of the adversarial gradient relative to that of the reconstruction.")
    penalty: float = knob(0.3, "Weight of R1 and R2 at first; it changes to keep the discriminator's margin in bounds.")
    lazy: int = knob(4, "Steps from one penalty to the next.")
    pixel: float = knob(2.0, "Weight of the squared error of pixels.")
    feature: float = knob(0.05, "Weight of the squared distance of features.")
    code: float = knob(0.01, "Weight of the squared length of codes, in units of the encoder's scale.")
    blur: float = knob(0.1, "Noise on the codes of the warm stage, in the same units.")
    half_life: int = knob(20_000, "Pictures after which a weight counts half in the average that ships.")
    seed: int = knob(0, "Random seed.")

    def __post_init__(self) -> None:
        if 4 << (len(self.channels) - 1) != self.resolution:
            raise ValueError(
                f"{len(self.channels)} widths make {4 << (len(self.channels) - 1)} px, not {self.resolution}"
            )
        if self.batch < 8 or self.batch % 8 or not 0 <= self.warm_images <= self.begun < self.images:
            raise ValueError("batch must be a multiple of 8, and 0 <= warm_images, warm_images + judge_images < images")

    @property
    def begun(self) -> int:
        """Pictures seen before the adversarial stage."""
        return self.warm_images + self.judge_images

    def stage(self, seen: int) -> Stage:
        """What a run does that has seen so many pictures."""
        return Stage(sum(seen >= first for first in (self.warm_images, self.begun)))

    @staticmethod
    def widths(resolution: int) -> tuple[int, ...]:
        """Channels at 4, 8 ... `resolution` px: 32 at 64 px, 16 at 128 px, which doubles the cost of neither."""
        blocks = max(resolution.bit_length() - 2, 1)
        return tuple(min(MAX_CHANNELS, max(16, 2048 // (4 << index))) for index in range(blocks))
