"""distance_correlation: is there any dependence, linear or not, between two layers?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from layeratlas.measures.declaration import PERMUTATION, ROTATION, SCALE, TRANSLATION, Range, measure
from layeratlas.measures.kernels._sampled import Distinct, OfSample
from layeratlas.measures.score import Scores
from layeratlas.measures.statistics.sample import Dissimilarity, Entries, View

if TYPE_CHECKING:
    from layeratlas.measures.statistics.sampled import SampleCross


@measure
class DistanceCorrelation(OfSample):
    """Bias-corrected squared distance correlation (Székely and Rizzo 2013): 0 on average where layers are independent.

    Range [-1, 1]; symmetric. The cosine of the U-centred Euclidean distances of a sample of words.
    biased: the first form (Székely et al. 2007), the root of the cosine of doubly centred distances, in [0, 1]; of few
    words it is far from 0 for independent layers.
    """

    biased: bool = False

    name = "distance_correlation"
    version = 1
    invariant_to = frozenset({PERMUTATION, SCALE, TRANSLATION, ROTATION})
    presets = {"resi": {"biased": True}}

    @property
    def bounds(self) -> Range:
        """Biased, it is a root."""
        return Range(0, 1) if self.biased else self.range

    @property
    def views(self) -> tuple[View, ...]:
        """The centred distances."""
        return (Entries(Dissimilarity("euclidean"), "centred" if self.biased else "u_centred"),)

    def compare(self, a: Distinct, b: Distinct, cross: SampleCross) -> Scores:
        """Score the pairs."""
        values = cross.cosines(self.views[0])
        return Scores(values.clamp(min=0).sqrt() if self.biased else values, diagnostics=self.diagnostics(a, b, cross))
