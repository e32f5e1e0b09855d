"""mean_length: how long are a layer's rows?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from layeratlas.measures.declaration import Range, Statistic
from layeratlas.measures.figure import Figure, figure
from layeratlas.measures.statistics.lengths import Lengths

if TYPE_CHECKING:
    from layeratlas.measures.statistics.lengths import LayerLengths


@figure
class MeanLength(Figure):
    """The mean Euclidean length of words' rows: from 0.

    Blind to rotation. Lengths grow with the number of neurons, and a few wide neurons may make most of them.
    """

    name = "mean_length"
    version = 1
    range = Range(0, None)
    needs: ClassVar[Statistic] = Lengths()

    def of(self, layer: LayerLengths) -> float:
        """Take it from the means."""
        return layer.mean_length
