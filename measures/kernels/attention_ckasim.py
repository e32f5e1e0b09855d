"""attention_ckasim: ckasim over attention, every (query, key) position a row, every head a column."""

from __future__ import annotations

from typing import get_args

from layeratlas.measures.declaration import PERMUTATION, check_choice, measure
from layeratlas.measures.kernels.ckasim import LinearCKA
from layeratlas.measures.statistics.head_similarity import SingleKey
from layeratlas.measures.statistics.positions import PositionMoments, Zeros


@measure
class AttentionCKA(LinearCKA):
    """ckasim over attention: every (query, key) position a row, every head a column.

    Range [0, 1]; symmetric; does not depend on the order of heads.
    causal: hide the future in both models and renormalise. single_key: `leave-out` or `count` queries with one key.
    zeros: `keep` every position that a query may see; `drop`, as Wu et al.'s code does, where a head of the first
    layer in the given order is exactly 0.
    """

    causal: bool = False
    single_key: SingleKey = "leave-out"
    zeros: Zeros = "keep"

    name = "attention_ckasim"
    version = 1
    kind = "attention"
    symmetric = True
    needs = PositionMoments(causal=False, single_key="leave-out", zeros="keep")
    invariant_to = frozenset({PERMUTATION})
    presets = {"wu2020": {"single_key": "count", "zeros": "drop"}}
    variants = ({"causal": True},)

    def __post_init__(self) -> None:
        check_choice("single_key", self.single_key, get_args(SingleKey))
        check_choice("zeros", self.zeros, get_args(Zeros))

    @property
    def statistic(self) -> PositionMoments:
        """The moments of the positions that these parameters let in."""
        return PositionMoments(self.causal, self.single_key, self.zeros)
