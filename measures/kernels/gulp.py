"""gulp: how differently would regularised linear probes predict from the two layers?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from layeratlas.measures.declaration import (
    INVARIANCES,
    PERMUTATION,
    ROTATION,
    SCALE,
    TRANSLATION,
    Ends,
    Measure,
    Range,
    Statistic,
    check_choice,
    measure,
)
from layeratlas.measures.kernels.cca import refuse_forced
from layeratlas.measures.score import Scores
from layeratlas.measures.statistics.bases import PrincipalBasis
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross, Layer

GulpForm = Literal["squared", "distance"]


@dataclass(frozen=True)
class Predictors(PrincipalBasis):
    """A layer's directions with what a ridge leaves of each, [rank], and the sum of their squares."""

    filters: Tensor
    own: float


@measure
class Gulp(Measure):
    """GULP (Boix-Adserà et al. 2022): the squared distance of ridge predictors, the worst over all tasks in the mean.

    lambda: the ridge, on covariances scaled to trace 1. With g_i = w_i/(w_i + λ) of direction i's share w_i of variance
    Σg_a² + Σg_b² - 2 Σ_ij g_ai g_bj (u_i'v_j)²; lambda = 0 leaves rank_a + rank_b - 2Σρ². form: `squared`, or
    `distance`, its root, a metric. Range [0, ∞), at most the ranks together; symmetric. Invariant to rotation,
    translation and scale, at lambda = 0 to invertible maps; there, raises TooFewWords as cca does.
    """

    lambda_: float = 0.01
    form: GulpForm = "squared"

    name = "gulp"
    version = 1
    symmetric = True
    range = Range(0, None)
    direction = "distance"
    itself = 0.0
    needs: ClassVar[Statistic] = CrossMoments()
    invariant_to = frozenset({PERMUTATION, SCALE, TRANSLATION, ROTATION})
    presets = {"resi": {"lambda_": 0.0}, "gulp": {}}
    variants = ({"lambda_": 1.0, "form": "distance"},)

    def __post_init__(self) -> None:
        check_choice("form", self.form, get_args(GulpForm))
        if self.lambda_ < 0:
            raise ValueError(f"lambda must be 0 or more, got {self.lambda_}")

    @property
    def is_metric(self) -> bool:
        """The distance is one, its square is not."""
        return self.form == "distance"

    @property
    def blind_to(self) -> frozenset[str]:
        """Everything where no ridge tells directions apart."""
        return self.invariant_to if self.lambda_ else frozenset(INVARIANCES)

    def prepare(self, layer: Layer) -> Predictors:
        """Take the principal directions and what the ridge leaves of them."""
        basis = PrincipalBasis.of(layer)
        filters = basis.shares / (basis.shares + self.lambda_) if self.lambda_ else basis.shares.new_ones(basis.rank)
        return Predictors(**vars(basis), filters=filters, own=float(filters.square().sum()))

    def check(self, a: Predictors, b: Predictors, ends: Ends) -> None:
        """Refuse what would report algebra as closeness."""
        if not self.lambda_:
            refuse_forced(self.name, a.rank, b.rank, ends)

    def expected(self, a: Predictors, b: Predictors, words: int) -> Tensor | None:  # [pairs]
        """Of the squared distance."""
        if self.form == "distance":
            return None
        return a.own + b.own - 2 * a.filters.sum(dim=1).double() * b.filters.sum(dim=1) / (words - 1)

    def compare(self, a: Predictors, b: Predictors, cross: Cross) -> Scores:
        """Score the pairs."""
        if self.lambda_:
            squares = cross.principal(a, b).double().square()
            shared = (a.filters[:, None, :] @ squares @ b.filters[:, :, None]).flatten()
        else:
            shared = cross.whitened(a.whitener, b.whitener).double().square().sum(dim=(1, 2))
        squared = (a.own + b.own - 2 * shared).clamp(min=0)
        return Scores(squared.sqrt() if self.form == "distance" else squared, diagnostics=a.counts(b, cross))
