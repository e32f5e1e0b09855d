"""A stretch of sentences' attention as the kernels read it: all heads of all layers over the same positions.

Sentences lie side by side, longest first, each row-major (query, key); neighbours of equal length make a `Run`, so
that a whole run is one array [heads, queries, keys].

Axes: heads (of all layers, layer after layer) · positions (query × key, of all sentences) · queries · keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[Any]


class HasHeads(Protocol):
    """A layer of which only the number of heads is asked."""

    @property
    def units(self) -> int:
        """How many heads it has."""


@dataclass(frozen=True)
class Run:
    """Neighbouring sentences of equal length, from position `start` on."""

    start: int
    words: int
    sentences: int

    @property
    def stop(self) -> int:
        """The position after the last."""
        return self.start + self.sentences * self.words**2

    def view(self, weights: Weights) -> Weights:  # [heads, positions] -> [heads, queries, words]
        """The run's queries, one after the other."""
        return weights[:, self.start : self.stop].reshape(len(weights), self.sentences * self.words, self.words)

    def split(self) -> Iterator[slice]:
        """The positions of each sentence."""
        for start in range(self.start, self.stop, self.words**2):
            yield slice(start, start + self.words**2)


@dataclass(frozen=True)
class Queries:
    """The queries that enter a comparison.

    weights [heads, positions]: whatever a query may not see is 0, and so are queries that are left out.
    """

    weights: Weights
    runs: tuple[Run, ...]
    causal: bool = False
    first_left_out: bool = False  # the first query of each sentence: all 0

    @property
    def sentences(self) -> int:
        """How many sentences have a query here."""
        return sum(run.sentences for run in self.runs)

    @property
    def count(self) -> int:
        """How many queries enter."""
        return sum(run.sentences * self.of_sentence(run) for run in self.runs)

    def of_sentence(self, run: Run) -> int:
        """How many queries of each of the run's sentences enter."""
        return run.words - self.first_left_out

    def parts(self, most: int) -> Iterator[Run]:
        """Cut the runs, so that the weights of a part take so many bytes at most, or are of one sentence."""
        for run in self.runs:
            size = run.words**2
            step = max(1, most // (self.weights.itemsize * len(self.weights) * size))
            for first in range(0, run.sentences, step):
                yield Run(run.start + first * size, run.words, min(step, run.sentences - first))

    def positions(self) -> npt.NDArray[np.bool_]:  # [positions]
        """Which positions a query sees."""
        kept = np.ones(self.weights.shape[1], bool)
        for run in self.runs:
            allowed = self.allowed(run)
            if allowed is not None:
                kept[run.start : run.stop] = allowed.ravel()
        return kept

    def allowed(self, run: Run) -> npt.NDArray[np.bool_] | None:  # [queries of the run, keys]
        """Which keys each query may see, and is here with; None for all."""
        if not self.causal:
            return None
        past = _past(run)
        past[:: run.words, 0] = not self.first_left_out
        return past


def head_slices(layers: Sequence[HasHeads]) -> list[slice]:
    """Return where each layer's heads stand among those of all layers."""
    edges = list(accumulate((layer.units for layer in layers), initial=0))
    return [slice(start, stop) for start, stop in pairwise(edges)]


def lay_out(
    sentences: Sequence[Sequence[Weights]], heads: int, dtype: npt.DTypeLike
) -> tuple[Weights, tuple[Run, ...]]:
    """Lay sentences, each a list of arrays [heads of a layer, query, key], out as weights [heads, positions]."""
    ordered = sorted(sentences, key=lambda layers: -layers[0].shape[1])
    weights = np.empty((heads, sum(layers[0].shape[1] ** 2 for layers in ordered)), dtype)
    runs, start = [], 0
    for words, group in groupby(ordered, key=lambda layers: layers[0].shape[1]):
        alike = list(group)
        runs.append(Run(start, words, len(alike)))
        for layers in alike:
            row, stop = 0, start + words**2
            for attention in layers:
                weights[row : row + len(attention), start:stop] = attention.reshape(len(attention), words**2)
                row += len(attention)
            start = stop
    return weights, tuple(runs)


def entering(weights: Weights, runs: tuple[Run, ...], *, causal: bool, single_key: str) -> Queries:
    """Return the queries that enter: with the future hidden, and without those that see a single key, if so wanted."""
    if single_key == "leave-out" and runs and runs[-1].words == 1:  # one-word sentences stand last
        weights, runs = weights[:, : runs[-1].start], runs[:-1]
    if not causal:
        return Queries(weights, runs)
    hidden = np.empty_like(weights)
    queries = Queries(hidden, runs, causal=True, first_left_out=single_key == "leave-out")
    for run in runs:
        _hide(run.view(weights), _past(run), run.view(hidden))
        if queries.first_left_out:
            run.view(hidden)[:, :: run.words] = 0
    return queries


def _past(run: Run) -> npt.NDArray[np.bool_]:  # [queries of the run, keys]
    """Which keys each query sees when the future is hidden."""
    return np.tile(np.tri(run.words, dtype=bool), (run.sentences, 1))


def _hide(weights: Weights, past: npt.NDArray[np.bool_], visible: Weights) -> None:  # [heads, queries, keys]
    """Hide the future in `visible`. A query that looked only ahead has nothing left to scale up: it becomes uniform."""
    np.multiply(weights, past, out=visible)
    seen = visible @ np.ones(past.shape[1], weights.dtype)  # [heads, queries]
    if not seen.all():
        head, query = np.nonzero(seen == 0)
        visible[head, query] = past[query]
        seen[head, query] = past[query].sum(axis=1)
    visible /= seen[..., None]
