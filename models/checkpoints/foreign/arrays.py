"""Tensors and NumPy arrays from a foreign file's sizes, strides and bytes, each checked before memory is touched."""

import re
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from wplus.models.checkpoints.foreign.stream import Allowance, Bytes, RejectedError, Stream

NUMPY: Mapping[str, torch.dtype] = {
    "b1": torch.bool,
    "i1": torch.int8,
    "i2": torch.int16,
    "i4": torch.int32,
    "i8": torch.int64,
    "u1": torch.uint8,
    "u2": torch.uint16,
    "u4": torch.uint32,
    "u8": torch.uint64,
    "f2": torch.float16,
    "f4": torch.float32,
    "f8": torch.float64,
    "c8": torch.complex64,
    "c16": torch.complex128,
}
"""NumPy's kinds of number."""

MOST_DIMENSIONS = 32
LARGEST = 1 << 48


def strided(data: Bytes, dtype: torch.dtype, offset: int, size: Sequence[Any], stride: Sequence[Any]) -> Tensor:
    """A view of `data`: numbers at `offset` + sum of index x `stride`, all counted in elements.

    Raises:
        RejectedError: it reaches beyond the data, or a figure is negative, no integer or absurd.
    """
    values = [offset, *size, *stride]
    if len(size) != len(stride) or len(size) > MOST_DIMENSIONS or not all(type(value) is int for value in values):
        raise RejectedError("damaged: a tensor's sizes are no list of integers, or not as many as its strides")
    if min(values) < 0 or max(values) > LARGEST or prod(max(side, 1) for side in size) > LARGEST:
        raise RejectedError("refused: a tensor with negative or enormous sizes, strides or offset")
    whole = data[: len(data) // dtype.itemsize * dtype.itemsize].view(dtype)
    reach = offset + 1 + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
    if 0 in size:
        return torch.empty(tuple(size), dtype=dtype)
    if reach > len(whole):
        raise RejectedError(f"damaged: a tensor of {reach} numbers in a storage of {len(whole)}")
    return whole.as_strided(tuple(size), tuple(stride), offset)


def array(
    code: str, shape: object, raw: object, allowance: Allowance, *, fortran: bool = False
) -> Tensor | list[object] | str | bytes | object:
    """A NumPy array: numbers as a tensor, texts and objects as nested lists, or alone for the shape ().

    Args:
        code: byte order, kind and size, as `<f4`.
        shape: its sides.
        raw: its memory (a stream, bytes, or text in which a character is a byte), or the list of its objects.
        allowance: what it may cost.
        fortran: the first index runs fastest.

    Raises:
        RejectedError: another kind of array, or the figures do not fit the memory.
    """
    kind = re.fullmatch(r"([<>|=]?)([a-zA-Z?])(\d{0,4})", code)
    sides = shape if isinstance(shape, tuple | list) else (-1,)
    if len(sides) > MOST_DIMENSIONS or not all(type(side) is int and 0 <= side <= LARGEST for side in sides):
        raise RejectedError("damaged: an array whose shape is no list of sizes")
    order, letter, width = kind.groups() if kind else ("", "", "")
    if letter == "O":
        return _objects(raw, sides, allowance)
    data = _memory(raw, allowance)
    if letter in ("S", "U") and width not in ("", "0"):
        return _texts(data, sides, int(width), order + letter, allowance)
    dtype = NUMPY.get("b1" if letter == "?" else letter + width)
    if dtype is None:
        raise RejectedError(f"an array of type {code[:20]!r}, which is neither numbers nor text")
    if prod(sides) * dtype.itemsize != len(data):
        raise RejectedError(f"damaged or cut off: an array of shape {tuple(sides)!s:.100} in {len(data)} bytes")
    unit = dtype.itemsize // (2 if dtype.is_complex else 1)
    values = (swapped(data, unit) if order == ">" else data).view(dtype)
    if fortran:
        return values.reshape(tuple(reversed(sides))).permute(tuple(reversed(range(len(sides)))))
    return values.reshape(tuple(sides))


def swapped(data: Bytes, unit: int) -> Bytes:
    """The bytes of every number of `unit` bytes in the other order."""
    return data[: len(data) // unit * unit].reshape(-1, unit).flip(1).reshape(-1)


def as_bytes(raw: object) -> bytes:
    """Bytes of what a pickle uses for them, text of Python 2 included; those of a stream are copied."""
    if isinstance(raw, Stream):
        raw.allowance.hold(len(raw))
        return raw.again().take(len(raw))
    if isinstance(raw, str):
        return raw.encode("latin-1")
    if not isinstance(raw, bytes):
        raise RejectedError(f"damaged: a {type(raw).__name__} where bytes belong")
    return raw


def _memory(raw: object, allowance: Allowance) -> Bytes:
    if isinstance(raw, Stream):
        return raw.again().tensor(len(raw))
    data = as_bytes(raw)
    allowance.hold(len(data))
    return torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)


def _objects(raw: object, sides: Sequence[int], allowance: Allowance) -> object:
    if not isinstance(raw, list) or len(raw) != prod(sides):
        raise RejectedError("damaged: an array of objects whose shape does not fit their number")
    return _nested(raw, sides, allowance)


def _texts(data: Bytes, sides: Sequence[int], width: int, kind: str, allowance: Allowance) -> object:
    size = width * (4 if kind[-1] == "U" else 1)
    if prod(sides) * size != len(data):
        raise RejectedError(f"damaged or cut off: an array of shape {tuple(sides)!s:.100} in {len(data)} bytes")
    allowance.step(prod(sides))
    memory = data.numpy().tobytes()
    parts = [memory[at : at + size] for at in range(0, len(memory), size)]
    if kind[-1] == "S":
        return _nested([part.rstrip(b"\0") for part in parts], sides, allowance)
    encoding = "utf-32-be" if kind[0] == ">" else "utf-32-le"
    return _nested([part.decode(encoding).rstrip("\0") for part in parts], sides, allowance)


def _nested(items: list[Any], sides: Sequence[int], allowance: Allowance) -> object:
    """Items in lists of lists, innermost the last side."""
    if not sides:
        return items[0]
    if 0 in sides:
        return []
    for side in reversed(sides[1:]):
        allowance.step(len(items))
        items = [items[at : at + side] for at in range(0, len(items), side)]
    return items
