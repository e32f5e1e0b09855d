"""All pairs of many layers' attention: one pass over the sentences a tile, every pair of heads in fused products.

Memory holds a stretch of sentences and [heads, heads] sums; it does not grow with the number of sentences. A layer
that must not be compared (NaN, rows that do not sum to one) spoils its own pairs only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import accumulate, chain, pairwise, zip_longest
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import torch

from layeratlas.measures.attsim import AttSim
from layeratlas.measures.engine import Outcome
from layeratlas.measures.headpairs import SIMILARITIES, HeadPairs, JensenShannon, Total, rectangles
from layeratlas.measures.moments import Moments
from layeratlas.measures.score import Measure, MeasureError, NotAttention, NotFinite, Score, TooFewWords, UnalignedWords
from layeratlas.measures.sentences import Queries, Run, Weights, entering, lay_out

STRETCH_BYTES = 12 * 2**20  # of sentences side by side: many to a product, and still in a processor's last cache
ROW_TOLERANCE = 5e-3  # how far a row's sum may be from one: float16 stores weights to a few parts in ten thousand
_BLOCK = 2**15  # positions that are turned to float64 at a time
_COPIES = 5  # what one sentence takes at most, in copies of it: as read, laid out, hidden, standardised, multiplied


class AttentionSource(Protocol):
    """A layer's attention, to be read in order as often as there are tiles."""

    @property
    def name(self) -> str:
        """How errors name the layer."""

    @property
    def heads(self) -> int:
        """How many heads it has."""

    @property
    def longest(self) -> int:
        """How many words its longest sentence has: what memory must hold."""

    @property
    def held(self) -> int:
        """How many bytes reading it holds at a time."""

    def chunks(self) -> Iterator[list[npt.NDArray[Any]]]:  # each sentence [heads, query, key]
        """Read the layer, some sentences at a time; layers need not agree on how many."""


def compare_attention_pairs(
    sources: Sequence[AttentionSource],
    pairs: Collection[tuple[int, int]],
    measures: Sequence[Measure],
    *,
    dtype: npt.DTypeLike = np.float32,
    memory: int = 2 * 2**30,
    advance: Callable[[int], None] = lambda words: None,
) -> Iterator[list[Outcome]]:
    """Yield the outcomes, both directions, of every pair (a, b) with a < b.

    dtype: of weights and products; sums are float64. memory: bytes; smaller tiles read layers more often.
    advance: called with the number of words read (each tile reads all of them).
    Raises UnalignedWords when layers do not have the same sentences, MeasureError for arrays of another shape.
    """
    for tile in attention_tiles(pairs, sources, len(measures), memory):
        used = sorted({index for pair in tile for index in pair})
        local = {index: place for place, index in enumerate(used)}
        sums = _Sums([sources[index] for index in used], [(local[a], local[b]) for a, b in tile], measures)
        for sentences in _stretches(sums.sources, np.dtype(dtype).itemsize):
            sums.add(sentences, np.dtype(dtype))
            advance(sum(layers[0].shape[1] for layers in sentences))
        for a, b in tile:
            yield [
                Outcome(*ends, measure, sums.score(measure, local[ends[0]], local[ends[1]]))
                for measure in measures
                for ends in ((a, b), (b, a))
            ]


def attention_tiles(
    pairs: Collection[tuple[int, int]], sources: Sequence[AttentionSource], measures: int, memory: int
) -> list[list[tuple[int, int]]]:
    """Split pairs into tiles whose longest sentence and sums take at most `memory` bytes (one pair always fits)."""
    longest = max((source.longest for source in sources), default=0)

    def fits(indices: Collection[int], times: int = 1) -> bool:
        heads, held = times * sum(sources[index].heads for index in indices), sum(sources[i].held for i in indices)
        return 8 * measures * heads**2 + 4 * _COPIES * heads * longest**2 + times * held <= memory

    used = sorted({index for pair in pairs for index in pair})
    if fits(used):
        return [sorted(pairs)] if pairs else []
    block: dict[int, int] = {}
    group: list[int] = []
    for index in used:  # neighbours, two groups of which fit together
        if group and not fits([*group, index], times=2):
            group = []
        group.append(index)
        block[index] = group[0]
    grouped: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for a, b in sorted(pairs):
        grouped.setdefault((block[a], block[b]), []).append((a, b))
    return [grouped[key] for key in sorted(grouped)]


def _stretches(sources: Sequence[AttentionSource], itemsize: int) -> Iterator[list[list[Weights]]]:
    """Give sentences, each a list of every layer's [heads, query, key], as many at a time as a stretch holds."""
    streams = [chain.from_iterable(source.chunks()) for source in sources]
    heads = [source.heads for source in sources]
    waiting: list[list[Weights]] = []
    size = 0
    for number, layers in enumerate(zip_longest(*streams)):
        words = _aligned(sources, heads, layers, number)
        if not words:
            continue
        grown = sum(heads) * words**2 * itemsize
        if waiting and size + grown > STRETCH_BYTES:
            yield waiting
            waiting, size = [], 0
        waiting.append(list(layers))
        size += grown
    if waiting:
        yield waiting


