"""Moments of words' squared lengths, which tell how much of two layers' likeness chance alone would give."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

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

    def over(self, widest_a: Any, widest_b: Any) -> CrossNorms:  # numbers, or [pairs]
        """Return those of layers over these spreads."""
        left, right = (
            torch.as_tensor(one, dtype=torch.float64).to(self.products.device) for one in (widest_a, widest_b)
        )
        return CrossNorms(
            self.products / (left * right) ** 2, self.weighted_b / (left**2 * right)[..., None],
            self.weighted_a / (right**2 * left)[..., None],
        )  # fmt: skip

    def part(self, some: slice) -> CrossNorms:
        """Return those of some pairs."""
        return CrossNorms(self.products[some], self.weighted_b[some], self.weighted_a[some])


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

    def own(self, index: int, columns: slice, shift: Tensor, covariance: Tensor, widest: float) -> OwnNorms:
        """Return a layer's, with its neurons over the widest one's spread."""
        shift, spread = shift / widest, float(shift @ covariance @ shift) / widest**4
        weighted = self._weighted[index, columns] / widest**3
        total, square = self._total[index] / widest**2, self._products[index, index] / widest**4
        return OwnNorms(float(total), float(square), shift, weighted, spread)

    def cross(self, a: int, b: int, columns: Sequence[slice]) -> tuple[Tensor, Tensor, Tensor]:
        """Return a pair's: Σ t_a t_b, Σ t_a (b - pivot), Σ t_b (a - pivot)."""
        return self._products[a, b], self._weighted[a, columns[b]], self._weighted[b, columns[a]]
