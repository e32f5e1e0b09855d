"""What one pass over sentences of attention gathers: similarities of all pairs of heads, and moments over positions.

Memory holds [heads, heads] sums; it does not grow with the number of sentences.

Axes: pairs (of layers, compared at once) · heads · heads_a, heads_b · positions (query × key, of all sentences).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from layeratlas.measures.score import TooFewWords
from layeratlas.measures.sources.attention import STRETCH_BYTES
from layeratlas.measures.sources.sentences import head_slices
from layeratlas.measures.statistics import orders
from layeratlas.measures.statistics.centring import Block, Centring
from layeratlas.measures.statistics.folds import summed
from layeratlas.measures.statistics.moments import Cross, Layer, Moments
from layeratlas.measures.statistics.similarities import SIMILARITIES, JensenShannon, Total, rectangles

if TYPE_CHECKING:
    from layeratlas.measures.sources.attention import Sentences, Stretch
    from layeratlas.measures.sources.sentences import Queries, Weights
    from layeratlas.measures.statistics.head_similarity import HeadSimilarity
    from layeratlas.measures.statistics.positions import PositionMoments

_BLOCK = 2**15  # positions that are turned to float64 at a time


@dataclass(frozen=True)
class HeadCounts:
    """What is known of one layer beside its heads' similarities: its constant rows, -1 where they do not matter."""

    constant: int


@dataclass(frozen=True)
class HeadCross:
    """Similarities of heads of a with heads of b, for a batch of pairs, and how much they were computed from."""

    similarity: Tensor  # [pairs, heads_a, heads_b]
    words: int
    queries: int
    sentences: int

    @property
    def flipped(self) -> HeadCross:
        """The same, seen from b."""
        return HeadCross(self.similarity.mT, self.words, self.queries, self.sentences)


class _Counted:
    """How much entered: words of the sentences that have a query, queries, sentences."""

    def __init__(self, layers: Sequence[Sentences]) -> None:
        self.words = self.queries = self.sentences = 0
        self._names = [layer.name for layer in layers]

    def add(self, queries: Queries) -> None:
        """Count what enters."""
        self.words += sum(run.words * run.sentences for run in queries.runs)
        self.queries += queries.count
        self.sentences += queries.sentences

    def together(self, parts: Sequence[_Counted], weights: Sequence[int]) -> _Counted:
        """Return how much entered of parts, each as often as its weight says."""
        found = copy(self)
        for name in ("words", "queries", "sentences"):
            setattr(found, name, summed([getattr(part, name) for part in parts], weights))
        return found

    def require(self, index: int) -> None:
        """Raise TooFewWords when nothing entered."""
        if not self.queries:
            raise TooFewWords(
                f"{self._names[index]} has no query that sees two keys or more: every sentence that it has in common "
                "with what it is compared with is a single word. Extract longer text"
            )


class _OfSentences:
    """What is of whole sentences, and so can be met with them in another order."""

    _counted: _Counted

    @property
    def words(self) -> int:
        """How many words the sentences have that entered."""
        return self._counted.words

    def orders(
        self, asked: orders.Asked, layer: Sentences, held: Stretch
    ) -> Iterator[orders.Order]:  # each [positions]
        """Give orders of sentences."""
        return orders.of_positions(asked, held.runs)


