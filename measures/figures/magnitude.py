"""magnitude: how far is a layer's mean row from the origin?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from layeratlas.measures.declaration import Range, Statistic
from layeratlas.measures.figure import Figure, figure
from layeratlas.measures.statistics.lengths import Lengths

if TYPE_CHECKING:
    from layeratlas.measures.statistics.lengths import LayerLengths


@figure
class Magnitude(Figure):
    """The length of words' mean row (Wang et al. 2020): from 0.

    Blind to rotation, and to how words lie about their mean.
    """

    name = "magnitude"
    version = 1
    range = Range(0, None)
    needs: ClassVar[Statistic] = Lengths()

    def of(self, layer: LayerLengths) -> float:
        """Take it from the means."""
        return layer.magnitude
