"""concentricity: do a layer's words point where their mean points?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from layeratlas.measures.declaration import Range, Statistic
from layeratlas.measures.figure import Figure, figure
from layeratlas.measures.statistics.lengths import Lengths

if TYPE_CHECKING:
    from layeratlas.measures.statistics.lengths import LayerLengths


@figure
class Concentricity(Figure):
    """The mean cosine of words' rows with their mean row (Wang et al. 2020): -1 to 1, near 1 in a narrow cone.

    Blind to rotation and scale, not to translation. Refused where a row is 0, or the mean.
    """

    name = "concentricity"
    version = 1
    range = Range(-1, 1)
    needs: ClassVar[Statistic] = Lengths()

    def of(self, layer: LayerLengths) -> float:
        """Take it from the means."""
        return layer.concentricity
