"""The words of a sample, gathered in one pass for many layers, and the views of them that measures compare.

A layer's rows are kept as the blocks have them, less a pivot, and become whole again in float64. All views of a layer
are made together, and its rows then given up. What compares by cosines of vectors is one product for all pairs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from layeratlas.measures.score import MeasureError, TooFewWords
from layeratlas.measures.statistics.centring import Block
from layeratlas.measures.statistics.reordered import Reordering
from layeratlas.measures.statistics.sample import AT_ONCE, Sample, View
from layeratlas.measures.statistics.wordwise import Matrix, Wordwise

if TYPE_CHECKING:
    from layeratlas.measures.engine import How
    from layeratlas.measures.sources.activations import Rows
    from layeratlas.measures.statistics.orders import Asked

_CHUNK = 2**14  # entries of all layers that are multiplied at once, in float64


def draw(words: int, wanted: int, seed: int) -> npt.NDArray[np.int64]:  # [sampled], ascending
    """Choose `wanted` of so many words: those whose numbers, mixed with the seed, are least.

    Written out, so that the choice is the same under any version of any library. The mixing is SplitMix64's.
    """
    if words <= wanted:
        return np.arange(words)
    return np.sort(np.argsort(mixed(words, seed), kind="stable")[:wanted])


def mixed(count: int, seed: int) -> npt.NDArray[np.uint64]:  # [count]
    """Return numbers that look random, the same under any version of any library."""
    found = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return _mix(found ^ _mix(np.full(1, seed, np.uint64) + np.uint64(0x9E3779B97F4A7C15)))


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@dataclass(frozen=True)
class SampledLayer:
    """What was made of one layer's sample, of so many words; distinct: how many of their rows differ."""

    name: str
    words: int
    distinct: int
    views: dict[View, Any]  # or the MeasureError that speaks against it

    def view(self, view: View) -> Any:
        """Return one view. Raises MeasureError where there is none."""
        found = self.views[view]
        if isinstance(found, MeasureError):
            raise found
        return found


class SampleCross:
    """The views of a batch of pairs of layers."""

    def __init__(self, of: Sampled, pairs: list[tuple[int, int]]) -> None:
        self._of, self._pairs = of, pairs
        self.words = of.words
        self.counts = {"words": of.words, "sampled_from": of.total}

    @property
    def flipped(self) -> SampleCross:
        """The same, seen from b."""
        return SampleCross(self._of, [(b, a) for a, b in self._pairs])

    def products(self, view: View) -> Tensor:  # [pairs], float64
        """Return the inner products of the vectors that a view is."""
        products = self._of.products(view)
        a, b = np.array(self._pairs).T
        return torch.from_numpy(products[a, b])

    def cosines(self, view: View) -> Tensor:  # [pairs], float64
        """Return the cosines of the vectors that a view is."""
        products = self._of.products(view)
        a, b = np.array(self._pairs).T
        lengths = np.sqrt(products.diagonal())
        return torch.from_numpy((products[a, b] / lengths[a] / lengths[b]).clip(-1, 1))

    def each(self, view: View | tuple[View, ...], compare: Callable[[Any, Any], float]) -> Tensor:  # [pairs], float64
        """Return what a function says of a view (or several) of a and of b, pair by pair."""
        of = self._of
        found = [
            compare(of.view(a, view), of.met(b, view)) if a < b else compare(of.met(a, view), of.view(b, view))
            for a, b in self._pairs
        ]
        return torch.tensor(found, dtype=torch.float64)


