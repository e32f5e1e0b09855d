"""Kendall's rank correlation of many values: pairs in the other order are counted bit by bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layeratlas.measures.score import MeasureError

Whole = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Ordered:
    """Values in order: rank [values] from 0, of equals the same; order [values]; tied: how many pairs are equal."""

    rank: Whole
    order: Whole
    tied: int

    @classmethod
    def of(cls, values: npt.NDArray[Any], name: str) -> Ordered:
        """Order values. Raises MeasureError where all are equal."""
        order = np.argsort(values)
        changes = np.diff(values[order]) != 0
        ranks = np.r_[0, np.cumsum(changes)]
        if not ranks[-1]:
            raise MeasureError(f"{name}: all pairs of sampled words are equally far apart, so that they have no order")
        rank = np.empty(len(values), np.int32)
        rank[order] = ranks
        return cls(rank, order.astype(np.int32), _pairs(np.bincount(ranks)))


def kendall(a: Ordered, b: Ordered, *, tau_a: bool) -> float:
    """Return tau-b, which makes up for ties; or tau-a, which counts them as no agreement."""
    count = len(a.rank)
    every = count * (count - 1) // 2
    together = a.rank.astype(np.int64) * (int(b.rank.max()) + 1) + b.rank
    if a.tied:  # among equals of a, in the order of b, so that they count for nothing
        together.sort()
        ordered = (together % (int(b.rank.max()) + 1)).astype(np.int32)
        both = _pairs(np.diff(np.flatnonzero(np.r_[True, np.diff(together) != 0, True])))
    else:
        ordered, both = b.rank[a.order], 0
    balance = every - a.tied - b.tied + both - 2 * inversions(ordered)
    if tau_a:
        return balance / every
    return float(balance / (np.sqrt(float(every - a.tied)) * np.sqrt(float(every - b.tied))))


def inversions(values: Whole) -> int:  # [values], whole numbers from 0
    """Count the pairs whose first is larger.

    From the highest bit down, values that agree in all higher bits stand together, in their first order: a pair differs
    first in one bit, and is counted where a 1 stands before a 0.
    """
    count = len(values)
    below = np.r_[0, np.cumsum(np.bincount(values, minlength=int(values.max()) + 1))]  # how many are smaller
    bits = int(values.max()).bit_length()
    found = 0
    for bit in reversed(range(bits)):
        high = values >> (bit + 1)
        is_one = ((values >> bit) & 1).astype(bool)
        ones = np.cumsum(is_one, dtype=np.int32) - is_one  # before each value, groups together
        start = below[np.minimum(high << (bit + 1), len(below) - 1)]  # of its group
        ones -= ones[start]  # before it in its group
        zero = ~is_one
        found += int(ones[zero].sum(dtype=np.int64))
        if bit:
            middle = below[np.minimum((2 * high + 1) << bit, len(below) - 1)]
            place = np.where(is_one, middle + ones, np.arange(count) - ones)
            moved = np.empty_like(values)
            moved[place] = values
            values = moved
    return found


def _pairs(sizes: npt.NDArray[Any]) -> int:
    """Count the pairs within groups of these sizes."""
    sizes = sizes.astype(np.int64)
    return int((sizes * (sizes - 1) // 2).sum())
