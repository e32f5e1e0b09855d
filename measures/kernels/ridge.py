"""ridge: how much of one layer's variance does a regularised linear map from the other explain?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from layeratlas.measures.declaration import (
    PERMUTATION,
    ROTATION,
    SCALE,
    TRANSLATION,
    Measure,
    Range,
    Statistic,
    added,
    measure,
)
from layeratlas.measures.kernels._held_out import Fitted, check_folds, held_out
from layeratlas.measures.score import Scores
from layeratlas.measures.statistics.bases import PrincipalBasis
from layeratlas.measures.statistics.cross_moments import CrossMoments
from layeratlas.measures.statistics.fold_moments import FoldMoments

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross


@dataclass(frozen=True)
class Filtered(PrincipalBasis):
    """A layer's directions with the share that a ridge leaves of each, [rank]; its neurons' shares of its variance."""

    filters: Tensor
    weights: Tensor  # [neurons]


@measure
class Ridge(Measure):
    """R² of a from b by ridge regression: the share of a's variance that is explained, in sample.

    lambda: the ridge, on covariances of b that are scaled to trace 1, as in GULP: direction i with share w_i of b's
    variance is fitted by w_i/(w_i + lambda) of its least-squares fit; λ → 0 is `regression`.
    folds: as of `regression`, R² on sentences that the fit has not seen; there is then no lowest value.
    Units are single neurons. Range [0, 1]; not symmetric. Invariant to rotation, scale and translation of b.
    """

    lambda_: float = 0.01
    folds: int = added(default=0)

    name = "ridge"
    version = 1
    level = "mixed"
    whole = True
    symmetric = False
    range = Range(0, 1)
    itself = None
    needs: ClassVar[Statistic] = CrossMoments()
    invariant_to = frozenset({PERMUTATION, SCALE, TRANSLATION, ROTATION})
    variants = ({"lambda_": 1.0}, {"folds": 5})

    def __post_init__(self) -> None:
        if not self.lambda_ > 0:
            raise ValueError(f"lambda must be above 0, got {self.lambda_}; without a ridge it is `regression`")
        check_folds(self.folds)

    @property
    def bounds(self) -> Range:
        """Held out, there is no lowest value."""
        return Range(None, 1) if self.folds else self.range

    @property
    def statistic(self) -> Statistic:
        """With folds, their moments."""
        return FoldMoments(self.folds) if self.folds else self.needs

    def prepare(self, layer: Any) -> Any:
        """Take the principal directions and what the ridge leaves of them; with folds, count them."""
        if self.folds:
            return Fitted(layer.rank, layer.words, layer.dead)
        basis = PrincipalBasis.of(layer)
        filters = basis.shares / (basis.shares + self.lambda_)
        return Filtered(**vars(basis), filters=filters, weights=layer.relative.square() / layer.total)

    def compare(self, a: Any, b: Any, cross: Any) -> Scores:
        """Score a towards b."""
        return held_out(a, b, cross, self.lambda_) if self.folds else self._in_sample(a, b, cross)

    def expected(self, a: Filtered, b: Filtered, words: int) -> Tensor:  # [pairs]
        """Every direction has the mean R² 1/(words - 1), less what the ridge takes of it."""
        return (b.filters * (2 - b.filters)).sum(dim=1).double() * a.weights.sum(dim=1) / (words - 1)

    def _in_sample(self, a: Filtered, b: Filtered, cross: Cross) -> Scores:
        from layeratlas.measures.linalg import product

        fitted = product(b.rotation.mT, cross.explained(b.whitener)).square()  # [pairs, rank_b, neurons_a]
        kept = b.filters * (2 - b.filters)  # 1 - (1 - filter)²
        neurons = product(kept.to(fitted.dtype)[:, None, :], fitted)[:, 0].double().clamp(max=1)
        return Scores(
            (neurons * a.weights).sum(dim=1).clamp(max=1), neurons.masked_fill(a.weights == 0, float("nan")),
            diagnostics={**cross.counts, "rank_b": b.rank, "dead_a": a.dead, "dead_b": b.dead},
        )  # fmt: skip
