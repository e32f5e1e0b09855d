"""regression: how much of one layer's variance does a linear map from the other explain?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from layeratlas.measures.declaration import INVARIANCES, Ends, Measure, Range, Statistic, measure
from layeratlas.measures.score import Scores, TooFewWords
from layeratlas.measures.statistics.bases import Basis
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross, Layer


@dataclass(frozen=True)
class Explained(Basis):
    """A layer's directions, and its neurons' shares of its variance, [neurons]; dead ones have none."""

    shares: Tensor


@measure
class Regression(Measure):
    """R² of a from b: the share of a's variance that least squares from all of b explain (Kornblith et al. 2019).

    Units are the R² of single neurons, of which the value is the mean weighted by variance; mixedsim is a mean of their
    roots. Range [0, 1]; not symmetric: b explains a. Invariant to invertible maps of b, to rotation and scale of a.
    It grows with b's rank over the words, also of unrelated layers; adjusted = true takes that off,
    1 - (1 - R²)(n - 1)/(n - rank_b - 1), at most 1 and below 0 where b explains less than chance.
    Raises TooFewWords when b has as many directions as there are words to fit.
    """

    adjusted: bool = False

    name = "regression"
    version = 1
    level = "mixed"
    whole = True
    symmetric = False
    range = Range(0, 1)
    needs: ClassVar[Statistic] = CrossMoments()
    invariant_to = frozenset(INVARIANCES)
    presets = {"resi": {}, "google": {}}
    variants = ({"adjusted": True},)

    @property
    def bounds(self) -> Range:
        """Adjusted, there is no lowest value."""
        return Range(None, 1) if self.adjusted else self.range

    def prepare(self, layer: Layer) -> Explained:
        """Whiten all directions."""
        return Explained(**vars(Basis.of(layer)), shares=layer.relative.square() / layer.total)

    def check(self, a: Explained, b: Explained, ends: Ends) -> None:
        """Refuse a fit that has no word to spare."""
        if ends.words <= b.rank + 1:
            raise TooFewWords(
                f"regression explains {ends.a} from the {b.rank} directions of {ends.b}: that takes more than "
                f"{b.rank + 1} words, there are {ends.words:,}. Extract more text"
            )

    def compare(self, a: Explained, b: Explained, cross: Cross) -> Scores:
        """Score a towards b."""
        squares = cross.explained(b.whitener).square()
        neurons = squares.sum(dim=1, dtype=a.shares.dtype).clamp(max=1)  # [pairs, neurons_a]
        values = (neurons * a.shares).sum(dim=1)
        if self.adjusted:
            spare = (cross.words - 1) / (cross.words - b.rank - 1)
            values, neurons = 1 - (1 - values) * spare, 1 - (1 - neurons) * spare
        return Scores(
            values.clamp(max=1), neurons.masked_fill(a.shares == 0, float("nan")),
            diagnostics={**cross.counts, "rank_b": b.rank, "dead_a": a.dead, "dead_b": b.dead},
        )  # fmt: skip
