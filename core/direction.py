"""Directions: ways to move codes that have a name, a unit and a generator; `latent + 0.8 * smile`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wplus.core.errors import DirectionError
from wplus.core.latent import Latent
from wplus.core.origin import Origin
from wplus.core.shapes import DirectionRows, Ws
from wplus.core.tensorfile import read_tensors, write_tensors


@dataclass(frozen=True)
class About:
    """What is known of a direction besides its numbers.

    Args:
        name: what users type: lower-case letters, digits and hyphens.
        unit: what a strength of 1 changes, in words: "one standard deviation", "10 degrees".
        measure: what the unit was measured by.
        generator: the generator's name.
        fingerprint: of the generator's weights.
        method: how the direction was found: "measured", "boundary", "sefa", "ganspace", "stylespace", "pairs", "read".
        details: settings of the method, as JSON.
        region: the part of the face that the change may touch, None for all of it.
        leaks: measure -> its change per unit, in standard deviations of the measure.
    """

    name: str
    unit: str = "one standard deviation"
    measure: str = "unknown"
    generator: str = "unknown"
    fingerprint: str = ""
    method: str = "unknown"
    details: Mapping[str, Any] = field(default_factory=dict)
    region: str | None = None
    leaks: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_json(cls, values: object) -> "About":
        """Read what `dataclasses.asdict` wrote.

        Raises:
            DirectionError: a field is missing, unknown, or of another type.
        """
        if not isinstance(values, Mapping):
            raise DirectionError(f"a direction's description is a {type(values).__name__}, expected names and values")
        unknown = sorted(set(map(str, values)) - {item.name for item in fields(cls)})
        if unknown or "name" not in values:
            raise DirectionError(f"a direction's description has unknown fields {unknown}, or no name")
        for name, value in values.items():
            wanted = Mapping if name in ("details", "leaks") else (str, type(None)) if name == "region" else str
            if not isinstance(value, wanted):
                raise DirectionError(f"a direction's {name} is a {type(value).__name__}")
        leaks = values.get("leaks", {})
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in leaks.values()):
            raise DirectionError("a direction's leaks are not finite numbers")
        return cls(**values)


@dataclass(frozen=True, eq=False)
class Direction:
    """A way to move W+ codes: an offset for every layer, by a strength of 1.

    Directions scale (`0.8 * d`, `-d`), add up (`a + b`) and move latents (`latent + d`, `latent - d`).

    Args:
        rows: shape (layers, w_dim), kept as fp32.
        about: name, unit, and where the direction came from.
        strength: how often the original direction is in it.

    Raises:
        DirectionError: another shape, or values that are not finite numbers.
    """

    rows: DirectionRows
    about: About
    strength: float = 1.0

    def __post_init__(self) -> None:
        if self.rows.ndim != 2 or 0 in self.rows.shape:
            raise DirectionError(f"a direction has shape {tuple(self.rows.shape)}, expected (layers, w_dim)")
        if not self.rows.is_floating_point() or not bool(torch.isfinite(self.rows).all()):
            raise DirectionError(f"the direction '{self.about.name}' holds values that are not finite numbers")
        object.__setattr__(self, "rows", self.rows.float())

    @property
    def name(self) -> str:
        """What users type."""
        return self.about.name

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that it moves."""
        return tuple(self.rows.any(dim=1).nonzero().flatten().tolist())

    def __mul__(self, strength: float) -> "Direction":
        return replace(self, rows=self.rows * strength, strength=self.strength * strength)

    __rmul__ = __mul__

    def __truediv__(self, number: float) -> "Direction":
        return self * (1 / number)

    def __neg__(self) -> "Direction":
        return self * -1.0

    def __add__(self, other: "Direction") -> "Direction":
        """Both at once; the sum is named after what it holds.

        Raises:
            DirectionError: directions of different generators or shapes.
        """
        check_same((self, other))
        about = replace(
            self.about,
            name=f"{self.words}, {other.words}",
            unit="the sum of its parts",
            method="sum",
            measure=self.about.measure if self.about.measure == other.about.measure else "several",
            region=self.about.region if self.about.region == other.about.region else None,
            details={},
            leaks={},
        )
        return Direction(self.rows + other.rows, about)

    def __sub__(self, other: "Direction") -> "Direction":
        return self + -other

    def __radd__(self, latent: Latent) -> Latent:
        """The latent moved along the direction.

        Raises:
            DirectionError: the latent belongs to a generator of another family, or has another shape.
        """
        if not isinstance(latent, Latent):
            return NotImplemented
        self.check(latent)
        return latent.edited(latent.ws + self.rows.to(latent.ws), edit=self.words)

    def __rsub__(self, latent: Latent) -> Latent:
        return (-self).__radd__(latent)

    @property
    def words(self) -> str:
        """Name and strength, as a latent's origin tells edits."""
        return self.name if self.about.method == "sum" and self.strength == 1 else f"{self.name} {self.strength:+g}"

    def check(self, latent: Latent) -> None:
        """See that `latent` can be moved along this.

        Raises:
            DirectionError: it belongs to a generator of another family, or has another shape.
        """
        origin, about = latent.origin, self.about
        if origin is not None and about.fingerprint and about.fingerprint not in family(origin):
            raise DirectionError(
                f"the direction '{self.name}' belongs to generator {about.generator} ({about.fingerprint}),"
                f" the latent to {origin.generator} ({origin.fingerprint})"
            )
        if (latent.rows != "layers" and origin is not None) or latent.ws.shape[1:] != self.rows.shape:
            raise DirectionError(
                f"the direction '{self.name}' has {len(self.rows)} layers of {self.rows.shape[1]},"
                f" the latent {latent.ws.shape[1]} {latent.rows} of {latent.ws.shape[2]}"
            )

    def only(self, layers: range | Sequence[int]) -> "Direction":
        """The same direction in some layers; the others stay.

        Raises:
            DirectionError: there is no such layer.
        """
        chosen = sorted(set(layers))
        if not chosen or chosen[0] < 0 or chosen[-1] >= len(self.rows):
            raise DirectionError(f"layers {chosen} of '{self.name}': it has layers 0 to {len(self.rows) - 1}")
        kept = torch.zeros_like(self.rows)
        kept[chosen] = self.rows[chosen]
        return replace(self, rows=kept)

    def within(self, region: str | None) -> "Direction":
        """The same direction, whose change may touch only a region of the face; None for all of it."""
        return replace(self, about=replace(self.about, region=region))

    def told_for(self, generator: str, fingerprint: str) -> "Direction":
        """The same direction for another generator of its family, an adapted one of the same W."""
        return replace(self, about=replace(self.about, generator=generator, fingerprint=fingerprint))

    def orthogonal_to(self, others: Sequence["Direction"], *, metric: Tensor | None = None) -> "Direction":
        """The part of it that moves no code along the others (Shen et al. 2020, "InterFaceGAN", section 3.2).

        The length along what is left stays as it was: nothing is renormalised, so that the unit keeps its meaning.

        Args:
            others: directions of the same generator.
            metric: (w_dim, w_dim), positive definite, in which right angles are meant; that of W if none. The inverse
                of the codes' covariance makes what is left uncorrelated with the others over photographs.

        Raises:
            DirectionError: directions of different generators, or nothing is left.
        """
        check_same((self, *others))
        root = torch.eye(self.rows.shape[1]) if metric is None else torch.linalg.cholesky(metric.double().cpu()).mT
        flat = [(item.rows.double() @ root.double().mT).flatten() for item in (self, *others)]
        own, basis = flat[0], torch.stack(flat[1:], dim=1)
        weights = torch.linalg.lstsq(basis, own[:, None], driver="gelsd").solution[:, 0]
        rows = self.rows.double() - sum(
            weight * item.rows.double() for weight, item in zip(weights, others, strict=True)
        )
        if float(rows.norm()) < 1e-6 * float(self.rows.norm()):
            raise DirectionError(f"nothing of '{self.name}' is left beside {', '.join(item.name for item in others)}")
        told = {**self.about.details, "orthogonal to": [item.name for item in others]}
        return replace(self, rows=rows.float(), about=replace(self.about, details=told))

    def cosine(self, other: "Direction") -> float:
        """The cosine of the angle between two directions, over all their rows."""
        check_same((self, other))
        return float(torch.nn.functional.cosine_similarity(self.rows.flatten(), other.rows.flatten(), dim=0))


