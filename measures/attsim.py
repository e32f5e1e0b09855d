"""attsim: does an attention head look where some head of the other layer looks?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from layeratlas.measures.score import Score

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Similarity = Literal["frobenius", "pearson", "pearson_nonzero", "jensen_shannon"]
Convention = Literal["bounded", "released"]
SingleKey = Literal["leave-out", "count"]


@dataclass(frozen=True)
class AttSim:
    """Mean over a's heads of the similarity to their best match among b's heads (Wu et al. 2020).

    Range [0, 1], of pearson and pearson_nonzero [-1, 1]; not symmetric. Does not depend on the order of heads.
    similarity, of two heads, each query counting the same:
    `frobenius` is 1 - ‖A - B‖/√(2n) of a sentence with n queries; `pearson` the correlation of a query's weights over
    the keys it may see, 0 where either is constant; `pearson_nonzero` the same over keys that both give weight;
    `jensen_shannon` 1 - divergence/ln 2.
    causal: hide the future in both models and renormalise, so that they compare on equal terms.
    single_key: `leave-out` or `count` the queries with one key, on which all heads agree.
    convention: `bounded` is as above; `released` is Wu et al.'s code (docs/measures.md), not bounded, counts sentences.
    """

    similarity: Similarity = "pearson"
    causal: bool = False
    single_key: SingleKey = "leave-out"
    convention: Convention = "bounded"

    name: ClassVar[str] = "attsim"
    version: ClassVar[int] = 1
    kind: ClassVar[str] = "attention"
    symmetric: ClassVar[bool] = False
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"wu2020": {"single_key": "count", "convention": "released"}}

    def __post_init__(self) -> None:
        check_choice("similarity", self.similarity, get_args(Similarity))
        check_choice("single_key", self.single_key, get_args(SingleKey))
        check_choice("convention", self.convention, get_args(Convention))

    def prepare(self, layer: object) -> None:
        """The sums over all pairs of heads are all it needs."""

    def compare(
        self, a: Mapping[str, int], b: Mapping[str, int], cross: npt.NDArray[np.float64]
    ) -> Score:  # cross [heads_a, heads_b]
        """Score a towards b from the similarities of their heads; a and b are what was counted in either."""
        best = cross.max(axis=1)  # [heads_a]
        counts = {name: count for name, count in a.items() if name != "constant_rows"}
        if "constant_rows" in a:
            counts |= {"constant_rows_a": a["constant_rows"], "constant_rows_b": b["constant_rows"]}
        return Score(float(best.mean()), best, cross.argmax(axis=1).astype("int32"), counts)


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ValueError when a parameter is not one of its choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got '{value}'")
