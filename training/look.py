"""What a training run shows of itself between two stretches of work."""

from dataclasses import dataclass

from wplus.core.shapes import Picture


@dataclass(frozen=True)
class Look:
    """Figures by name, a sheet of pictures, and why it makes no sense to go on, if it does not."""

    figures: dict[str, float]
    sheet: Picture
    trouble: str | None = None
