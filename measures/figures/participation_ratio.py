"""participation_ratio: over how many directions does a layer spread its variance?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from layeratlas.measures.declaration import Range, Statistic
from layeratlas.measures.figure import Figure, figure
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from layeratlas.measures.statistics.moments import Layer


@figure
class ParticipationRatio(Figure):
    """(Σλ)² / Σλ² of the covariance's eigenvalues λ (Gao et al. 2017): 1 to the number of neurons.

    Blind to rotation, scale and translation. A few wide directions decide it: small ones hardly count.
    """

    name = "participation_ratio"
    version = 1
    range = Range(1, None)
    needs: ClassVar[Statistic] = CrossMoments()

    def of(self, layer: Layer) -> float:
        """The squared trace over the squared norm of the covariance, which needs no eigenvalues."""
        return (layer.total / layer.covariance_norm) ** 2
