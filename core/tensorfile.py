"""Safetensors files with one JSON header: the form of everything wplus writes, weights and latents alike."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from wplus.core.errors import OutputError, WplusError
from wplus.core.files import replacing

KEY = "wplus"
"""The metadata key under which the JSON header lies."""


def write_tensors(path: str | Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors and header, atomically.

    Raises:
        OutputError: the file cannot be written.
    """
    plain = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    with replacing(path) as temporary:
        try:
            save_file(plain, temporary, metadata={KEY: json.dumps(header, sort_keys=True)})
        except SafetensorError as reason:
            raise OutputError(f"cannot write {path}: {reason}") from reason


def read_tensors(
    path: str | Path, *, error: type[WplusError], expected: str
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and header; `error` is what to raise, `expected` what its message says was wanted.

    Raises:
        error: no such file, not safetensors, truncated, or without a header of ours.
    """
    header, names = _open(path, error=error, expected=expected)
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in names}, header


def is_foreign(path: str | Path) -> bool:
    """Whether a file is there that wplus did not write: it is no safetensors, or has no header of ours."""
    try:
        if not Path(path).is_file():
            return False
        with Path(path).open("rb") as file:
            start = file.read(9)
        if len(start) < 9 or start[4:8] != bytes(4) or start[8:] != b"{":
            return len(start) == 9
        with safe_open(path, framework="pt") as tensors:
            return KEY not in (tensors.metadata() or {})
    except (OSError, SafetensorError):
        return False


def read_header(path: str | Path, *, error: type[WplusError], expected: str) -> dict[str, Any]:
    """Read the JSON header alone.

    Raises:
        error: as `read_tensors`.
    """
    return _open(path, error=error, expected=expected)[0]


def _open(path: str | Path, *, error: type[WplusError], expected: str) -> tuple[dict[str, Any], list[str]]:
    """The header and the tensors' names, or `error` in one line."""
    if Path(path).exists() and not Path(path).is_file():
        raise error(f"{path}: is a {'folder' if Path(path).is_dir() else 'device'}, expected {expected}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            names = list(file.keys())
        header = json.loads(metadata[KEY])
    except FileNotFoundError:
        raise error(f"{path}: no such file") from None
    except OSError as reason:
        raise error(f"{path}: cannot be read: {reason.strerror or reason}") from reason
    except SafetensorError as reason:
        with Path(path).open("rb") as file:
            start = file.read(2)
        if start == b"PK" or start[:1] == b"\x80":
            raise error(f"{path}: a file of torch.save or pickle, expected {expected} (.safetensors)") from reason
        raise error(f"{path}: not {expected}, or damaged: {reason}") from reason
    except KeyError:
        raise error(f"{path}: a safetensors file, but not {expected} (it has no '{KEY}' header)") from None
    except (ValueError, RecursionError) as reason:
        raise error(f"{path}: not {expected}: its header is no JSON") from reason
    if not isinstance(header, dict):
        raise error(f"{path}: not {expected}: its header is no JSON object")
    return header, names


def fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """Sixteen hexadecimal digits that change with any number."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
