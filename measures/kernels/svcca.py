"""svcca: do the main components of two layers correlate? `svsim` asks it of standardised neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from layeratlas.measures.declaration import PERMUTATION, ROTATION, SCALE, TRANSLATION, Ends, Range, Statistic, measure
from layeratlas.measures.kernels._forms import Formed, formed
from layeratlas.measures.kernels._unsure import SINGULAR
from layeratlas.measures.kernels.cca import refuse_forced
from layeratlas.measures.score import Scores
from layeratlas.measures.statistics.bases import PrincipalBasis
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from layeratlas.measures.statistics.moments import Cross, Layer


@dataclass(frozen=True)
class Kept(PrincipalBasis):
    """Principal directions, and how many of the first are kept."""

    kept: int


@measure
class SVCCA(Formed):
    """Mean canonical correlation of the principal components of neurons as the model has them (Raghu et al. 2017).

    variance: the share of each layer's variance that its kept components reach. components: keep so many of each
    instead, at most all. `svsim` keeps components of standardised neurons. form: `similarity` or `complement`.
    Range [0, 1]; symmetric. Invariant to rotation and isotropic scaling. `forced` and TooFewWords: as cca.
    """

    variance: float = 0.99
    components: int = 0

    name = "svcca"
    version = 1
    no_interval = SINGULAR
    symmetric = True
    range = Range(0, 1)
    needs: ClassVar[Statistic] = CrossMoments()
    invariant_to = frozenset({PERMUTATION, SCALE, TRANSLATION, ROTATION})
    forms = ("similarity", "complement")
    presets = {"resi": {}, "google": {"components": 20}}

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.variance <= 1:
            raise ValueError(f"variance must be between 0 and 1, got {self.variance}")
        if self.components < 0:
            raise ValueError(f"components must be 0 or more, got {self.components}")

    def prepare(self, layer: Layer) -> Kept:
        """Choose the kept components."""
        basis = PrincipalBasis.of(layer)
        reached = int((basis.shares.cumsum(0) < self.variance * (1 - 1e-12)).sum()) + 1
        return Kept(**vars(basis), kept=min(self.components or reached, basis.rank))

    def check(self, a: Kept, b: Kept, ends: Ends) -> None:
        """Refuse what would report algebra as similarity."""
        refuse_forced(self.name, a.kept, b.kept, ends)

    def compare(self, a: Kept, b: Kept, cross: Cross) -> Scores:
        """Score the pairs."""
        from layeratlas.measures.linalg import singular_values

        correlations = singular_values(cross.principal(a, b)[:, : a.kept, : b.kept]).clamp(max=1)
        forced = max(0, a.kept + b.kept - (cross.words - 1))
        kept = {"components_a": a.kept, "components_b": b.kept, "forced": forced}
        return Scores(formed(correlations.mean(dim=1), self.form), diagnostics={**a.counts(b, cross), **kept})
