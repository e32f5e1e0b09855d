"""Attention as the engine reads it: sentences that all layers have, word for word, heads of all layers side by side.

A stretch of sentences is read at a time. A layer that must not be compared (NaN, rows that do not sum to one) is
blanked: it spoils its own pairs only.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain, zip_longest
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from layeratlas.measures.folds import cut, lengths_of
from layeratlas.measures.score import MeasureError, NotAttention, NotFinite, UnalignedWords
from layeratlas.measures.sources.reading import Opened, float64, reading
from layeratlas.measures.sources.sentences import Queries, Run, Weights, entering, head_slices, lay_out
from layeratlas.store.artifacts.attention import GROUP_BYTES, read_chunks, read_keys, read_longest
from layeratlas.store.store import ArtifactRow, Store

DEVICES = ("cpu",)  # where its products are made
STRETCH_BYTES = 12 * 2**20  # of sentences side by side: many to a product, and still in a processor's last cache
ROW_TOLERANCE = 5e-3  # how far a row's sum may be from one: float16 stores weights to a few parts in ten thousand
_LONGEST: dict[str, int] = {}  # words of the longest sentence, by a file's SHA-256
_COPIES = 5  # what one sentence takes at most, in copies of it: as read, laid out, hidden, standardised, multiplied


class Sentences(Protocol):
    """A layer's attention, to be read in order as often as there are tiles."""

    @property
    def name(self) -> str:
        """How errors name the layer."""

    @property
    def units(self) -> int:
        """How many heads it has."""

    @property
    def longest(self) -> int:
        """How many words its longest sentence has: what memory must hold."""

    @property
    def held(self) -> int:
        """How many bytes reading it holds at a time."""

    def chunks(self) -> Iterator[list[npt.NDArray[Any]]]:  # each sentence [heads, query, key]
        """Read the layer, some sentences at a time; layers need not agree on how many."""

    def lengths(self) -> list[int]:
        """Return how many words each sentence has."""


@dataclass(frozen=True)
class ArraySentences:
    """Sentences' attention [heads, query, key] as the engine reads layers."""

    name: str
    sentences: Sequence[npt.NDArray[Any]]
    held: int = 0  # beyond what the caller holds

    @property
    def units(self) -> int:
        """The first sentence's heads, which all others must have."""
        return len(self.sentences[0])

    @property
    def words(self) -> int:
        """The words of all sentences."""
        return sum(int(sentence.shape[-1]) for sentence in self.sentences)

    @property
    def longest(self) -> int:
        """The most words a sentence has."""
        return max(int(sentence.shape[-1]) for sentence in self.sentences)

    def chunks(self) -> Iterator[list[npt.NDArray[Any]]]:
        """All of it."""
        yield list(self.sentences)

    def lengths(self) -> list[int]:
        """Return how many words each sentence has."""
        return [int(sentence.shape[-1]) for sentence in self.sentences]


@dataclass(frozen=True)
class ArtifactSentences:
    """One artifact's attention, less the sentences of which its counterparts lack a word.

    longest, held: words of its longest sentence, bytes of what is read at a time.
    """

    name: str
    path: str  # below its store
    units: int
    words: int
    longest: int
    kept: npt.NDArray[np.bool_] | None  # [sentences in the file]; None keeps all
    opened: Opened
    held: int = GROUP_BYTES

    def chunks(self) -> Iterator[list[npt.NDArray[Any]]]:  # each sentence [heads, query, key]
        """Read the kept sentences."""
        start = 0
        with reading(self.name, self.path, self.opened) as file:
            for sentences in read_chunks(file):
                kept = itertools.repeat(True) if self.kept is None else self.kept[start:]
                yield list(itertools.compress(sentences, kept))
                start += len(sentences)

    def lengths(self) -> list[int]:
        """Read how many words each kept sentence has."""
        with reading(self.name, self.path, self.opened) as file:
            lengths = lengths_of(read_keys(file)[:, 0])
        return [int(length) for length in (lengths if self.kept is None else lengths[self.kept])]


