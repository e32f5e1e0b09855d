"""first_component: how much of a layer's variance lies along one direction?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from layeratlas.measures.declaration import Range, Statistic
from layeratlas.measures.figure import Figure, figure
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from layeratlas.measures.statistics.moments import Layer


@figure
class FirstComponent(Figure):
    """The share of the first principal component (Pearson 1901) in the variance: above 0, to 1.

    Blind to rotation, scale and translation, and to all that the other components do.
    """

    name = "first_component"
    version = 1
    range = Range(0, 1)
    needs: ClassVar[Statistic] = CrossMoments()

    def of(self, layer: Layer) -> float:
        """The largest share."""
        return float(layer.shares[0])
