"""The one value that crosses every wall: codes, optional noise maps, and where they came from."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from wplus.core.errors import LatentError
from wplus.core.origin import ROWS, Origin
from wplus.core.shapes import Ws
from wplus.core.tensorfile import read_tensors, write_tensors


@dataclass(frozen=True, eq=False)
class Latent:
    """Codes of one or more pictures, as values: an edit returns a new one.

    Args:
        ws: shape (batch, layers, w_dim), kept as fp32; a code of W has equal rows. Of a stylemap (w_dim, side, side)
            the rows are its cells, from the upper left to the lower right.
        noise: one map a synthesis layer, each (batch, 1, height, width), or None for the generator's own.
        origin: where the codes came from, or None for bare codes.
        unedited: the codes before every edit, of the same shape; None if there was none.

    Raises:
        LatentError: `ws` is not of three dimensions or empty, `unedited` has another shape, noise maps are not one a
            code, a value is no finite floating-point number, or the cells of a stylemap make no square.
    """

    ws: Tensor
    noise: tuple[Tensor, ...] | None = None
    origin: Origin | None = None
    unedited: Tensor | None = None

    def __post_init__(self) -> None:
        if self.ws.ndim != 3 or 0 in self.ws.shape:
            raise LatentError(f"codes have shape {tuple(self.ws.shape)}, expected (batch, layers, w_dim)")
        if self.rows == "cells" and math.isqrt(self.ws.shape[1]) ** 2 != self.ws.shape[1]:
            raise LatentError(f"a stylemap of {self.ws.shape[1]} cells is no square")
        for item in self.noise or ():
            if item.ndim != 4 or item.shape[:2] != (len(self), 1) or 0 in item.shape:
                expected = f"({len(self)}, 1, height, width)"
                raise LatentError(
                    f"a noise map of {len(self)} codes has shape {tuple(item.shape)}, expected {expected}"
                )
        if self.unedited is not None and self.unedited.shape != self.ws.shape:
            raise LatentError(f"codes have shape {tuple(self.ws.shape)}, unedited {tuple(self.unedited.shape)}")
        codes = [self.ws, *([] if self.unedited is None else [self.unedited])]
        for name, tensor in (
            *(("codes", item) for item in codes),
            *(("noise maps", item) for item in self.noise or ()),
        ):
            if not tensor.is_floating_point():
                raise LatentError(f"{name} are {tensor.dtype}, expected floating point")
            if not bool(torch.isfinite(tensor).all()):
                raise LatentError(f"{name} hold values that are not finite")
        object.__setattr__(self, "ws", self.ws.float())
        if self.unedited is not None:
            object.__setattr__(self, "unedited", self.unedited.float())
        if self.noise is not None:
            object.__setattr__(self, "noise", tuple(item.float() for item in self.noise))

    def __len__(self) -> int:
        return self.ws.shape[0]

    @property
    def rows(self) -> str:
        """What its rows are called: the layers of W+, unless the origin tells another space."""
        return ROWS.get("W+" if self.origin is None else self.origin.space, "rows")

    def __getitem__(self, index: int) -> "Latent":
        """The code of one picture, as a latent of batch 1."""
        row = slice(index, index + 1) if index >= 0 else slice(len(self) + index, len(self) + index + 1)
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        noise = None if self.noise is None else tuple(item[row] for item in self.noise)
        unedited = None if self.unedited is None else self.unedited[row]
        return replace(self, ws=self.ws[row], noise=noise, unedited=unedited)

    @property
    def before(self) -> "Latent":
        """The codes before every edit, with the same noise and origin; these codes themselves if there was none."""
        return self if self.unedited is None else replace(self, ws=self.unedited, unedited=None)

    def edited(self, ws: Ws, *, edit: str) -> "Latent":
        """The same origin with other codes; `edit` says in words what was done."""
        origin = self.origin
        if origin is not None:
            done = edit if origin.edit is None else f"{origin.edit}; {edit}"
            origin = replace(origin, losses={}, edit=done)
        unedited = self.ws if self.unedited is None else self.unedited
        return replace(self, ws=ws, origin=origin, unedited=unedited if unedited.shape == ws.shape else None)

    def __add__(self, other: object) -> "Latent":
        """Both codes' sum, as in `smiling + 0.5 * (older - younger)`.

        The result keeps the generator; a photograph only if both are of it, so that it can be put back there alone.

        Raises:
            LatentError: latents of different generators, shapes or numbers of codes.
        """
        return _combined(self, other, 1.0) if isinstance(other, Latent) else NotImplemented

    def __sub__(self, other: object) -> "Latent":
        return _combined(self, other, -1.0) if isinstance(other, Latent) else NotImplemented

    def __mul__(self, factor: float) -> "Latent":
        noise = None if self.noise is None else tuple(factor * item for item in self.noise)
        return replace(self.edited(factor * self.ws, edit=f"times {factor:g}"), noise=noise)

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> "Latent":
        return self * (1 / divisor)

    def __neg__(self) -> "Latent":
        return self * -1.0

    def mean(self) -> "Latent":
        """The mean of its codes, of batch 1; it is no photograph's, so it cannot be put back into one.

        average = wplus.join(latents).mean()
        """
        noise = None if self.noise is None else tuple(item.mean(dim=0, keepdim=True) for item in self.noise)
        origin = self.origin if self.origin is None or len(self) == 1 else self.origin.shared()
        origin = origin and replace(origin, edit=f"mean of {len(self)}")
        return Latent(self.ws.mean(dim=0, keepdim=True), noise, origin)

    def numpy(self) -> np.ndarray:
        """The codes as float32 (batch, layers, w_dim)."""
        array: np.ndarray = self.ws.detach().cpu().numpy()
        return array

    def __repr__(self) -> str:
        count, rows, dim = self.ws.shape
        told = f"{count} code{'s' * (count > 1)} of {rows} {self.rows} x {dim}"
        if self.noise is not None:
            told += ", with noise maps"
        if self.origin is not None:
            told += f", {self.origin.generator}"
            told += f", {self.origin.edit}" if self.origin.edit else ""
        return f"Latent({told})"

    def to(self, device: torch.device | str) -> "Latent":
        """The same latent on another device."""
        noise = None if self.noise is None else tuple(item.to(device) for item in self.noise)
        unedited = None if self.unedited is None else self.unedited.to(device)
        return replace(self, ws=self.ws.to(device), noise=noise, unedited=unedited)

    def save(self, path: str | Path) -> None:
        """Write a safetensors file: `ws`, `noise.NN`, `unedited`, and the origin as JSON in the header; atomically.

        Raises:
            OutputError: the file cannot be written.
        """
        tensors = {"ws": self.ws}
        tensors |= {f"noise.{index:02}": item for index, item in enumerate(self.noise or ())}
        tensors |= {} if self.unedited is None else {"unedited": self.unedited}
        origin = None if self.origin is None else asdict(self.origin)
        write_tensors(path, tensors, {"kind": "latent", "origin": origin})

    @classmethod
    def load(cls, path: str | Path) -> "Latent":
        """Read what `save` wrote, on the CPU; `wplus.load_latent` reads the files of other programs, too.

        Raises:
            LatentError: no such file, damaged, or not a latent of wplus.
        """
        tensors, header = read_tensors(path, error=LatentError, expected="a wplus latent")
        if header.get("kind") != "latent" or "ws" not in tensors:
            raise LatentError(f"{path}: holds a {header.get('kind', 'unknown content')}, expected a latent")
        noise = tuple(tensors[name] for name in sorted(tensors) if name.startswith("noise."))
        try:
            origin = None if header.get("origin") is None else Origin.from_json(header["origin"])
            return cls(tensors["ws"], noise or None, origin, tensors.get("unedited"))
        except LatentError as error:
            raise LatentError(f"{path}: {error}") from error


def join(latents: Sequence[Latent]) -> Latent:
    """One latent of a batch from several of the same generator; what differs between their origins is left out.

    Raises:
        LatentError: latents of different generators or shapes, or some with noise and some without.
    """
    check_same(latents)
    origins = [latent.origin for latent in latents if latent.origin is not None]
    origin = origins[0] if origins else None
    if len(latents) > 1 and origin is not None:
        origin = origin.shared()
    noise = None
    if latents[0].noise is not None:
        maps = [latent.noise for latent in latents if latent.noise is not None]
        noise = tuple(torch.cat(items) for items in zip(*maps, strict=True))
    return Latent(torch.cat([latent.ws for latent in latents]), noise, origin)


def _combined(a: Latent, b: Latent, factor: float) -> Latent:
    """A + factor * b."""
    check_same((a, b))
    if len(a) != len(b) and 1 not in (len(a), len(b)):
        raise LatentError(f"latents of {len(a)} and {len(b)} codes do not match one to one")
    noise = None
    if a.noise is not None and b.noise is not None:
        noise = tuple(x + factor * y for x, y in zip(a.noise, b.noise, strict=True))
    origin = a.origin or b.origin
    if origin is not None:
        crops = [item.crop for item in (a.origin, b.origin) if item is not None]
        crop = crops[0] if all(item == crops[0] for item in crops) else None
        origin = replace(origin.shared(), crop=crop, edit="sum" if factor > 0 else "difference")
    return Latent(a.ws + factor * b.ws.to(a.ws), noise, origin)


def check_same(latents: Sequence[Latent]) -> None:
    """Latents that are to be combined must be of one generator and one shape.

    Raises:
        LatentError: they are not; the message names what differs.
    """
    first = latents[0]
    for other in latents[1:]:
        a, b = first.origin, other.origin
        if a is not None and b is not None:
            if a.fingerprint != b.fingerprint:
                names = f"{a.generator} ({a.fingerprint}) and {b.generator} ({b.fingerprint})"
                raise LatentError(f"latents of different generators: {names}")
            if a.space != b.space:
                raise LatentError(f"latents of different spaces: {a.space} and {b.space}")
        if first.ws.shape[1:] != other.ws.shape[1:]:
            raise LatentError(
                f"latents of different shapes: {first.ws.shape[1]} {first.rows} of {first.ws.shape[2]}"
                f" and {other.ws.shape[1]} {other.rows} of {other.ws.shape[2]}"
            )
        if (first.noise is None) != (other.noise is None):
            raise LatentError("one latent carries noise maps and the other does not")
        sizes = [[tuple(item.shape[2:]) for item in latent.noise or ()] for latent in (first, other)]
        if sizes[0] != sizes[1]:
            raise LatentError(f"latents of different noise maps: of heights and widths {sizes[0]} and {sizes[1]}")
