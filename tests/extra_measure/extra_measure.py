"""spreaddist: how differently do two layers spread over their directions? An example of a measure of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from layeratlas.measures.declaration import (
    NEURON_SCALES,
    PERMUTATION,
    SCALE,
    TRANSLATION,
    Measure,
    Range,
    measure,
)
from layeratlas.measures.score import Scores
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross, Layer


@dataclass(frozen=True)
class Spectrum:
    """The shares of variance of a layer's directions, largest first, [neurons]."""

    shares: Tensor


@measure
class SpreadDistance(Measure):
    """Distance of two layers' spectra: half the sum of differences between their shares of variance.

    Range [0, 1], a distance: 0 when both spread alike. Blind to what the directions are.
    Raises UnequalWidths for layers of different widths.
    """

    name = "spreaddist"
    version = 1
    symmetric = True
    range = Range(0, 1)
    direction = "distance"
    itself = 0.0
    needs = CrossMoments()
    equal_widths = True
    invariant_to = frozenset({PERMUTATION, NEURON_SCALES, SCALE, TRANSLATION})

    def prepare(self, layer: Layer) -> Spectrum:
        """Take the shares."""
        values = layer.spectrum[0]
        return Spectrum(values / values.sum())

    def compare(self, a: Spectrum, b: Spectrum, cross: Cross) -> Scores:
        """Score the pairs."""
        return Scores((a.shares - b.shares).abs().sum(dim=1) / 2, diagnostics=cross.counts)
