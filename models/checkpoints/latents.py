"""Latent files of other programs: told apart by what they hold, read without running code, and written back.

| layout       | file      | holds                                                                 | written by     |
|--------------|-----------|-----------------------------------------------------------------------|----------------|
| `nvidia`     | .npz      | key `w`, (n, rows, dim)                                               | StyleGAN2-ADA  |
| `plain`      | .npy, .pt | (n, rows, dim), (n, dim) or (dim,)                                    | e4e, PTI       |
| `puzer`      | .npy      | one code, (rows, dim)                                                 | Puzer, pbaylies |
| `rosinality` | .pt       | name -> `latent` (rows, dim) or (dim,), `noise` a list of maps, `img` | rosinality     |
| `restyle`    | .npy      | name -> (rows, dim) for each step of refinement; the last one counts  | ReStyle, pSp   |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
import torch
from torch import Tensor

from wplus.core.errors import LatentError, OutputError
from wplus.core.files import replacing
from wplus.core.latent import Latent, join
from wplus.core.shapes import Images, Ws
from wplus.core.tensorfile import is_foreign
from wplus.models.checkpoints.foreign import read_tree
from wplus.models.checkpoints.foreign.stream import shown

Kind = Literal["w", "w+"]
"""The space of codes: one vector a picture, or one a synthesis layer."""

Layout = Literal["nvidia", "plain", "puzer", "rosinality", "restyle"]
"""The layouts of the table above."""

SUFFIXES: dict[Layout, tuple[str, ...]] = {
    "nvidia": (".npz",),
    "plain": (".npy", ".pt"),
    "puzer": (".npy",),
    "rosinality": (".pt",),
    "restyle": (".npy",),
}
"""The names that files of a layout go under."""

CODE_NAMES = ("w", "ws", "w_plus", "wp", "latents", "dlatents", "codes", "arr_0")
"""What arrays of codes are called inside .npz files and dictionaries."""

USUAL_ROWS = 18
"""Rows of a 1024 px StyleGAN 1 or 2: an array of so many vectors is one code of W+ everywhere it is written."""

PLAUSIBLE_ROWS = range(6, USUAL_ROWS, 2)
"""Rows of the generators from 16 to 512 px (and of StyleGAN3, 16): so many vectors can be either."""

MOST_ROWS = 64
"""More layers than any StyleGAN has."""


LEAST_DIM = 16
"""Numbers a row that arrays in dictionaries and lists must have, unless their name tells that they are codes."""

WEIGHTS = (".weight", ".bias")
"""How names of a network's arrays end, never those of codes."""


@dataclass(frozen=True, eq=False)
class Reading:
    """What a file of another program was taken for.

    Args:
        latent: its codes, without an origin; codes of W have one row unless the file repeats it.
        kind: the space that they were taken for.
        layout: the layout that was recognised; `plain` for `puzer` too, of which it is a case.
        names: what the file calls its codes, in their order; empty where it names none.
        steps: how many steps of refinement the file holds of each code; the last was taken.
    """

    latent: Latent
    kind: Kind
    layout: Layout
    names: tuple[str, ...] = ()
    steps: int = 1

    def describe(self) -> dict[str, object]:
        """What `wplus info` tells."""
        ws = self.latent.ws
        words: dict[str, object] = {"layout": self.layout, "taken for": self.kind.upper(), "codes": ws.shape[0]}
        words |= {"layers": ws.shape[1], "w_dim": ws.shape[2], "noise maps": len(self.latent.noise or ())}
        return (
            words
            | ({"names": list(self.names)} if self.names else {})
            | ({"steps": f"the last of {self.steps}"} if self.steps > 1 else {})
        )


