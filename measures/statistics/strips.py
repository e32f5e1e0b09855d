"""Which products to make for which pairs: narrow layers go side by side, since a wide product takes half as long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

Pair = tuple[int, int]

_ENOUGH_NEURONS = 512  # in the rows of a product: more make it no faster
_SURPLUS = 1.1  # how much more than its pairs need a strip may compute


@dataclass(frozen=True)
class Strip:
    """One product: neighbouring layers (first, last + 1) as rows, against neighbouring layers as columns."""

    rows: tuple[int, int]
    columns: tuple[int, int]


def strips(units: Sequence[int], pairs: Iterable[Pair]) -> list[Strip]:
    """Return strips that cover pairs (a, b), a < b, of layers with these widths, in the order of their rows."""
    edges = [0, *accumulate(units)]
    found: list[Strip] = []
    asked = 0  # products of two neurons that the last strip's pairs need
    for run in _runs(pairs):
        own = _size(run, edges)
        if found and _touch(found[-1], run):
            joined = Strip((found[-1].rows[0], run.rows[1]), found[-1].columns)
            neurons = edges[joined.rows[1]] - edges[joined.rows[0]]
            if neurons <= _ENOUGH_NEURONS and _size(joined, edges) <= _SURPLUS * (asked + own):
                found[-1], asked = joined, asked + own
                continue
        found.append(run)
        asked = own
    return found


def size(units: Sequence[int], pairs: Iterable[Pair]) -> int:
    """Return how many products of two neurons the strips of these pairs hold."""
    edges = [0, *accumulate(units)]
    return sum(_size(strip, edges) for strip in strips(units, pairs))


def _size(strip: Strip, edges: Sequence[int]) -> int:
    height, width = (edges[last] - edges[first] for first, last in (strip.rows, strip.columns))
    return height * width


def _touch(strip: Strip, run: Strip) -> bool:
    """Tell whether a strip that takes in the next row's run covers it."""
    return (
        strip.rows[1] == run.rows[0]
        and strip.columns[0] <= run.columns[0] and strip.columns[1] == run.columns[1]
    )  # fmt: skip


def _runs(pairs: Iterable[Pair]) -> list[Strip]:
    """Return each row's pairs as runs of neighbouring columns."""
    found: list[tuple[int, int, int]] = []
    for a, b in sorted(pairs):
        if found and found[-1][0] == a and found[-1][2] == b:
            found[-1] = (a, found[-1][1], b + 1)
        else:
            found.append((a, b, b + 1))
    return [Strip((a, a + 1), (first, last)) for a, first, last in found]
