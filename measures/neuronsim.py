"""neuronsim: is the information of one neuron in one neuron elsewhere?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from layeratlas.measures.score import Score

if TYPE_CHECKING:
    from layeratlas.measures.moments import Cross, Layer


@dataclass(frozen=True)
class NeuronSim:
    """Mean over a's neurons of the absolute Pearson correlation with their best match in b (Wu et al. 2020).

    Range [0, 1]; not symmetric. Invariant to permutation, sign and scale of single neurons, not to rotation.
    Dead neurons of a are left out of the mean.
    """

    name: ClassVar[str] = "neuronsim"
    version: ClassVar[int] = 1
    kind: ClassVar[str] = "activations"
    symmetric: ClassVar[bool] = False
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"wu2020": {}}

    def prepare(self, layer: Layer) -> None:
        """Correlations are all it needs."""

    def compare(self, a: Layer, b: Layer, cross: Cross) -> Score:
        """Score a towards b."""
        strength = cross.correlation.abs()  # [neurons_a, neurons_b]
        best, matches = strength.amax(dim=1), strength.argmax(dim=1)  # [neurons_a]
        neurons = best.double().clamp(max=1).masked_fill(~a.alive, float("nan"))
        return Score(
            value=float(neurons.nanmean()),
            neurons=neurons.cpu().numpy(),
            matches=matches.int().masked_fill(~a.alive, -1).cpu().numpy(),
            diagnostics={"words": a.words, "dead_a": a.dead, "dead_b": b.dead},
        )
