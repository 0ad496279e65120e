"""What a training run shows of itself between two stretches of work."""

from dataclasses import dataclass

from wplus.core.shapes import Picture


@dataclass(frozen=True)
class Look:
    """Figures by name, and a sheet of pictures."""

    figures: dict[str, float]
    sheet: Picture
