"""What the C library does with freed memory: kept while a model runs, given back when it is done."""

from __future__ import annotations

import platform

import numpy as np
import pytest

from layeratlas.allocator import give_large_blocks_back, large_blocks_kept

resource = pytest.importorskip("resource")
SIZE = 32_000_000  # bytes: 7,813 pages of 4 KiB
pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")


def new_pages() -> int:
    """Fill a large block five times, freed each time; return how many pages the system had to give."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        np.empty(SIZE, np.uint8).fill(1)
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)


def test_large_blocks_are_kept_for_the_next_that_asks_and_given_back_at_the_end() -> None:
    """Huge pages, where the system has them on always, are 512 times as large: only the share is looked at."""
    give_large_blocks_back()
    given_back = new_pages()
    with large_blocks_kept():
        new_pages()
        kept = new_pages()
    assert kept * 20 < given_back
    assert new_pages() > given_back / 2
