"""Activations as the engine reads them: layers side by side, the words that all of them have, in the same order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from layeratlas.measures.folds import cut, lengths_of
from layeratlas.measures.score import MeasureError, NotFinite, UnalignedWords
from layeratlas.measures.sources.reading import Opened, float64, read_ahead, reading
from layeratlas.measures.statistics.centring import Block, Centring
from layeratlas.store.artifacts.activations import read_chunks, read_keys
from layeratlas.store.store import ArtifactRow, Store

DEVICES = ("cpu", "cuda", "mps", "xpu")  # where its products can be made
_BLOCK_WORDS = 2048  # whole row groups; the same in every tile, so that a pair's sums do not depend on its tile


class Rows(Protocol):
    """A layer's activations, to be read in order as often as there are tiles."""

    @property
    def name(self) -> str:
        """How errors name the layer."""

    @property
    def units(self) -> int:
        """The width of its rows."""

    @property
    def words(self) -> int:
        """How many rows it has."""

    def chunks(self, words: int) -> Iterator[npt.NDArray[Any]]:  # each [words, neurons], the last may be shorter
        """Read the layer, `words` rows at a time."""

    def sentences(self) -> npt.NDArray[np.int32]:  # [words]
        """Return the number of the sentence that each word is of."""


@dataclass(frozen=True)
class ArrayRows:
    """An array [words, neurons] as the engine reads layers."""

    name: str
    array: npt.NDArray[Any]
    of_sentences: npt.NDArray[np.int32] | None = None  # [words]; None: each word is a sentence of its own

    @property
    def units(self) -> int:
        """The array's width."""
        return int(self.array.shape[1])

    @property
    def words(self) -> int:
        """The array's length."""
        return len(self.array)

    def chunks(self, words: int) -> Iterator[npt.NDArray[Any]]:
        """Slices of the array."""
        for start in range(0, len(self.array), words):
            yield self.array[start : start + words]

    def sentences(self) -> npt.NDArray[np.int32]:  # [words]
        """Return what was said of them."""
        return np.arange(len(self.array), dtype=np.int32) if self.of_sentences is None else self.of_sentences


@dataclass(frozen=True)
class ArtifactRows:
    """One artifact's activations, less the words that its counterparts do not have."""

    name: str
    path: str  # below its store
    units: int
    words: int
    kept: npt.NDArray[np.bool_] | None  # [words in the file]; None keeps all
    opened: Opened

    def chunks(self, words: int) -> Iterator[npt.NDArray[Any]]:  # each [words, neurons]
        """Read the kept words, `words` at a time."""
        with reading(self.name, self.path, self.opened) as file:
            chunks = read_chunks(file, rows=words)
            if not isinstance(file, Path):  # it is elsewhere: a block more is on its way
                chunks = read_ahead(chunks)
            for chunk in chunks if self.kept is None else _rechunked(chunks, self.kept, words):
                for start in range(0, len(chunk), words):  # a row group may have more
                    yield chunk[start : start + words]

    def sentences(self) -> npt.NDArray[np.int32]:  # [words]
        """Read the sentences' numbers, of the kept words."""
        with reading(self.name, self.path, self.opened) as file:
            numbers = read_keys(file)[:, 0]
        return numbers if self.kept is None else numbers[self.kept]


class Feed:
    """Blocks of words, all layers side by side."""

    def __init__(
        self, layers: Sequence[Rows], dtype: torch.dtype, device: torch.device, edges: Sequence[int] = ()
    ) -> None:
        self.refused: dict[int, MeasureError] = {}
        self._layers, self._dtype, self._device, self._edges = layers, dtype, device, list(edges)
        self._read = 0  # words
        if len({layer.words for layer in layers}) > 1:
            counts = ", ".join(f"{layer.name} has {layer.words:,}" for layer in layers)
            raise UnalignedWords(f"a comparison needs the same words on all sides: {counts}")

    def blocks(self) -> Iterator[Block]:
        """Read all layers, block by block. A block is overwritten by the next."""
        widths = [layer.units for layer in self._layers]
        pinned = self._device.type == "cuda"  # then copies need no buffer between, and products go on meanwhile
        side_by_side = torch.empty(_BLOCK_WORDS, sum(widths), dtype=self._dtype, pin_memory=pinned)
        streams, centring = [layer.chunks(_BLOCK_WORDS) for layer in self._layers], Centring()
        while length := self._fill(side_by_side.numpy(), streams):
            chunk = side_by_side[:length]
            self._refuse_not_finite(chunk)  # before it is elsewhere: else reading would wait for the block before
            self._read += length
            yield from self._folds(centring.block(chunk.to(self._device)))

    def _folds(self, block: Block) -> Iterator[Block]:
        """Cut the words that were read last where a fold ends."""
        if not self._edges:
            yield block
            return
        start, stop = self._read - block.words, self._read
        inner = [edge for edge in self._edges if start < edge < stop]
        for first, last in pairwise([start, *inner, stop]):
            yield Block(block.centred[first - start : last - start], block.pivot, bisect_right(self._edges, first) - 1)

    def _fill(
        self, target: npt.NDArray[Any], streams: Sequence[Iterator[npt.NDArray[Any]]]
    ) -> int:  # target [words, neurons of all layers]
        """Lay every layer's next words side by side; return how many there were. Holds one layer's chunk at a time."""
        column, lengths = 0, {}
        for stream, layer in zip(streams, self._layers, strict=True):
            chunk = next(stream, None)
            lengths[layer.name] = 0 if chunk is None else len(chunk)
            if chunk is not None:
                target[: len(chunk), column : column + layer.units] = chunk
            column += layer.units
        if len(set(lengths.values())) > 1:
            raise UnalignedWords(f"these layers hold fewer words than they say: {', '.join(lengths)}")
        return max(lengths.values(), default=0)

    def _refuse_not_finite(self, chunk: Tensor) -> None:  # [words, neurons of all layers]
        """Mark layers with NaN or infinity and blank them, so that they cannot reach the others."""
        if bool(torch.isfinite(chunk.sum())) and not self.refused:
            return
        column = 0
        for index, layer in enumerate(self._layers):
            own = chunk[:, column : column + layer.units]
            column += layer.units
            found = (~torch.isfinite(own)).nonzero()
            if len(found):
                word, neuron = found[0].tolist()
                where = f"word {self._read + word}, neuron {neuron}"
                self.refused.setdefault(index, NotFinite(f"{layer.name} holds NaN or infinity (first: {where})"))
            if index in self.refused:
                own[:] = 0


