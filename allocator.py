"""What the C library does with memory that is freed: measuring and extracting want opposite things of it."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_LARGE = 8 * 2**20  # bytes: more than a matrix of a thousand neurons squared in float64
_KEPT = 32 * 2**20  # bytes that are free at the end of the heap
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4  # of glibc's malloc.h
_MMAP_MAX = 65_536  # its own


def give_large_blocks_back() -> None:
    """Have the C library return each large block of memory at once, where it is glibc.

    By default its threshold follows the largest block that was freed, and the heap shrinks as soon as its end is free.
    The matrices of pairs are better kept: each comes again at once, and returned in between, as new pages that the
    system must clear. Measured: 12 layers × 768 take 23.7 s, and 25.4 with a threshold of 4 MB, for up to 50 MB more.
    """
    if glibc := _glibc():
        glibc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        glibc.mallopt(_M_TRIM_THRESHOLD, _KEPT)


@contextmanager
def large_blocks_kept() -> Iterator[None]:
    """Have the C library keep what is freed, where it is glibc, for the length of the block; then give it back.

    A model asks for the same large blocks in every batch. Given back in between, each comes as new pages that the
    system must clear: measured over MiniLM, half a million pages in seven seconds of forward passes.
    """
    glibc = _glibc()
    if not glibc:
        yield
        return
    glibc.mallopt(_M_MMAP_MAX, 0)
    glibc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        glibc.mallopt(_M_MMAP_MAX, _MMAP_MAX)
        glibc.mallopt(_M_TRIM_THRESHOLD, _KEPT)  # for what is measured after it
        glibc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """Return the C library, where it is glibc."""
    try:
        library = ctypes.CDLL("libc.so.6")
        return library if library.mallopt and library.malloc_trim else None
    except (OSError, AttributeError):
        return None
