"""A symmetric matrix of words as one vector, so that its cosine with another layer's is what a measure asks for.

The forms: `plain` gives the cosine of entries, `less_mean` Pearson's correlation, `ranks` Spearman's; `centred` in both
directions, of distances or of a kernel, distance correlation and CKA with their bias; `u_centred` (Székely and Rizzo
2014) the same without it; `less_mean_centred` the whitened Pearson correlation of Diedrichsen et al. 2021, whose
whitening by the covariance of dissimilarities is that centring.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from layeratlas.measures.score import MeasureError
from layeratlas.measures.statistics.wordwise import Matrix, Wordwise

Vector = npt.NDArray[np.floating[Any]]
_EQUAL = 1e-11  # entries whose spread is a smaller share of their size are equal but for rounding


def entries(matrix: Matrix, form: str, rows: Wordwise, dtype: Any) -> Vector:
    """Return the vector [entries]. Raises MeasureError where it vanishes: then it has no cosine."""
    rows.need(4 if form == "u_centred" else 3, "this comparison of pairs of words")
    pairs = condensed(matrix)
    if form == "ranks":
        return _centred_ranks(in_an_order(pairs, rows.name))
    size = float(np.abs(pairs).max())
    if form in ("plain", "over_rms", "over_median"):
        found = pairs / _scale(pairs, form, rows.name)
    elif form == "less_mean":
        found = pairs - pairs.mean()
    elif form == "u_centred":
        found = condensed(_u_centred(matrix))
    else:
        if form == "less_mean_centred":
            matrix = matrix - pairs.mean()
            np.fill_diagonal(matrix, 0)
        centred = _centred(matrix)
        found = np.concatenate([np.sqrt(2) * condensed(centred), centred.diagonal()])
    if not size > 0 or not float(np.abs(found).max()) > _EQUAL * size:
        raise _equally_far(rows.name)
    return found.astype(dtype, copy=False)


def _scale(pairs: Matrix, form: str, name: str) -> float:
    """Return what entries are divided by. Raises MeasureError where that is 0."""
    if form == "plain":
        return 1.0
    scale = float(np.median(pairs) if form == "over_median" else np.sqrt(np.square(pairs).mean()))
    if not scale > 0:
        raise MeasureError(f"{name}: half of all pairs of sampled words are equal, so that the median distance, which "
                           "all others are divided by, is 0")  # fmt: skip
    return scale


def in_an_order(pairs: Matrix, name: str) -> Matrix:
    """Return the entries of pairs of words as they are. Raises MeasureError where all are equal but for rounding."""
    if not pairs.max() - pairs.min() > _EQUAL * np.abs(pairs).max():
        raise _equally_far(name)
    return pairs


def _equally_far(name: str) -> MeasureError:
    return MeasureError(
        f"{name}: all pairs of sampled words are equally far apart, so that there is nothing to compare"
    )


def condensed(matrix: npt.NDArray[Any]) -> npt.NDArray[Any]:  # [words, words] -> [pairs of words]
    """Return the entries above the diagonal, row by row."""
    found: npt.NDArray[Any] = matrix[_above(len(matrix))]
    return found


@lru_cache(maxsize=1)
def _above(words: int) -> npt.NDArray[np.bool_]:
    return np.triu(np.ones((words, words), bool), 1)


def _centred(matrix: Matrix) -> Matrix:
    """Take off the means of rows and columns."""
    means = matrix.mean(axis=0)
    found: Matrix = matrix - means
    found -= (means - means.mean())[:, None]
    return found


def _u_centred(matrix: Matrix) -> Matrix:
    """Take off the means of the others, so that products do not hold what a word has with itself."""
    words = len(matrix)
    sums = matrix.sum(axis=0) - matrix.diagonal()
    found: Matrix = matrix - sums / (words - 2)
    found += (sums.sum() / ((words - 1) * (words - 2)) - sums / (words - 2))[:, None]
    return found


def _centred_ranks(values: Matrix) -> Vector:  # [entries]
    """Return twice the ranks, equals sharing their mean rank, less their mean: whole numbers, exact in float32."""
    order = np.argsort(values)
    changes = np.flatnonzero(np.diff(values[order])) + 1
    count = len(values)
    if len(changes) == count - 1:
        doubled = np.arange(2, 2 * count + 2, 2)
    else:
        first, last = np.r_[0, changes], np.r_[changes, count]
        doubled = np.repeat(first + 1 + last, last - first)
    ranks: Vector = np.empty(count, np.float32 if count < 2**23 else np.float64)
    ranks[order] = doubled - (count + 1)
    return ranks


def norm_of_difference(a: Vector, b: Vector, norm: str) -> float:  # a, b [pairs of words]
    """Return the `vector`, `rms` or `spectral` norm of a - b."""
    difference = a - b
    if norm == "spectral":
        return float(np.abs(np.linalg.eigvalsh(_square(difference))[[0, -1]]).max())
    length = np.sqrt(float(np.dot(difference, difference)))
    return float(length / np.sqrt(len(difference)) if norm == "rms" else length)


def _square(values: Vector) -> Matrix:  # [pairs of words] -> [words, words]
    words = int(np.sqrt(2 * len(values))) + 1
    found = np.zeros((words, words))
    found[_above(words)] = values
    return found + found.T
