"""cknna: do two layers' kernels agree where their neighbourhoods do?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from layeratlas.measures.declaration import PERMUTATION, ROTATION, SCALE, Range, measure
from layeratlas.measures.kernels._neighbours import check_clip
from layeratlas.measures.kernels._sampled import OfSample, check_at_least
from layeratlas.measures.kernels._unsure import NEIGHBOURS
from layeratlas.measures.score import MeasureError, Scores
from layeratlas.measures.statistics.sample import Neighbours, View

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.sampled import SampleCross, SampledLayer


@dataclass(frozen=True)
class OwnDependence:
    """How many words' rows differ; the dependence of a layer on itself, a number (in a batch [pairs])."""

    words: int
    own: float | Tensor


@measure
class CKNNA(OfSample):
    """Centred kernel alignment over common nearest neighbours (Huh et al. 2024, appendix A).

    About [0, 1], 1 at most but for the asymmetry; not symmetric, because neighbourhoods are not. Of a sample of words:
    cosines of rows, where a word is among the k nearest in both layers and 0 elsewhere, under the unbiased estimate of
    dependence (Song et al. 2012); of words equally near, those that come first in the sample are taken.
    clip: values are first clamped to this quantile of absolute values over the sample; 1 leaves them as they are.
    """

    k: int = 10
    clip: float = 1.0

    name = "cknna"
    version = 1
    no_interval = NEIGHBOURS
    symmetric = False
    range = Range(None, None)
    invariant_to = frozenset({PERMUTATION, SCALE, ROTATION})
    presets = {"platonic": {"clip": 0.95}}

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("k", self.k, 1)
        check_clip(self.clip)

    @property
    def blind_to(self) -> frozenset[str]:
        """Clamped values depend on the axes."""
        return self.invariant_to - ({ROTATION} if self.clip < 1 else set())

    @property
    def views(self) -> tuple[View, ...]:
        """The neighbours."""
        return (Neighbours(self.k, "cosine", self.clip),)

    def prepare(self, layer: SampledLayer) -> OwnDependence:  # type: ignore[override]
        """Take the dependence of the layer on itself. Raises MeasureError where it is not positive."""
        from layeratlas.measures.statistics.neighbours import dependence

        nearest = layer.view(self.views[0])
        own = dependence(nearest, nearest)
        if not own > 0:
            raise MeasureError(f"{layer.name}: its {self.k} nearest neighbours' kernel does not depend on itself, so "
                               "that there is nothing to align. Take more words or fewer neighbours")  # fmt: skip
        return OwnDependence(layer.distinct, own)

    def compare(self, a: OwnDependence, b: OwnDependence, cross: SampleCross) -> Scores:
        """Score a towards b."""
        from layeratlas.measures.statistics.neighbours import dependence

        values = cross.each(self.views[0], dependence) / (a.own * b.own) ** 0.5
        diagnostics = {**cross.counts, "distinct_a": a.words, "distinct_b": b.words}
        return Scores(values, diagnostics=diagnostics)
