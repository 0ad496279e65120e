"""The presets that have names: settings with the start and the penalty that suit them."""

from collections.abc import Mapping
from dataclasses import dataclass

from wplus.inversion.starts import Encoder, Mean, Start
from wplus.optimisation import Settings

EDITABILITY = 0.05
"""Weight of `PNNorm` with which L-BFGS ends as far from the mean code as Adam of rate 0.01 at the same loss, within a
few percent (docs/speed.md), and in likelier codes; II2S has 0.001."""


@dataclass(frozen=True)
class Preset:
    """Settings with what suits them.

    Args:
        settings: of the descent.
        text: what they are for, in a few words.
        start: where to begin; the mean where the generator has no encoder.
        editability: weight of `PNNorm`; 0 for none.
    """

    settings: Settings
    text: str
    start: Start = Mean()  # noqa: RUF009  (a frozen value)
    editability: float = EDITABILITY


PRESETS: Mapping[str, Preset] = {
    "fast": Preset(Settings(steps=30), "a quick look", Encoder()),
    "balanced": Preset(Settings(), "for most purposes"),
    "best": Preset(Settings(steps=600, plateau=0.005), "until it hardly gets better"),
    "paper": Preset(Settings.image2stylegan(), "Image2StyleGAN's own: 5000 steps of Adam at 0.01", editability=0.0),
}
"""By name, from short to long."""
