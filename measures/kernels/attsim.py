"""attsim: does an attention head look where some head of the other layer looks?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from layeratlas.measures.declaration import PERMUTATION, Measure, Range, check_choice, measure
from layeratlas.measures.score import Scores
from layeratlas.measures.statistics.head_similarity import Convention, HeadSimilarity, Similarity, SingleKey

if TYPE_CHECKING:
    from layeratlas.measures.statistics.heads import HeadCounts, HeadCross

_OF_CORRELATION = ("pearson", "pearson_nonzero")


@dataclass(frozen=True)
class Rows:
    """How many rows were constant over their keys, where that was counted; else -1."""

    constant: int


@measure
class AttSim(Measure):
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

    name = "attsim"
    version = 1
    kind = "attention"
    level = "head"
    symmetric = False
    range = Range(-1, 1)
    needs = HeadSimilarity("pearson", "bounded", causal=False, single_key="leave-out")
    invariant_to = frozenset({PERMUTATION})
    presets = {"wu2020": {"single_key": "count", "convention": "released"}}
    usual = ({"similarity": "pearson"}, {"similarity": "frobenius"}, {"similarity": "jensen_shannon"})
    variants = ({"similarity": "pearson_nonzero"}, {"causal": True})

    def __post_init__(self) -> None:
        check_choice("similarity", self.similarity, get_args(Similarity))
        check_choice("single_key", self.single_key, get_args(SingleKey))
        check_choice("convention", self.convention, get_args(Convention))

    @property
    def bounds(self) -> Range:
        """Correlations lie in [-1, 1], the others in [0, 1]; released, distances and their correlations have no end."""
        if self.convention == "released":
            return {
                "pearson": Range(-1, 1), "pearson_nonzero": Range(None, None), "frobenius": Range(None, 1),
                "jensen_shannon": Range(0, 1),
            }[self.similarity]  # fmt: skip
        return Range(-1, 1) if self.similarity in _OF_CORRELATION else Range(0, 1)

    @property
    def self_value(self) -> float | None:
        """1, unless rows that correlate with nothing, or only with a part of themselves, are counted."""
        exact = self.similarity not in _OF_CORRELATION or (self.single_key, self.convention) == ("leave-out", "bounded")
        return 1.0 if exact else None

    @property
    def statistic(self) -> HeadSimilarity:
        """The similarities of all pairs of heads under these parameters."""
        return HeadSimilarity(self.similarity, self.convention, self.causal, self.single_key)

    def prepare(self, layer: HeadCounts) -> Rows:
        """Take note of the constant rows."""
        return Rows(layer.constant)

    def compare(self, a: Rows, b: Rows, cross: HeadCross) -> Scores:
        """Score a towards b from the similarities of their heads."""
        best, matches = cross.similarity.max(dim=2)  # [pairs, heads_a]
        counts = {"words": cross.words, "queries": cross.queries, "sentences": cross.sentences}
        if a.constant >= 0:
            counts |= {"constant_rows_a": a.constant, "constant_rows_b": b.constant}
        return Scores(best.mean(dim=1), best, matches, counts)
