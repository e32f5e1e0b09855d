"""What words of b in any order would give, drawn from its distribution and not from words: d³ operations and not n d².

Of layers whitened, [words, rank], the correlations of a with b in another order are a block of a random rotation of
words about their mean. Over all orders and over all rotations they have one mean, 0, and one covariance,
1/(words - 1) × identity; higher moments are those of layers that are normal. So a draw is L_a T L_bᵀ with T a block of
a rotation and L the layers' loadings, and what is blind to rotation needs T's singular values alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from layeratlas.measures.linalg import product
from layeratlas.measures.score import TooFewWords
from layeratlas.measures.statistics import haar
from layeratlas.measures.statistics.canonical import Canonical
from layeratlas.measures.statistics.derived import Derived
from layeratlas.measures.statistics.moments import Cross, Layer, Moments
from layeratlas.measures.statistics.norms import CrossNorms

_WORDS_A_NEURON = 20  # with fewer, directions of little variance are not yet normal: deviations come out too small
_UNTRUE = 0.2  # of a draw's variance, as far as words' lengths show it: likewise, where long words decide
_BLOCK, _VALUES, _ROTATION = range(3)  # which random numbers


def at_once(widths: Sequence[int]) -> int:
    """Return how many draws are made at a time, so that a pair's are 4 MB and all layers' products 64 MB, or one."""
    widest = max(widths, default=1)
    return max(1, min(2**22 // (8 * widest**2), 2**26 // (8 * widest * sum(widths) or 1)))


def bytes_of(widths: Sequence[int]) -> int:
    """Return what loadings, and the draws that are made at a time, take in float64."""
    return 8 * (1 + 4 * at_once(widths)) * max(widths, default=0) * sum(widths)


class _Once:
    """What threads share, made by the first that asks."""

    def __init__(self) -> None:
        self._found: dict[Hashable, Any] = {}
        self._locks: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def __call__(self, key: Hashable, make: Callable[[], Any]) -> Any:
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._found:
                self._found[key] = make()
            return self._found[key]


class Drawn(Derived):
    """So many draws of all pairs of layers (a, b), a < b: a batch is one pair, once a draw.

    The same draw of layers of the same widths is one T, whatever else is compared.
    """

    def __init__(self, moments: Moments, seed: int, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(moments)
        self._seed, self._dtype, self._device = seed, dtype, device
        self._loadings = _Once()
        self._draws: Sequence[int] = ()
        self._made = _Once()

    def draws(self, numbers: Sequence[int]) -> Drawn:
        """Return these draws; what is known of layers stays."""
        found = Drawn(self._moments, self._seed, self._dtype, self._device)
        found._loadings, found._draws = self._loadings, numbers
        return found

    def pair(self, pairs: Sequence[tuple[int, int]]) -> DrawnCross:
        """Return the draws of one pair, once a draw. Raises TooFewWords where few words decide."""
        a, b = pairs[0]
        first, second = self.prepare(a), self.prepare(b)
        wider = max(first, second, key=lambda layer: layer.neurons)
        if first.words < _WORDS_A_NEURON * wider.neurons:
            raise TooFewWords(
                f"draws take {_WORDS_A_NEURON} words a neuron, {_WORDS_A_NEURON * wider.neurons:,} for {wider.name}, "
                f"there are {first.words:,}: ask for --null permuted:words"
            )
        if (share := untrue(first, second)) > _UNTRUE:
            raise TooFewWords(
                f"words' lengths in {first.name} and {second.name} differ so much that variances of draws would be off "
                f"by {share:.0%} of themselves, with {first.words:,} words: ask for --null permuted:words"
            )
        return DrawnCross(self, a, b, first.words)

    def layer(self, index: int) -> Layer:
        """Return a layer."""
        return self._moments.prepare(index)

    def block(self, a: int, b: int) -> Tensor:  # [draws, components_a, components_b], each with one for lengths
        """Return T: correlations of whitened components."""
        if a > b:
            return self.block(b, a).mT
        words = self.layer(a).words - 1
        widths = self.layer(a).neurons, self.layer(b).neurons

        def drawn() -> Tensor:
            rows, columns = (min(width + 1, words) for width in widths)
            return self._stacked(lambda k: haar.block(self._stream(_BLOCK, k, *widths), rows, columns, words))

        found: Tensor = self._made(("block", *widths), drawn)
        return found

    def half(self, a: int, b: int) -> Tensor:  # [draws, neurons_a, components_b]
        """Return the correlations of a's neurons with b's whitened components."""
        width = self.layer(b).neurons

        def made() -> Tensor:
            loadings = self._loading(a)
            return product(loadings, self.block(a, b)[:, : loadings.shape[1], :width])

        found: Tensor = self._made(("half", a, width, a < b), made)
        return found

    def correlation(self, a: int, b: int) -> Tensor:  # [draws, neurons_a, neurons_b]
        """Return the correlations of neurons."""
        half, loadings = self.half(a, b), self._loading(b)
        return product(half[..., : loadings.shape[1]], loadings.T)

    def values(self, kept: tuple[int, int]) -> Tensor:  # [draws, shared], float64
        """Return canonical correlations of so many components."""
        few, many = sorted(kept)
        size = self._moments.words - 1

        def made() -> Tensor:
            found = [haar.correlations(self._stream(_VALUES, k, few, many), few, many, size) for k in self._draws]
            return torch.from_numpy(np.stack(found)).to(self._device)

        found: Tensor = self._made(("values", few, many), made)
        return found

    def rotation(self, size: int, columns: int, side: int) -> Tensor:  # [draws, size, columns]
        """Return canonical directions among so many whitened components; another one for either side."""

        def made() -> Tensor:
            return self._stacked(lambda k: haar.rotation(self._stream(_ROTATION, k, size, side), size, size))

        found: Tensor = self._made(("rotation", size, side), made)
        return found[..., :columns]

    def norms(self, a: int, b: int) -> CrossNorms | None:
        """Return the moments of words' squared lengths with the other layer's."""
        first, second = self.layer(a), self.layer(b)
        left, right = (self._of_lengths(index) for index in (a, b))
        words, between = first.words, self.block(a, b).double()
        own, theirs = first.norms, second.norms
        if own is None or theirs is None:
            return None
        mean_a, mean_b = own.total / words, theirs.total / words
        along_b, along_a = left[0] @ between, between @ right[0]  # [draws, components]
        with_b = along_b[:, : second.neurons] @ self._loading(b).double().T * second.relative
        with_a = along_a[:, : first.neurons] @ self._loading(a).double().T * first.relative
        return CrossNorms(
            words * (mean_a * mean_b + left[1] * right[1] * (along_b @ right[0])),
            words * (mean_a * theirs.shift + left[1] * with_b),
            words * (mean_b * own.shift + right[1] * with_a),
        )

    def _of_lengths(self, index: int) -> tuple[Tensor, float]:
        """Return how words' squared lengths correlate with whitened components, and with none; their deviation."""
        found: tuple[Tensor, float] = self._loadings(("lengths", index), lambda: _of_lengths(self.layer(index)))
        return found

    def _loading(self, index: int) -> Tensor:  # [neurons, components]
        """Return the correlations of neurons with whitened components."""

        def made() -> Tensor:
            layer = self.layer(index)
            values, vectors = layer.spectrum
            kept = min(layer.neurons, layer.words - 1)
            return (vectors[:, :kept] * values[:kept].sqrt()).to(layer.dtype)

        found: Tensor = self._loadings(("loading", index), made)
        return found

    def _stream(self, what: int, draw: int, *shape: int) -> np.random.RandomState:
        return haar.stream(self._seed, draw, what, *shape)

    def _stacked(self, make: Callable[[int], haar.Matrix]) -> Tensor:  # [draws, ...]
        one = np.stack([make(draw) for draw in self._draws])
        return torch.from_numpy(one).to(self._device, self._dtype)


