"""anisotropy: do any two words of a layer point the same way?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from layeratlas.measures.declaration import Range, Statistic
from layeratlas.measures.figure import Figure, figure
from layeratlas.measures.statistics.lengths import Lengths

if TYPE_CHECKING:
    from layeratlas.measures.statistics.lengths import LayerLengths


@figure
class Anisotropy(Figure):
    """The mean cosine of pairs of different words (Ethayarajh 2019): 0 where they are spread alike, 1 where all agree.

    Of all pairs, not of a sample: it follows from the sum of rows of length one. Blind to rotation and scale, not to
    translation: a large mean, or one wide neuron, makes every layer anisotropic. Refused where a row is 0.
    """

    name = "anisotropy"
    version = 1
    range = Range(-1, 1)
    needs: ClassVar[Statistic] = Lengths()

    def of(self, layer: LayerLengths) -> float:
        """Take it from the means."""
        return layer.anisotropy
