"""ckasim: do two layers have the same geometry?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from layeratlas.measures.declaration import (
    PERMUTATION,
    ROTATION,
    SCALE,
    TRANSLATION,
    Measure,
    Range,
    Statistic,
    measure,
)
from layeratlas.measures.score import Scores
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross, Layer


@dataclass(frozen=True)
class Spread:
    """Neurons' spreads over the widest one, [neurons], so that squares cannot overflow; the covariance's norm so."""

    relative: Tensor
    norm: float
    dead: int


@measure
class LinearCKA(Measure):
    """Linear centred kernel alignment (Kornblith et al. 2019): squared norms of covariances.

    Range [0, 1]; symmetric. Invariant to rotation and to isotropic scaling, not to general invertible maps.
    """

    name = "ckasim"
    version = 1
    symmetric = True
    range = Range(0, 1)
    needs: ClassVar[Statistic] = CrossMoments()
    invariant_to = frozenset({PERMUTATION, SCALE, TRANSLATION, ROTATION})
    presets = {"wu2020": {}}
    usual = ({},)

    def prepare(self, layer: Layer) -> Spread:
        """Take the spreads and the norm."""
        return Spread(layer.std / layer.std.max(), layer.covariance_norm, layer.dead)

    def compare(self, a: Spread, b: Spread, cross: Cross) -> Scores:
        """Score the pairs."""
        covariance = cross.correlation.double() * a.relative[:, :, None] * b.relative[:, None, :]
        values = covariance.square().sum(dim=(1, 2)) / (a.norm * b.norm)
        return Scores(values.clamp(max=1), diagnostics={**cross.counts, "dead_a": a.dead, "dead_b": b.dead})