def family(origin: Origin) -> frozenset[str]:
    """Fingerprints of the generators whose codes mean the same as those of `origin`: its own, and its parent's."""
    parent = getattr(origin, "parent", None)
    return frozenset({origin.fingerprint} | ({parent} if parent else set()))


def moved(ws: Ws, directions: Sequence[Direction]) -> Ws:
    """Bare codes (batch, layers, w_dim) moved along all directions at once."""
    return ws + sum(item.rows for item in directions) if directions else ws


def check_same(directions: Sequence[Direction]) -> None:
    """Directions that are to be combined must be of one generator and one shape.

    Raises:
        DirectionError: they are not; the message names what differs.
    """
    first = directions[0]
    for other in directions[1:]:
        a, b = first.about, other.about
        if a.fingerprint and b.fingerprint and a.fingerprint != b.fingerprint:
            raise DirectionError(
                f"directions of different generators: '{a.name}' of {a.generator} ({a.fingerprint})"
                f" and '{b.name}' of {b.generator} ({b.fingerprint})"
            )
        if first.rows.shape != other.rows.shape:
            raise DirectionError(
                f"directions of different shapes: '{a.name}' {tuple(first.rows.shape)}"
                f" and '{b.name}' {tuple(other.rows.shape)}"
            )


def save_directions(path: str | Path, directions: Sequence[Direction], *, dtype: torch.dtype = torch.float32) -> None:
    """Write directions into one safetensors file, atomically; equal rows are kept once.

    Raises:
        DirectionError: two have one name.
        OutputError: the file cannot be written.
    """
    names = [item.name for item in directions]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DirectionError(f"{path}: two directions are named '{twice}'")
    tensors, header = {}, []
    for item in directions:
        layers = item.layers
        rows = item.rows[list(layers)]
        equal = len(rows) > 0 and bool((rows == rows[:1]).all())
        tensors[item.name] = (rows[:1] if equal else rows).to(dtype)
        header.append(asdict(item.about) | {"shape": list(item.rows.shape), "layers": list(layers)})
    write_tensors(path, tensors, {"kind": "directions", "directions": header})


