"""pwcca: how well do the directions correlate, each weighted by what it means to the first layer?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from layeratlas.measures.declaration import INVARIANCES, Ends, Range, Statistic, measure
from layeratlas.measures.kernels._forms import Formed, formed
from layeratlas.measures.kernels._unsure import SINGULAR
from layeratlas.measures.kernels.cca import refuse_forced
from layeratlas.measures.score import Scores, TooFewWords
from layeratlas.measures.statistics.bases import Basis
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross, Layer

_SAME = 1e-6  # correlations that are closer than this are one, as far as products of float32 can tell


@dataclass(frozen=True)
class Weighted(Basis):
    """Directions with their covariances with the neurons as the model has them, [rank, neurons]."""

    loadings: Tensor


@measure
class PWCCA(Formed):
    """Projection-weighted mean of the canonical correlations of all directions (Morcos et al. 2018).

    Canonical variable h_i of a weighs Σ_j |⟨h_i, a_j⟩| over a's neurons as the model has them, over the smaller rank.
    `pwsim` is the same of the components that hold 99 % of standardised variance. form: `similarity` or `complement`.
    Range [0, 1]; not symmetric. Invariant to invertible maps of b; of a only to translation, permutation and scale.
    What weighs how much is undetermined where correlations repeat: it is refused (TooFewWords) where the words are so
    few that they must, and the diagnostic `repeated` counts those that do, unless all are one.
    """

    name = "pwcca"
    version = 1
    no_interval = SINGULAR
    whole = True
    symmetric = False
    range = Range(0, 1)
    needs: ClassVar[Statistic] = CrossMoments()
    invariant_to = frozenset(INVARIANCES)
    forms = ("similarity", "complement")
    presets = {"gulp": {"form": "complement"}}

    def prepare(self, layer: Layer) -> Weighted:
        """Whiten all directions, and weigh them."""
        rank = layer.directions
        return Weighted(rank, layer.dead, layer.whitener(rank), layer.loadings(rank))

    def check(self, a: Weighted, b: Weighted, ends: Ends) -> None:
        """Refuse what is undetermined."""
        refuse_forced(self.name, a.rank, b.rank, ends)
        forced = a.rank + b.rank - (ends.words - 1)
        if forced > 1:
            raise TooFewWords(
                f"pwcca of {ends.a} towards {ends.b} is undetermined: their {a.rank} and {b.rank} directions exceed "
                f"what {ends.words:,} words allow, so that {forced} correlations are 1. Extract more text, or use pwsim"
            )

    def compare(self, a: Weighted, b: Weighted, cross: Cross) -> Scores:
        """Score a towards b."""
        from layeratlas.measures.linalg import product

        canonical = cross.all_canonical(a.whitener, b.whitener)
        weights = product(canonical.left.mT, a.loadings).abs().sum(dim=2).double()  # [pairs, shared]
        values = (weights * canonical.correlations.double()).sum(dim=1) / weights.sum(dim=1)
        repeated = {"repeated": _repeated(canonical.correlations)}
        return Scores(formed(values, self.form), diagnostics={**a.counts(b, cross), **repeated})


def _repeated(correlations: Tensor) -> Tensor:  # [pairs, shared] -> [pairs]
    """Count correlations that equal another; none where all are one, since their mean is that whatever the weights."""
    ordered = correlations.sort(dim=1).values
    same = ordered.diff(dim=1) < _SAME
    either = correlations.new_zeros(correlations.shape).bool()
    either[:, 1:] |= same
    either[:, :-1] |= same
    return either.sum(dim=1) * ~(ordered[:, -1] - ordered[:, 0] < _SAME)