def _aligned(
    sources: Sequence[AttentionSource], heads: Sequence[int], layers: Sequence[Weights | None], number: int
) -> int:
    """Return how many words all layers give this sentence. Raises UnalignedWords or MeasureError."""
    words = len(layers[0][0]) if layers[0] is not None and len(layers[0]) else 0
    if all(layer is not None and layer.shape == (own, words, words) for layer, own in zip(layers, heads, strict=True)):
        return words
    lengths: dict[str, str | int] = {}
    for source, attention in zip(sources, layers, strict=True):
        if attention is None:
            lengths[source.name] = "no such sentence"
            continue
        shape = attention.shape
        if len(shape) != 3 or shape[0] != source.heads or shape[1] != shape[2]:
            raise MeasureError(
                f"{source.name}: sentence {number} must be [{source.heads} heads, query, key] with as many keys as "
                f"queries, got {list(shape)}"
            )
        lengths[source.name] = shape[1]
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise UnalignedWords(f"a comparison needs the same words on all sides; sentence {number} has {found}")
    return next(iter(lengths.values()), 0)  # type: ignore[return-value]


class _Sums:
    """What one tile gathers: for each way of choosing queries, the sums of the measures that choose so."""

    def __init__(
        self, sources: Sequence[AttentionSource], pairs: Sequence[tuple[int, int]], measures: Sequence[Measure]
    ) -> None:
        self.sources = sources
        self._bad: dict[int, MeasureError] = {}
        self._columns = _head_slices(sources)
        self._sentences = 0
        self._choices: dict[tuple[bool, str], _Choice] = {}
        for measure in measures:
            declared = cast(Any, measure)
            key = declared.causal, declared.single_key
            choice = self._choices.setdefault(key, _Choice(sources, pairs, self._columns, *key))
            choice.take(measure)

    def add(self, sentences: list[list[Weights]], dtype: npt.DTypeLike) -> None:
        """Take the next sentences of every layer."""
        weights, runs = lay_out(sentences, sum(source.heads for source in self.sources), dtype)
        self._refuse(weights, runs)
        self._sentences += len(sentences)
        for choice in self._choices.values():
            choice.add(weights, runs)

    def _refuse(self, weights: Weights, runs: Sequence[Run]) -> None:
        """Mark layers that hold no attention and blank them, so that they cannot reach the others."""
        negative = bool(weights.min(initial=0) < 0)  # NaN is found by its sum
        for run in runs:
            view = run.view(weights)
            with np.errstate(invalid="ignore", over="ignore"):
                sums = view @ np.ones(run.words, weights.dtype)  # [heads, queries]
                off = ~(np.abs(sums - 1) <= ROW_TOLERANCE)
                if negative:
                    off |= (view < 0).any(axis=2)
            if off.any():
                self._mark(view, sums, off)
        for index in self._bad:
            weights[self._columns[index]] = 0

    def _mark(self, view: Weights, sums: Weights, off: npt.NDArray[np.bool_]) -> None:
        for index, (source, columns) in enumerate(zip(self.sources, self._columns, strict=True)):
            if index in self._bad or not off[columns].any():
                continue
            head, query = (int(place[0]) for place in np.nonzero(off[columns]))
            where = f"head {head} of a sentence with {view.shape[2]} words, in or after sentence {self._sentences}"
            if not np.isfinite(view[columns]).all():
                self._bad[index] = NotFinite(f"{source.name} holds NaN or infinity (first: {where})")
                continue
            what = "is negative" if (view[columns][head] < 0).any() else f"sums to {sums[columns][head, query]:.4g}"
            self._bad[index] = NotAttention(
                f"{source.name} is not attention: each row must be weights that sum to 1, one {what} (first: {where})"
            )

    def score(self, measure: Measure, a: int, b: int) -> Score | MeasureError:
        """Score layer a towards b."""
        for index in (a, b):
            if index in self._bad:
                return self._bad[index]
        declared = cast(Any, measure)
        try:
            return self._choices[declared.causal, declared.single_key].score(measure, a, b)
        except MeasureError as refusal:
            return refusal