class Sampled:
    """The sampled rows of a set of layers, and their views."""

    def __init__(self, sample: Sample, layers: Sequence[Rows], how: How) -> None:
        self._sample, self._names = sample, [layer.name for layer in layers]
        self._dtype = np.dtype(str(how.dtype).removeprefix("torch."))
        edges = np.cumsum([0, *(layer.units for layer in layers)]).tolist()
        self._columns = [slice(first, last) for first, last in pairwise(edges)]
        self.total = layers[0].words if layers else 0
        self._chosen = torch.from_numpy(draw(self.total, sample.words, sample.seed))
        self.words = len(self._chosen)
        self._rows = [torch.empty(self.words, layer.units, dtype=how.dtype) for layer in layers]
        self.folds = torch.zeros(self.words, dtype=torch.int64)
        self._pivot = torch.empty(0)
        self._read = self._taken = 0
        self._layers: dict[int, SampledLayer | MeasureError] = {}
        self._locks = [threading.Lock() for _ in layers]
        self._products: dict[View, Matrix] = {}
        self._order: Reordering | None = None  # of the second of two layers
        self._own = self  # with the words in their own order
        self._reordered: dict[tuple[int, View], Any] = {}
        self._product_locks = {view: threading.Lock() for view in sample.views}
        spare = how.memory - sample.bytes([layer.units for layer in layers], [])
        self._room = threading.BoundedSemaphore(AT_ONCE + max(0, spare // max(1, sample.working())))

    def add(self, block: Block) -> None:
        """Take the sampled ones of the next words."""
        self._pivot = block.pivot
        ends = torch.tensor([self._read, self._read + block.words])
        first, last = torch.searchsorted(self._chosen, ends).tolist()
        if first < last:
            chosen = (self._chosen[first:last] - self._read).to(block.centred.device)
            taken = block.centred[chosen].cpu()
            for rows, columns in zip(self._rows, self._columns, strict=True):
                rows[first:last] = taken[:, columns]
            self.folds[first:last] = block.fold
        self._read += block.words
        self._taken = last

    def of_folds(self, wanted: Sequence[bool]) -> Sampled:
        """Return the sample without the words of the folds that are not wanted."""
        found = copy(self)
        kept = torch.tensor(list(wanted))[self.folds]
        found._rows = [rows[kept] for rows in self._rows]
        found.words = found._taken = int(kept.sum())
        found._layers, found._products = {}, {}
        return found

    def orders(self, asked: Asked, layer: Rows, held: object) -> Iterator[npt.NDArray[np.int64]]:  # each [sampled]
        """Give orders of the sampled words."""
        from layeratlas.measures.statistics.orders import deals

        sentences = layer.sentences()[self._chosen.numpy()]
        for deal in deals(asked, sentences):
            yield from map(deal.order, deal.numbers)

    def shuffled(self, held: Any, order: Tensor) -> Sampled:  # order [sampled]
        """Return the same views, in pairs (a, b), a < b, those of b with its words in another order."""
        found = copy(self)
        found._order, found._own = Reordering(order.numpy()), self
        found._layers, found._reordered, found._products = {**self._layers}, {}, {}
        found._product_locks = {view: threading.Lock() for view in self._product_locks}
        return found

    def group(self, a: int, b: int) -> None:
        """A layer's sample is the same in all pairs."""

    def prepare(self, index: int, group: Hashable = None) -> SampledLayer:
        """Make a layer's views. Raises ConstantLayer or TooFewWords."""
        with self._locks[index]:
            if index not in self._layers:
                with self._room:
                    self._layers[index] = self._views(index)
                self._rows[index] = torch.empty(0)
        return self.made(index)

    def made(self, index: int) -> SampledLayer:
        """Return what was made of a layer. Raises MeasureError where nothing was."""
        found = self._layers[index]
        if isinstance(found, MeasureError):
            raise found
        return found

    def view(self, index: int, view: View | tuple[View, ...]) -> Any:
        """Return one view of a layer, or several."""
        layer = self.made(index)
        return tuple(layer.view(one) for one in view) if isinstance(view, tuple) else layer.view(view)

    def met(self, index: int, view: View | tuple[View, ...]) -> Any:
        """Return one view of the second of two layers, or several: in another order, where there is one."""
        if self._order is None:
            return self.view(index, view)
        if isinstance(view, tuple):
            return tuple(self.met(index, one) for one in view)
        with self._locks[index]:
            if (index, view) not in self._reordered:
                self._reordered[index, view] = view.reordered(self.view(index, view), self._order)
        return self._reordered[index, view]

    def _views(self, index: int) -> SampledLayer | MeasureError:
        name = self._names[index]
        if self._taken < 3:
            return TooFewWords(f"{name} has {self._taken} words here: nothing can be said of so few")
        pivot = self._pivot[self._columns[index]].cpu()
        rows = (self._rows[index].double() + pivot.double()).numpy()
        try:
            wordwise = Wordwise(name, rows)
        except MeasureError as refusal:
            return refusal
        made: dict[View, Any] = {}
        for view in sorted(self._sample.views, key=repr):
            try:
                made[view] = view.of(wordwise, self._dtype)
            except MeasureError as refusal:
                made[view] = refusal
        return SampledLayer(name, self.words, wordwise.distinct, made)

    def pair(self, pairs: list[tuple[int, int]]) -> SampleCross:
        """Return the views of pairs (a, b)."""
        return SampleCross(self, pairs)

    def products(self, view: View) -> Matrix:  # [layers, layers]
        """Return the inner products of a view's vectors, of all layers with all; 0 where there is none."""
        with self._product_locks[view]:
            if view not in self._products:
                self._products[view] = self._multiply(view)
        return self._products[view]

    def _multiply(self, view: View) -> Matrix:
        vectors = {
            index: layer.views[view]
            for index, layer in list(self._layers.items())
            if isinstance(layer, SampledLayer) and not isinstance(layer.views.get(view), MeasureError | None)
        }
        found = np.zeros((len(self._names), len(self._names)))
        length = max((len(vector) for vector in vectors.values()), default=0)
        for start in range(0, length, _CHUNK):
            part = np.zeros((len(self._names), min(_CHUNK, length - start)))
            for index, vector in vectors.items():
                part[index] = vector[start : start + _CHUNK]
            found += part @ (part if self._order is None else self._met(part, vectors, self._order, start)).T
        if self._order is None:
            return found
        found = np.triu(found, 1)
        return found + found.T + np.diag(self._own.products(view).diagonal())

    def _met(self, part: Matrix, vectors: dict[int, Any], order: Reordering, start: int) -> Matrix:  # as part
        """Return this part of the second layers' vectors: in another order."""
        found = np.zeros_like(part)
        for index, vector in vectors.items():
            found[index] = vector[order.places[: len(vector)][start : start + _CHUNK]]
        return found

    def release(self, row: int) -> None:
        """Give up the layers before this one: pairs are taken in order, and theirs are done."""
        for index in range(row):
            if isinstance(layer := self._layers.get(index), SampledLayer) and layer.views:
                self._layers[index] = replace(layer, views={})


class SampledFolds:
    """A sample whose words can be left out fold by fold."""

    def __init__(self, sample: Sample, layers: Sequence[Rows], how: How) -> None:
        self._sampled = Sampled(sample, layers, how)

    def add(self, block: Block) -> None:
        """Take the sampled ones of the next words."""
        self._sampled.add(block)

    def whole(self) -> Sampled:
        """Return all of the sample."""
        return self.weighted([1] * (1 + int(self._sampled.folds.max())))

    def weighted(self, weights: Sequence[int]) -> Sampled:
        """Return the words of the folds that count once; none can count twice."""
        return self._sampled.of_folds([weight == 1 for weight in weights])
