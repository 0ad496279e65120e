"""Large maps come and go every step: let the C library keep what they leave instead of giving it back to the kernel.

glibc maps every block above 32 MB anew, and the kernel then clears it page by page: at 1024 px that took a third of a
step. This costs no more than the peak of memory, which then stays with the process.
"""

import ctypes
import functools
import sys

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""Numbers of glibc's parameters (`man mallopt`)."""


@functools.cache
def keep_freed_memory() -> bool:
    """Ask glibc, once a process, to reuse large blocks; tells whether it does."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    return mallopt is not None and bool(mallopt(MMAP_MAX, 0)) and bool(mallopt(TRIM_THRESHOLD, (1 << 31) - 1))
