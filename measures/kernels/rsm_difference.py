"""rsm_difference: how much do the distances between words differ?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from layeratlas.measures.declaration import PERMUTATION, ROTATION, SCALE, TRANSLATION, Range, check_choice, measure
from layeratlas.measures.kernels._sampled import Distinct, OfSample
from layeratlas.measures.kernels._unsure import SUMMED
from layeratlas.measures.score import Scores
from layeratlas.measures.statistics.sample import Dissimilarity, Entries, Form, Metric, View

if TYPE_CHECKING:
    from layeratlas.measures.statistics.sampled import SampleCross

Norm = Literal["vector", "rms", "spectral"]
Rescale = Literal["none", "rms", "median"]


@measure
class RSMDifference(OfSample):
    """Norm of the difference between two layers' distances of all pairs of sampled words (Yin and Shen 2018).

    A distance, [0, ∞); symmetric. As distances are, not invariant to scale, unless they are rescaled.
    norm: `vector`, the root of the sum of squares over pairs of words; `rms`, the root of their mean, which does not
    grow with the sample; `spectral`, the largest singular value of the difference of the square matrices, as in ReSi.
    rescale: each layer's distances are first divided by their root mean square (`rms`) or their `median`.
    """

    metric: Metric = "euclidean"
    norm: Norm = "vector"
    rescale: Rescale = "none"

    name = "rsm_difference"
    version = 1
    range = Range(0, None)
    direction = "distance"
    itself = 0.0
    triangle = True
    invariant_to = frozenset({PERMUTATION, TRANSLATION, ROTATION})
    presets = {"resi": {"norm": "spectral"}, "repsim": {"norm": "rms"}}
    variants = ({"rescale": "rms"}, {"rescale": "median"}, {"metric": "correlation"}, {"metric": "cosine"})

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("metric", self.metric, get_args(Metric))
        check_choice("norm", self.norm, get_args(Norm))
        check_choice("rescale", self.rescale, get_args(Rescale))

    @property
    def unsure(self) -> str:
        """Sums over pairs of words grow with them; a root mean square does not."""
        return "" if self.norm == "rms" else SUMMED

    @property
    def blind_to(self) -> frozenset[str]:
        """Angles see translation and no scale, correlations of rows also rotation; rescaled, nothing sees scale."""
        of_angles = self.metric in ("cosine", "correlation")
        seen = {TRANSLATION} if of_angles else set()
        seen |= {ROTATION} if self.metric == "correlation" else set()
        return (self.invariant_to | ({SCALE} if of_angles or self.rescale != "none" else set())) - seen

    @property
    def views(self) -> tuple[View, ...]:
        """The distances."""
        forms: dict[str, Form] = {"none": "plain", "rms": "over_rms", "median": "over_median"}
        return (Entries(Dissimilarity(self.metric), forms[self.rescale]),)

    def compare(self, a: Distinct, b: Distinct, cross: SampleCross) -> Scores:
        """Score the pairs."""
        from layeratlas.measures.statistics.entries import norm_of_difference

        values = cross.each(self.views[0], lambda x, y: norm_of_difference(x, y, self.norm))
        return Scores(values, diagnostics=self.diagnostics(a, b, cross))
