"""One layer's sampled words against each other: distances, kernels and neighbours, in float64, each made once.

Words whose rows are equal to the last bit (frequent in the embedding layer) are one row in every product, so that what
is equally far is exactly equally far, whatever order a product is summed in.

Axes: words (of the sample) · neurons · k (neighbours, nearest first).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from layeratlas.measures.score import ConstantLayer, MeasureError, TooFewWords

Matrix = npt.NDArray[np.float64]
T = TypeVar("T")
_NOTHING = 1e-13  # a row shorter than this share of the longest has no direction
_PARALLEL = 1e-12  # 1 - cosine of rows that differ by rounding


@dataclass(frozen=True)
class NearestWords:
    """Each word's k nearest others.

    lists [words, k]: who they are, nearest first; values [words, k]: their similarities (distances);
    there, back [words × k]: the places of (word, neighbour) and (neighbour, word) in a flat [words × words];
    places [words × words]: 1 + the place of a word in another's list, 0 where it is not there.
    """

    lists: npt.NDArray[np.intp]
    values: Matrix
    there: npt.NDArray[np.intp]
    back: npt.NDArray[np.intp]
    places: npt.NDArray[np.unsignedinteger[Any]]

    def among(self, other: NearestWords) -> npt.NDArray[np.unsignedinteger[Any]]:  # [words, k]
        """Return 1 + the place that each of these neighbours has in the other's list of the same word; 0: none."""
        return other.places.take(self.there).reshape(self.lists.shape)


class Wordwise:
    """A layer's sampled words, and what was made of them. rows [words, neurons]: float64, as the model has them."""

    def __init__(self, name: str, rows: Matrix) -> None:
        self.name, self.words = name, len(rows)
        known: dict[bytes, int] = {}
        self._which = np.array([known.setdefault(row.tobytes(), len(known)) for row in rows + 0.0])  # [words]
        self.distinct = len(known)
        if self.distinct < 2:
            raise ConstantLayer(f"{name} is constant: the {self.words:,} words of the sample are all the same")
        self.rows = rows
        self._first = np.unique(self._which, return_index=True)[1]  # [distinct]
        self._made: dict[Hashable, Any] = {}

    def need(self, words: int, what: str) -> None:
        """Raise TooFewWords where the sample has fewer."""
        if self.words < words:
            raise TooFewWords(f"{what} takes at least {words} words; {self.name} has {self.words} in the sample")

    def dissimilarities(self, metric: str, *, centred: bool) -> Matrix:  # [words, words]
        """Return 1 - cosine, 1 - correlation, the Euclidean distance or its square; 0 between equal words."""
        if metric == "euclidean":
            return self._once((metric,), lambda: _root(self._squared()))
        if metric == "sqeuclidean":
            return self._squared()
        return self._once((metric, centred), lambda: self._angles(metric, centred=centred))

    def gaussian(self, sigma: float, bandwidth: str, *, unit_rows: bool) -> Matrix:  # [words, words]
        """Return a Gaussian kernel. Raises MeasureError where most words are equal, so that there is no bandwidth."""
        squared = 2 * self.dissimilarities("cosine", centred=False) if unit_rows else self._squared()
        width = sigma**2
        if bandwidth != "fixed":
            pairs = squared if bandwidth == "median" else squared[np.triu_indices(self.words, 1)]
            median = np.median(pairs) if bandwidth == "median" else np.median(np.sqrt(pairs)) ** 2
            if not median > 0:
                raise MeasureError(f"{self.name}: more than half of all pairs of words are equal, so that their median "
                                   "distance, the kernel's width, is 0")  # fmt: skip
            width *= float(median)
        found: Matrix = np.exp(squared / (-2 * width))
        return found

    def uniformity(self, t: float, *, unit_rows: bool, with_self: bool) -> float:
        """Return log mean exp(-t d²) over pairs of words. Raises MeasureError where unit rows have no direction."""
        squared = 2 * self.dissimilarities("cosine", centred=False) if unit_rows else self._squared()
        pairs = squared if with_self else squared[np.triu_indices(self.words, 1)]
        nearest = float(pairs.min())  # so that not all can vanish
        return float(np.log(np.exp(-t * (pairs - nearest)).mean()) - t * nearest)

    def two_nearest(self) -> Matrix:  # [distinct, 2]
        """Return the distances of words whose rows differ to the nearest and the second nearest of the others.

        They are computed from differences once they are chosen: products lose the digits of near neighbours.
        """
        if self.distinct < 3:
            raise TooFewWords(f"{self.name}: {self.distinct} of the sampled words' rows differ; two neighbours take 3")
        rows = self.rows[self._first]
        squared = self._squared()[np.ix_(self._first, self._first)]
        np.fill_diagonal(squared, np.inf)
        chosen = np.argpartition(squared, 1, axis=1)[:, :2]
        found: Matrix = np.stack([np.linalg.norm(rows - rows[near], axis=1) for near in chosen.T], axis=1)
        found.sort(axis=1)
        return found

    def neighbours(self, k: int, near: str, clip: float) -> NearestWords:
        """Return each word's k nearest others. Raises TooFewWords."""
        self.need(k + 2, f"a choice of {k} nearest words")
        return self._once(("neighbours", k, near, clip), lambda: _nearest(self._remoteness(near, clip), k, near))

    def _remoteness(self, near: str, clip: float) -> Matrix:  # [words, words]
        rows = self.rows
        if clip < 1:
            place = int(clip * rows.size)  # as the Platonic repository takes a quantile
            far = float(np.partition(np.abs(rows), place, axis=None)[place])
            rows = rows.clip(-far, far)
        if near == "dot":
            return -self._product(rows)
        if near == "cosine":
            return 1 - self._product(self._unit(rows)) if clip < 1 else self.dissimilarities("cosine", centred=False)
        return self._squared() if clip == 1 else self._distances(rows)

    def _squared(self) -> Matrix:
        return self._once(("sqeuclidean",), lambda: self._distances(self.rows))

    def _distances(self, rows: Matrix) -> Matrix:  # [words, neurons] -> [words, words]
        centred = rows - rows.mean(axis=0)
        found = self._product(centred)
        own = found.diagonal().copy()
        found *= -2
        found += own
        found += own[:, None]
        found.clip(0, None, out=found)
        return self._equal_words(found, 0.0)

    def _angles(self, metric: str, *, centred: bool) -> Matrix:
        rows = self.rows - self.rows.mean(axis=0) if centred else self.rows
        if metric == "correlation":
            rows = rows - rows.mean(axis=1, keepdims=True)
        found = 1 - self._product(self._unit(rows))
        found.clip(0, 2, out=found)
        if not found.max() > _PARALLEL:
            raise ConstantLayer(f"{self.name}: all sampled words point the same way, so that there are no angles")
        return self._equal_words(found, 0.0)

    def _unit(self, rows: Matrix) -> Matrix:  # [words, neurons]
        scaled = rows / (np.abs(rows).max() or 1)  # so that squares neither vanish nor overflow
        lengths = np.sqrt(np.square(scaled).sum(axis=1))
        nothing = np.flatnonzero(lengths <= _NOTHING * lengths.max())
        if len(nothing):
            raise MeasureError(
                f"{self.name}: {len(nothing)} of {self.words:,} sampled words have no direction (their rows are 0, or "
                "the mean where that is taken off), so that there is no cosine. Use Euclidean distances"
            )
        found: Matrix = scaled / lengths[:, None]
        return found

    def _product(self, rows: Matrix) -> Matrix:  # [words, neurons] -> [words, words]
        """Return rows rowsᵀ, equal words alike to the last bit."""
        if self.distinct == self.words:
            return rows @ rows.T  # numpy sees that it is symmetric
        chosen = rows[self._first]
        found: Matrix = (chosen @ chosen.T)[np.ix_(self._which, self._which)]
        return found

    def _equal_words(self, found: Matrix, value: float) -> Matrix:
        """Write what equal words, and a word with itself, have."""
        if self.distinct == self.words:
            np.fill_diagonal(found, value)
        else:
            found[self._which[:, None] == self._which] = value
        return found

    def _once(self, key: Hashable, make: Callable[[], T]) -> T:
        if key not in self._made:
            self._made[key] = make()
        found: T = self._made[key]
        return found


