"""What the C library does with memory that is freed: measuring and extracting want opposite things of it."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_LARGE = 4_000_000  # bytes
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4  # of glibc's malloc.h
_TRIM_THRESHOLD, _MMAP_MAX = 128 * 1024, 65_536  # its own


def give_large_blocks_back() -> None:
    """Have the C library return each large block of memory at once, where it is glibc.

    By default its threshold follows the largest block that was freed, up to 32 MB; then matrices of pairs and sums of
    tiles share one heap, which shrinks only from its end. Measured over 325 pairs of 768 × 768: 3.1 GiB against 2.65.
    """
    if glibc := _glibc():
        glibc.mallopt(_M_MMAP_THRESHOLD, _LARGE)


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
        glibc.mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD)
        glibc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """Return the C library, where it is glibc."""
    try:
        library = ctypes.CDLL("libc.so.6")
        return library if library.mallopt and library.malloc_trim else None
    except (OSError, AttributeError):
        return None
