"""How well a layer is fitted by another on sentences that the fit has not seen, from the sums of folds alone.

The sums of the other folds are those of all words less the fold's own. What a fit on them leaves of the fold's words is
a quadratic form of the fold's own sums, so that no word is read again.

Axes: folds · neurons_a, neurons_b · pairs · rank (directions of b, in one fold).
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from layeratlas.measures.folds import cut, lengths_of
from layeratlas.measures.linalg import product
from layeratlas.measures.score import TooFewWords
from layeratlas.measures.statistics.centring import Block
from layeratlas.measures.statistics.cross_moments import CrossMoments
from layeratlas.measures.statistics.moments import Layer, Moments

if TYPE_CHECKING:
    from layeratlas.measures.engine import How
    from layeratlas.measures.sources.activations import Rows


@dataclass(frozen=True)
class FoldedLayer:
    """A layer outside each fold. rank: the most directions there; words: the fewest there, on which fits are made."""

    name: str
    layers: list[Layer]
    rank: int
    words: int
    dead: int


class FoldSums:
    """Sums over the words of each fold, for a set of layers and of pairs among them."""

    def __init__(self, folds: int, layers: Sequence[Rows], pairs: list[tuple[int, int]], how: How) -> None:
        self._refused: TooFewWords | None = None
        self._edges = [0, layers[0].words]
        try:
            lengths = lengths_of(layers[0].sentences())
            ends = [0, *lengths.cumsum().tolist()]
            self._edges = [ends[sentence] for sentence in cut(lengths, folds)]
        except TooFewWords as refusal:
            self._refused = refusal
        self._parts: list[Moments] = [CrossMoments().begin(layers, pairs, how) for _ in self._edges[1:]]
        for part in self._parts[1:]:
            part.share_room(self._parts[0])
        self._names, self._read = [layer.name for layer in layers], 0
        self._all: Moments | None = None
        self._layers: dict[int, FoldedLayer] = {}
        self._lock = threading.Lock()

    def add(self, block: Block) -> None:
        """Take the next words of every layer, fold by fold."""
        start, stop = self._read, self._read + block.words
        for fold, part in enumerate(self._parts):
            first, last = max(start, self._edges[fold]), min(stop, self._edges[fold + 1])
            if first < last:
                part.add(Block(block.centred[first - start : last - start], block.pivot))
        self._read = stop

    def group(self, a: int, b: int) -> None:
        """A layer's folds are the same in all pairs."""

    def prepare(self, index: int, group: Hashable = None) -> FoldedLayer:
        """Return a layer without each fold in turn. Raises TooFewWords or ConstantLayer."""
        if self._refused is not None:
            raise self._refused
        with self._lock:
            if self._all is None:
                self._all = self._parts[0].together(self._parts, [1] * len(self._parts))
        layers = [self._without(fold, index) for fold in range(len(self._parts))]
        found = FoldedLayer(
            self._names[index], layers, max(layer.directions for layer in layers),
            min(layer.words for layer in layers), max(layer.dead for layer in layers),
        )  # fmt: skip
        with self._lock:
            self._layers[index] = found
        return found

    def pair(self, pairs: Sequence[tuple[int, int]]) -> FoldCross:
        """Return pairs (a, b), a < b."""
        return FoldCross(self, list(pairs), self._read, len(self._parts))

    def release(self, row: int) -> None:
        """The sums of folds are needed to the end."""

    def layer(self, index: int, fold: int) -> Layer:
        """Return a layer without one fold."""
        return self._layers[index].layers[fold]

    def outside(self, a: int, b: int, fold: int) -> Tensor:  # [neurons_a, neurons_b]
        """Return the sums of products about the means of all other folds, over their words."""
        return self._about(self._whole, a, b, fold) - self.inside(a, b, fold)

    def inside(self, a: int, b: int, fold: int) -> Tensor:  # [neurons_a, neurons_b]
        """Return the sums of products about the means of all other folds, over the fold's own words."""
        return self._about(self._parts[fold], a, b, fold)

    @property
    def _whole(self) -> Moments:
        if self._all is None:
            raise RuntimeError("layers are prepared first")
        return self._all

    def _about(self, moments: Moments, a: int, b: int, fold: int) -> Tensor:
        return moments.about(a, b, self._shift(a, fold), self._shift(b, fold))

    def _shift(self, index: int, fold: int) -> Tensor:  # [neurons]
        """The mean of all other folds, less the pivot."""
        whole, part = self._whole, self._parts[fold]
        return (whole.total(index) - part.total(index)) / (whole.words - part.words)

    def _without(self, fold: int, index: int) -> Layer:
        words = self._whole.words - self._parts[fold].words
        mean = self._whole.pivot(index) + self._shift(index, fold)
        name = self._names[index]
        if words < 3:
            raise TooFewWords(f"{name} has {words} words here: nothing can be said of so few")
        return Layer(name, words, mean, self.outside(index, index, fold) / words, torch.float64)


@dataclass(frozen=True)
class FoldCross:
    """A batch of pairs, to be fitted without each fold in turn."""

    of: FoldSums
    pairs: list[tuple[int, int]]
    words: int
    folds: int

    @property
    def counts(self) -> dict[str, int]:
        """What diagnostics begin with."""
        return {"words": self.words, "folds": self.folds}

    @property
    def flipped(self) -> FoldCross:
        """The same, seen from b."""
        return FoldCross(self.of, [(b, a) for a, b in self.pairs], self.words, self.folds)

    def left_over(self, ridge: float | None) -> tuple[Tensor, Tensor]:  # each [pairs, neurons_a]
        """Return the squares that fits from b leave of a's neurons, and those about the mean, over all folds' words.

        ridge: λ, on covariances of b that are scaled to trace 1, as `ridge` has it; None: least squares. Both are in
        units of a's neurons; a neuron that is dead outside a fold is predicted by its mean there.
        """
        errors, squares = zip(*(self._left_over(a, b, ridge) for a, b in self.pairs), strict=True)
        return torch.stack(errors), torch.stack(squares)

    def _left_over(self, a: int, b: int, ridge: float | None) -> tuple[Tensor, Tensor]:
        error = square = torch.zeros(())
        for fold in range(self.folds):
            known = self.of.layer(b, fold)
            whitener = known.whitener(known.directions) * known.inverse_std[:, None]  # [neurons_b, rank]
            if ridge is not None:
                shares, rotation = known.principal
                whitener = product(whitener, rotation) * (shares / (shares + ridge)).sqrt()
            fitted = product(whitener.T, self.of.outside(b, a, fold)) / known.words  # [rank, neurons_a]
            slopes = product(whitener, fitted)  # [neurons_b, neurons_a]
            about = self.of.inside(a, a, fold).diagonal()
            crossed = (slopes * self.of.inside(b, a, fold)).sum(dim=0)
            explained = (slopes * product(self.of.inside(b, b, fold), slopes)).sum(dim=0)
            error = error + (about - 2 * crossed + explained).clamp(min=0)
            square = square + about
        return error, square
