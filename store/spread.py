"""How far a number would differ on other text, from what it is when blocks of the text are left out or drawn anew.

Jackknife, with blocks of unequal length (Busing, Meijer and van der Leeden 1999): n words, blocks of m_j, h_j = n/m_j,
the number without block j is s_j. Less its bias it is g s - Σ (1 - 1/h_j) s_j, and with pseudo-values
p_j = h_j s - (h_j - 1) s_j its squared standard error is the mean of (p_j - that)² / (h_j - 1).
Bootstrap: blocks are drawn with replacement; the bias is the mean of the draws less the number.
Either way the interval is the number less its bias ± Student's t with g - 1 degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from layeratlas.store.student import quantile, two_sided

LEVEL = 0.95


class Spread(NamedTuple):
    """A number less its bias, its standard error, and the degrees of freedom of what is said of it."""

    corrected: float
    error: float
    freedom: int

    @property
    def reach(self) -> float:
        """Half of the interval of 95 %."""
        return quantile(1 - LEVEL, self.freedom) * self.error

    @property
    def p(self) -> float:
        """How likely a number as far from 0 is, where it is 0 on all text."""
        if not self.error > 0:
            return float(self.corrected == 0)
        return two_sided(self.corrected / self.error, self.freedom)


def spread(method: str, value: float, replicates: Sequence[float], sizes: Sequence[int]) -> Spread:
    """Return how far a number may be off. replicates: without each block, or of each draw; sizes: of the blocks."""
    blocks = len(sizes)
    if method == "jackknife":
        times = [sum(sizes) / size for size in sizes]
        corrected = blocks * value - sum((1 - 1 / h) * one for h, one in zip(times, replicates, strict=True))
        square = sum((h * value - (h - 1) * one - corrected) ** 2 / (h - 1)
                     for h, one in zip(times, replicates, strict=True)) / blocks  # fmt: skip
        return Spread(corrected, math.sqrt(square), blocks - 1)
    mean = sum(replicates) / len(replicates)
    square = sum((one - mean) ** 2 for one in replicates) / (len(replicates) - 1)
    return Spread(2 * value - mean, math.sqrt(square * blocks / (blocks - 1)), blocks - 1)
