"""ridge: how much of one layer's variance does a regularised linear map from the other explain?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from layeratlas.measures.declaration import (
    PERMUTATION,
    ROTATION,
    SCALE,
    TRANSLATION,
    Measure,
    Range,
    Statistic,
    measure,
)
from layeratlas.measures.score import Scores
from layeratlas.measures.statistics.bases import PrincipalBasis
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross, Layer


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
    Units are single neurons. Range [0, 1]; not symmetric. Invariant to rotation, scale and translation of b.
    """

    lambda_: float = 0.01

    name = "ridge"
    version = 1
    level = "mixed"
    whole = True
    symmetric = False
    range = Range(0, 1)
    itself = None
    needs: ClassVar[Statistic] = CrossMoments()
    invariant_to = frozenset({PERMUTATION, SCALE, TRANSLATION, ROTATION})
    variants = ({"lambda_": 1.0},)

    def __post_init__(self) -> None:
        if not self.lambda_ > 0:
            raise ValueError(f"lambda must be above 0, got {self.lambda_}; without a ridge it is `regression`")

    def prepare(self, layer: Layer) -> Filtered:
        """Take the principal directions and what the ridge leaves of them."""
        basis = PrincipalBasis.of(layer)
        filters = basis.shares / (basis.shares + self.lambda_)
        return Filtered(**vars(basis), filters=filters, weights=layer.relative.square() / layer.total)

    def compare(self, a: Filtered, b: Filtered, cross: Cross) -> Scores:
        """Score a towards b."""
        from layeratlas.measures.linalg import product

        fitted = product(b.rotation.mT, cross.explained(b.whitener)).square()  # [pairs, rank_b, neurons_a]
        kept = b.filters * (2 - b.filters)  # 1 - (1 - filter)²
        neurons = product(kept.to(fitted.dtype)[:, None, :], fitted)[:, 0].double().clamp(max=1)
        return Scores(
            (neurons * a.weights).sum(dim=1).clamp(max=1), neurons.masked_fill(a.weights == 0, float("nan")),
            diagnostics={**cross.counts, "rank_b": b.rank, "dead_a": a.dead, "dead_b": b.dead},
        )  # fmt: skip