def load_latent(path: str | Path, *, kind: Kind | None = None) -> Latent:
    """Read a latent of wplus, or another program's latent file, on the CPU.

        latent = wplus.load_latent("portrait.safetensors")

    Args:
        path: the file; what it is, its contents tell.
        kind: the space of another program's codes, where its file leaves that open.

    Raises:
        LatentError: no such file, damaged, not a latent, or one that may be read two ways.
    """
    return read_codes(path, kind=kind).latent if is_foreign(path) else Latent.load(path)


def read_codes(path: str | Path, *, kind: Kind | None = None) -> Reading:
    """Read a latent file of another program, on the CPU.

    Args:
        path: a .npy, .npz or .pt file; what it is, its contents tell.
        kind: the space of its codes, for files that leave it open.

    Raises:
        LatentError: no such file, damaged, asking for code to be run, no latent, or one that may be read two ways.
    """
    tree = read_tree(path, error=LatentError)
    try:
        return codes_in(tree, kind=kind)
    except LatentError as error:
        raise LatentError(f"{path}: {error}") from error


def codes_in(tree: object, *, kind: Kind | None = None) -> Reading:
    """The codes in what `read_tree` read.

    Raises:
        LatentError: it holds none, or they may be read two ways.
    """
    found = _find(tree)
    if isinstance(tree, dict) and "z" in tree:
        raise LatentError("it holds codes of Z; map them by their generator first")
    if found is None:
        raise LatentError(f"no latent: it holds {_words(tree)}, expected codes, or names of pictures with their codes")
    latents: list[Latent] = []
    kinds: set[Kind] = set()
    steps = 1
    for index, entry in enumerate(found.entries):
        codes = entry["latent"]
        try:
            if found.one and _is_steps(codes) and (not isinstance(codes, Tensor) or codes.ndim == 3):
                steps, codes = max(steps, len(codes)), codes[-1]
            if not isinstance(codes, Tensor):
                raise LatentError(f"its latent is {_words(codes)}, expected an array")
            ws, space = shape_codes(codes, kind=kind, one=found.one)
            latents.append(Latent(ws, _maps(entry.get("noise"), len(ws))))
        except LatentError as error:
            raise LatentError(f"{found.names[index]!r:.80}: {error}" if found.names else str(error)) from error
        kinds.add(space)
    return Reading(join(latents), "w+" if "w+" in kinds else "w", found.layout, found.names, steps)


def holds_codes(tree: object) -> bool:
    """Whether what `read_tree` read is built like a latent file, sound or not, rather than like a network."""
    return _find(tree) is not None


@dataclass(frozen=True, eq=False)
class _Found:
    """The parts of a latent file: entries with a `latent` and perhaps `noise`; `one`, if each is one picture's."""

    layout: Layout
    entries: Sequence[Mapping[Any, Any]]
    names: tuple[str, ...] = ()
    one: bool = True


def _find(tree: object) -> _Found | None:
    """The parts of what `read_tree` read, or None where it is built otherwise."""
    if isinstance(tree, Tensor):
        return _Found("plain", [{"latent": tree}], one=False)
    if isinstance(tree, list | tuple) and _are_wide(tree):
        return _Found("plain", [{"latent": item} for item in tree])
    if not isinstance(tree, dict) or not tree:
        return None
    names = tuple(map(str, tree))
    known = [name for name in CODE_NAMES if isinstance(tree.get(name), Tensor)]
    if len(tree) == 1 and not Path(names[0]).suffix and _is_wide(tree.get(names[0])):
        known = list(names)
    if len(known) > 1:
        return None  # either may be the one that was meant
    if known:
        maps = [tree[name] for name in sorted(names) if name.startswith("noise.") and name in tree]
        layout: Layout = "nvidia" if known[0] == "w" else "plain"
        return _Found(layout, [{"latent": tree[known[0]], "noise": maps}], one=False)
    if "latent" in tree:
        return _Found("rosinality", [tree])
    if all(isinstance(item, dict) and "latent" in item for item in tree.values()):
        return _Found("rosinality", list(tree.values()), names)
    if all(_are_wide(item) for item in tree.values()) and not any(name.endswith(WEIGHTS) for name in names):
        return _Found("restyle", [{"latent": item} for item in tree.values()], names)
    return None


