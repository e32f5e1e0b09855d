"""match_soft: how well does the best partner of each neuron match it, in either direction?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from layeratlas.measures.declaration import measure
from layeratlas.measures.kernels._matching import Living, Matching
from layeratlas.measures.score import Scores

if TYPE_CHECKING:
    from layeratlas.measures.statistics.moments import Cross


@measure
class SoftMatch(Matching):
    """Mean correlation of neurons with their best partners, the same one for as many as it suits (Li et al. 2015).

    Of a's neurons in b, and of b's in a, averaged: the mean of both directions of neuronsim. Units and matches are a's.
    signed: correlations as they are. Range [0, 1], signed [-1, 1]; symmetric. Invariant to permutation and scales.
    """

    name = "match_soft"
    version = 1
    presets = {"resi": {"signed": True}}

    def compare(self, a: Living, b: Living, cross: Cross) -> Scores:
        """Score the pairs."""
        found = cross.correlation if self.signed else cross.correlation.abs()
        dead_a, dead_b = ~a.alive, ~b.alive
        if self.signed and (a.dead or b.dead):  # a dead neuron's 0 must not be better than a negative correlation
            found = found.masked_fill(dead_a[:, :, None] | dead_b[:, None, :], -2)
        best, matches = found.max(dim=2)  # [pairs, neurons_a]
        back = found.amax(dim=1).double().clamp(-1, 1)  # [pairs, neurons_b]
        neurons = best.double().clamp(-1, 1).masked_fill(dead_a, math.nan)
        values = (neurons.nanmean(dim=1) + back.masked_fill(dead_b, math.nan).nanmean(dim=1)) / 2
        return Scores(values, neurons, matches.masked_fill(dead_a, -1), self.counts(a, b, cross))
