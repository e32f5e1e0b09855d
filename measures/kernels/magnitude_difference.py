"""magnitude_difference: is the mean row of one layer longer than the other's?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from layeratlas.measures.declaration import PERMUTATION, ROTATION, Statistic, measure
from layeratlas.measures.kernels._difference import Difference
from layeratlas.measures.statistics.lengths import Lengths

if TYPE_CHECKING:
    from layeratlas.measures.statistics.lengths import LayerLengths


@measure
class MagnitudeDifference(Difference):
    """The difference of layers' magnitudes, the lengths of their mean rows (Wang et al. 2020).

    A distance, [0, ∞); symmetric. It compares two figures, and sees neither how words lie nor which is which.
    """

    name = "magnitude_difference"
    version = 1
    needs: ClassVar[Statistic] = Lengths()
    invariant_to = frozenset({PERMUTATION, ROTATION})

    def figure(self, layer: LayerLengths) -> float:
        """The magnitude."""
        return layer.magnitude