def shape_codes(codes: Tensor, *, kind: Kind | None = None, one: bool = False) -> tuple[Ws, Kind]:
    """Tell 512, 1x512, 18x512, 1x18x512 and nx18x512 apart: the only place that does.

    Args:
        codes: (dim,), (n, dim), (rows, dim) or (n, rows, dim).
        kind: the space, if known; None asks for it where two readings are left.
        one: the codes are those of one picture, so that vectors of two dimensions are its rows.

    Returns:
        (n, rows, dim) with one row for codes of W, and the space.

    Raises:
        LatentError: another shape or kind of number, or two readings are left.
    """
    shape = tuple(codes.shape)
    if not codes.is_floating_point():
        raise LatentError(f"the codes are {codes.dtype}, expected floating point")
    if codes.ndim not in (1, 2, 3) or 0 in shape:
        raise LatentError(f"the codes have shape {shape}, expected (512,), (18, 512), (n, 512) or (n, 18, 512)")
    if codes.ndim < 3:
        count = 1 if codes.ndim == 1 else shape[0]
        if kind is None and not one and count in PLAUSIBLE_ROWS:
            raise LatentError(
                f"shape {shape} is {count} codes of W, or one code of W+ with {count} rows;"
                " say which by --as w or --as w+ of wplus convert"
            )
        rows = count if one or kind == "w+" or (kind is None and count == USUAL_ROWS) else 1
        codes = codes.reshape(-1, rows, shape[-1])
    if codes.shape[1] > MOST_ROWS or codes.shape[1] >= codes.shape[2]:
        raise LatentError(f"shape {shape} is no latent's: {codes.shape[1]} layers of {codes.shape[2]} numbers")
    ws = codes.detach().float()
    found: Kind = "w" if bool((ws == ws[:, :1]).all()) else "w+"
    if kind == "w" and found == "w+" and bool(ws.isfinite().all()):
        raise LatentError(f"shape {shape} has rows that differ: codes of W+, not of W")
    if kind == "w+" and ws.shape[1] == 1:
        raise LatentError(f"shape {shape} has one row a code: codes of W, not of W+")
    return ws, kind or found


