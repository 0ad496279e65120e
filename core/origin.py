"""Where codes came from: the generator, the crop, the settings, what was done to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from typing import Any

from wplus.core.errors import LatentError

ROWS: Mapping[str, str] = {"W+": "layers", "stylemap": "cells"}
"""The spaces of codes, and what the rows of a code stand for in each: a stylemap's cells, row by row."""


@dataclass(frozen=True)
class Origin:
    """Where codes came from: which generator renders them, and how they were found."""

    generator: str
    """The generator's name in the catalogue, or its file's name."""
    fingerprint: str
    """Hash of the generator's weights; latents of different fingerprints do not mix."""
    resolution: int
    w_radius: float | None = None
    """Root mean square distance of the rows of the generator's mapped codes from their mean."""
    space: str = "W+"
    """The space that the codes are given in, one of `ROWS`; in which they were looked for stands in `settings`."""
    crop: Mapping[str, Any] | None = None
    """The alignment of the photograph (`Alignment.to_json`), to paste the picture back."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    losses: Mapping[str, float] = field(default_factory=dict)
    edit: str | None = None
    """What was done to the codes after they were found."""
    version: str = field(default_factory=lambda: version("wplus"))

    def shared(self) -> "Origin":
        """What is left of it for codes that are of no single photograph: the generator."""
        names = ("generator", "fingerprint", "resolution", "w_radius", "space")
        return Origin(**{name: getattr(self, name) for name in names})

    @classmethod
    def from_json(cls, values: object) -> "Origin":
        """Read what `dataclasses.asdict` wrote.

        Raises:
            LatentError: a field is missing, unknown, or of another type.
        """
        if not isinstance(values, Mapping):
            raise LatentError(f"the origin is a {type(values).__name__}, expected names and values")
        unknown = sorted(set(values) - {item.name for item in fields(cls)})
        missing = sorted({"generator", "fingerprint", "resolution"} - set(values))
        if unknown or missing:
            raise LatentError(f"the origin has unknown fields {unknown} and lacks {missing}")
        for name, value in values.items():
            if not isinstance(value, FIELD_TYPES[name]) or isinstance(value, bool):
                raise LatentError(f"the origin's {name} is a {type(value).__name__}")
        if values.get("space", "W+") not in ROWS:
            raise LatentError(f"the origin's space is '{values['space']:.40}', expected {' or '.join(ROWS)}")
        return cls(**values)


FIELD_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("generator", "fingerprint", "space", "version"), (str,)),
    **dict.fromkeys(("settings", "losses"), (Mapping,)),
    "resolution": (int,),
    "w_radius": (int, float, type(None)),
    "crop": (Mapping, type(None)),
    "seed": (int, type(None)),
    "edit": (str, type(None)),
}
"""What each field of an origin may be in a file."""
