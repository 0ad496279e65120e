"""A stretch of a file read without trust: never beyond its end, never more of it in memory than its size warrants."""

from dataclasses import dataclass
from io import BufferedReader, BytesIO

import torch
from jaxtyping import UInt8
from torch import Tensor

from wplus.core.errors import printable

Bytes = UInt8[Tensor, " bytes"]
"""Raw memory; tensors are views of it."""

WINDOW = 1 << 14
"""How much is read at once for small things."""

SLACK = 1 << 28
"""Memory that a file of any size may ask for."""


MOST_STEPS = 1_000_000
"""Opcodes, and values in lists; a snapshot of three networks of 1024 px has some 60,000."""


class RejectedError(Exception):
    """Why a file is not read, in one line without the file's name."""


def shown(words: str) -> str:
    """Words of a file as a message may show them: not many, and nothing that a terminal would obey."""
    return printable(words[:100])


@dataclass
class Allowance:
    """What reading a file may still cost: bytes of memory, and steps of some 100 bytes each."""

    memory: int
    steps: int = MOST_STEPS

    @classmethod
    def of(cls, size: int) -> "Allowance":
        """That of a file of `size` bytes: three times itself, as text in a pickle may lie in memory twice."""
        return cls(3 * size + SLACK)

    def hold(self, size: int) -> None:
        """Ask for memory, before it is spent."""
        self.memory -= size
        if self.memory < 0:
            raise RejectedError("refused: it unfolds to far more memory than a file of its size needs")

    def step(self, count: int = 1) -> None:
        """Ask for steps."""
        self.steps -= count
        if self.steps < 0:
            raise RejectedError("refused: it consists of millions of parts, which no checkpoint needs")


class Stream:
    """Bytes `start` to `end` of a file, read in order; several may read one file in turns."""

    def __init__(self, file: BufferedReader | BytesIO, start: int, end: int, allowance: Allowance) -> None:
        self.file, self.start, self.end, self.allowance = file, start, end, allowance
        self.at = start
        self._window, self._window_at = b"", start

    @classmethod
    def of(cls, data: bytes, allowance: Allowance) -> "Stream":
        """The stream of bytes in memory."""
        return cls(BytesIO(data), 0, len(data), allowance)

    def __len__(self) -> int:
        return self.end - self.start

    @property
    def left(self) -> int:
        """How many bytes are unread."""
        return self.end - self.at

    def again(self) -> "Stream":
        """The same stretch from its start."""
        return Stream(self.file, self.start, self.end, self.allowance)

    def part(self, size: int) -> "Stream":
        """The next `size` bytes as a stream of their own, unread."""
        self._need(size)
        self.at += size
        return Stream(self.file, self.at - size, self.at, self.allowance)

    def peek(self, size: int) -> bytes:
        """Up to `size` of the next bytes; they stay unread."""
        size = min(size, self.left)
        begin = self.at - self._window_at
        if begin < 0 or begin + size > len(self._window):
            self.file.seek(self.at)
            self._window, self._window_at, begin = self.file.read(min(max(size, WINDOW), self.left)), self.at, 0
        return self._window[begin : begin + size]

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        begin = self.at - self._window_at
        piece = self._window[begin : begin + size]  # for most calls all there is to do
        if len(piece) < size or self.at + size > self.end:
            self._need(size)
            if size > WINDOW:
                self.file.seek(self.at)
                piece = self.file.read(size)
            else:
                piece = self.peek(size)
            if len(piece) < size:
                raise RejectedError("the file became shorter while it was read")
        self.at += size
        return piece

    def skip(self, size: int) -> None:
        """Pass over the next `size` bytes."""
        self.take(size)

    def line(self) -> bytes:
        """The bytes before the next newline, which is dropped."""
        size = 1 << 8
        while (found := self.peek(size).find(b"\n")) < 0:
            if size >= self.left:
                raise RejectedError("damaged or cut off: it ends within a line")
            size *= 8
        return self.take(found + 1)[:-1]

    def tensor(self, size: int) -> Bytes:
        """The next `size` bytes in memory of their own."""
        self._need(size)
        self.allowance.hold(size)
        data = torch.empty(size, dtype=torch.uint8)
        self.fill(data)
        return data

    def fill(self, data: Bytes) -> None:
        """Read the next `len(data)` bytes into `data`."""
        self._need(len(data))
        self.file.seek(self.at)
        if self.file.readinto(data.numpy().data) != len(data):
            raise RejectedError("the file became shorter while it was read")
        self.at += len(data)

    def _need(self, size: int) -> None:
        if not 0 <= size <= self.left:
            raise RejectedError(f"damaged or cut off: it announces {size:.6g} bytes more where {self.left} are left")
