"""Sums from which the similarity of every head with every other follows, in one pass over the sentences.

Heads of all layers stand side by side, so that one product serves all pairs of layers. Nothing is kept of a sentence
but [heads, heads] sums in float64. `bounded` and `released` are the conventions of attsim (docs/measures.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from layeratlas.measures.sources.sentences import Queries, Run, Weights

Total = npt.NDArray[np.float64]  # [heads_a, heads_b]

_MIXTURE_BYTES = 2**21  # of mixtures at a time: short calls would have threads wait for Python's lock
_TABLE_BYTES = 2**26  # of the counts and sums of a block of queries, for all pairs of heads
_BLOCK = 2**15  # positions that are turned to float64 at a time
_DOUBTFUL = 2e4  # × eps: a squared distance below this share of the squared norms has lost its digits
# numpy's float32 log2 is the faster one where it is vectorised, which is with AVX512; its log is vectorised everywhere
_LOG, _NATS = (np.log2, math.log(2)) if torch.backends.cpu.get_cpu_capability() == "AVX512" else (np.log, 1.0)
_CONSTANT = 8 * np.finfo(np.float32).eps  # a row that strays from its mean by a smaller share is float32's rounding


class HeadPairs(Protocol):
    """One similarity of heads: what is made of sentences once, what is added for a block of pairs, what comes of it."""

    constant: npt.NDArray[np.int64] | None  # [heads], how many of each head's rows are constant, where that matters

    def prepare(self, queries: Queries) -> Any:
        """Do what is done head by head."""

    def add(self, total: Total, prepared: Any, rows: slice, columns: slice) -> None:
        """Add to the sums of heads `rows` with heads `columns`."""

    def finish(self, total: Total, queries: int, sentences: int) -> Total:
        """Turn sums into similarities."""


class Frobenius:
    """The distance of two sentences' matrices, ‖A‖² + ‖B‖² - 2 A·B, all pairs of heads in a product a sentence."""

    constant: npt.NDArray[np.int64] | None = None

    def __init__(self, convention: str) -> None:
        self._bounded = convention == "bounded"

    def prepare(self, queries: Queries) -> tuple[Weights, list[tuple[slice, Weights, float]]]:
        """Return the weights and, of each sentence, where it stands, its heads' squared norms and its own weight."""
        sentences = []
        for run in queries.runs:
            count = queries.of_sentence(run)
            weight = math.sqrt(count / 2) if self._bounded else 1.0  # n queries × distance / √(2n)
            for place in run.split():
                part = queries.weights[:, place]
                sentences.append((place, _dots(part, part), weight))
        return queries.weights, sentences

    def add(
        self, total: Total, prepared: tuple[Weights, list[tuple[slice, Weights, float]]], rows: slice, columns: slice
    ) -> None:
        """Add the sentences' weighted distances."""
        weights, sentences = prepared
        batch = np.zeros(total.shape, weights.dtype)
        square, norms = np.empty_like(batch), np.empty_like(batch)
        tolerance = weights.dtype.type(_DOUBTFUL * np.finfo(weights.dtype).eps)
        for place, norm, weight in sentences:
            a, b = weights[rows, place], weights[columns, place]
            np.matmul(a, b.T, out=square)
            square *= -2
            np.add.outer(norm[rows], norm[columns], out=norms)
            square += norms
            if square.min() < tolerance * (norm[rows].max() + norm[columns].max()):
                _recompute(square, square < tolerance * norms, a, b)
            np.sqrt(square, out=square)
            square *= weight
            batch += square
        total += batch

    def finish(self, total: Total, queries: int, sentences: int) -> Total:
        """One minus the mean distance, over queries or (released) over sentences."""
        similarity: Total = 1 - total / (queries if self._bounded else sentences)
        return similarity.clip(0, 1) if self._bounded else similarity


def _recompute(square: Weights, doubtful: npt.NDArray[np.bool_], a: Weights, b: Weights) -> None:
    """Do the heads that lie close to one another, if there are any, again in float64, about their common mean."""
    if not doubtful.any():
        return
    rows, columns = np.flatnonzero(doubtful.any(axis=1)), np.flatnonzero(doubtful.any(axis=0))
    exact = np.zeros((len(rows), len(columns)))
    for start in range(0, a.shape[1], _BLOCK):
        left, right = (x[:, start : start + _BLOCK][some].astype(np.float64) for x, some in ((a, rows), (b, columns)))
        middle = left.mean(axis=0)
        left -= middle
        right -= middle
        exact += np.add.outer(_dots(left, left), _dots(right, right)) - 2 * (left @ right.T)
    square[np.ix_(rows, columns)] = np.maximum(exact, 0)


