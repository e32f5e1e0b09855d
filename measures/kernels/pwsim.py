"""pwsim: do two layers span the same directions, each weighted by what it means to the first?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from layeratlas.measures.declaration import (
    NEURON_SCALES,
    PERMUTATION,
    SCALE,
    TRANSLATION,
    Ends,
    Measure,
    Range,
    Statistic,
    measure,
)
from layeratlas.measures.kernels.svsim import Components, Cut, check_components, check_cut
from layeratlas.measures.score import Scores
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross, Layer


@dataclass(frozen=True)
class Weighted(Components):
    """Components with their covariances with the neurons as the model has them, [kept, neurons]."""

    loadings: Tensor


@measure
class PWSim(Measure):
    """Projection-weighted mean of the canonical correlations (PWCCA, Morcos et al. 2018).

    Direction i of a weighs the sum over a's neurons of its absolute covariance with the neuron as the model has it.
    Range [0, 1]; not symmetric. variance, cut and refusals are those of svsim.
    """

    variance: float = 0.99
    cut: Cut = "reach"

    name = "pwsim"
    version = 1
    symmetric = False
    range = Range(0, 1)
    needs: ClassVar[Statistic] = CrossMoments()
    invariant_to = frozenset({PERMUTATION, NEURON_SCALES, SCALE, TRANSLATION})
    presets = {"wu2020": {"cut": "below"}}
    usual = ({},)

    def __post_init__(self) -> None:
        check_cut(self.variance, self.cut)

    def prepare(self, layer: Layer) -> Weighted:
        """Whiten the kept components, and weigh them."""
        kept = layer.components(self.variance, self.cut)
        return Weighted(kept, layer.dead, layer.whitener(kept), layer.loadings(kept))

    def check(self, a: Weighted, b: Weighted, ends: Ends) -> None:
        """Refuse what svsim refuses."""
        check_components(self.name, self.variance, (a.kept, b.kept), ends)

    def compare(self, a: Weighted, b: Weighted, cross: Cross) -> Scores:
        """Score a towards b."""
        canonical = cross.canonical(a.whitener, b.whitener)
        weights = (canonical.left.mT @ a.loadings).abs().sum(dim=2).double()  # [pairs, shared]
        values = (weights * canonical.correlations.double()).sum(dim=1) / weights.sum(dim=1)
        counts = {"components_a": a.kept, "components_b": b.kept, "dead_a": a.dead, "dead_b": b.dead}
        return Scores(values, diagnostics={**cross.counts, **counts})