class DrawnCross(Cross):
    """Draws of one pair, as measures see them."""

    def __init__(self, of: Drawn, a: int, b: int, words: int) -> None:
        super().__init__(words, torch.empty(0))
        self._of, self._a, self._b = of, a, b

    @property
    def flipped(self) -> DrawnCross:
        """The same, seen from b."""
        other = DrawnCross(self._of, self._b, self._a, self.words)
        other.counts, other._made, other._made_flipped = self.counts, self._made_flipped, self._made
        return other

    @property
    def correlation(self) -> Tensor:  # [draws, neurons_a, neurons_b]
        """Correlations of neurons, where a measure asks for them."""
        return self.transposed("correlation", lambda: self._of.correlation(self._a, self._b))

    @property
    def norms(self) -> CrossNorms | None:
        """The words' squared norms with each other's neurons."""
        return self.once("norms", lambda: self._of.norms(self._a, self._b))

    def explained(self, whitener_b: Tensor) -> Tensor:  # [draws, neurons_b, kept] -> [draws, kept, neurons_a]
        """Return how each neuron of a correlates with each of b's whitened components."""
        return self._of.half(self._a, self._b)[..., : whitener_b.shape[2]].mT

    def whitened(self, whitener_a: Tensor, whitener_b: Tensor) -> Tensor:
        """Return the correlations [draws, kept_a, kept_b] of a's whitened components with b's."""
        return self._of.block(self._a, self._b)[:, : whitener_a.shape[2], : whitener_b.shape[2]]

    def canonical(self, whitener_a: Tensor, whitener_b: Tensor) -> Canonical:
        """Return canonical correlations, and directions that have nothing to do with them."""
        kept = whitener_a.shape[2], whitener_b.shape[2]
        shared, turned = min(kept), int(self._a > self._b)
        left = self._of.rotation(kept[0], shared, turned)
        right = self._of.rotation(kept[1], shared, 1 - turned)
        return Canonical(self._of.values(kept).to(left.dtype), left, right)

    def kept_correlations(self, whitener_a: Tensor, whitener_b: Tensor) -> Tensor:
        """Return canonical correlations [draws, shared]."""
        return self._of.values((whitener_a.shape[2], whitener_b.shape[2]))

    def all_canonical(self, whitener_a: Tensor, whitener_b: Tensor) -> Canonical:
        """Return the canonical correlations of all directions."""
        return self.canonical(whitener_a, whitener_b)

    def canonical_correlations(self, whitener_a: Tensor, whitener_b: Tensor) -> Tensor:
        """Return the canonical correlations of all directions alone."""
        return self.kept_correlations(whitener_a, whitener_b)


