"""ckasim: do two layers have the same geometry?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from layeratlas.measures.score import Score

if TYPE_CHECKING:
    from layeratlas.measures.moments import Cross, Layer


@dataclass(frozen=True)
class LinearCKA:
    """Linear centred kernel alignment (Kornblith et al. 2019): squared norms of covariances.

    Range [0, 1]; symmetric. Invariant to rotation and to isotropic scaling, not to general invertible maps.
    """

    name: ClassVar[str] = "ckasim"
    version: ClassVar[int] = 1
    kind: ClassVar[str] = "activations"
    symmetric: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"wu2020": {}}

    def prepare(self, layer: Layer) -> None:
        """Correlations are all it needs."""

    def compare(self, a: Layer, b: Layer, cross: Cross) -> Score:
        """Score the pair."""
        spread_a, spread_b = a.std / a.std.max(), b.std / b.std.max()  # relative: squares cannot overflow
        covariance = cross.correlation.double() * spread_a[:, None] * spread_b  # [neurons_a, neurons_b]
        value = float(covariance.square().sum()) / (a.covariance_norm * b.covariance_norm)
        return Score(min(value, 1.0), diagnostics={"words": a.words, "dead_a": a.dead, "dead_b": b.dead})
