"""attention_pwsim: pwsim over attention, every (query, key) position a row, every head a column."""

from __future__ import annotations

from typing import get_args

from layeratlas.measures.declaration import PERMUTATION, check_choice, measure
from layeratlas.measures.kernels.pwsim import PWSim
from layeratlas.measures.statistics.head_similarity import SingleKey
from layeratlas.measures.statistics.positions import PositionMoments, Zeros


@measure
class AttentionPWSim(PWSim):
    """pwsim over attention: every (query, key) position a row, every head a column.

    Range [0, 1]; not symmetric. variance, cut and refusals are those of svsim; causal, single_key and zeros those of
    attention_ckasim.
    """

    causal: bool = False
    single_key: SingleKey = "leave-out"
    zeros: Zeros = "keep"

    name = "attention_pwsim"
    version = 1
    kind = "attention"
    symmetric = False
    needs = PositionMoments(causal=False, single_key="leave-out", zeros="keep")
    invariant_to = frozenset({PERMUTATION})
    presets = {"wu2020": {"cut": "below", "single_key": "count", "zeros": "drop"}}
    variants = ({"causal": True},)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("single_key", self.single_key, get_args(SingleKey))
        check_choice("zeros", self.zeros, get_args(Zeros))

    @property
    def statistic(self) -> PositionMoments:
        """The moments of the positions that these parameters let in."""
        return PositionMoments(self.causal, self.single_key, self.zeros)