class HeadPairs(_OfSentences):
    """The sums of one similarity, for rectangles of layers that cover the pairs."""

    def __init__(
        self, statistic: HeadSimilarity, layers: Sequence[Sentences], pairs: Sequence[tuple[int, int]]
    ) -> None:
        self._causal, self._single_key = statistic.causal, statistic.single_key
        self._statistic, self._kind = statistic, _similarity_of(statistic)
        self._columns = head_slices(layers)
        self._rectangles = [
            (self._across(a, last_a), self._across(b, last_b)) for a, last_a, b, last_b in rectangles(sorted(pairs))
        ]
        self._totals = [np.zeros((a.stop - a.start, b.stop - b.start)) for a, b in self._rectangles]
        self._counted = _Counted(layers)

    def _across(self, first: int, last: int) -> slice:
        return slice(self._columns[first].start, self._columns[last - 1].stop)

    def add(self, block: Stretch) -> None:
        """Take the next sentences."""
        queries = block.entering(causal=self._causal, single_key=self._single_key)
        self._counted.add(queries)
        prepared = self._kind.prepare(queries)
        for total, (rows, columns) in zip(self._totals, self._rectangles, strict=True):
            self._kind.add(total, prepared, rows, columns)

    def together(self, parts: Sequence[HeadPairs], weights: Sequence[int]) -> HeadPairs:
        """Return the sums of parts, each times a weight."""
        found = copy(self)
        found._totals = [summed(some, weights) for some in zip(*(part._totals for part in parts), strict=True)]
        found._counted = self._counted.together([part._counted for part in parts], weights)
        found._kind = copy(self._kind)
        counted = [(part._kind.constant, weight) for part, weight in zip(parts, weights, strict=True)]
        some = [(constant, weight) for constant, weight in counted if constant is not None]
        if some:
            found._kind.constant = summed([constant for constant, _ in some], [weight for _, weight in some])
        return found

    def shuffled(self, held: Stretch, order: Tensor) -> HeadPairs:
        """Return what a's sentences with b's in another order give; what is known of layers stays."""
        found, queries = copy(self), held.entering(causal=self._causal, single_key=self._single_key)
        found._kind, found._totals = _similarity_of(self._statistic), [np.zeros_like(total) for total in self._totals]
        heads = len(queries.weights)
        for run in queries.parts(STRETCH_BYTES // 2):
            own = slice(run.start, run.stop)
            both = np.concatenate([queries.weights[:, own], queries.weights[:, order[own].numpy()]])
            prepared = found._kind.prepare(replace(queries, weights=both, runs=(replace(run, start=0),)))
            for total, (rows, columns) in zip(found._totals, self._rectangles, strict=True):
                found._kind.add(total, prepared, rows, slice(columns.start + heads, columns.stop + heads))
        return found

    def group(self, a: int, b: int) -> None:
        """A layer's rows are the same in all pairs."""

    def prepare(self, index: int, group: Hashable = None) -> HeadCounts:
        """Return what is known of a layer. Raises TooFewWords when no query entered."""
        self._counted.require(index)
        constant = self._kind.constant
        return HeadCounts(-1 if constant is None else int(constant[self._columns[index]].sum()))

    def pair(self, pairs: Sequence[tuple[int, int]]) -> HeadCross:
        """Return the similarities of pairs."""
        counted = self._counted
        found = [self._kind.finish(self._total(a, b), counted.queries, counted.sentences) for a, b in pairs]
        return HeadCross(torch.from_numpy(np.stack(found)), counted.words, counted.queries, counted.sentences)

    def _total(self, a: int, b: int) -> Total:  # [heads_a, heads_b]
        left, right = self._columns[a], self._columns[b]
        for total, (rows, columns) in zip(self._totals, self._rectangles, strict=True):
            if rows.start <= left.start < rows.stop and columns.start <= right.start < columns.stop:
                down, across = left.start - rows.start, right.start - columns.start
                return total[down : down + left.stop - left.start, across : across + right.stop - right.start]
        raise KeyError((a, b))

    def release(self, row: int) -> None:
        """The sums are small, and shared by all pairs of a rectangle."""


def _similarity_of(statistic: HeadSimilarity) -> Any:
    found = SIMILARITIES[statistic.similarity](statistic.convention)
    if isinstance(found, JensenShannon):
        found.threads = torch.get_num_threads()
    return found


class Positions(_OfSentences):
    """Moments of heads over positions: one set for all layers or, with `drop`, one for each first layer."""

    def __init__(
        self, statistic: PositionMoments, layers: Sequence[Sentences], pairs: Sequence[tuple[int, int]]
    ) -> None:
        self._causal, self._single_key = statistic.causal, statistic.single_key
        self._drop, self._columns = statistic.zeros == "drop", head_slices(layers)
        self._counted = _Counted(layers)
        grouped: dict[int | None, list[tuple[int, int]]] = {}
        for pair in pairs:
            grouped.setdefault(self.group(*pair), []).append(pair)
        self._sums = {first: _Sums(layers, some) for first, some in grouped.items()}
        self._held: tuple[Block, npt.NDArray[np.bool_]] | None = None  # all positions, where they are shuffled

    def group(self, a: int, b: int) -> int | None:
        """With `drop`, the words of a pair are the positions that its first layer has."""
        return min(a, b) if self._drop else None

    def share_pivots(self, other: Positions) -> None:
        """Centre positions on what another does."""
        for first, sums in self._sums.items():
            sums.centring = other._sums[first].centring

    def together(self, parts: Sequence[Positions], weights: Sequence[int]) -> Positions:
        """Return the sums of parts that share their pivots, each times a weight."""
        found = copy(self)
        found._counted = self._counted.together([part._counted for part in parts], weights)
        found._sums = {
            first: sums.together([part._sums[first] for part in parts], weights) for first, sums in self._sums.items()
        }
        return found

    def add(self, block: Stretch) -> None:
        """Take the positions that the block's queries may see."""
        queries = block.entering(causal=self._causal, single_key=self._single_key)
        self._counted.add(queries)
        allowed = queries.positions()
        for start in range(0, len(allowed), _BLOCK):
            self._add(queries.weights[:, start : start + _BLOCK], allowed[start : start + _BLOCK])

    def _add(self, weights: Weights, allowed: npt.NDArray[np.bool_]) -> None:  # [heads, positions], [positions]
        for first, sums in self._sums.items():
            kept = allowed if first is None else allowed & (weights[self._columns[first]] != 0).all(axis=0)
            if kept.any():
                heads = [weights[self._columns[index]][:, kept] for index in sums.places]
                sums.add(torch.from_numpy(np.concatenate(heads).astype(np.float64)).T)

    def shuffled(self, held: Stretch, order: Tensor) -> Positions:
        """Return what a's positions with b's in another order give; layers stay as they are."""
        found, sums = copy(self), self._sums[None]
        if self._held is None:
            queries = held.entering(causal=self._causal, single_key=self._single_key)
            seen = queries.positions()
            heads = [queries.weights[self._columns[index]][:, seen] for index in sums.places]
            self._held = sums.centring.block(torch.from_numpy(np.concatenate(heads).astype(np.float64)).T), seen
        block, seen = self._held
        place = np.cumsum(seen) - 1  # of each position that a query sees, among them
        found._sums = {None: sums.shuffled(block, torch.from_numpy(place[order.numpy()[: len(seen)][seen]]))}
        return found

    def prepare(self, index: int, group: Hashable = None) -> Layer:
        """Return a layer's moments. Raises TooFewWords when no query entered, and what moments raise."""
        self._counted.require(index)
        sums = self._sums[group]  # type: ignore[index]
        return sums.moments.prepare(sums.places[index])

    def pair(self, pairs: Sequence[tuple[int, int]]) -> Cross:
        """Return the correlations of pairs of one group, counted in words."""
        counted = self._counted
        sums = self._sums[self.group(*pairs[0])]
        cross = sums.moments.pair([(sums.places[a], sums.places[b]) for a, b in pairs])
        cross.count(
            words=counted.words, queries=counted.queries, sentences=counted.sentences, positions=sums.moments.words
        )
        return cross

    def release(self, row: int) -> None:
        """The sums are small."""


class _Sums:
    """The moments of the layers that some pairs need."""

    def __init__(self, layers: Sequence[Sentences], pairs: Sequence[tuple[int, int]]) -> None:
        used = sorted({index for pair in pairs for index in pair})
        self.places = {index: place for place, index in enumerate(used)}
        local = [(self.places[a], self.places[b]) for a, b in pairs]
        names, heads = [layers[index].name for index in used], [layers[index].units for index in used]
        self.moments = Moments(names, heads, local, torch.float64, torch.device("cpu"))
        self.centring = Centring()

    def add(self, positions: Tensor) -> None:  # [positions, heads]; overwritten
        self.moments.add(self.centring.block(positions))

    def together(self, parts: Sequence[_Sums], weights: Sequence[int]) -> _Sums:
        """Return the sums of parts, each times a weight."""
        found = copy(self)
        found.moments = self.moments.together([part.moments for part in parts], weights)
        return found

    def shuffled(self, held: Block, order: Tensor) -> _Sums:
        """Return what a's positions with b's in another order give."""
        found = copy(self)
        found.moments = self.moments.shuffled(held, order)
        return found
