"""dead_neurons: how many of a layer's neurons say the same of every word?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from layeratlas.measures.declaration import Range, Statistic
from layeratlas.measures.figure import Figure, figure
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from layeratlas.measures.statistics.moments import Layer


@figure
class DeadNeurons(Figure):
    """How many neurons do not vary over the words, but for float32's rounding of their mean.

    Measures leave the same neurons out. A layer of nothing else is refused as constant.
    """

    name = "dead_neurons"
    version = 1
    range = Range(0, None)
    needs: ClassVar[Statistic] = CrossMoments()

    def of(self, layer: Layer) -> float:
        """Count them."""
        return float(layer.dead)

    def diagnostics(self, layer: Layer) -> dict[str, int | float]:
        """Of how many neurons."""
        return {"words": layer.words, "neurons": layer.neurons}