class Stretch:
    """Sentences of every layer as statistics take them: weights [heads of all layers, positions], laid out in runs."""

    def __init__(self, weights: Weights, runs: tuple[Run, ...], fold: int = 0) -> None:
        self.weights, self.runs, self.fold = weights, runs, fold
        self._entering: dict[tuple[bool, str], Queries] = {}

    @property
    def words(self) -> int:
        """How many words the sentences have."""
        return sum(run.words * run.sentences for run in self.runs)

    def entering(self, *, causal: bool, single_key: str) -> Queries:
        """Return the queries that enter under a choice; made once for all statistics that choose so."""
        choice = causal, single_key
        if choice not in self._entering:
            self._entering[choice] = entering(self.weights, self.runs, causal=causal, single_key=single_key)
        return self._entering[choice]


class Feed:
    """Stretches of sentences, the heads of all layers side by side."""

    def __init__(self, layers: Sequence[Sentences], dtype: torch.dtype, edges: Sequence[int] = ()) -> None:
        self.refused: dict[int, MeasureError] = {}
        self._layers, self._columns = layers, head_slices(layers)
        self._dtype = np.dtype(str(dtype).removeprefix("torch."))
        self._read = 0  # sentences
        self._edges = list(edges)
        self._fold = 0

    def blocks(self) -> Iterator[Stretch]:
        """Read all layers, a stretch of sentences at a time."""
        heads = sum(layer.units for layer in self._layers)
        for sentences in self._stretches(self._dtype.itemsize):
            weights, runs = lay_out(sentences, heads, self._dtype)
            self._refuse(weights, runs)
            self._read += len(sentences)
            yield Stretch(weights, runs, self._fold)

    def _stretches(self, itemsize: int) -> Iterator[list[list[Weights]]]:
        """Give sentences, each a list of every layer's [heads, query, key], as many at a time as a stretch holds."""
        streams = [chain.from_iterable(layer.chunks()) for layer in self._layers]
        heads = [layer.units for layer in self._layers]
        waiting: list[list[Weights]] = []
        size = 0
        for number, layers in enumerate(zip_longest(*streams)):
            words = _aligned(self._layers, layers, number)
            if number in self._edges[1:-1] and waiting:
                yield waiting
                waiting, size = [], 0
            if self._edges and not waiting:
                self._fold = bisect_right(self._edges, number) - 1
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
        for index in self.refused:
            weights[self._columns[index]] = 0

    def _mark(self, view: Weights, sums: Weights, off: npt.NDArray[np.bool_]) -> None:
        for index, (layer, columns) in enumerate(zip(self._layers, self._columns, strict=True)):
            if index in self.refused or not off[columns].any():
                continue
            head, query = (int(place[0]) for place in np.nonzero(off[columns]))
            where = f"head {head} of a sentence with {view.shape[2]} words, in or after sentence {self._read}"
            if not np.isfinite(view[columns]).all():
                self.refused[index] = NotFinite(f"{layer.name} holds NaN or infinity (first: {where})")
                continue
            what = "is negative" if (view[columns][head] < 0).any() else f"sums to {sums[columns][head, query]:.4g}"
            self.refused[index] = NotAttention(
                f"{layer.name} is not attention: each row must be weights that sum to 1, one {what} (first: {where})"
            )


def feed(layers: Sequence[Sentences], dtype: torch.dtype, device: torch.device, edges: Sequence[int] = ()) -> Feed:
    """Read these layers once; the sums are made on the CPU, whatever the device. With edges, a stretch is of a fold."""
    return Feed(layers, dtype, edges)


def edges(layers: Sequence[Sentences], folds: int) -> list[int]:
    """Return the sentences with which folds begin, and how many there are. Raises TooFewWords for too few."""
    return cut(layers[0].lengths(), folds)


def rows(layers: Sequence[Sentences]) -> int:
    """Return how many positions, query × key, there are."""
    return sum(words**2 for words in layers[0].lengths()) if layers else 0


def kept(block: Stretch) -> Stretch:
    """Return a stretch that reading does not overwrite: itself."""
    return block