def load_directions(path: str | Path) -> dict[str, Direction]:
    """Read what `save_directions` wrote: name -> direction, in the order of the file.

    Raises:
        DirectionError: no such file, damaged, or no directions.
    """
    tensors, header = read_tensors(path, error=DirectionError, expected="directions of wplus")
    if header.get("kind") != "directions" or not isinstance(header.get("directions"), list):
        raise DirectionError(f"{path}: holds a {header.get('kind', 'unknown content')}, expected directions")
    found: dict[str, Direction] = {}
    try:
        for entry in header["directions"]:
            direction = _unpacked(entry, tensors)
            found[direction.name] = direction
    except DirectionError as error:
        raise DirectionError(f"{path}: {error}") from error
    if set(found) != set(tensors):
        raise DirectionError(f"{path}: its header and its tensors name different directions")
    return found


MOST_ROWS, WIDEST = 64, 8192
"""Layers and numbers a layer beyond those of any generator: a file that claims more is refused before memory is."""


def _unpacked(entry: object, tensors: Mapping[str, Tensor]) -> Direction:
    """One direction of a file's header and tensors."""
    if not isinstance(entry, dict):
        raise DirectionError("its header lists a direction without names and values")
    values = dict(entry)
    shape, layers = values.pop("shape", None), values.pop("layers", None)
    about = About.from_json(values)
    if not (isinstance(shape, list) and len(shape) == 2 and all(type(side) is int for side in shape)):
        raise DirectionError(f"the direction '{about.name}' has no shape")
    if not (0 < shape[0] <= MOST_ROWS and 0 < shape[1] <= WIDEST):
        raise DirectionError(f"the direction '{about.name}' claims {shape[0]} layers of {shape[1]}")
    known = isinstance(layers, list) and all(type(layer) is int and 0 <= layer < shape[0] for layer in layers)
    rows = tensors.get(about.name)
    if not known or rows is None or rows.ndim != 2 or rows.shape[1] != shape[1] or len(rows) not in (1, len(layers)):
        raise DirectionError(f"the direction '{about.name}' has rows that do not fit its description")
    whole = torch.zeros(shape[0], shape[1])
    whole[layers] = rows.float().expand(len(layers), -1)
    return Direction(whole, about)
