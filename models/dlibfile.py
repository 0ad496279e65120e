"""Files that dlib wrote, read value by value: packed numbers, text, tensors of floats (dlib's serialize.h)."""

import math
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NoReturn

import numpy as np
import torch
from torch import Tensor

from wplus.core.errors import WeightsError

_TENSOR = 2  # version of a tensor that is stored as plain floats


class DlibFile:
    """A cursor in a file that dlib wrote: the reader says what must follow, so no file can ask for memory.

    Every method raises a WeightsError that names the place where the file ends early or holds something else.

    Args:
        path: the file.
        expected: what it should hold, for the error.

    Raises:
        WeightsError: the file cannot be opened.
    """

    def __init__(self, path: Path, *, expected: str) -> None:
        self.path, self.expected = path, expected
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise WeightsError(f"{path}: cannot be read: {error.strerror}") from error

    def __enter__(self) -> "DlibFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def integer(self) -> int:
        """A whole number: a byte with sign (0x80) and length (low four bits), then its bytes, the lowest first."""
        head = self._bytes(1)[0]
        length = head & 0x0F
        if not 1 <= length <= 8 or head & 0x70:
            self._refuse(f"a byte {head:#04x}", "a number")
        value = int.from_bytes(self._bytes(length), "little")
        return -value if head & 0x80 else value

    def integers(self, *expected: int) -> None:
        """Whole numbers that are known beforehand."""
        for value in expected:
            if (found := self.integer()) != value:
                self._refuse(str(found), str(value))

    def real(self) -> float:
        """A finite decimal: mantissa and power of two, both whole numbers."""
        mantissa, exponent = self.integer(), self.integer()
        if abs(exponent) > 1000:  # infinities and NaN have exponents of 32000 and more
            self._refuse(f"a power of two of {exponent}", "a finite number")
        return math.ldexp(mantissa, exponent)

    def text(self, expected: str) -> None:
        """A text that is known beforehand: its length, then its letters."""
        self.integers(len(expected))
        if (found := self._bytes(len(expected))) != expected.encode():
            self._refuse(f"'{found.decode('ascii', 'backslashreplace')}'", f"'{expected}'")

    def flags(self, count: int) -> None:
        """Truth values, written as the digits 0 and 1."""
        if (found := self._bytes(count)).strip(b"01"):
            self._refuse(repr(found), f"{count} digits 0 or 1")

    def tensor(self, *shape: int) -> Tensor:
        """A float32 tensor of this shape of four: version, sizes, then plain floats, the lowest byte first."""
        self.integers(_TENSOR, *shape)
        values = np.frombuffer(bytearray(self._bytes(4 * math.prod(shape))), dtype="<f4")
        if not np.isfinite(values).all():
            self._refuse("weights that are not finite", "finite ones")
        return torch.from_numpy(values.astype(np.float32, copy=False)).reshape(shape)

    def end(self) -> None:
        """Nothing follows."""
        if self._file.read(1):
            self._refuse("more bytes", "the end")

    def _bytes(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            self._refuse("the end of the file", f"{count} bytes")
        return data

    def _refuse(self, found: str, expected: str) -> NoReturn:
        place = f"{found} before byte {self._file.tell()}, expected {expected}"
        raise WeightsError(f"{self.path}: not {self.expected}, or damaged: {place}")