class _Choice:
    """The sums of the measures that let the same queries in."""

    def __init__(
        self, sources: Sequence[AttentionSource], pairs: Sequence[tuple[int, int]], columns: Sequence[slice],
        causal: bool, single_key: str,
    ) -> None:  # fmt: skip
        self._sources, self._pairs, self._columns = sources, pairs, columns
        self._causal, self._single_key = causal, single_key
        self._rectangles = [
            (slice(columns[a].start, columns[last_a - 1].stop), slice(columns[b].start, columns[last_b - 1].stop))
            for a, last_a, b, last_b in rectangles(sorted(pairs))
        ]
        self._pairwise: dict[AttSim, tuple[HeadPairs, list[Total]]] = {}
        self._represented: dict[str, _Represented] = {}
        self._queries = self._sentences = self._words = 0

    def take(self, measure: Measure) -> None:
        """Make room for a measure's sums."""
        if isinstance(measure, AttSim):
            kind = SIMILARITIES[measure.similarity](measure.convention)
            if isinstance(kind, JensenShannon):
                kind.threads = torch.get_num_threads()
            totals = [np.zeros((rows.stop - rows.start, some.stop - some.start)) for rows, some in self._rectangles]
            self._pairwise[measure] = kind, totals
        else:
            zeros = cast(Any, measure).zeros
            self._represented.setdefault(zeros, _Represented(self._sources, self._pairs, self._columns, zeros))

    def add(self, weights: Weights, runs: tuple[Run, ...]) -> None:
        """Take the next sentences."""
        queries = entering(weights, runs, causal=self._causal, single_key=self._single_key)
        self._queries += queries.count
        self._sentences += queries.sentences
        self._words += sum(run.words * run.sentences for run in queries.runs)
        for kind, totals in self._pairwise.values():
            prepared = kind.prepare(queries)
            for total, (rows, columns) in zip(totals, self._rectangles, strict=True):
                kind.add(total, prepared, rows, columns)
        for represented in self._represented.values():
            represented.add(queries)

    def score(self, measure: Measure, a: int, b: int) -> Score:
        """Score layer a towards b. Raises MeasureError."""
        if not self._queries:
            raise TooFewWords(
                f"{self._sources[a].name} and {self._sources[b].name} have no query that sees two keys or more: every "
                "sentence that both have is a single word. Extract longer text"
            )
        counts = {"words": self._words, "queries": self._queries, "sentences": self._sentences}
        if not isinstance(measure, AttSim):
            return self._represented[cast(Any, measure).zeros].score(measure, a, b, counts)
        kind, totals = self._pairwise[measure]
        total = self._total(totals, a, b) if a < b else self._total(totals, b, a).T
        similarity = kind.finish(total, self._queries, self._sentences)
        own = [dict(counts), dict(counts)]
        for count, end in zip(own, (a, b), strict=True):
            if kind.constant is not None:
                count["constant_rows"] = int(kind.constant[self._columns[end]].sum())
        return measure.compare(own[0], own[1], similarity)

    def _total(self, totals: Sequence[Total], a: int, b: int) -> Total:  # [heads_a, heads_b]
        left, right = self._columns[a], self._columns[b]
        for total, (rows, columns) in zip(totals, self._rectangles, strict=True):
            if rows.start <= left.start < rows.stop and columns.start <= right.start < columns.stop:
                down, across = left.start - rows.start, right.start - columns.start
                return total[down : down + left.stop - left.start, across : across + right.stop - right.start]
        raise KeyError((a, b))


class _Represented:
    """Heads as neurons, positions as words, in the sums that activations use.

    `drop` leaves out positions where a head of the first layer is 0, so that each first layer has words of its own.
    """

    def __init__(
        self, sources: Sequence[AttentionSource], pairs: Sequence[tuple[int, int]], columns: Sequence[slice], zeros: str
    ) -> None:
        self._drop, self._columns = zeros == "drop", columns
        groups = {a: [pair for pair in pairs if pair[0] == a] for a, _ in pairs} if self._drop else {-1: list(pairs)}
        self._places, self._moments = {}, {}
        for first, some in groups.items():
            used = sorted({index for pair in some for index in pair})
            self._places[first] = {index: place for place, index in enumerate(used)}
            local = [(self._places[first][a], self._places[first][b]) for a, b in some]
            names, heads = [sources[index].name for index in used], [sources[index].heads for index in used]
            self._moments[first] = Moments(names, heads, local, torch.float64, torch.device("cpu"))

    def add(self, queries: Queries) -> None:
        """Take the positions that queries may see."""
        allowed = queries.positions()
        for start in range(0, len(allowed), _BLOCK):
            self._add(queries.weights[:, start : start + _BLOCK], allowed[start : start + _BLOCK])

    def _add(self, weights: Weights, allowed: npt.NDArray[np.bool_]) -> None:  # [heads, positions], [positions]
        for first, places in self._places.items():
            kept = allowed & (weights[self._columns[first]] != 0).all(axis=0) if self._drop else allowed
            if kept.any():
                heads = [weights[self._columns[index]][:, kept] for index in places]
                self._moments[first].add(torch.from_numpy(np.concatenate(heads).astype(np.float64)).T)

    def score(self, measure: Measure, a: int, b: int, counts: dict[str, int]) -> Score:
        """Score layer a towards b. Raises MeasureError."""
        first = min(a, b) if self._drop else -1
        places, moments = self._places[first], self._moments[first]
        cross = moments.cross(places[min(a, b)], places[max(a, b)])
        cross = cross if a < b else cross.flipped
        score = measure.compare(cross.a, cross.b, cross)
        return Score(score.value, diagnostics={**score.diagnostics, **counts, "positions": moments.words})


def _head_slices(sources: Sequence[AttentionSource]) -> list[slice]:
    edges = list(accumulate((source.heads for source in sources), initial=0))
    return [slice(start, stop) for start, stop in pairwise(edges)]
