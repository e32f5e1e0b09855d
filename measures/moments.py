"""Second moments of many layers in one pass, and what measures derive from them.

`Moments` takes the layers' words chunk by chunk; memory does not depend on their number. It centres on a pivot (the
mean of the first chunk) before it multiplies, because raw moments lose everything when means are large; products are
in the dtype of the data, sums and each layer's own covariance in float64, so that ranks and cuts are decided exactly.

Axes: words · neurons · neurons_a, neurons_b · kept (components of a layer, largest variance first) · shared
(canonical directions of a pair).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from layeratlas.measures.linalg import add_product, add_square, symmetric_eigen
from layeratlas.measures.score import ConstantLayer, NotFinite, TooFewWords

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
        self._covariance = covariance
        self._spectrum: tuple[Tensor, Tensor] | None = None
        self._lock = threading.Lock()
        self._whitener = self._loadings = torch.empty(0, 0)

    @property
    def neurons(self) -> int:
        """How many neurons the layer has, dead ones included."""
        return len(self.std)

    @property
    def spectrum(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues [neurons], largest first, and eigenvectors [neurons, neurons] of the correlation matrix."""
        with self._lock:
            if self._spectrum is None:
                correlation = self._covariance * self.inverse_std[:, None] * self.inverse_std
                self._covariance = correlation[:0]  # given up: a layer keeps one matrix, not two
                values, vectors = symmetric_eigen(correlation)
                self._spectrum = values.clamp(min=0), vectors
            return self._spectrum

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
    """Canonical correlations of two layers' kept components, with the directions in either."""

    correlations: Tensor  # [shared]
    left: Tensor  # [kept_a, shared]
    right: Tensor  # [kept_b, shared]

    @property
    def flipped(self) -> Canonical:
        """The same, seen from b."""
        return Canonical(self.correlations, self.right, self.left)


class Cross:
    """The correlations of two layers; products that several measures need are made once."""

    def __init__(self, a: Layer, b: Layer, correlation: Tensor, flipped: Cross | None = None) -> None:
        self.a, self.b = a, b
        self.correlation = correlation  # [neurons_a, neurons_b]
        self._explained: tuple[int, Tensor] | None = None
        self._canonical: dict[tuple[int, int], Canonical] = {}
        self.flipped = flipped or Cross(b, a, correlation.T, flipped=self)

    def explained(self, rank: int) -> Tensor:  # [rank, neurons_a]
        """Return how each neuron of a correlates with each of b's first `rank` whitened components."""
        if self._explained is None or self._explained[0] < rank:
            self._explained = rank, self.b.whitener(rank).T @ self.correlation.T
        return self._explained[1][:rank]

    def canonical(self, kept_a: int, kept_b: int) -> Canonical:
        """Return the canonical correlations of the first kept components."""
        if kept_a > kept_b or (kept_b, kept_a) in self.flipped._canonical:
            return self.flipped.canonical(kept_b, kept_a).flipped
        if (kept_a, kept_b) not in self._canonical:
            whitened = (self.explained(kept_b) @ self.a.whitener(kept_a)).T  # [kept_a, kept_b]
            self._canonical[kept_a, kept_b] = _canonical(whitened)
        return self._canonical[kept_a, kept_b]


def _canonical(whitened: Tensor) -> Canonical:  # [kept_a, kept_b], kept_a ≤ kept_b
    """Singular values and vectors through the eigenvectors of the smaller Gram matrix, at a third of an SVD's time.

    The Gram matrix alone would give small singular values to half the digits. Their Rayleigh quotients, the norms of
    `whitenedᵀ left`, are right to second order in the error of the vectors. Directions without correlation have no
    counterpart that could be computed so; then the SVD completes them. The Gram matrix is float64 whatever the data:
    it squares the distances between directions, and pwsim needs each of them.
    """
    exact = whitened.double()
    left = symmetric_eigen(exact @ exact.T)[1].to(whitened.dtype)
    right = whitened.T @ left  # [kept_b, shared], not yet of length one
    correlations = torch.linalg.vector_norm(right, dim=0) / torch.linalg.vector_norm(left, dim=0)
    if correlations.min() < torch.finfo(whitened.dtype).eps ** 0.5:
        left, correlations, right_rows = torch.linalg.svd(whitened, full_matrices=False)
        return Canonical(correlations.clamp(max=1), left, right_rows.T)
    return Canonical(correlations.clamp(max=1), left, right / correlations)


