"""match_hard: how well do neurons match when each has one partner of its own?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from layeratlas.measures.declaration import measure
from layeratlas.measures.kernels._matching import Living, Matching
from layeratlas.measures.kernels._unsure import MATCHED
from layeratlas.measures.score import Scores

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross


@measure
class HardMatch(Matching):
    """Mean correlation of neurons under the best matching of one to one (Li et al. 2015), over the smaller layer.

    Units and matches are a's neurons' partners; where a is wider, some have none. signed: correlations as they are.
    Range [0, 1], signed [-1, 1]; symmetric. Invariant to permutation and scales of neurons, not to rotation.
    Takes an assignment problem a pair (Kuhn 1955, as Crouse 2016 solves it).
    """

    name = "match_hard"
    version = 1
    no_interval = MATCHED
    presets = {"resi": {"signed": True}}

    def compare(self, a: Living, b: Living, cross: Cross) -> Scores:
        """Score the pairs."""
        from layeratlas.measures.assignment import best_assignment

        found = self.correlations(cross)

        def matched() -> Tensor:
            return best_assignment(found, a.alive, b.alive)

        pairing = cross.transposed(("assignment", self.signed), matched)  # [pairs, neurons_a, neurons_b]
        taken = pairing.any(dim=2)
        partners = pairing.int().argmax(dim=2)  # [pairs, neurons_a]
        neurons = found.gather(2, partners[:, :, None])[:, :, 0].masked_fill(~taken, float("nan"))
        return Scores(neurons.nanmean(dim=1), neurons, partners.masked_fill(~taken, -1), self.counts(a, b, cross))
