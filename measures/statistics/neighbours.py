"""What two layers' lists of nearest neighbours have in common. One function a measure, over one pair of layers."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from layeratlas.measures.statistics.wordwise import Matrix, NearestWords


def mutual(a: NearestWords, b: NearestWords) -> float:
    """Return the mean share of common neighbours."""
    return float(np.count_nonzero(a.among(b)) / a.lists.size)


def jaccard(a: NearestWords, b: NearestWords) -> float:
    """Return the mean Jaccard index."""
    return float(_jaccard(a.among(b)).mean())


def rank_similarity(a: NearestWords, b: NearestWords, *, joint: bool) -> float:
    """Return the mean agreement of common neighbours' ranks, with `joint` each word's times its Jaccard index."""
    places = a.among(b)
    agreement, most = _agreement(places.shape[1])
    common = np.count_nonzero(places, axis=1)
    of_words = agreement[np.arange(places.shape[1]), places].sum(axis=1) / most[common]
    return float((of_words * _jaccard(places) if joint else of_words).mean())


def second_order(
    a: tuple[NearestWords, npt.NDArray[Any]], b: tuple[NearestWords, npt.NDArray[Any]], *, of_distances: bool
) -> float:
    """Return the mean cosine of words' cosines (distances) to the neighbours in either layer.

    a, b: neighbours, and cosine distances [words, words].
    """
    (near_a, far_a), (near_b, far_b) = a, b
    places = [near_a.there, near_b.there]
    only_b = near_b.among(near_a) == 0  # [words, k]: what is among a's too is counted once
    vectors = []
    for far in (far_a, far_b):
        looked_up = [far.ravel().take(there).reshape(only_b.shape).astype(np.float64) for there in places]
        own, other = looked_up if of_distances else (1 - found for found in looked_up)
        vectors.append(np.concatenate([own, other * only_b], axis=1))
    x, y = vectors
    products, lengths = (x * y).sum(axis=1), np.sqrt(np.square(x).sum(axis=1) * np.square(y).sum(axis=1))
    vanished = ~x.any(axis=1) & ~y.any(axis=1)
    return float(np.where(vanished, 1.0, products / np.where(lengths > 0, lengths, 1)).clip(-1, 1).mean())


def dependence(a: NearestWords, b: NearestWords) -> float:
    """Return the unbiased dependence (HSIC) of two kernels that are 0 but where a word is a common neighbour."""
    words, k = a.lists.shape
    places = a.among(b)
    is_common = places > 0
    left = a.values * is_common
    right = np.take_along_axis(b.values, np.maximum(places.astype(np.intp), 1) - 1, axis=1) * is_common
    returned = ((a.places.take(a.back) > 0) & (b.places.take(a.back) > 0)).reshape(words, k)  # the other way too
    products = float((left * right * returned).sum())
    columns = np.bincount(a.lists.ravel(), left.ravel(), minlength=words)
    through = float(columns @ right.sum(axis=1))
    sums = float(left.sum() * right.sum())
    total = products + sums / ((words - 1) * (words - 2)) - 2 * through / (words - 2)
    return float(total / (words * (words - 3)))


def _jaccard(places: npt.NDArray[Any]) -> Matrix:  # [words, k] -> [words]
    common = np.count_nonzero(places, axis=1)
    found: Matrix = common / (2 * places.shape[1] - common)
    return found


@lru_cache(maxsize=8)
def _agreement(k: int) -> tuple[Matrix, Matrix]:
    """Return what a neighbour with rank r + 1 and rank s counts, [k, k + 1], and the most that so many can, [k + 1]."""
    r, s = np.arange(1, k + 1)[:, None], np.arange(k + 1)
    counts = np.where(s > 0, 2 / ((1 + np.abs(r - s)) * (r + s)), 0)
    most = np.cumsum(1 / np.arange(1, k + 1))
    return counts, np.r_[1.0, most]
