"""Torch's own two containers: the legacy stream of pickles and storages, and the zip archive since torch 1.6.

Reference: `torch.serialization`.
"""

import struct
import sys
from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

import torch
from torch import Tensor

from wplus.models.checkpoints.foreign.allowed import LONGEST_NAME, Allowed, PendingArray, Shell, Storage
from wplus.models.checkpoints.foreign.archive import Member
from wplus.models.checkpoints.foreign.arrays import as_bytes, swapped
from wplus.models.checkpoints.foreign.stream import Bytes, RejectedError, Stream
from wplus.models.checkpoints.foreign.unpickle import Machine

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_VERSION = 1001

Unread: TypeAlias = Callable[[Collection[object]], Collection[str]]
"""Of the names in a file's dict, those that are to be left out, and their numbers unread."""


def everything(names: Collection[object]) -> Collection[str]:
    """An `Unread` that leaves nothing out."""
    return ()


def read_pickle(stream: Stream, *, unread: Unread = everything) -> object:
    """What a plain pickle or a legacy torch file holds; of a legacy file without what is `unread`.

    Raises:
        RejectedError, Exception: as `Machine.load`.
    """
    found = Machine(stream, nested=_inner).load()
    return _legacy(stream, nested=_inner, unread=unread) if _is(found, LEGACY_MAGIC) else found


def read_archive(members: Mapping[str, Member], prefix: str, *, unread: Unread = everything) -> object:
    """What a zip archive of torch holds, without what is `unread`.

    Raises:
        RejectedError, Exception: as `Machine.load`.
    """
    order = as_bytes(members[f"{prefix}byteorder"].stream()) if f"{prefix}byteorder" in members else b"little"
    if order not in (b"little", b"big"):
        raise RejectedError("damaged: an archive with an unknown order of bytes")
    storages: dict[str, Storage] = {}

    def persistent(identity: object) -> object:
        dtype, key, size, first, last = _identity(identity)
        if key not in storages:
            member = members.get(f"{prefix}data/{key}")
            if member is None or member.size < size:
                raise RejectedError(f"damaged or cut off: the archive lacks a storage of {size:.6g} bytes")
            member.archive.allowance.hold(member.size)
            storages[key] = Storage(torch.empty(member.size, dtype=torch.uint8), dtype)  # filled below
        if len(storages[key].data) < size:
            raise RejectedError("damaged: a storage of two sizes")
        return Storage(storages[key].data[first:last], dtype)

    found = Machine(members[f"{prefix}data.pkl"].stream(), persistent=persistent, nested=_inner).load()
    needed = _needed(found, unread)
    for key, storage in storages.items():
        if needed(storage.data):
            members[f"{prefix}data/{key}"].fill(storage.data)
            if order != sys.byteorder.encode():
                turned = swapped(storage.data, storage.dtype.itemsize // (2 if storage.dtype.is_complex else 1))
                storage.data[: len(turned)] = turned
    return found


def _needed(found: object, unread: Unread) -> Callable[[Bytes], bool]:
    """Leave what is unread out of the dict that a file holds, and tell whether what is left shows a storage."""
    names = [name for name in unread(found) if name in found] if type(found) is dict else []
    if not names:
        return lambda data: True
    assert isinstance(found, dict)
    for name in names:
        del found[name]
    shown: set[int] = set()
    left: list[object] = [found]
    seen: set[int] = set()
    while left:
        value = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        match value:
            case dict():
                left.extend(value.values())
            case list() | tuple():
                left.extend(value)
            case Shell():
                left.append(value.state)
            case PendingArray():
                left.append(value.value)
            case Storage():
                shown.add(value.data.untyped_storage().data_ptr())
            case Tensor():
                shown.add(value.untyped_storage().data_ptr())
    return lambda data: data.untyped_storage().data_ptr() in shown


def _is(value: object, number: int) -> bool:
    return type(value) is int and value == number


def _inner(stream: Stream) -> object:
    """The torch file within a pickle; no other may lie within it."""
    if not _is(Machine(stream).load(), LEGACY_MAGIC):
        raise RejectedError("refused: a torch file within a pickle that is none")
    return _legacy(stream, nested=None, unread=everything)


def _legacy(stream: Stream, *, nested: Callable[[Stream], object] | None, unread: Unread) -> object:
    """The rest of a legacy file behind its magic number: version, system, objects, keys, storages."""
    if not _is(Machine(stream).load(), LEGACY_VERSION):
        raise RejectedError("damaged: a legacy torch file of an unknown version")
    Machine(stream).load()  # about the computer that wrote it; the numbers are little-endian from any
    storages: dict[str, Storage] = {}

    def persistent(identity: object) -> object:
        match identity:
            case ("module", Allowed() as kind, *_):
                return kind
        dtype, key, size, first, last = _identity(identity)
        if size > stream.left:
            raise RejectedError(f"damaged or cut off: a storage of {size:.6g} bytes where {stream.left} are left")
        if key not in storages:
            stream.allowance.hold(size)
            storages[key] = Storage(torch.empty(size, dtype=torch.uint8), dtype)  # filled below
        if len(storages[key].data) != size:
            raise RejectedError("damaged: a storage of two sizes")
        return Storage(storages[key].data[first:last], dtype)

    found = Machine(stream, persistent=persistent, nested=nested).load()
    keys = Machine(stream).load()
    if not isinstance(keys, list) or len(keys) != len(storages) or not all(type(key) is str for key in keys):
        raise RejectedError("damaged: the storages are not those that the tensors ask for")
    needed = _needed(found, unread)
    for key in keys:
        storage = storages.pop(key)
        (count,) = struct.unpack("<q", stream.take(8))
        if count * storage.dtype.itemsize != len(storage.data):
            raise RejectedError(f"damaged: a storage of {count} numbers in {len(storage.data)} bytes")
        if needed(storage.data):
            stream.fill(storage.data)
        else:
            stream.part(len(storage.data))
    return found


def _identity(identity: object) -> tuple[torch.dtype, str, int, int, int]:
    """What a persistent id tells of a storage: kind of number, key, size, first and last byte of the part in use."""
    match identity:
        case ("storage", torch.dtype() as dtype, str(key), _, int(count), *rest) if (
            0 <= count < 1 << 48 and len(key) <= LONGEST_NAME
        ):
            size = dtype.itemsize
            match rest:
                case [] | [None]:
                    return dtype, key, count * size, 0, count * size
                case [(_, int(offset), int(length))] if 0 <= offset <= count and 0 <= length <= count - offset:
                    return dtype, key, count * size, offset * size, (offset + length) * size
    raise RejectedError("refused: a persistent id that names no storage of plausible size")
