"""Other people's files as plain data: what kind a file is, its first bytes tell, and nothing in it is run.

Memory stays within the file's size and a constant, time within seconds; anything else is an error in one line.
"""

import re
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, TypeAlias

import torch
from safetensors import safe_open
from torch import Tensor

from wplus.core.errors import WplusError
from wplus.models.checkpoints.foreign.allowed import Allowed, ArrayType, PendingArray, Shell, Storage
from wplus.models.checkpoints.foreign.archive import members
from wplus.models.checkpoints.foreign.arrays import array, as_bytes
from wplus.models.checkpoints.foreign.stream import Allowance, RejectedError, Stream, shown
from wplus.models.checkpoints.foreign.torchfile import Unread, everything, read_archive, read_pickle

Tree: TypeAlias = Any
"""Plain data: dict, list, tuple, str, int, float, bool, None, bytes, `torch.Tensor`, `Thing`; no deeper than `DEEPEST`.

NumPy arrays come as tensors, arrays of text or objects as lists, NumPy's numbers as Python's; sets as lists; types,
devices and paths as text; tensors as views of the storages that they shared in the file, without gradients.
"""

LONGEST_HEADER = 1 << 23
"""Bytes of JSON at the start of safetensors; a generator of 1024 px has some 20,000."""

DEEPEST = 64
"""How many containers may lie in one another."""


@dataclass(frozen=True, eq=False)
class Thing:
    """An object of a known foreign class: the class's name, and its attributes or what else is its state."""

    name: str
    state: Tree


def read_tree(path: str | Path, *, error: type[WplusError], unread: Unread = everything) -> Tree:
    """Read safetensors, torch's zip and legacy files, pickles of protocols 0 to 5, npy and npz.

    Torch's files that hold a dict come without the names that `unread` picks of its names: their numbers stay in the
    file, for a checkpoint holds other networks and optimisers beside the one that is wanted.

    A file of npz or safetensors gives a dict by name (safetensors' metadata under `__metadata__`), npy the array.
    Objects of NVIDIA's snapshots and TensorFlow pickles come as `Thing`, their source text is dropped unread.

    Raises:
        error: no such file, another kind of file, damaged, too large when unfolded, or asking for code to be run.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if not S_ISREG(mode):
            raise RejectedError("a folder; give one file" if S_ISDIR(mode) else "no regular file")
        with path.open("rb") as file:
            stream = Stream(file, 0, path.stat().st_size, Allowance.of(path.stat().st_size))
            return _Plain(stream.allowance, stream.left).tree(_read(stream, path, unread))
    except RejectedError as reason:
        raise error(f"{path}: {reason}") from None
    except FileNotFoundError:
        raise error(f"{path}: no such file; check the name") from None
    except OSError as reason:
        raise error(f"{path}: cannot be read: {reason.strerror or reason}") from reason
    except Exception as reason:  # hostile bytes can raise anything, MemoryError and RecursionError included
        words = " ".join(f"{type(reason).__name__} {reason}".split())
        raise error(f"{path}: damaged or cut off ({shown(words)}); get the file again") from reason


def _read(stream: Stream, path: Path, unread: Unread) -> object:
    """What the file holds, told by its first bytes."""
    start = stream.peek(512)
    if start.startswith((b"PK\3\4", b"PK\5\6")):
        return _read_zip(stream, unread)
    if start.startswith(b"\x93NUMPY"):
        return _read_npy(stream)
    if start[8:9] == b"{" and struct.unpack("<Q", start[:8])[0] < min(stream.left, LONGEST_HEADER):
        # before pickles: a header of 0x280 bytes begins as they do
        return _read_safetensors(path)
    if start[:1] == b"\x80" and start[1:2] <= b"\5":
        return read_pickle(stream, unread=unread)
    named = next((name for name, pattern in OTHERS.items() if re.match(pattern, start, re.DOTALL)), None)
    if named is not None:
        raise RejectedError(f"{named}; {EXPECTED}")
    if start[:1] not in b"(])}INSVLFcKMJGUXT" or not _ends_with_stop(stream):
        raise RejectedError(f"an unknown kind of file (it starts with {start[:8]!r}); {EXPECTED}")
    return read_pickle(stream)  # protocols 0 and 1 have no mark at their start


EXPECTED = "expected safetensors, .pt, .pkl, .npy or .npz"

OTHERS: Mapping[str, bytes] = {
    "an empty file": rb"$",
    "a web page, so the download probably failed": rb"(?i:(\xef\xbb\xbf)?\s*(<!doctype|<html|<head|<\?xml|<!--))",
    "a Git LFS pointer in place of the file itself": rb"version https://git-lfs",
    "a gzip archive; unpack it first": rb"\x1f\x8b",
    "a bzip2, xz or zstandard archive; unpack it first": rb"BZh|\xfd7zXZ|\x28\xb5\x2f\xfd",
    "a 7z or rar archive; unpack it first": rb"7z\xbc\xaf|Rar!",
    "a tar archive; unpack it first": rb".{257}ustar",
    "a picture": rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF....WEBP|BM.{4}\0\0\0\0|II\*\0|MM\0\*|....ftypavif",
    "a PDF document": rb"%PDF",
    "an HDF5 file, as of Keras": rb"\x89HDF",
    "a GGUF file": rb"GGUF",
    "a TensorFlow Lite file": rb"....TFL3",
    "an ONNX model": rb"\x08[\x01-\x20]\x12.[\w.-]+",
    "a program": rb"\x7fELF|MZ|#!",
    "a file of JSON": rb"\s*[{\[]\s*[\"{\[\d\]}]",
}
"""What other files start with."""


def _ends_with_stop(stream: Stream) -> bool:
    """Whether the last byte is a pickle's last opcode."""
    return Stream(stream.file, stream.end - 1, stream.end, stream.allowance).take(1) == b"."


