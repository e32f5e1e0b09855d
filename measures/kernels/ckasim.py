"""ckasim: do two layers have the same geometry?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from layeratlas.measures.declaration import (
    PERMUTATION,
    ROTATION,
    SCALE,
    TRANSLATION,
    Range,
    Statistic,
    added,
    measure,
)
from layeratlas.measures.kernels._forms import Form, Formed, expected_form, formed
from layeratlas.measures.score import Scores
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross, Layer


@dataclass(frozen=True)
class Spread:
    """Neurons' spreads over the widest one, [neurons], so that squares cannot overflow; the covariance's norm so."""

    relative: Tensor
    norm: float
    dead: int


@measure
class LinearCKA(Formed):
    """Linear centred kernel alignment (Kornblith et al. 2019): squared norms of covariances.

    Range [0, 1]; symmetric. Invariant to rotation and to isotropic scaling, not to general invertible maps.
    form: `similarity`, `complement`, or `angular`, its arc cosine, a metric (Williams et al. 2021).
    """

    form: Form = added("similarity")

    name = "ckasim"
    version = 1
    symmetric = True
    range = Range(0, 1)
    needs: ClassVar[Statistic] = CrossMoments()
    invariant_to = frozenset({PERMUTATION, SCALE, TRANSLATION, ROTATION})
    forms = ("similarity", "complement", "angular")
    metrics = ("angular",)
    presets = {
        "wu2020": {}, "resi": {}, "google": {}, "nbs": {}, "rsatoolbox": {}, "netrep": {"form": "angular"},
        "repsim": {"form": "angular"}, "gulp": {"form": "complement"},
    }  # fmt: skip
    usual = ({},)

    def prepare(self, layer: Layer) -> Spread:
        """Take the spreads and the norm."""
        return Spread(layer.relative, layer.covariance_norm, layer.dead)

    def expected(self, a: Spread, b: Spread, words: int) -> Tensor | None:  # [pairs]
        """Products of traces over those of norms: covariances of words that meet by chance have that square."""
        traces = a.relative.square().sum(dim=1) * b.relative.square().sum(dim=1)
        return expected_form(traces / (a.norm * b.norm) / (words - 1), self.form)

    def compare(self, a: Spread, b: Spread, cross: Cross) -> Scores:
        """Score the pairs."""
        values = cross.squared_covariance(a.relative, b.relative) / (a.norm * b.norm)
        return Scores(formed(values, self.form), diagnostics={**cross.counts, "dead_a": a.dead, "dead_b": b.dead})