class Pearson:
    """Correlations of rows: one product of standardised weights, over all positions at once."""

    def __init__(self, convention: str) -> None:
        self._released = convention == "released"
        self.constant: npt.NDArray[np.int64] | None = None

    def prepare(self, queries: Queries) -> Weights:  # [heads, positions]
        """Centre each row over the keys its query may see, and scale it to length one."""
        rows = np.empty_like(queries.weights)
        for run in queries.runs:
            self.standardise(queries, run, run.view(rows))
        return rows

    def standardise(self, queries: Queries, run: Run, centred: Weights) -> None:  # [heads, queries, keys]
        """Write a run's rows to `centred`; a constant one is all 0."""
        weights, allowed = run.view(queries.weights), queries.allowed(run)
        keys = np.array(run.words) if allowed is None else allowed.sum(axis=1)  # [queries], or one number for all
        keys = np.maximum(keys, 1).astype(weights.dtype)
        mean = weights @ np.ones(run.words, weights.dtype) / keys  # [heads, queries]
        np.subtract(weights, mean[..., None], out=centred)
        if allowed is not None:
            centred *= allowed
        length = np.sqrt(_dots(centred, centred))
        constant = length <= weights.dtype.type(_CONSTANT) * np.sqrt(keys) * np.abs(mean)
        length[constant] = np.inf
        left_out = run.sentences * (run.words - queries.of_sentence(run))  # all 0, and so constant
        counted = constant.sum(axis=1) - left_out
        self.constant = counted if self.constant is None else self.constant + counted
        scale = np.sqrt((keys - 1) / keys) if self._released else 1  # a population covariance over sample deviations
        centred *= (scale / length)[..., None]

    def add(self, total: Total, prepared: Weights, rows: slice, columns: slice) -> None:
        """Add every query's correlation."""
        total += prepared[rows] @ prepared[columns].T

    def finish(self, total: Total, queries: int, sentences: int) -> Total:
        """The mean over queries."""
        similarity: Total = total / queries
        return similarity.clip(-1, 1)


