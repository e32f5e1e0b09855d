"""neuronsim: is the information of one neuron in one neuron elsewhere?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from layeratlas.measures.declaration import NEURON_SCALES, PERMUTATION, SCALE, TRANSLATION, Measure, Range, measure
from layeratlas.measures.score import Scores
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross, Layer


@dataclass(frozen=True)
class Neurons:
    """Which neurons vary, [neurons], and how many do not."""

    alive: Tensor
    dead: int


@measure
class NeuronSim(Measure):
    """Mean over a's neurons of the absolute Pearson correlation with their best match in b (Wu et al. 2020).

    Range [0, 1]; not symmetric. Invariant to permutation, sign and scale of single neurons, not to rotation.
    Dead neurons of a are left out of the mean.
    """

    name = "neuronsim"
    version = 1
    level = "neuron"
    symmetric = False
    range = Range(0, 1)
    needs = CrossMoments()
    invariant_to = frozenset({PERMUTATION, NEURON_SCALES, SCALE, TRANSLATION})
    presets = {"wu2020": {}}
    usual = ({},)

    def prepare(self, layer: Layer) -> Neurons:
        """Tell the neurons that vary."""
        return Neurons(layer.alive, layer.dead)

    def compare(self, a: Neurons, b: Neurons, cross: Cross) -> Scores:
        """Score a towards b."""
        from layeratlas.measures.linalg import largest_of_rows

        best, matches = largest_of_rows(cross.correlation)  # [pairs, neurons_a]
        neurons = best.double().clamp(max=1).masked_fill(~a.alive, float("nan"))
        return Scores(
            values=neurons.nanmean(dim=1),
            units=neurons,
            matches=matches.masked_fill(~a.alive, -1),
            diagnostics={**cross.counts, "dead_a": a.dead, "dead_b": b.dead},
        )
