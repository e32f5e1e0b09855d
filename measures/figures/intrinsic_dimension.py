"""intrinsic_dimension: how many dimensions has the surface on which a layer's words lie?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from layeratlas.measures.declaration import Range
from layeratlas.measures.figure import Figure, figure
from layeratlas.measures.statistics.sample import Sample, TwoNearest

if TYPE_CHECKING:
    from layeratlas.measures.statistics.sampled import SampledLayer


@figure
class IntrinsicDimension(Figure):
    """Two-NN (Facco et al. 2017): from the ratios of distances to each word's second and first nearest neighbour.

    The slope through the origin of -log(1 - rank/words) over the logarithms of the ratios, the largest tenth left out,
    as in the paper. Of the sampled words whose rows differ. Blind to rotation, scale and translation, and to all but
    the immediate neighbourhood: noise raises it, and so do more words where a layer is noisy.
    """

    words: int = 1000
    seed: int = 0
    kept: float = 0.9

    name = "intrinsic_dimension"
    version = 1
    range = Range(0, None)
    usual = False

    @property
    def statistic(self) -> Sample:
        """The sample."""
        return Sample(self.words, self.seed, frozenset({TwoNearest(self.kept)}))

    def of(self, layer: SampledLayer) -> float:
        """Take the view."""
        return float(layer.view(TwoNearest(self.kept)))

    def diagnostics(self, layer: SampledLayer) -> dict[str, int | float]:
        """How many words there were in the sample, and how many differ."""
        return {"words": layer.words, "distinct": layer.distinct}
