"""concentricity_difference: do the words of one layer stand closer around their mean's direction?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from layeratlas.measures.declaration import PERMUTATION, ROTATION, SCALE, Range, Statistic, measure
from layeratlas.measures.kernels._difference import Difference
from layeratlas.measures.statistics.lengths import Lengths

if TYPE_CHECKING:
    from layeratlas.measures.statistics.lengths import LayerLengths


@measure
class ConcentricityDifference(Difference):
    """The difference of layers' concentricities, the mean cosines of rows with their mean row (Wang et al. 2020).

    A distance, [0, 2]; symmetric. It compares two figures, not words, and does not see which word is which.
    Refused where a row of either layer is 0, or the mean.
    """

    name = "concentricity_difference"
    version = 1
    range = Range(0, 2)
    needs: ClassVar[Statistic] = Lengths()
    invariant_to = frozenset({PERMUTATION, ROTATION, SCALE})

    def figure(self, layer: LayerLengths) -> float:
        """The concentricity."""
        return layer.concentricity
