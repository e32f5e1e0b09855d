"""pwsim: do two layers span the same directions, each weighted by what it means to the first?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from layeratlas.measures.score import Score
from layeratlas.measures.svsim import Cut, check_cut, kept_components

if TYPE_CHECKING:
    from layeratlas.measures.moments import Cross, Layer


@dataclass(frozen=True)
class PWSim:
    """Projection-weighted mean of the canonical correlations (PWCCA, Morcos et al. 2018).

    Direction i of a weighs the sum over a's neurons of its absolute covariance with the neuron as the model has it.
    Range [0, 1]; not symmetric. variance, cut and refusals are those of svsim.
    """

    variance: float = 0.99
    cut: Cut = "reach"

    name: ClassVar[str] = "pwsim"
    version: ClassVar[int] = 1
    kind: ClassVar[str] = "activations"
    symmetric: ClassVar[bool] = False
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"wu2020": {"cut": "below"}}

    def __post_init__(self) -> None:
        check_cut(self.variance, self.cut)

    def prepare(self, layer: Layer) -> None:
        """Whiten the kept components, and weigh them."""
        layer.loadings(layer.components(self.variance, self.cut))

    def compare(self, a: Layer, b: Layer, cross: Cross) -> Score:
        """Score a towards b."""
        canonical, diagnostics = kept_components(self.name, self.variance, self.cut, cross)
        loadings = a.loadings(len(canonical.left))  # [kept_a, neurons_a]
        weights = (canonical.left.T @ loadings).abs().sum(dim=1).double()  # [shared]
        return Score(float(weights @ canonical.correlations.double() / weights.sum()), diagnostics=diagnostics)