class PearsonNonzero:
    """Correlations over keys to which both heads give weight; where no head gives 0, Pearson's product."""

    constant: npt.NDArray[np.int64] | None = None

    def __init__(self, convention: str) -> None:
        self._released, self._pearson = convention == "released", Pearson("bounded")

    def prepare(self, queries: Queries) -> tuple[list[Weights], list[Weights]]:
        """Return standardised rows of runs without zeros, and the weights [heads, queries, keys] of the others."""
        plain, sparse = [], []
        for run in queries.runs:
            weights, allowed = run.view(queries.weights), queries.allowed(run)
            zero = weights == 0 if allowed is None else (weights == 0) & allowed
            if zero.any():
                sparse.append(weights)
            else:
                plain.append(np.empty((len(weights), run.stop - run.start), weights.dtype))
                self._pearson.standardise(queries, run, plain[-1].reshape(weights.shape))
        return plain, sparse

    def add(self, total: Total, prepared: tuple[list[Weights], list[Weights]], rows: slice, columns: slice) -> None:
        """Add every query's correlation."""
        plain, sparse = prepared
        for part in plain:
            self._pearson.add(total, part, rows, columns)
        step = max(1, _TABLE_BYTES // (8 * 8 * total.size))
        for weights in sparse:
            for start in range(0, weights.shape[1], step):
                some = weights[:, start : start + step].astype(np.float64).transpose(1, 0, 2)  # [queries, heads, keys]
                total += self._correlations(some[:, rows], some[:, columns]).sum(axis=0)

    def _correlations(
        self, a: Weights, b: Weights
    ) -> Weights:  # [queries, heads_a, keys] -> [queries, heads_a, heads_b]
        """Correlate by counts and sums. The released code counts common keys but sums over all; NaN becomes 0."""
        some_a, some_b = ((x != 0).astype(np.float64) for x in (a, b))
        over_a, over_b = (np.ones_like(x) for x in (a, b)) if self._released else (some_a, some_b)
        turned = [x.transpose(0, 2, 1) for x in (b, some_b, over_b, b**2)]
        count, both = some_a @ turned[1], a @ turned[0]
        sum_a, sum_b = a @ turned[2], over_a @ turned[0]
        square_a, square_b = count * (a**2 @ turned[2]) - sum_a**2, count * (over_a @ turned[3]) - sum_b**2
        if not self._released:  # what rounding leaves of a constant row
            constant = np.minimum(square_a / np.maximum(sum_a**2, 1e-300), square_b / np.maximum(sum_b**2, 1e-300))
            square_a[constant < _CONSTANT**2] = 0
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Weights = (count * both - sum_a * sum_b) / np.sqrt(square_a * square_b)
        found[~np.isfinite(found)] = 0
        if not self._released:
            np.clip(found, -1, 1, out=found)
        return found

    def finish(self, total: Total, queries: int, sentences: int) -> Total:
        """The mean over queries."""
        return total / queries


class JensenShannon:
    """Divergences need one logarithm a pair and position: Σ x ln x of p + q; all else is done head by head."""

    constant: npt.NDArray[np.int64] | None = None

    def __init__(self, convention: str) -> None:
        self._bounded, self.threads = convention == "bounded", 1

    def prepare(self, queries: Queries) -> tuple[Weights, Weights]:  # [heads, positions], [heads]
        """Return the weights and, of each head, Σ x ln x + ln 2 Σ x."""
        weights = queries.weights
        own = np.empty(len(weights))
        for head, row in enumerate(weights):
            own[head] = float(_dots(row, np.log(row + _tiny(row)))) + math.log(2) * float(row.sum())
        return weights, own

    def add(self, total: Total, prepared: tuple[Weights, Weights], rows: slice, columns: slice) -> None:
        """Add every query's divergence in nats."""
        weights, own = prepared
        total += np.add.outer(own[rows], own[columns]) / 2
        a, b = weights[rows], weights[columns]
        shares = np.array_split(np.arange(len(a)), self.threads)
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(lambda heads: _take_mixtures(total, a, b, heads), shares))

    def finish(self, total: Total, queries: int, sentences: int) -> Total:
        """One minus the mean divergence over queries, in bits or (released) in nats."""
        similarity: Total = 1 - total / (queries * math.log(2) if self._bounded else queries)
        return similarity.clip(0, 1) if self._bounded else similarity


def _take_mixtures(total: Total, a: Weights, b: Weights, heads: npt.NDArray[Any]) -> None:
    """Take half of Σ x ln x of p + q from the sums of `heads` p of a with all q of b."""
    step = max(64, _MIXTURE_BYTES // (b.itemsize * len(b)))
    for start in range(0, b.shape[1], step):
        block = b[:, start : start + step] + _tiny(b)
        mixed, logarithm = np.empty_like(block), np.empty_like(block)
        for head in heads:
            np.add(block, a[head, start : start + step], out=mixed)
            _LOG(mixed, out=logarithm)
            total[head] -= _dots(mixed, logarithm) * (_NATS / 2)


def _dots(x: Weights, y: Weights) -> Weights:  # [..., n], [..., n] -> [...]
    found: Weights = np.vecdot(x, y) if hasattr(np, "vecdot") else np.einsum("...n,...n->...", x, y)
    return found


def _tiny(weights: Weights) -> Any:
    """Return what, added to a weight, changes only 0: its logarithm is finite, and times itself it is nothing."""
    return weights.dtype.type(np.finfo(np.float32).tiny)


SIMILARITIES: dict[str, Callable[[str], HeadPairs]] = {
    "frobenius": Frobenius, "pearson": Pearson, "pearson_nonzero": PearsonNonzero, "jensen_shannon": JensenShannon,
}  # fmt: skip


def rectangles(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int, int, int]]:
    """Cover pairs of layers by rectangles (first a, last a + 1, first b, last b + 1), three quarters of them wanted."""
    if not pairs:
        return []
    rows, columns = zip(*pairs, strict=True)
    left, right, top, bottom = min(rows), max(rows) + 1, min(columns), max(columns) + 1
    if 4 * len(pairs) >= 3 * (right - left) * (bottom - top):
        return [(left, right, top, bottom)]
    axis, middle = (0, (left + right) // 2) if right - left >= bottom - top else (1, (top + bottom) // 2)
    before = [pair for pair in pairs if pair[axis] < middle]
    return rectangles(before) + rectangles([pair for pair in pairs if pair[axis] >= middle])
