"""uniformity: how evenly do a layer's words lie on the sphere?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from layeratlas.measures.declaration import Range
from layeratlas.measures.figure import Figure, figure
from layeratlas.measures.statistics.sample import Sample, Uniformity

if TYPE_CHECKING:
    from layeratlas.measures.statistics.sampled import SampledLayer


@figure
class LayerUniformity(Figure):
    """log mean exp(-t ‖x - y‖²) over pairs of sampled words, rows scaled to length one (Wang and Isola 2020).

    At most 0, where all words point the same way; the more evenly they are spread, the lower. Blind to rotation and
    scale. Refused where a sampled row is 0.
    """

    words: int = 1000
    seed: int = 0
    t: float = 2.0

    name = "uniformity"
    version = 1
    range = Range(None, 0)
    usual = False

    @property
    def statistic(self) -> Sample:
        """The sample."""
        return Sample(self.words, self.seed, frozenset({Uniformity(self.t)}))

    def of(self, layer: SampledLayer) -> float:
        """Take the view."""
        return float(layer.view(Uniformity(self.t)))

    def diagnostics(self, layer: SampledLayer) -> dict[str, int | float]:
        """How many words there were in the sample, and how many differ."""
        return {"words": layer.words, "distinct": layer.distinct}
