"""What turns a measure of activations into one of attention: every (query, key) position a row, every head a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

from layeratlas.measures.declaration import PERMUTATION, Measure, Statistic, check_choice
from layeratlas.measures.statistics.head_similarity import SingleKey
from layeratlas.measures.statistics.positions import PositionMoments, Zeros


@dataclass(frozen=True)
class OverPositions(Measure):
    """The part that such measures share; the measure of activations stands behind it among the bases.

    causal: hide the future in both models and renormalise. single_key: `leave-out` or `count` queries with one key.
    zeros: `keep` every position that a query may see; `drop`, as Wu et al.'s code does, where a head of the first
    layer in the given order is exactly 0.
    """

    causal: bool = False
    single_key: SingleKey = "leave-out"
    zeros: Zeros = "keep"

    kind = "attention"
    needs: ClassVar[Statistic] = PositionMoments(causal=False, single_key="leave-out", zeros="keep")
    invariant_to = frozenset({PERMUTATION})
    variants = ({"causal": True},)

    def __post_init__(self) -> None:
        of_activations = getattr(super(), "__post_init__", None)
        if of_activations is not None:
            of_activations()
        check_choice("single_key", self.single_key, get_args(SingleKey))
        check_choice("zeros", self.zeros, get_args(Zeros))

    @property
    def statistic(self) -> PositionMoments:
        """The moments of the positions that these parameters let in."""
        return PositionMoments(self.causal, self.single_key, self.zeros)
