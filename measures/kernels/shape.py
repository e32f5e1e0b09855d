"""shape: how close do two layers come once one is rotated onto the other, with their directions made more alike?"""

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
    Range,
    Statistic,
    check_choice,
    measure,
)
from layeratlas.measures.kernels._forms import Form, Formed, formed
from layeratlas.measures.kernels._unsure import SINGULAR
from layeratlas.measures.kernels.cca import refuse_forced
from layeratlas.measures.score import Scores
from layeratlas.measures.statistics.bases import PrincipalBasis
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross, Layer

Scale = Literal["one", "scatter", "covariance"]


@dataclass(frozen=True)
class Partly(PrincipalBasis):
    """Principal directions with the lengths that partial whitening leaves them, [rank], together of length 1."""

    lengths: Tensor


@measure
class Shape(Formed):
    """Generalised shape metric (Williams et al. 2021): the angle of partly whitened layers after the best rotation.

    Singular values s of a layer become αs + 1 - α: alpha = 1 is procrustes, 0 is arccos(Σρ/√(rank_a rank_b)) of the
    canonical correlations. form: `angular`, or `similarity`, `complement`, `squared`, `distance` (`_forms.py`).
    scale: what s are of: `one`, the layer scaled to total variance 1; `scatter`, the centred rows as they are, and
    `covariance`, these over √words: others have that, and get another number for each scale of a layer.
    Range [0, π/2]; symmetric; a metric. Invariant to rotation, translation and scale, at alpha = 0 to invertible maps.
    Raises TooFewWords at alpha = 0 as cca does.
    """

    alpha: float = 0.5
    form: Form = "angular"
    scale: Scale = "one"

    name = "shape"
    version = 1
    no_interval = SINGULAR
    symmetric = True
    range = Range(0, 1)
    needs: ClassVar[Statistic] = CrossMoments()
    invariant_to = frozenset({PERMUTATION, SCALE, TRANSLATION, ROTATION})
    metrics = ("distance", "angular")
    presets = {"netrep": {"scale": "scatter"}, "repsim": {"scale": "covariance"}}
    variants = ({"alpha": 0.0}, {"alpha": 1.0}, {"form": "similarity"})

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("scale", self.scale, get_args(Scale))
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha must be from 0 to 1, got {self.alpha}")

    @property
    def blind_to(self) -> frozenset[str]:
        """Everything where layers are whitened; else not to scale, unless it is made one."""
        if self.alpha == 0:
            return frozenset(INVARIANCES)
        return self.invariant_to - (set() if self.scale == "one" or self.alpha == 1 else {SCALE})

    def prepare(self, layer: Layer) -> Partly:
        """Whiten the principal directions in part."""
        basis = PrincipalBasis.of(layer)
        total = layer.total * layer.widest**2  # variance
        size = {"one": 1.0, "covariance": total, "scatter": total * layer.words}[self.scale]
        lengths = self.alpha * (basis.shares * size).sqrt() + 1 - self.alpha
        return Partly(**vars(basis), lengths=lengths / lengths.square().sum().sqrt())

    def check(self, a: Partly, b: Partly, ends: Ends) -> None:
        """Refuse what would report algebra as similarity."""
        if self.alpha == 0:
            refuse_forced(self.name, a.rank, b.rank, ends)

    def compare(self, a: Partly, b: Partly, cross: Cross) -> Scores:
        """Score the pairs."""
        return Scores(formed(self._similarity(a, b, cross), self.form), diagnostics=a.counts(b, cross))

    def _similarity(self, a: Partly, b: Partly, cross: Cross) -> Tensor:  # [pairs]
        from layeratlas.measures.linalg import singular_values

        if self.alpha == 0:
            mean_rank: float = (a.rank * b.rank) ** 0.5
            return cross.canonical_correlations(a.whitener, b.whitener).sum(dim=1) / mean_rank
        aligned = cross.principal(a, b)
        weighted = aligned.double() * a.lengths[:, :, None] * b.lengths[:, None, :]
        values: Tensor = singular_values(weighted.to(aligned.dtype))
        return values.sum(dim=-1)