def _read_zip(stream: Stream, unread: Unread) -> object:
    """An archive of torch or NumPy."""
    found = members(stream)
    pickles = [name for name in found if name.rpartition("/")[2] == "data.pkl"]
    if len(pickles) == 1:
        prefix = pickles[0].removesuffix("data.pkl")
        if f"{prefix}constants.pkl" in found or any(name.startswith(f"{prefix}code/") for name in found):
            raise RejectedError("refused: a TorchScript archive, which is a program; save its state_dict instead")
        return read_archive(found, prefix, unread=unread)
    if found and all(name.endswith(".npy") for name in found):
        return {name.removesuffix(".npy"): _read_npy(member.stream()) for name, member in found.items()}
    raise RejectedError(f"a zip archive of {len(found)} files, neither torch's nor NumPy's; {EXPECTED}")


def _read_npy(stream: Stream) -> object:
    """An array in NumPy's own format (numpy.lib.format)."""
    magic = stream.take(8)
    if magic[:6] != b"\x93NUMPY" or magic[6] not in (1, 2, 3):
        raise RejectedError("damaged: a NumPy file of an unknown version")
    (size,) = struct.unpack(*(("<H", stream.take(2)) if magic[6] == 1 else ("<I", stream.take(4))))
    if size > 1 << 16:
        raise RejectedError("refused: a NumPy file with an enormous header")
    header = re.fullmatch(_NPY_HEADER, stream.take(size).decode("latin-1").strip())
    if header is None:
        raise RejectedError("a NumPy file of neither numbers nor text, or with a damaged header")
    code, fortran, sides = header.groups()
    shape = tuple(int(side.removesuffix("L")) for side in sides.replace(" ", "").split(",") if side)
    if not code.endswith("O"):
        return array(code, shape, stream.part(stream.left), stream.allowance, fortran=fortran == "True")
    found = read_pickle(stream)
    if not isinstance(found, PendingArray):
        raise RejectedError("damaged: a NumPy file of objects without its array")
    return found


_NPY_HEADER = r"\{'descr': '([^']{1,8})', 'fortran_order': (True|False), 'shape': \(([\dL, ]{0,700})\),? ?\}"


def _read_safetensors(path: Path) -> dict[str, object]:
    with safe_open(path, framework="pt") as file:
        tensors: dict[str, object] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors | ({"__metadata__": dict(metadata)} if (metadata := file.metadata()) else {})


_ATOMS = frozenset((type(None), bool, int, float, str, bytes))


class _Plain:
    """Turns what was read into a tree, within limits: objects may be shared, nested deep, or contain themselves."""

    def __init__(self, allowance: Allowance, size: int) -> None:
        self.allowance = Allowance(allowance.memory + size)  # a value that is shared counts wherever it stands
        self._unseen: dict[int, int] = {}
        """Of each storage, by its place in memory, the bytes that no tensor has shown yet."""

    def tree(self, value: object, depth: int = 0) -> Tree:
        """The value as plain data."""
        if depth > DEEPEST:
            raise RejectedError(f"refused: it is nested more than {DEEPEST} deep, or contains itself")
        match value:
            case list():
                return self._all(value, depth + 1)
            case tuple():
                return tuple(self._all(value, depth + 1))
            case dict():
                return dict(zip(value, self._all(value.values(), depth + 1), strict=True))
            case Tensor():
                return self._tensor(value)
            case Storage():
                return self._tensor(value.data.view(value.dtype))
            case Shell():
                state = self.tree(value.state, depth + 1)
                if isinstance(state, dict):
                    state.pop("build_module_src", None)
                return (state or {}) if value.name is None else Thing(value.name, state)
            case PendingArray():
                return self.tree(value.value, depth + 1)
            case Stream():
                return as_bytes(value)
            case torch.dtype():
                return str(value)
            case Allowed():
                return value.name
            case ArrayType():
                return value.code
        if type(value) not in _ATOMS:
            raise RejectedError(f"refused: it holds a {type(value).__name__}")
        return value

    def _all(self, values: Collection[object], depth: int) -> list[Tree]:
        self.allowance.step(len(values))
        return [value if type(value) in _ATOMS else self.tree(value, depth) for value in values]

    def _tensor(self, value: Tensor) -> Tensor:
        size, place = value.numel() * value.itemsize, value.untyped_storage().data_ptr()
        unseen = self._unseen.get(place, value.untyped_storage().nbytes())
        own = min(size, unseen)
        self._unseen[place] = unseen - own
        # as if each were copied, for some user will; what the file holds once and shows often, as fp32 and thrice
        self.allowance.hold(own + (size - own) // value.itemsize * max(value.itemsize, 4) * 3)
        # other bytes than 0 and 1 in a tensor of truth values make torch write beyond its ends
        return value.view(torch.uint8) != 0 if value.dtype == torch.bool else value
