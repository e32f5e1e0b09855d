"""eigenspace_overlap: how much of the space that one layer's neurons span is in the other's?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from layeratlas.measures.declaration import (
    INVARIANCES,
    TRANSLATION,
    Ends,
    Measure,
    Range,
    Statistic,
    check_choice,
    measure,
)
from layeratlas.measures.score import Scores, TooFewWords
from layeratlas.measures.statistics.bases import Basis
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross, Layer

Over = Literal["larger-rank", "larger-width", "smaller-rank"]


@dataclass(frozen=True)
class Span(Basis):
    """The space of a layer as it is, means included, among its centred directions and the constant.

    It holds both (`spanned` is rank + 1, and `missing` 0), or all but one mixture of them, `missing` [rank + 1].
    """

    spanned: int
    missing: Tensor


@measure
class EigenspaceOverlap(Measure):
    """Eigenspace overlap (May et al. 2019): ‖U'V‖² of orthonormal bases of uncentred layers, over the larger rank.

    over: `larger-rank`; `larger-width` as in ReSi, which leaves a rank-deficient layer below 1 towards itself;
    `smaller-rank`, which makes it the mean squared canonical correlation about the origin.
    Range [0, 1]; symmetric. Blind to invertible maps, not to translation. Of unrelated layers it is about rank / words.
    Raises TooFewWords where one layer spans as many dimensions as there are words.
    """

    over: Over = "larger-rank"

    name = "eigenspace_overlap"
    version = 1
    symmetric = True
    range = Range(0, 1)
    needs: ClassVar[Statistic] = CrossMoments()
    invariant_to = frozenset(INVARIANCES) - {TRANSLATION}
    presets = {"resi": {"over": "larger-width"}, "google": {"over": "smaller-rank"}}

    def __post_init__(self) -> None:
        check_choice("over", self.over, get_args(Over))

    @property
    def self_value(self) -> float | None:
        """1, unless neurons are counted that add no direction."""
        return None if self.over == "larger-width" else 1.0

    def prepare(self, layer: Layer) -> Span:
        """See whether the means add a direction of their own to the centred ones."""
        import torch

        basis = Basis.of(layer)
        inside, apart = layer.mean_among_directions
        if apart:
            return Span(**vars(basis), spanned=basis.rank + 1, missing=inside.new_zeros(basis.rank + 1))
        normal = torch.cat([-inside, inside.new_ones(1)])
        return Span(**vars(basis), spanned=basis.rank, missing=normal / normal.norm())

    def check(self, a: Span, b: Span, ends: Ends) -> None:
        """Refuse what would report algebra as similarity."""
        if max(a.spanned, b.spanned) >= ends.words:
            raise TooFewWords(
                f"eigenspace_overlap compares {a.spanned} dimensions of {ends.a} with {b.spanned} of {ends.b}: that "
                f"takes more words, there are {ends.words:,}. Extract more text"
            )

    def expected(self, a: Span, b: Span, words: int) -> Tensor:  # [pairs]
        """Return what `compare` gives with squared correlations of 1/(words - 1) among all directions."""
        (in_a, of_a), (in_b, of_b) = (
            (one.missing[:, :-1].double().square().sum(dim=1), one.missing[:, -1].double().square()) for one in (a, b)
        )
        shared = (1 - of_a) * (1 - of_b) + (a.rank - in_a) * (b.rank - in_b) / (words - 1)
        return shared / self._over(a, b)

    def compare(self, a: Span, b: Span, cross: Cross) -> Scores:
        """Score the pairs: of centred directions and the constant, less what either layer is missing."""
        whitened = cross.whitened(a.whitener, b.whitener).double()
        pairs, rank_a, rank_b = whitened.shape
        both = whitened.new_zeros(pairs, rank_a + 1, rank_b + 1)
        both[:, :-1, :-1], both[:, -1, -1] = whitened, 1
        left, right = a.missing[:, :, None], b.missing[:, :, None]
        shared = (
            both.square().sum(dim=(1, 2)) - (both.mT @ left).square().sum(dim=(1, 2))
            - (both @ right).square().sum(dim=(1, 2)) + (left.mT @ both @ right).square().sum(dim=(1, 2))
        )  # fmt: skip
        spanned = {"spanned_a": a.spanned, "spanned_b": b.spanned}
        return Scores((shared / self._over(a, b)).clamp(0, 1), diagnostics={**a.counts(b, cross), **spanned})

    def _over(self, a: Span, b: Span) -> int:
        return {
            "larger-rank": max(a.spanned, b.spanned), "smaller-rank": min(a.spanned, b.spanned),
            "larger-width": max(a.whitener.shape[1], b.whitener.shape[1]),
        }[self.over]  # fmt: skip
