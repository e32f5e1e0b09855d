"""What is made of sampled words, with the words in another order: places are looked up, nothing is computed again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from layeratlas.measures.statistics.concordance import Ordered
from layeratlas.measures.statistics.wordwise import NearestWords, nearest_words

Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Reordering:
    """Another order of words: `order` [words] says which word comes in each place."""

    order: Whole

    @cached_property
    def back(self) -> Whole:  # [words]
        """Where each word comes."""
        return np.argsort(self.order)

    @cached_property
    def pairs(self) -> Whole:  # [pairs of words]
        """Which pair of words comes in each place, of pairs as `entries.condensed` orders them."""
        words = len(self.order)
        first, second = (self.order[side] for side in np.triu_indices(words, 1))
        low, high = np.minimum(first, second), np.maximum(first, second)
        found: Whole = low * (2 * words - low - 1) // 2 + high - low - 1
        return found

    @cached_property
    def pairs_back(self) -> Whole:  # [pairs of words]
        """Where each pair of words comes."""
        found = np.empty_like(self.pairs)
        found[self.pairs] = np.arange(len(found))
        return found

    @cached_property
    def places(self) -> Whole:  # [pairs of words + words]
        """Which entry comes in each place: of a symmetric matrix above its diagonal, then of the diagonal."""
        return np.concatenate([self.pairs, len(self.pairs) + self.order])

    def entries(self, vector: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Reorder the entries of a symmetric matrix, with its diagonal or without."""
        return vector[self.places[: len(vector)]]

    def square(self, matrix: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Reorder rows and columns."""
        return matrix[np.ix_(self.order, self.order)]

    def nearest(self, found: NearestWords) -> NearestWords:
        """Reorder neighbours. Of words equally near, those stay that came first before."""
        return nearest_words(self.back[found.lists[self.order]], found.values[self.order])

    def ordered(self, found: Ordered) -> Ordered:
        """Reorder the order of pairs of words."""
        return replace(found, rank=found.rank[self.pairs], order=self.pairs_back[found.order].astype(np.int32))
