"""What a pair gives when stacks of b's words are shifted: all shifts for the work of two or three products.

Of stacks X_i of a's words and Y_j of b's, a shift t gives Σ X_i' Y_{i+t}: the cross-correlation of two sequences of
matrices. Its Fourier transform is X_f* Y_f, frequency by frequency, each of as many rows as one stack has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from layeratlas.measures.linalg import product
from layeratlas.measures.statistics.derived import Derived
from layeratlas.measures.statistics.norms import CrossNorms
from layeratlas.measures.statistics.orders import Deal

if TYPE_CHECKING:
    from layeratlas.measures.statistics.moments import Cross, Moments

_CACHED = 2**22  # bytes of correlations in float64
_ROOM = 2**27  # bytes of the products of some columns, all frequencies
_AT_ONCE = 2**28  # bytes of one product, in all orders that are made at a time


def at_once(neurons: int, other: int) -> int:
    """Return how many orders are made at a time of layers with these widths, in float32."""
    return max(1, _AT_ONCE // (4 * neurons * other))


def in_cache(neurons: int, other: int) -> int:
    """Return in how many orders at a time to compare a pair: their small algebra then stays in a core's cache."""
    return max(1, _CACHED // (8 * neurons * other))


def bytes_of(widths: Sequence[int], times: int) -> int:
    """Return what the orders of a pair take, and all shifts of some columns."""
    widest = max(widths, default=0)
    return 3 * 4 * widest**2 * min(times, at_once(widest or 1, widest or 1)) + 3 * _ROOM


def sums(deal: Deal, numbers: Sequence[int], left: Tensor, right: Tensor) -> Tensor:
    """Return leftᵀ right with right's words in these orders, [orders, rows, columns].

    left [words, rows], right [words, columns].
    """
    height, width, first = left.shape[1], right.shape[1], numbers[0] - deal.numbers.start
    found = torch.empty(len(numbers), height, width, dtype=left.dtype, device=left.device)
    tables = [torch.from_numpy(table).to(left.device) for table in deal.tables]
    met = [_transformed(right[words]) for words in tables]
    chosen = torch.cat([
        _weights(table.shape[1], torch.from_numpy(shifts[first : first + len(numbers)]))
        for table, shifts in zip(deal.tables, deal.shifts, strict=True)
    ], dim=1).to(left)  # [orders, parts of all frequencies]  # fmt: skip
    step = max(1, _ROOM // (left.itemsize * chosen.shape[1] * width))
    for start in range(0, height, step):
        columns = left[:, start : start + step]
        products = torch.empty(chosen.shape[1], columns.shape[1], width, dtype=left.dtype, device=left.device)
        place = 0
        for words, (cosines, sines) in zip(tables, met, strict=True):
            own_cosines, own_sines = _transformed(columns[words])
            real = torch.cat([own_cosines, own_sines], dim=1), torch.cat([cosines, sines], dim=1)
            imaginary = torch.cat([own_cosines, -own_sines], dim=1), torch.cat([sines, cosines], dim=1)
            for of_a, of_b in (real, imaginary):
                product(of_a.mT, of_b, products[place : place + len(of_a)])
                place += len(of_a)
        found[:, start : start + step] = product(chosen, products.flatten(1)).view(len(numbers), -1, width)
    return found


def _transformed(stacks: Tensor) -> tuple[Tensor, Tensor]:  # [rows, stacks, columns]
    """Return the Fourier transform over stacks, cosines and sines, each [frequencies, rows, columns]."""
    transform = torch.fft.rfft(stacks, dim=1).transpose(0, 1)
    return transform.real.contiguous(), transform.imag.contiguous()


def _weights(stacks: int, shifts: Tensor) -> Tensor:  # [orders] -> [orders, 2 × frequencies], float64
    """Return how often each frequency's real part counts in each shift, then its imaginary part."""
    frequencies = torch.arange(stacks // 2 + 1)
    times = torch.where((frequencies == 0) | (2 * frequencies == stacks), 1.0, 2.0).double() / stacks
    angles = shifts[:, None].double() * frequencies * (2 * torch.pi / stacks)
    return torch.cat([times * angles.cos(), -times * angles.sin()], dim=1)


class Dealt(Derived):
    """One pair of layers in several orders: a batch is this pair, once an order.

    products [orders, neurons_a, neurons_b], about the pivots; norms, directions: of the same orders, where asked for.
    """

    def __init__(self, moments: Moments, products: Tensor, norms: CrossNorms | None, directions: Tensor | None) -> None:
        super().__init__(moments)
        self._products, self._norms, self._directions = products, norms, directions

    def part(self, first: int, last: int) -> Dealt:
        """Return some of the orders."""
        some = slice(first, last)
        return Dealt(
            self._moments, self._products[some], None if self._norms is None else self._norms.part(some),
            None if self._directions is None else self._directions[some],
        )  # fmt: skip

    def pair(self, pairs: Sequence[tuple[int, int]]) -> Cross:
        """Return the correlations in all orders."""
        return self._moments.cross(pairs, self._products, self._norms, self._directions)
