"""pwsim: do two layers span the same directions, each weighted by what it means to the first?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from layeratlas.measures.declaration import measure
from layeratlas.measures.kernels._unsure import SINGULAR
from layeratlas.measures.kernels.svsim import Components, SVSim
from layeratlas.measures.score import Scores

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross, Layer


@dataclass(frozen=True)
class Weighted(Components):
    """Components with their covariances with the neurons as the model has them, [kept, neurons]."""

    loadings: Tensor


@measure
class PWSim(SVSim):
    """Projection-weighted mean of the canonical correlations (PWCCA, Morcos et al. 2018).

    Direction i of a weighs the sum over a's neurons of its absolute covariance with the neuron as the model has it.
    Range [0, 1]; not symmetric. variance, cut and refusals are those of svsim.
    """

    name = "pwsim"
    version = 1
    no_interval = SINGULAR
    symmetric = False

    def prepare(self, layer: Layer) -> Weighted:
        """Whiten the kept components, and weigh them."""
        found = super().prepare(layer)
        return Weighted(found.kept, found.dead, found.whitener, layer.loadings(found.kept))

    def compare(self, a: Weighted, b: Weighted, cross: Cross) -> Scores:  # type: ignore[override]  # its own prepared
        """Score a towards b."""
        from layeratlas.measures.linalg import product

        canonical = cross.canonical(a.whitener, b.whitener)
        weights = product(canonical.left.mT, a.loadings).abs_().sum(dim=2).double()  # [pairs, shared]
        values = (weights * canonical.correlations.double()).sum(dim=1) / weights.sum(dim=1)
        return Scores(values, diagnostics=self.diagnostics(a, b, cross))
