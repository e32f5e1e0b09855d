"""Second moments of many layers in one pass, and what measures derive from them.

`Moments` takes the layers' words block by block; memory does not depend on their number. Blocks are centred on a pivot
(the mean of the first one) before they are multiplied, because raw moments lose everything when means are large;
products are in the dtype of the data, sums and each layer's own covariance in float64, so that ranks and cuts are
decided exactly.

Axes: words · neurons · pairs (compared at once, of layers with the same widths) · neurons_a, neurons_b · kept
(components of a layer, largest variance first) · shared (canonical directions of a pair).
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from layeratlas.measures.linalg import add_product, add_square, column_norms, product, symmetric_eigen
from layeratlas.measures.score import ConstantLayer, TooFewWords
from layeratlas.measures.statistics.centring import Block
from layeratlas.measures.statistics.strips import strips

_ROUNDING = 2 * torch.finfo(torch.float32).eps  # a spread below this share of the mean is float32's own rounding


class Layer:
    """One layer's own statistics: spread, dead neurons, and the spectrum of its correlation matrix."""

    def __init__(self, name: str, words: int, mean: Tensor, covariance: Tensor, dtype: torch.dtype) -> None:
        # mean [neurons], covariance [neurons, neurons], both float64; dtype: of the products of a pair
        self.name, self.words, self.dtype = name, words, dtype
        variance = covariance.diagonal().clamp(min=0)
        self.std = variance.sqrt()  # [neurons]
        self.alive = self.std > _ROUNDING * mean.abs()  # [neurons]
        self.dead = int((~self.alive).sum())
        if not self.alive.any():
            raise ConstantLayer(f"{name} is constant: none of its {len(mean)} neurons varies over {words:,} words")
        self.inverse_std = torch.where(
            self.alive, 1 / self.std, 0.0
        )  # [neurons]; a dead neuron correlates with nothing
        self.std = torch.where(self.alive, self.std, 0.0)
        self.covariance_norm = float(torch.linalg.matrix_norm(covariance / self.std.max() ** 2))
        self._correlation = covariance * self.inverse_std[:, None] * self.inverse_std
        self._whitener = self._loadings = torch.empty(0, 0)

    @property
    def neurons(self) -> int:
        """How many neurons the layer has, dead ones included."""
        return len(self.std)

    @cached_property
    def spectrum(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues [neurons], largest first, and eigenvectors [neurons, neurons] of the correlation matrix."""
        values, vectors = symmetric_eigen(self._correlation)
        del self._correlation  # a layer keeps one matrix, not two
        return values.clamp(min=0), vectors

    def rank(self, tolerance: float) -> int:
        """Count the directions that hold more than `tolerance` times the variance of an average live neuron."""
        return int((self.spectrum[0] > tolerance).sum())

    def components(self, variance: float, cut: str) -> int:
        """Count the largest components that together `reach` a share of variance, or stay `below` it."""
        values = self.spectrum[0]
        below = int((values.cumsum(0) < variance * values.sum()).sum())
        return below if cut == "below" else min(below + 1, self.neurons)

    def whitener(self, kept: int) -> Tensor:  # [neurons, kept]
        """Return W with Z W white: the first `kept` eigenvectors over the roots of their eigenvalues."""
        if self._whitener.shape[1] < kept:
            values, vectors = self.spectrum
            self._whitener = (vectors[:, :kept] * values[:kept].rsqrt()).to(self.dtype)
        return self._whitener[:, :kept]

    def loadings(self, kept: int) -> Tensor:  # [kept, neurons]
        """Covariance of each whitened component with each neuron as the model has it: roots × eigenvectors × spread."""
        if len(self._loadings) < kept:
            values, vectors = self.spectrum
            spread = self.std / self.std.max()
            self._loadings = (values[:kept].sqrt()[:, None] * vectors[:, :kept].T * spread).to(self.dtype)
        return self._loadings[:kept]


@dataclass(frozen=True)
class Canonical:
    """Canonical correlations of the kept components of pairs of layers, with the directions in either."""

    correlations: Tensor  # [pairs, shared]
    left: Tensor  # [pairs, kept_a, shared]
    right: Tensor  # [pairs, kept_b, shared]

    @property
    def flipped(self) -> Canonical:
        """The same, seen from b."""
        return Canonical(self.correlations, self.right, self.left)


@dataclass
class _Made:
    """What was computed of a batch seen from one side, to be used again."""

    explained: Tensor | None = None  # [pairs, most kept so far, neurons_a]
    canonical: dict[tuple[int, int], Canonical] = field(default_factory=dict)


class Cross:
    """The correlations of a batch of pairs; products that several measures need are made once.

    A layer's whiteners are all the first columns of one: what was made with many components serves for fewer.
    """

    def __init__(self, words: int, correlation: Tensor) -> None:
        self.words = words
        self.counts = {"words": words}  # what the diagnostics of every score say
        self.correlation = correlation  # [pairs, neurons_a, neurons_b]
        self._made, self._made_flipped = _Made(), _Made()

    @property
    def flipped(self) -> Cross:
        """The same, seen from b. No cycle: that would keep a batch's memory until somebody searches for it."""
        other = Cross.__new__(Cross)
        other.words, other.counts, other.correlation = self.words, self.counts, self.correlation.mT
        other._made, other._made_flipped = self._made_flipped, self._made
        return other

    def count(self, **counts: int) -> None:
        """Have the diagnostics say more, or otherwise, of what entered."""
        self.counts.update(counts)

    def explained(self, whitener_b: Tensor) -> Tensor:  # [pairs, neurons_b, kept] -> [pairs, kept, neurons_a]
        """Return how each neuron of a correlates with each of b's whitened components."""
        kept = whitener_b.shape[2]
        if self._made.explained is None or self._made.explained.shape[1] < kept:
            self._made.explained = product(whitener_b.mT, self.correlation.mT)
        return self._made.explained[:, :kept]

    def canonical(self, whitener_a: Tensor, whitener_b: Tensor) -> Canonical:  # [pairs, neurons, kept] of a and of b
        """Return the canonical correlations of these components."""
        kept = whitener_a.shape[2], whitener_b.shape[2]
        if kept[0] > kept[1] or kept[::-1] in self._made_flipped.canonical:
            return self.flipped.canonical(whitener_b, whitener_a).flipped
        if kept not in self._made.canonical:
            self._made.canonical[kept] = _canonical(product(self.explained(whitener_b), whitener_a).mT)
        return self._made.canonical[kept]


def _canonical(whitened: Tensor) -> Canonical:  # [pairs, kept_a, kept_b], kept_a ≤ kept_b
    """Singular values and vectors through the eigenvectors of the smaller Gram matrix, at a third of an SVD's time.

    The Gram matrix alone would give small singular values to half the digits. Their Rayleigh quotients, the norms of
    `whitenedᵀ left`, are right to second order in the error of the vectors. Directions without correlation have no
    counterpart that could be computed so; then the SVD completes them. The Gram matrix is float64 whatever the data:
    it squares the distances between directions, and pwsim needs each of them.
    """
    exact = whitened.double()
    left = symmetric_eigen(product(exact, exact.mT))[1].to(whitened.dtype)
    right = product(whitened.mT, left)  # [pairs, kept_b, shared], not yet of length one
    correlations = column_norms(right) / column_norms(left)
    right = right / correlations[:, None]
    lost = correlations.amin(dim=1) < torch.finfo(whitened.dtype).eps ** 0.5
    if lost.any():
        left[lost], correlations[lost], right_rows = torch.linalg.svd(whitened[lost], full_matrices=False)
        right[lost] = right_rows.mT
    return Canonical(correlations.clamp(max=1), left, right)


class Moments:
    """Sums over words for a set of layers and of pairs among them."""

    def __init__(
        self, names: list[str], units: list[int], pairs: Iterable[tuple[int, int]], dtype: torch.dtype,
        device: torch.device,
    ) -> None:  # fmt: skip
        self._names, self._units, self._dtype, self._device = names, units, dtype, device
        edges = torch.tensor([0, *units]).cumsum(0).tolist()
        self._columns = [slice(start, stop) for start, stop in pairwise(edges)]
        self._own = [torch.zeros(width, width, dtype=torch.float64, device=self._device) for width in units]
        self._cross = {
            strip: torch.zeros(*(edges[last] - edges[first] for first, last in (strip.rows, strip.columns)),
                               dtype=torch.float64, device=self._device)
            for strip in strips(units, pairs)
        }  # fmt: skip
        self._strip_of = {
            (a, b): strip for strip in self._cross for a in range(*strip.rows) for b in range(*strip.columns)
        }
        self._sum = torch.zeros(edges[-1], dtype=torch.float64, device=self._device)
        self._pivot: Tensor | None = None
        largest = max((products.numel() for products in self._cross.values()), default=0)
        self._product = torch.empty(largest, dtype=self._dtype, device=self._device)  # reused: fresh pages cost more
        self._layers: dict[int, Layer] = {}
        self._lock = threading.Lock()
        self.words = 0

    def add(self, block: Block) -> None:
        """Take the next words of every layer."""
        self._pivot = block.pivot
        self._sum += block.centred.sum(dim=0)
        self.words += block.words
        for own, columns in zip(self._own, self._columns, strict=True):
            add_square(own, block.centred[:, columns])
        for strip, products in self._cross.items():
            left, right = (block.centred[:, self._side_by_side(*side)] for side in (strip.rows, strip.columns))
            add_product(products, left, right, self._product[: products.numel()].view(products.shape))

    def group(self, a: int, b: int) -> None:
        """A layer's moments are the same in all pairs."""

    def prepare(self, index: int, group: Hashable = None) -> Layer:
        """Return a layer's statistics. Raises TooFewWords or ConstantLayer."""
        if self._pivot is None or self.words < 3:
            raise TooFewWords(f"{self._names[index]} has {self.words} words here: nothing can be said of so few")
        with self._lock:
            if index not in self._layers:
                shift = self._shift(index)[:, None]
                covariance = self._own[index] / self.words - shift @ shift.T
                mean = self._pivot[self._columns[index]].double() + shift[:, 0]
                self._layers[index] = Layer(self._names[index], self.words, mean, covariance, self._dtype)
                self._own[index] = covariance[:0].clone()
            return self._layers[index]

    def pair(self, pairs: Sequence[tuple[int, int]]) -> Cross:
        """Return the correlations of pairs (a, b), a < b, whose layers have the same widths."""
        covariance = _stacked([self._products(a, b) for a, b in pairs]) / self.words
        shift_a, shift_b = (_stacked([self._shift(pair[end]) for pair in pairs]) for end in (0, 1))
        scale_a, scale_b = (_stacked([self._layers[pair[end]].inverse_std for pair in pairs]) for end in (0, 1))
        covariance -= shift_a[:, :, None] * shift_b[:, None, :]
        covariance *= scale_a[:, :, None]
        covariance *= scale_b[:, None, :]
        return Cross(self.words, covariance.to(self._dtype))

    def _products(self, a: int, b: int) -> Tensor:  # [neurons_a, neurons_b]
        strip = self._strip_of[a, b]
        top = self._columns[a].start - self._columns[strip.rows[0]].start
        start = self._columns[b].start - self._columns[strip.columns[0]].start
        return self._cross[strip][top : top + self._units[a], start : start + self._units[b]]

    def _side_by_side(self, first: int, last: int) -> slice:
        """Return the columns of neighbouring layers, `last` not among them."""
        return slice(self._columns[first].start, self._columns[last - 1].stop)

    def _shift(self, index: int) -> Tensor:  # [neurons]
        """The mean less the pivot."""
        return self._sum[self._columns[index]] / self.words

    def release(self, row: int) -> None:
        """Give up the sums of pairs (a, b) with a < row: pairs are taken in order, and these are done."""
        self._product = self._product[:0].clone()
        for strip in [strip for strip in self._cross if strip.rows[1] <= row]:
            del self._cross[strip]


def _stacked(parts: Sequence[Tensor]) -> Tensor:  # each [...] -> [pairs, ...]
    return parts[0][None] if len(parts) == 1 else torch.stack(list(parts))
