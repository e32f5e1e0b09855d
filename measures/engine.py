"""All pairs of many layers: tiles that fit memory, one pass over the words a tile, then every pair's small algebra."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy.typing as npt
import torch
from threadpoolctl import threadpool_limits

from layeratlas.measures.moments import Cross, Moments
from layeratlas.measures.score import Measure, MeasureError, Score, UnalignedWords

T = TypeVar("T")
R = TypeVar("R")
CHUNK_BYTES = 512 * 2**20  # of one chunk of words, all layers of a tile side by side


class Rows(Protocol):
    """A layer's activations, to be read in order as often as there are tiles."""

    @property
    def name(self) -> str:
        """How errors name the layer."""

    @property
    def neurons(self) -> int:
        """The width of its rows."""

    def chunks(self, words: int) -> Iterator[npt.NDArray[Any]]:  # each [words, neurons], the last may be shorter
        """Read the layer, `words` rows at a time."""


@dataclass(frozen=True)
class Outcome:
    """What one measure says of layer a towards layer b (indices): a score, or why there is none."""

    a: int
    b: int
    measure: Measure
    score: Score | MeasureError


def compare_pairs(
    layers: Sequence[Rows],
    pairs: Collection[tuple[int, int]],
    measures: Sequence[Measure],
    *,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
    memory: int = 2 * 2**30,
    advance: Callable[[int], None] = lambda words: None,
) -> Iterator[list[Outcome]]:
    """Yield the outcomes, both directions, of every pair (a, b) with a < b.

    dtype: of the products. memory: bytes for the sums of a tile; smaller tiles read layers more often.
    advance: called with the number of words read (each tile reads all of them).
    """
    for tile in tiles(pairs, [layer.neurons for layer in layers], memory):
        used = sorted({index for pair in tile for index in pair})
        local = {index: place for place, index in enumerate(used)}
        moments = _read(
            [layers[index] for index in used], [(local[a], local[b]) for a, b in tile], dtype, device, advance
        )
        with _side_by_side(device) as each:
            list(each(lambda index: _prepare(moments, index, measures), range(len(used))))  # noqa: B023
            for outcomes in each(lambda pair: _compare(moments, pair, local, measures), tile):  # noqa: B023
                moments.release(local[outcomes[0].a])
                yield outcomes


def tiles(pairs: Collection[tuple[int, int]], widths: Sequence[int], memory: int) -> list[list[tuple[int, int]]]:
    """Split pairs into tiles whose float64 sums take at most `memory` bytes (one pair always fits)."""
    used = sorted({index for pair in pairs for index in pair})
    own = sum(widths[index] ** 2 for index in used)
    if 8 * (own + sum(widths[a] * widths[b] for a, b in pairs)) <= memory:
        return [sorted(pairs)] if pairs else []
    block, edge, width = {}, 0, 0
    for index in used:  # groups of neighbouring layers, two of which fit side by side
        if width and width + widths[index] > math.isqrt(memory // 24):
            edge, width = edge + 1, 0
        block[index], width = edge, width + widths[index]
    grouped: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for a, b in sorted(pairs):
        grouped.setdefault((block[a], block[b]), []).append((a, b))
    return [grouped[key] for key in sorted(grouped)]


def _read(
    layers: Sequence[Rows], pairs: Collection[tuple[int, int]], dtype: torch.dtype, device: str,
    advance: Callable[[int], None],
) -> Moments:  # fmt: skip
    widths = [layer.neurons for layer in layers]
    moments = Moments([layer.name for layer in layers], widths, pairs, dtype, torch.device(device))
    words = 4096 if 4096 * sum(widths) * dtype.itemsize <= CHUNK_BYTES else 2048  # whole row groups of artifacts
    side_by_side = torch.empty(words, sum(widths), dtype=dtype)
    streams = [layer.chunks(words) for layer in layers]
    while length := _fill(side_by_side.numpy(), streams, layers):
        moments.add(side_by_side[:length].to(device))
        advance(length)
    return moments


def _fill(
    target: npt.NDArray[Any], streams: Sequence[Iterator[npt.NDArray[Any]]], layers: Sequence[Rows]
) -> int:  # target [words, neurons of all layers]
    """Lay the next words of every layer side by side; return how many there were. Holds one layer's chunk at a time."""
    column, lengths = 0, {}
    for stream, layer in zip(streams, layers, strict=True):
        chunk = next(stream, None)
        lengths[layer.name] = 0 if chunk is None else len(chunk)
        if chunk is not None:
            target[: len(chunk), column : column + layer.neurons] = chunk
        column += layer.neurons
    if len(set(lengths.values())) > 1:
        raise UnalignedWords(f"these layers do not have the same number of words: {', '.join(lengths)}")
    return max(lengths.values(), default=0)


def _compare(
    moments: Moments, pair: tuple[int, int], local: dict[int, int], measures: Sequence[Measure]
) -> list[Outcome]:
    a, b = pair
    try:
        cross = moments.cross(local[a], local[b])
    except MeasureError as refusal:
        return [Outcome(*ends, measure, refusal) for measure in measures for ends in ((a, b), (b, a))]
    outcomes = []
    for measure in measures:
        there = _score(measure, cross)
        back = there if measure.symmetric else _score(measure, cross.flipped)
        outcomes += [Outcome(a, b, measure, there), Outcome(b, a, measure, back)]
    return outcomes


def _score(measure: Measure, cross: Cross) -> Score | MeasureError:
    try:
        return measure.compare(cross.a, cross.b, cross)
    except MeasureError as refusal:
        return refusal


def _prepare(moments: Moments, index: int, measures: Sequence[Measure]) -> None:
    """Let a layer's lasting parts stand before pairs come and go; what it is refused for, its pairs will say."""
    with suppress(MeasureError):
        layer = moments.layer(index)
        for measure in measures:
            measure.prepare(layer)


@contextmanager
def _side_by_side(device: str) -> Iterator[Callable[[Callable[[T], R], Sequence[T]], Iterator[R]]]:
    """Give a map that runs one single-threaded piece of work a core: problems this small gain little from threads."""
    if device != "cpu":
        yield map
        return
    with (
        _torch_threads(1) as cores,
        ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):

        def each(work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
            step = 4 * cores  # no more finished pieces wait in memory than that
            for start in range(0, len(items), step):
                yield from pool.map(work, items[start : start + step])

        yield each


@contextmanager
def _torch_threads(count: int) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count, user_api="blas"):  # numpy's
            yield before
    finally:
        torch.set_num_threads(before)
