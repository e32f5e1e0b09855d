"""All of a layer's directions, as the measures of whole layers prepare them. Axes: `moments.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross, Layer


@dataclass(frozen=True)
class Basis:
    """All directions of a layer, whitened, [neurons, rank]; how many they are, and how many neurons are dead."""

    rank: int
    dead: int
    whitener: Tensor

    @classmethod
    def of(cls, layer: Layer) -> Basis:
        """Take a layer's."""
        return cls(layer.directions, layer.dead, layer.whitener(layer.directions))

    def each(self, value: float) -> Tensor:  # batched -> [pairs], float64
        """Return one number for every pair of a batch."""
        return self.whitener.double().new_full((len(self.whitener),), value)

    def counts(self, b: Basis, cross: Cross) -> dict[str, int | float | Tensor]:
        """Return what one needs to judge a number of two layers: their ranks, and what the words force.

        Of two layers whose ranks together exceed the words' degrees of freedom, `forced` directions are the same by
        algebra: so many canonical correlations are 1 of any two layers.
        """
        forced = max(0, self.rank + b.rank - (cross.words - 1))
        ranks = {"rank_a": self.rank, "rank_b": b.rank, "forced": forced}
        return {**cross.counts, **ranks, "dead_a": self.dead, "dead_b": b.dead}


@dataclass(frozen=True)
class PrincipalBasis(Basis):
    """The same with the rotation [rank, rank] to principal directions, and their shares of variance [rank]."""

    rotation: Tensor
    shares: Tensor

    @classmethod
    def of(cls, layer: Layer) -> PrincipalBasis:
        """Take a layer's."""
        shares, rotation = layer.principal
        return cls(layer.directions, layer.dead, layer.whitener(layer.directions), rotation, shares)
