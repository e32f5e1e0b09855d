"""outlier_neurons: how many of a layer's neurons are far off from the others, whatever the word?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from layeratlas.measures.declaration import Range, Statistic
from layeratlas.measures.figure import Figure, figure
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from layeratlas.measures.statistics.moments import Layer

DEVIATIONS = 3.0


@figure
class OutlierNeurons(Figure):
    """How many neurons' means lie over three standard deviations from the mean of all neurons' means.

    That is how Luo et al. 2021 and Kovaleva et al. 2021 find them, of activations averaged over words. Blind to scale,
    not to rotation. It does not see neurons that are wide about a usual mean, and of ten neurons or fewer none can be
    so far off.
    """

    deviations: float = DEVIATIONS

    name = "outlier_neurons"
    version = 1
    range = Range(0, None)
    needs: ClassVar[Statistic] = CrossMoments()

    def of(self, layer: Layer) -> float:
        """Count them."""
        off = layer.mean - layer.mean.mean()
        spread = off.square().mean().sqrt()
        return float((off.abs() > self.deviations * spread).sum())

    def diagnostics(self, layer: Layer) -> dict[str, int | float]:
        """Of how many neurons."""
        return {"words": layer.words, "neurons": layer.neurons}