def together(blocks: Sequence[Stretch]) -> tuple[Stretch, int]:
    """Return the sentences of which there are others of that length, and how many words the others have."""
    of_length: dict[int, list[Weights]] = {}
    for block in blocks:
        for run in block.runs:
            of_length.setdefault(run.words, []).append(block.weights[:, run.start : run.stop])
    runs: list[Run] = []
    parts: list[Weights] = []
    left_out = 0
    for words in sorted(of_length, reverse=True):
        sentences = sum(part.shape[1] for part in of_length[words]) // words**2
        if sentences == 1:
            left_out += words
            continue
        runs.append(Run(runs[-1].stop if runs else 0, words, sentences))
        parts += of_length[words]
    weights = np.concatenate(parts, axis=1) if parts else blocks[0].weights[:, :0]
    return Stretch(weights, tuple(runs)), left_out


def held(layers: Sequence[Sentences]) -> int:
    """Return what the longest sentence takes in every copy, and what readers hold."""
    longest = max((layer.longest for layer in layers), default=0)
    return 4 * _COPIES * sum(layer.units for layer in layers) * longest**2 + sum(layer.held for layer in layers)


def _aligned(sources: Sequence[Sentences], layers: Sequence[Weights | None], number: int) -> int:
    """Return how many words all layers give this sentence. Raises UnalignedWords or MeasureError."""
    words = len(layers[0][0]) if layers[0] is not None and len(layers[0]) else 0
    fits = (x is not None and x.shape == (own.units, words, words) for own, x in zip(sources, layers, strict=True))
    if all(fits):
        return words
    lengths: dict[str, str | int] = {}
    for source, attention in zip(sources, layers, strict=True):
        if attention is None:
            lengths[source.name] = "no such sentence"
            continue
        shape = attention.shape
        if len(shape) != 3 or shape[0] != source.units or shape[1] != shape[2]:
            raise MeasureError(
                f"{source.name}: sentence {number} must be [{source.units} heads, query, key] with as many keys as "
                f"queries, got {list(shape)}"
            )
        lengths[source.name] = shape[1]
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise UnalignedWords(f"a comparison needs the same words on all sides; sentence {number} has {found}")
    return next(iter(lengths.values()), 0)  # type: ignore[return-value]


def from_artifacts(store: Store, artifacts: Sequence[ArtifactRow]) -> list[ArtifactSentences]:
    """Return readers that all give the same sentences, word for word, in the same order.

    A row of attention is spread over all words of its sentence: where one model lacks a word, the sentence is left out.
    """
    examples = {row.word_set: row for row in artifacts}
    keys = {word_set: _words(row, store.opened) for word_set, row in examples.items()}
    common = reduce(lambda a, b: a & b, (set(have.items()) for have in keys.values()))
    words = sum(len(word) for _, word in common) // 4
    kept = {word_set: np.array([item in common for item in have.items()], bool) for word_set, have in keys.items()}
    return [
        ArtifactSentences(
            row.title, row.path, row.units, words, _longest(row, store.opened),
            None if len(keys) == 1 else kept[row.word_set], store.opened,
        )
        for row in artifacts
    ]  # fmt: skip


def from_array(name: str, sentences: Sequence[Any]) -> ArraySentences:
    """Return a source that reads arrays [heads, query, key], one a sentence. Raises MeasureError for another shape."""
    found = [float64(f"{name}: sentence {number}", one) for number, one in enumerate(sentences)]
    for number, sentence in enumerate(found):
        if sentence.ndim != 3:
            raise MeasureError(f"{name}: sentence {number} must be [heads, query, key], got {list(sentence.shape)}")
    if not found:
        raise MeasureError(f"{name} has no sentences: give a list of arrays [heads, query, key], one a sentence")
    return ArraySentences(name, found)


def _longest(row: ArtifactRow, opened: Opened) -> int:
    """Return how many words an artifact's longest sentence has; read once, since plans ask again and again."""
    if row.sha256 not in _LONGEST:
        with reading(row.title, row.path, opened) as file:
            _LONGEST[row.sha256] = read_longest(file)
    return _LONGEST[row.sha256]


def _words(row: ArtifactRow, opened: Opened) -> dict[int, bytes]:
    """Read the words of each sentence of an artifact, as int32, in order."""
    with reading(row.title, row.path, opened) as file:
        keys = read_keys(file)
    if not len(keys):
        return {}
    starts = np.flatnonzero(np.diff(keys[:, 0], prepend=-1))
    parts = zip(keys[starts, 0].tolist(), np.split(keys[:, 1], starts[1:]), strict=True)
    return {sentence: word.tobytes() for sentence, word in parts}
