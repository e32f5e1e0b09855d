"""regression: how much of one layer's variance does a linear map from the other explain?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from layeratlas.measures.declaration import INVARIANCES, Ends, Measure, Range, Statistic, added, measure
from layeratlas.measures.kernels._held_out import Fitted, check_folds, check_words, held_out
from layeratlas.measures.score import Scores, TooFewWords
from layeratlas.measures.statistics.bases import Basis
from layeratlas.measures.statistics.cross_moments import CrossMoments
from layeratlas.measures.statistics.fold_moments import FoldMoments

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross


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
    folds: each of so many stretches of whole sentences is predicted by a fit on the others; R² is 1 - the squares that
    are left over those about the mean of the others. There is no lowest value: of unrelated layers it is below 0.
    Raises TooFewWords when b has as many directions as there are words to fit.
    """

    adjusted: bool = False
    folds: int = added(default=0)

    name = "regression"
    version = 1
    level = "mixed"
    whole = True
    symmetric = False
    range = Range(0, 1)
    needs: ClassVar[Statistic] = CrossMoments()
    invariant_to = frozenset(INVARIANCES)
    presets = {"resi": {}, "google": {}}
    variants = ({"adjusted": True}, {"folds": 5})

    def __post_init__(self) -> None:
        check_folds(self.folds)
        if self.folds and self.adjusted:
            raise ValueError(
                "adjusted takes off what the fit has from its own words; with folds there is nothing to take"
            )

    @property
    def bounds(self) -> Range:
        """Adjusted, or held out, there is no lowest value."""
        return Range(None, 1) if self.adjusted or self.folds else self.range

    @property
    def statistic(self) -> Statistic:
        """With folds, their moments."""
        return FoldMoments(self.folds) if self.folds else self.needs

    def prepare(self, layer: Any) -> Any:
        """Whiten all directions; with folds, count them."""
        if self.folds:
            return Fitted(layer.rank, layer.words, layer.dead)
        return Explained(**vars(Basis.of(layer)), shares=layer.relative.square() / layer.total)

    def check(self, a: Any, b: Any, ends: Ends) -> None:
        """Refuse a fit that has no word to spare."""
        if self.folds:
            check_words(self.name, b, ends)
        elif ends.words <= b.rank + 1:
            raise TooFewWords(
                f"regression explains {ends.a} from the {b.rank} directions of {ends.b}: that takes more than "
                f"{b.rank + 1} words, there are {ends.words:,}. Extract more text"
            )

    def compare(self, a: Any, b: Any, cross: Any) -> Scores:
        """Score a towards b."""
        return held_out(a, b, cross, None) if self.folds else self._in_sample(a, b, cross)

    def expected(self, a: Explained, b: Explained, words: int) -> Tensor:  # [pairs]
        """Return rank / (words - 1), or what adjusting leaves of it: nothing."""
        return a.each(0.0 if self.adjusted else b.rank / (words - 1))

    def _in_sample(self, a: Explained, b: Explained, cross: Cross) -> Scores:
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
