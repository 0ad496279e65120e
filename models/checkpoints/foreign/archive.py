"""Zip archives, read with every figure doubted: what torch and NumPy write, stored or deflated, up to 64-bit sizes.

Not `zipfile`: it reads a directory of any length, trusts sizes, and lets entries overlap.
Reference: APPNOTE.TXT 6.3 of PKWARE.
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from wplus.models.checkpoints.foreign.stream import Bytes, RejectedError, Stream, shown

MOST_ENTRIES = 1 << 16
CHUNK = 1 << 20


@dataclass(frozen=True)
class Member:
    """A file within an archive."""

    archive: Stream
    name: str
    raw_name: bytes
    method: int
    checksum: int
    packed: int
    size: int
    offset: int

    def stream(self) -> Stream:
        """Its contents, unpacked and compared with their checksum."""
        packed = self._packed()
        if self.method:
            data = self._inflated(packed)
            self._check(zlib.crc32(data))
            return Stream.of(data, self.archive.allowance)
        found, reading = 0, packed.again()
        while reading.left:
            found = zlib.crc32(reading.take(min(CHUNK, reading.left)), found)
        self._check(found)
        return packed

    def fill(self, data: Bytes) -> None:
        """Read its contents into `data`, of its size, and compare them with their checksum."""
        if self.method:
            self.stream().fill(data)
            return
        self._packed().fill(data)
        self._check(zlib.crc32(data.numpy().data))

    def _packed(self) -> Stream:
        """Its bytes as they lie in the archive."""
        whole = self.archive
        head = Stream(whole.file, min(whole.start + self.offset, whole.end), whole.end, whole.allowance)
        signature, name, extra = struct.unpack("<4s22xHH", head.take(30))
        if signature != b"PK\3\4" or head.take(name) != self.raw_name:
            raise RejectedError("damaged: an archive whose directory points to something else")
        head.part(extra)
        return head.part(self.packed)

    def _inflated(self, packed: Stream) -> bytes:
        self.archive.allowance.hold(self.size)
        unpacking = zlib.decompressobj(-15)
        data = unpacking.decompress(packed.take(len(packed)), self.size + 1)
        if len(data) != self.size or not unpacking.eof or unpacking.unused_data:
            raise RejectedError(f"damaged: {shown(self.name)} does not unpack to {self.size} bytes")
        return data

    def _check(self, found: int) -> None:
        if self.checksum not in (0, found):  # torch can be told to write none
            raise RejectedError(f"damaged: {shown(self.name)} differs from its checksum")


def members(archive: Stream) -> Mapping[str, Member]:
    """The files in an archive, by name.

    Raises:
        RejectedError: it is cut off or damaged, has more than `MOST_ENTRIES` files, two of one name or at one
            place, or encrypted ones.
    """
    count, size, offset = _directory_place(archive)
    if count > MOST_ENTRIES or size > 256 * MOST_ENTRIES:
        raise RejectedError(f"refused: an archive of {count} files")
    directory = Stream(archive.file, archive.start, archive.end, archive.allowance)
    directory.part(offset)
    directory = directory.part(size)
    found: dict[str, Member] = {}
    for _ in range(count):
        member = _entry(directory, archive)
        if member.name in found:
            raise RejectedError(f"refused: an archive with two files named {shown(member.name)}")
        found[member.name] = member
    behind = offset
    for member in sorted(found.values(), key=lambda member: member.offset, reverse=True):
        if member.offset + 30 + len(member.raw_name) + member.packed > behind:
            raise RejectedError("refused: an archive whose files overlap")  # each would be read, and checked, again
        behind = member.offset
    return found


def _directory_place(archive: Stream) -> tuple[int, int, int]:
    """Entries, size and offset of the directory."""
    end = Stream(archive.file, max(archive.start, archive.end - 65557), archive.end, archive.allowance)
    tail = end.take(len(end))
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < 22:
        raise RejectedError("damaged or cut off: an archive without its directory")
    count, size, offset, comment = struct.unpack("<10xHIIH", tail[at : at + 22])
    if len(tail) - at - 22 != comment:
        raise RejectedError("damaged or cut off: an archive with another end than its directory tells")
    if count != 0xFFFF and 0xFFFFFFFF not in (size, offset):
        return count, size, offset
    signature, place = struct.unpack("<4s4xQ4x", tail[max(at - 20, 0) : at])
    record = Stream(archive.file, archive.start, archive.end, archive.allowance)
    record.part(place)
    marks, count, size, offset = struct.unpack("<4s28xQQQ", record.take(56))
    if (signature, marks) != (b"PK\6\7", b"PK\6\6"):
        raise RejectedError("damaged: an archive whose long directory is missing")
    return count, size, offset


def _entry(directory: Stream, archive: Stream) -> Member:
    """The next file that the directory lists."""
    fields = struct.unpack("<4s4xHH4xIIIHHH8xI", directory.take(46))
    signature, flags, method, checksum, packed, size, name_size, extra_size, comment_size, offset = fields
    if signature != b"PK\1\2":
        raise RejectedError("damaged: an archive whose directory is broken")
    raw_name = directory.take(name_size)
    name = raw_name.decode("utf-8" if flags & 0x800 else "cp437")
    extra = directory.take(extra_size)
    directory.part(comment_size)
    if flags & 1 or method not in (0, 8):
        raise RejectedError(f"{shown(name)} in it is encrypted, or packed by a method other than deflate")
    long = _long_sizes(extra)
    size, packed, offset = (long.pop(0) if value == 0xFFFFFFFF and long else value for value in (size, packed, offset))
    if method == 0 and packed != size:
        raise RejectedError(f"damaged: {shown(name)} has two sizes")
    return Member(archive, name, raw_name, method, checksum, packed, size, offset)


def _long_sizes(extra: bytes) -> list[int]:
    """The 64-bit figures among an entry's extra fields, in the order of the short ones that they replace."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            return [number for (number,) in struct.iter_unpack("<Q", extra[at + 4 : at + 4 + size // 8 * 8])]
        at += 4 + size
    return []