def _root(matrix: Matrix) -> Matrix:
    found: Matrix = np.sqrt(matrix)
    return found


def _nearest(remoteness: Matrix, k: int, near: str) -> NearestWords:
    """Choose the k least of every row, the word itself left out; of equals, the lower index."""
    words = len(remoteness)
    remoteness = remoteness.copy()
    np.fill_diagonal(remoteness, np.inf)
    reach = np.partition(remoteness, k - 1, axis=1)[:, k - 1 : k]
    near_enough = remoteness <= reach
    for row in np.flatnonzero(near_enough.sum(axis=1) > k):  # several are equally far as the last
        near_enough[row] = False
        near_enough[row, np.argsort(remoteness[row], kind="stable")[:k]] = True
    lists = np.nonzero(near_enough)[1].reshape(words, k)
    values = np.take_along_axis(remoteness, lists, axis=1)
    order = np.argsort(values, axis=1, kind="stable")
    lists, values = np.take_along_axis(lists, order, axis=1), np.take_along_axis(values, order, axis=1)
    similar = {"cosine": 1 - values, "dot": -values}.get(near, values)
    return nearest_words(lists, similar)


def nearest_words(lists: npt.NDArray[np.intp], values: Matrix) -> NearestWords:  # each [words, k]
    """Return neighbours with their places."""
    words, k = lists.shape
    own = np.arange(words)[:, None]
    there, back = (own * words + lists).ravel(), (lists * words + own).ravel()
    places: npt.NDArray[Any] = np.zeros(words**2, np.uint8 if k < 2**8 else np.uint16)
    places[there] = np.broadcast_to(np.arange(1, k + 1), lists.shape).ravel()
    return NearestWords(lists, values, there, back, places)
