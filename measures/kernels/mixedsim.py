"""mixedsim: is the information of one neuron in a whole layer elsewhere?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from layeratlas.measures.declaration import INVARIANCES, Ends, Measure, Range, measure
from layeratlas.measures.score import Scores, TooFewWords
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross, Layer


@dataclass(frozen=True)
class Directions:
    """Which neurons vary, [neurons], how many do not, and the whitened directions that count, [neurons, rank]."""

    alive: Tensor
    dead: int
    rank: int
    whitener: Tensor


@measure
class MixedSim(Measure):
    """Mean over a's neurons of r, the correlation with their least-squares fit from all of b (Wu et al. 2020).

    Range [0, 1]; not symmetric. Invariant to invertible linear maps of b, and to scale of a's neurons.
    rank_tolerance: a direction of b with less than this share of an average neuron's variance is absent. LayerNorm
    makes every layer rank-deficient by one; what is left there is rounding noise, which must not explain anything.
    Raises TooFewWords when b has as many directions as there are words to fit.
    """

    rank_tolerance: float = 1e-6

    name = "mixedsim"
    version = 1
    level = "mixed"
    symmetric = False
    range = Range(0, 1)
    needs = CrossMoments()
    invariant_to = frozenset(INVARIANCES)
    presets = {"wu2020": {"rank_tolerance": 1e-13}}
    usual = ({},)

    def __post_init__(self) -> None:
        if not 0 < self.rank_tolerance < 1:
            raise ValueError(f"rank_tolerance must be between 0 and 1, got {self.rank_tolerance}")

    def prepare(self, layer: Layer) -> Directions:
        """Whiten every direction that counts."""
        rank = layer.rank(self.rank_tolerance)
        return Directions(layer.alive, layer.dead, rank, layer.whitener(rank))

    def check(self, a: Directions, b: Directions, ends: Ends) -> None:
        """Refuse a fit that has no word to spare."""
        if ends.words <= b.rank + 1:
            raise TooFewWords(
                f"mixedsim fits {ends.a} from the {b.rank} directions of {ends.b}: that takes more than {b.rank + 1} "
                f"words, there are {ends.words:,}. Extract more text"
            )

    def compare(self, a: Directions, b: Directions, cross: Cross) -> Scores:
        """Score a towards b."""
        from layeratlas.measures.linalg import exact_column_norms

        fitted = exact_column_norms(cross.explained(b.whitener))  # r
        neurons = fitted.clamp(max=1).masked_fill(~a.alive, float("nan"))  # [pairs, neurons_a]
        return Scores(
            values=neurons.nanmean(dim=1),
            units=neurons,
            diagnostics={**cross.counts, "rank_b": b.rank, "dead_a": a.dead, "dead_b": b.dead},
        )