def untrue(a: Layer, b: Layer) -> float:
    """Return by which share of itself the variance of sums of squared correlations differs from that of draws.

    Over all orders of words it has a term of the variances of both layers' leverages. Those of normal layers, which
    draws have, are 2/rank of the squared mean; instead of leverages, words' squared lengths about the mean are taken.
    """
    left, right = (1 + peakedness(layer) * layer.directions / 2 for layer in (a, b))  # over those of normal layers
    return abs(left * right - 1) * 2 / a.words


def peakedness(layer: Layer) -> float:
    """Return the excess kurtosis of words' lengths about the mean: 0 of normal ones, large where a few decide."""
    own, words = layer.norms, layer.words
    if own is None:
        raise RuntimeError("draws need CrossMoments(norms=True)")
    shifted = float(own.shift @ own.shift)
    fourth = (
        own.square - 4 * float(own.shift @ own.weighted) + 2 * shifted * own.total
        + words * (4 * own.spread + shifted**2)
    )  # fmt: skip
    trace = own.total - words * shifted
    return words * fourth / trace**2 - 1 - 2 * (layer.covariance_norm / layer.total) ** 2


def _of_lengths(layer: Layer) -> tuple[Tensor, float]:
    own, words = layer.norms, layer.words
    if own is None:
        raise RuntimeError("draws need CrossMoments(norms=True)")
    mean = own.total / words
    deviation = max(0.0, own.square / words - mean**2) ** 0.5
    values, vectors = layer.spectrum
    kept = layer.directions
    covariance = own.weighted / words - own.shift * mean  # [neurons], over the widest one's spread
    standard = torch.where(layer.alive, covariance / layer.relative.clamp(min=1e-300), 0.0)
    whitener = vectors[:, :kept] * values[:kept].rsqrt()
    found = torch.zeros(min(layer.neurons + 1, words - 1), dtype=torch.float64, device=values.device)
    if deviation > 0:
        found[:kept] = whitener.T @ standard / deviation
        rest = max(0.0, 1 - float(found.square().sum())) ** 0.5
        if layer.neurons < words - 1:
            found[-1] = rest
    return found, deviation