def write_codes(
    path: str | Path,
    latent: Latent,
    *,
    layout: Layout | None = None,
    names: Sequence[str] = (),
    pictures: Images | None = None,
) -> None:
    """Write codes, and noise maps where the layout has room for them, for another program; atomically.

    Args:
        path: its suffix tells the layout, if none is given: .npz `nvidia`, .npy and .pt `plain`.
        layout: one of the table above.
        names: what to call the codes in `rosinality` and `restyle`; the file's own name, with numbers, if none.
        pictures: what `rosinality` keeps beside the codes, if given.

    Raises:
        LatentError: the layout has no room for stylemaps, for the noise maps, or for more than one code.
        OutputError: the suffix is not the layout's, or the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    form = layout or ("nvidia" if suffix == ".npz" else "plain")
    if suffix not in SUFFIXES[form]:
        raise OutputError(f"{path}: latents of layout {form} are {' or '.join(SUFFIXES[form])} files")
    if latent.rows == "cells":
        raise LatentError(f"{path}: layout {form} holds codes of W+, these are stylemaps; keep them as .safetensors")
    if latent.noise is not None and form not in ("nvidia", "rosinality"):
        raise LatentError(f"{path}: layout {form} has no room for the latent's noise maps; nvidia and rosinality have")
    if form == "puzer" and len(latent) > 1:
        raise LatentError(f"{path}: layout puzer holds one code, the latent has {len(latent)}")
    given = tuple(names) or tuple(path.stem if len(latent) == 1 else f"{path.stem}-{i}" for i in range(len(latent)))
    if len(set(given)) != len(latent):
        raise LatentError(f"{path}: {len(latent)} codes need as many different names, got {list(given)!s:.200}")
    content = _content(form, latent.to("cpu"), given, pictures)
    with replacing(path) as temporary, temporary.open("wb") as file:  # a file: to a path numpy adds a suffix
        if suffix == ".npz":
            np.savez(file, **{name: item.numpy() for name, item in content.items()})
        elif form == "restyle":
            np.save(file, np.array(content, dtype=object), allow_pickle=True)
        elif suffix == ".npy":
            np.save(file, content.numpy())
        else:
            torch.save(content, file)


def _content(layout: Layout, latent: Latent, names: tuple[str, ...], pictures: Images | None) -> Any:
    """What a file of `layout` holds."""
    ws = latent.ws.contiguous().clone()
    noise = latent.noise or ()
    if layout == "nvidia":  # its readers look for `w` and do not mind what else there is
        return {"w": ws, **{f"noise.{index:02}": item.contiguous() for index, item in enumerate(noise)}}
    if layout == "plain":
        return ws
    if layout == "puzer":
        return ws[0]
    if layout == "restyle":
        return {name: [code.numpy().copy()] for name, code in zip(names, ws, strict=True)}
    entries: dict[str, dict[str, Any]] = {}
    for index, name in enumerate(names):
        code = ws[index, 0] if ws.shape[1] == 1 else ws[index]
        maps = [item[index : index + 1].clone() for item in noise]
        entries[name] = {"latent": code.clone(), "noise": maps}
        if pictures is not None:
            entries[name]["img"] = pictures[index].detach().cpu().clone()
    return entries


def _is_steps(value: object) -> bool:
    """Whether it is an array of codes, or several of one picture in a list: (rows, dim) or (1, rows, dim) a step."""
    if isinstance(value, Tensor):
        return value.ndim in (1, 2, 3) and len(value) > 0
    if not isinstance(value, list | tuple) or not value:
        return False
    return all(isinstance(item, Tensor) and item.ndim in (2, 3) for item in value)


def _is_wide(value: object) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0 and value.shape[-1] >= LEAST_DIM


def _are_wide(value: object) -> bool:
    """Whether it is as `_is_steps` wants it, and wide enough for codes that nothing names."""
    return _is_steps(value) and all(map(_is_wide, [value] if isinstance(value, Tensor) else cast(list[object], value)))


def _maps(noise: object, count: int) -> tuple[Tensor, ...] | None:
    """Noise maps as (count, 1, height, width), or None for none."""
    if noise is None or (isinstance(noise, list | tuple) and not noise):
        return None
    if not isinstance(noise, list | tuple) or not all(isinstance(item, Tensor) for item in noise):
        raise LatentError(f"its noise is {_words(noise)}, expected a list of maps")
    for item in noise:
        if item.ndim < 2 or 0 in item.shape or item.numel() != count * item.shape[-1] * item.shape[-2]:
            raise LatentError(f"a noise map has shape {tuple(item.shape)}, expected ({count}, 1, height, width)")
    plain = [item.detach().float() if item.is_floating_point() else item for item in noise]
    return tuple(item.reshape(count, 1, *item.shape[-2:]) for item in plain)


def _words(tree: object) -> str:
    """What a thing is, in few words."""
    if isinstance(tree, Tensor):
        return f"an array of shape {tuple(tree.shape)}"
    if isinstance(tree, dict):
        names = ", ".join(repr(name)[:40] for name in list(tree)[:4])
        return f"{len(tree)} entries ({names}{', ...' if len(tree) > 4 else ''})" if tree else "an empty dictionary"
    name = getattr(tree, "name", None)
    return f"the object {shown(name)}"[:80] if isinstance(name, str) else f"a {type(tree).__name__}"


LAYOUTS: tuple[Layout, ...] = get_args(Layout)
"""The layouts' names."""
