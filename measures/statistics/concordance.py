"""Kendall's rank correlation of many values: pairs in the other order are counted bit by bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Whole = npt.NDArray[np.int32]
_DIRECT = 5  # bits of the groups within which pairs are compared


@dataclass(frozen=True)
class Ordered:
    """Values in order: rank [values] from 0, of equals the same; order [values]; tied: how many pairs are equal."""

    rank: Whole
    order: Whole
    tied: int

    @classmethod
    def of(cls, values: npt.NDArray[Any]) -> Ordered:
        """Order values."""
        order = np.argsort(values)
        changes = np.diff(values[order]) != 0
        ranks = np.r_[0, np.cumsum(changes)]
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

    Values become different ones, equals in the order in which they stand, and are filled up to a power of 2. From the
    highest bit down, those that agree in all higher bits stand together, in their first order, half of them with a 1: a
    pair is counted in the bit in which it first differs, where the 1 stands before the 0. How many ones stand before a
    zero is its place, less the zeros before it; what stands in earlier groups is known.
    """
    count = len(values)
    if np.bincount(values).max() > 1:
        values = _different(values)
    bits = max(_DIRECT, (count - 1).bit_length())
    current = np.r_[values, np.arange(count, 2**bits, dtype=np.int32)]
    found = 0
    for bit in reversed(range(_DIRECT, bits)):
        is_one = (current & (1 << bit)) != 0
        groups, half = 2 ** (bits - 1 - bit), 2**bit
        zeros = np.flatnonzero(~is_one)
        earlier = half * half * (groups * (groups - 1) // 2)
        found += int(zeros.sum()) - len(zeros) * (len(zeros) - 1) // 2 - earlier
        halves = np.empty((groups, 2, half), np.int32)
        halves[:, 0] = current[zeros].reshape(groups, half)
        halves[:, 1] = current[is_one].reshape(groups, half)
        current = halves.ravel()
    columns = np.ascontiguousarray(current.reshape(-1, 2**_DIRECT).T)  # [in a group, groups]
    return found + sum(int(np.count_nonzero(columns[:place] > columns[place])) for place in range(1, len(columns)))


def _different(values: Whole) -> Whole:
    """Return ranks without ties: of equals, the first is the least."""
    found = np.empty_like(values)
    found[np.argsort(values, kind="stable")] = np.arange(len(values), dtype=values.dtype)
    return found


def _pairs(sizes: npt.NDArray[Any]) -> int:
    """Count the pairs within groups of these sizes."""
    sizes = sizes.astype(np.int64)
    return int((sizes * (sizes - 1) // 2).sum())
