"""uniformity_difference: are the words of one layer spread more evenly over the sphere?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from layeratlas.measures.declaration import PERMUTATION, ROTATION, SCALE, TRANSLATION, Range, measure
from layeratlas.measures.kernels._difference import Batch, Own
from layeratlas.measures.kernels._sampled import OfSample
from layeratlas.measures.kernels._unsure import SIZE
from layeratlas.measures.score import Scores
from layeratlas.measures.statistics.sample import Uniformity, View

if TYPE_CHECKING:
    from layeratlas.measures.statistics.sampled import SampleCross, SampledLayer


@measure
class UniformityDifference(OfSample):
    """The difference of layers' uniformities, log mean exp(-t d²) over pairs of words (Wang and Isola 2020).

    A distance; symmetric; of a sample of words. It compares two figures, and does not see which word is which.
    unit_rows: rows are scaled to length one, as in the paper, so that it is at most 3t; else distances are those of the
    rows as they are, as in ReSi. with_self: a word's pair with itself counts too, as in ReSi: a layer of long rows then
    has log(1 / words), whatever its words do.
    """

    t: float = 2.0
    unit_rows: bool = True
    with_self: bool = False

    name = "uniformity_difference"
    version = 1
    no_interval = SIZE
    range = Range(0, None)
    direction = "distance"
    itself = 0.0
    triangle = True
    of_words = False
    invariant_to = frozenset({PERMUTATION, ROTATION})
    presets = {"resi": {"unit_rows": False, "with_self": True}}

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.t < float("inf"):
            raise ValueError(f"t must be more than 0, got {self.t}")

    @property
    def bounds(self) -> Range:
        """Of unit rows: squared distances are at most 3 in the mean, where words are three."""
        return Range(0, 3 * self.t if self.unit_rows else None)

    @property
    def blind_to(self) -> frozenset[str]:
        """Unit rows see translation and no scale, others scale and no translation."""
        return self.invariant_to | {SCALE if self.unit_rows else TRANSLATION}

    @property
    def views(self) -> tuple[View, ...]:
        """The uniformity."""
        return (Uniformity(self.t, self.unit_rows, self.with_self),)

    def prepare(self, layer: SampledLayer) -> Own:  # type: ignore[override]
        """Take the figure."""
        return Own(layer.view(self.views[0]))

    def compare(self, a: Batch, b: Batch, cross: SampleCross) -> Scores:
        """Score the pairs."""
        return Scores((a.value - b.value).abs(), diagnostics=cross.counts)
