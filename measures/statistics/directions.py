"""Products of words' directions: a mean of cosines after any move of one layer then follows from sums alone.

Of rows a, b and a linear move Q, Σ (aQ)·b / (|a||b|) is the sum over neurons of Q times Σ â b̂', â and b̂ of length one.
So the move may be chosen when the words are gone; they need not be read twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy

import torch
from torch import Tensor

from layeratlas.measures.linalg import add_product
from layeratlas.measures.statistics.centring import Block
from layeratlas.measures.statistics.folds import summed
from layeratlas.measures.statistics.strips import Strip

_WORDS = 1024  # copied at a time: a block may be all that memory has room for


class Directions:
    """Sums over words of products of rows about the origin, each of length one, laid out as `Moments` lays out pairs.

    without: how many words of each layer have no direction, since their rows are 0.
    """

    def __init__(
        self, units: Sequence[int], found: Iterable[Strip], columns: Sequence[slice], device: torch.device
    ) -> None:
        self._columns = columns
        self.without = torch.zeros(len(units), dtype=torch.int64, device=device)
        self.cross = {
            strip: torch.zeros(*(sum(units[slice(*side)]) for side in (strip.rows, strip.columns)),
                               dtype=torch.float64, device=device)
            for strip in found
        }  # fmt: skip

    def add(self, block: Block, out: Tensor) -> None:
        """Take the next words of every layer. out: room for the largest product."""
        for centred in torch.split(block.centred, _WORDS):
            self._add(centred + block.pivot, out)

    def together(self, parts: Sequence[Directions], weights: Sequence[int]) -> Directions:
        """Return the sums of parts, each times a weight."""
        found = copy(self)
        found.without = summed([part.without for part in parts], weights)
        found.cross = {strip: summed([part.cross[strip] for part in parts], weights) for strip in self.cross}
        return found

    def _add(self, rows: Tensor, out: Tensor) -> None:  # rows [words, neurons of all layers], overwritten
        self.without += self._unit(rows)
        for strip, products in self.cross.items():
            left, right = (
                rows[:, self._columns[first].start : self._columns[last - 1].stop]
                for first, last in (strip.rows, strip.columns)
            )
            add_product(products, left, right, out[: products.numel()].view(products.shape))

    def _unit(self, rows: Tensor) -> Tensor:  # [words, neurons of all layers], overwritten
        """Give each layer's rows length one; return how many of each are 0, [layers]."""
        return torch.stack([unit(rows[:, columns])[1] for columns in self._columns])


def unit(rows: Tensor) -> tuple[Tensor, Tensor]:  # [words, neurons], overwritten
    """Give rows length one; return them, and how many are 0."""
    largest = rows.abs().amax(dim=1, keepdim=True)  # squares of what is over it neither vanish nor overflow
    rows /= torch.where(largest > 0, largest, 1.0)
    rows /= rows.square().sum(dim=1, keepdim=True).sqrt().clamp(min=1.0)
    return rows, (largest == 0).sum()