class Moments:
    """Sums over words for a set of layers and of pairs among them."""

    def __init__(
        self, names: list[str], widths: list[int], pairs: Iterable[tuple[int, int]], dtype: torch.dtype,
        device: torch.device,
    ) -> None:  # fmt: skip
        self._names, self._widths, self._dtype, self._device = names, widths, dtype, device
        edges = torch.tensor([0, *widths]).cumsum(0).tolist()
        self._columns = [slice(start, stop) for start, stop in pairwise(edges)]
        self._own = [torch.zeros(width, width, dtype=torch.float64, device=device) for width in widths]
        self._cross = {
            (a, first, last): torch.zeros(widths[a], edges[last] - edges[first], dtype=torch.float64, device=device)
            for a, first, last in _runs(pairs)
        }
        self._run_of = {(run[0], b): run for run in self._cross for b in range(run[1], run[2])}
        self._sum = torch.zeros(edges[-1], dtype=torch.float64, device=device)
        self._pivot: Tensor | None = None
        largest = max((products.numel() for products in self._cross.values()), default=0)
        self._product = torch.empty(largest, dtype=dtype, device=device)  # reused: fresh pages cost more than sums
        self._layers: dict[int, Layer] = {}
        self._lock = threading.Lock()
        self.bad: dict[int, NotFinite] = {}
        self.words = 0

    def add(self, chunk: Tensor) -> None:  # [words, neurons of all layers side by side]; overwritten
        """Take the next words of every layer."""
        self._refuse_not_finite(chunk)
        if self._pivot is None:
            self._pivot = chunk.mean(dim=0)
        chunk -= self._pivot
        self._sum += chunk.sum(dim=0)
        self.words += len(chunk)
        for own, columns in zip(self._own, self._columns, strict=True):
            add_square(own, chunk[:, columns])
        for (row, first, last), products in self._cross.items():
            right = chunk[:, self._columns[first].start : self._columns[last - 1].stop]
            out = self._product[: products.numel()].view(products.shape)
            add_product(products, chunk[:, self._columns[row]], right, out)

    def _refuse_not_finite(self, chunk: Tensor) -> None:
        """Mark layers with NaN or infinity and blank them, so that they cannot reach the others."""
        if bool(torch.isfinite(chunk.sum())) and not self.bad:
            return
        for index, columns in enumerate(self._columns):
            found = (~torch.isfinite(chunk[:, columns])).nonzero()
            if len(found):
                word, neuron = found[0].tolist()
                where = f"word {self.words + word}, neuron {neuron}"
                self.bad.setdefault(index, NotFinite(f"{self._names[index]} holds NaN or infinity (first: {where})"))
            if index in self.bad:
                chunk[:, columns] = 0

    def layer(self, index: int) -> Layer:
        """Return a layer's statistics. Raises NotFinite, TooFewWords or ConstantLayer."""
        if index in self.bad:
            raise self.bad[index]
        if self._pivot is None or self.words < 3:
            raise TooFewWords(f"{self._names[index]} has {self.words} words here: nothing can be said of so few")
        with self._lock:
            if index not in self._layers:
                shift = (self._sum[self._columns[index]] / self.words)[:, None]
                covariance = self._own[index] / self.words - shift @ shift.T
                mean = self._pivot[self._columns[index]].double() + shift[:, 0]
                self._layers[index] = Layer(self._names[index], self.words, mean, covariance, self._dtype)
                self._own[index] = covariance[:0]
            return self._layers[index]

    def cross(self, a: int, b: int) -> Cross:
        """Return the correlations of a pair, a < b."""
        run = self._run_of[a, b]
        start = self._columns[b].start - self._columns[run[1]].start
        products = self._cross[run][:, start : start + self._widths[b]]
        left, right = self.layer(a), self.layer(b)
        shift_a, shift_b = (self._sum[self._columns[index]] / self.words for index in (a, b))
        covariance = products / self.words - shift_a[:, None] * shift_b
        correlation = covariance * left.inverse_std[:, None] * right.inverse_std
        return Cross(left, right, correlation.to(self._dtype))

    def release(self, row: int) -> None:
        """Give up the sums of pairs (a, b) with a < row: pairs are taken in order, and these are done."""
        self._product = self._product[:0].clone()
        for run in [run for run in self._cross if run[0] < row]:
            del self._cross[run]


def _runs(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Group pairs (a, b), a < b, into runs (a, first, last + 1) of neighbouring b: one product each."""
    runs: list[tuple[int, int, int]] = []
    for a, b in sorted(pairs):
        if runs and runs[-1][0] == a and runs[-1][2] == b:
            runs[-1] = (a, runs[-1][1], b + 1)
        else:
            runs.append((a, b, b + 1))
    return runs
