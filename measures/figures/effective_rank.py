"""effective_rank: how many directions would a layer take that used all of them alike?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from layeratlas.measures.declaration import Range, Statistic
from layeratlas.measures.figure import Figure, figure
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from layeratlas.measures.statistics.moments import Layer


@figure
class EffectiveRank(Figure):
    """exp of the entropy of singular values, each over their sum (Roy and Vetterli 2007): 1 to the number of neurons.

    Of words centred on their mean. Blind to rotation, scale and translation. Small directions count for more than in
    the participation ratio, since singular values are roots of eigenvalues.
    """

    name = "effective_rank"
    version = 1
    range = Range(1, None)
    needs: ClassVar[Statistic] = CrossMoments()

    def of(self, layer: Layer) -> float:
        """From the shares of variance."""
        roots = layer.shares.sqrt()
        roots = roots[roots > 0] / roots.sum()
        return float((-(roots * roots.log()).sum()).exp())