def feed(layers: Sequence[Rows], dtype: torch.dtype, device: torch.device, edges: Sequence[int] = ()) -> Feed:
    """Read these layers once; with edges, no block of words is of two folds."""
    return Feed(layers, dtype, device, edges)


def edges(layers: Sequence[Rows], folds: int) -> list[int]:
    """Return the words with which folds begin, and how many there are. Raises TooFewWords for too few sentences."""
    lengths = lengths_of(layers[0].sentences())
    ends = np.r_[0, np.cumsum(lengths)]
    return [int(ends[sentence]) for sentence in cut(lengths, folds)]


def rows(layers: Sequence[Rows]) -> int:
    """Return how many words there are."""
    return layers[0].words if layers else 0


def kept(block: Block) -> Block:
    """Return a block that reading does not overwrite."""
    return replace(block, centred=block.centred.clone())


def together(blocks: Sequence[Block]) -> tuple[Block, int]:
    """Return blocks as one, and how many words are not in it: none."""
    return Block(torch.cat([one.centred for one in blocks]), blocks[0].pivot), 0


def held(layers: Sequence[Rows]) -> int:
    """Return what a block takes in float32, and one layer's part of it as it comes from a file, twice."""
    widths = [layer.units for layer in layers]
    return 4 * min(_BLOCK_WORDS, rows(layers)) * (sum(widths) + 2 * max(widths, default=0))


def from_artifacts(store: Store, artifacts: Sequence[ArtifactRow]) -> list[ArtifactRows]:
    """Return readers that all give the same words in the same order."""
    examples = {row.word_set: row for row in artifacts}
    if len(examples) == 1:
        return [ArtifactRows(row.title, row.path, row.units, row.words, None, store.opened) for row in artifacts]
    keys = {word_set: _keys(row, store.opened) for word_set, row in examples.items()}
    common = reduce(np.intersect1d, keys.values())
    kept = {word_set: np.isin(have, common) for word_set, have in keys.items()}
    return [
        ArtifactRows(row.title, row.path, row.units, len(common), kept[row.word_set], store.opened) for row in artifacts
    ]


def from_array(name: str, array: Any) -> ArrayRows:
    """Return a source that reads an array [words, neurons], numpy or torch. Raises MeasureError for another shape."""
    matrix = float64(name, array)
    if matrix.ndim != 2 or not len(matrix):
        raise MeasureError(f"{name} must be [words, neurons], got {list(matrix.shape)}")
    return ArrayRows(name, matrix)


def _keys(row: ArtifactRow, opened: Opened) -> npt.NDArray[np.int64]:  # [words]
    """Read which words an artifact holds: one sortable number for sentence and word."""
    with reading(row.title, row.path, opened) as file:
        keys = read_keys(file)
    return keys[:, 0].astype(np.int64) << 32 | keys[:, 1]


def _rechunked(
    chunks: Iterator[npt.NDArray[Any]], kept: npt.NDArray[np.bool_], words: int
) -> Iterator[npt.NDArray[Any]]:
    """Drop rows, and give chunks of equal length again: other layers dropped others."""
    start, waiting = 0, np.empty((0, 0))
    for chunk in chunks:
        rest = chunk[kept[start : start + len(chunk)]]
        start += len(chunk)
        waiting = np.concatenate([waiting, rest]) if len(waiting) else rest
        while len(waiting) >= words:
            yield waiting[:words]
            waiting = waiting[words:]
    if len(waiting):
        yield waiting
