"""Moments of words' squared lengths, which tell how much of two layers' likeness chance alone would give."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from layeratlas.measures.linalg import product
from layeratlas.measures.statistics.folds import summed


@dataclass(frozen=True)
class OwnNorms:
    """Sums over words of a layer's squared lengths t about the pivot, and of their products; float64.

    The layer is over its widest neuron's spread, its mean less the pivot is `shift`.
    """

    total: float  # Σ t
    square: float  # Σ t²
    shift: Tensor  # [neurons]
    weighted: Tensor  # Σ t (a - pivot), [neurons]
    spread: float  # the variance along `shift`


@dataclass(frozen=True)
class CrossNorms:
    """The same sums of pairs, [pairs]: of t_a with t_b, and with the neurons of the other layer."""

    products: Tensor  # Σ t_a t_b, [pairs]
    weighted_b: Tensor  # Σ t_a (b - pivot), [pairs, neurons_b]
    weighted_a: Tensor  # Σ t_b (a - pivot), [pairs, neurons_a]

    @property
    def flipped(self) -> CrossNorms:
        """The same, seen from b."""
        return CrossNorms(self.products, self.weighted_a, self.weighted_b)


class Norms:
    """Sums over words of every layer's squared length about the pivot, alone and with all that is side by side."""

    def __init__(self, layers: int, neurons: int, device: torch.device) -> None:
        self._total = torch.zeros(layers, dtype=torch.float64, device=device)
        self._products = torch.zeros(layers, layers, dtype=torch.float64, device=device)
        self._weighted = torch.zeros(layers, neurons, dtype=torch.float64, device=device)

    def add(self, centred: Tensor, columns: Sequence[slice]) -> None:  # [words, neurons of all layers]
        """Take the next words."""
        squares = torch.stack([centred[:, own].square().sum(dim=1) for own in columns], dim=1)  # [words, layers]
        self._weighted += product(squares.T, centred)
        exact = squares.double()
        self._total += exact.sum(dim=0)
        self._products += exact.T @ exact

    def together(self, parts: Sequence[Norms], weights: Sequence[int]) -> Norms:
        """Return the sums of parts, each times a weight."""
        found = copy(self)
        for name in ("_total", "_products", "_weighted"):
            setattr(found, name, summed([getattr(part, name) for part in parts], weights))
        return found

    def emptied(self) -> Norms:
        """Return sums of no words, for layers that are the same."""
        found = copy(self)
        found._products, found._weighted = torch.zeros_like(self._products), torch.zeros_like(self._weighted)
        return found

    def add_pair(self, a: Tensor, b: Tensor, columns: Sequence[slice]) -> None:  # each [words, neurons of all layers]
        """Take words of layers a with words of layers b, for pairs a < b."""
        of_a, of_b = (torch.stack([rows[:, own].square().sum(dim=1) for own in columns], dim=1) for rows in (a, b))
        forth, back = product(of_a.T, b), product(of_b.T, a)  # [layers, neurons of all layers]
        for layer, own in enumerate(columns):
            self._weighted[layer, own.stop :] += forth[layer, own.stop :]
            self._weighted[layer, : own.start] += back[layer, : own.start]
        self._products += of_a.double().T @ of_b.double()

    def own(self, index: int, columns: slice, shift: Tensor, covariance: Tensor, widest: float) -> OwnNorms:
        """Return a layer's, with its neurons over the widest one's spread."""
        shift, spread = shift / widest, float(shift @ covariance @ shift) / widest**4
        weighted = self._weighted[index, columns] / widest**3
        total, square = self._total[index] / widest**2, self._products[index, index] / widest**4
        return OwnNorms(float(total), float(square), shift, weighted, spread)

    def cross(self, a: int, b: int, columns: Sequence[slice], widest: Sequence[float]) -> tuple[Tensor, Tensor, Tensor]:
        """Return a pair's."""
        left, right = widest
        return (
            self._products[a, b] / (left * right) ** 2, self._weighted[a, columns[b]] / (left**2 * right),
            self._weighted[b, columns[a]] / (right**2 * left),
        )  # fmt: skip
