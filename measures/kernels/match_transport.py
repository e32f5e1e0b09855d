"""match_transport: how well do neurons match when each may have parts of several partners?"""

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
class TransportMatch(Matching):
    """Soft matching by optimal transport (Khosla and Williams 2024): all neurons weigh the same, none is left over.

    Neurons of a layer of equal width are matched one to one, as by match_hard; of another width, each shares its weight
    among partners. Units are each neuron's mean correlation with its partners, matches the partner with most of it.
    signed: correlations as they are. Range [0, 1], signed [-1, 1]; symmetric. Invariant to permutation and scales.
    """

    name = "match_transport"
    version = 1
    no_interval = MATCHED
    presets = {"neuroai": {"signed": True}}

    def compare(self, a: Living, b: Living, cross: Cross) -> Scores:
        """Score the pairs."""
        from layeratlas.measures.assignment import best_transport

        found = self.correlations(cross)

        def transported() -> Tensor:
            return best_transport(found, a.alive, b.alive)

        plan = cross.transposed(("transport", self.signed), transported)  # shares of all, [pairs, neurons_a, neurons_b]
        weights = plan.sum(dim=2)
        neurons = ((plan * found).sum(dim=2) / weights).masked_fill(~a.alive, float("nan"))
        matches = plan.argmax(dim=2).masked_fill(~a.alive, -1)
        return Scores((plan * found).sum(dim=(1, 2)), neurons, matches, self.counts(a, b, cross))
