"""second_order_cosine: is a word as similar to its neighbours in one layer as it is in the other?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from layeratlas.measures.declaration import PERMUTATION, ROTATION, SCALE, check_choice, measure
from layeratlas.measures.kernels._sampled import Distinct, OfSample, check_at_least
from layeratlas.measures.kernels._unsure import NEIGHBOURS
from layeratlas.measures.score import Scores
from layeratlas.measures.statistics.sample import Dissimilarity, Neighbours, Square, View

if TYPE_CHECKING:
    from layeratlas.measures.statistics.sampled import SampleCross

Of = Literal["similarities", "distances"]


@measure
class SecondOrderCosine(OfSample):
    """Mean cosine of a word's vectors of cosines to the neighbours that it has in either layer (Hamilton et al. 2016).

    Range [-1, 1]; symmetric. Of a sample of words and their k nearest by cosine; of words equally near, those that come
    first in the sample are taken. Far from 0 also for independent layers.
    of: `similarities`, as published, or cosine `distances`, as in ReSi; where both vectors of distances vanish (all are
    repeats of the word in both layers) a word counts 1, where one does, 0.
    """

    k: int = 10
    of: Of = "similarities"

    name = "second_order_cosine"
    version = 1
    no_interval = NEIGHBOURS
    invariant_to = frozenset({PERMUTATION, SCALE, ROTATION})
    presets = {"resi": {"of": "distances"}}

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("k", self.k, 1)
        check_choice("of", self.of, get_args(Of))

    @property
    def views(self) -> tuple[View, ...]:
        """The neighbours, and all cosines."""
        return Neighbours(self.k, "cosine"), Square(Dissimilarity("cosine"))

    def compare(self, a: Distinct, b: Distinct, cross: SampleCross) -> Scores:
        """Score the pairs."""
        from layeratlas.measures.statistics.neighbours import second_order

        neighbours, square = self.views
        values = cross.each((neighbours, square), lambda x, y: second_order(x, y, of_distances=self.of == "distances"))
        return Scores(values, diagnostics=self.diagnostics(a, b, cross))
