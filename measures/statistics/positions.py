"""Attention as a representation: every (query, key) position is a word, every head a neuron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from layeratlas.measures.statistics.head_similarity import SingleKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from layeratlas.measures.engine import How
    from layeratlas.measures.sources.attention import Sentences
    from layeratlas.measures.statistics.folds import Sums
    from layeratlas.measures.statistics.heads import Positions

Zeros = Literal["keep", "drop"]


@dataclass(frozen=True)
class PositionMoments:
    """The moments of heads over positions; with `drop`, over those where no head of the first layer is 0."""

    only_once: ClassVar[str] = ""
    needs_words: ClassVar[bool] = True

    causal: bool
    single_key: SingleKey
    zeros: Zeros

    @property
    def unshuffled(self) -> str:
        """Why text in another order says nothing; "" where it does."""
        if self.zeros == "drop":
            return "which positions are dropped depends on which sentences meet: ask with zeros = keep"
        return ""

    def shuffled_bytes(self, units: list[int], rows: int, times: int) -> int:
        """Return what all positions take, in float32 twice and in float64 twice."""
        return 24 * sum(units) * rows

    def bytes(self, units: list[int], pairs: list[tuple[int, int]]) -> int:
        """Return what the float64 sums take; with `drop` each first layer has sums of its own for all others."""
        own = 8 * sum(units) ** 2
        return own * (len({a for a, _ in pairs}) if self.zeros == "drop" else 1)

    def folded(self, layers: Sequence[Sentences], pairs: list[tuple[int, int]], how: How, folds: int) -> Sums:
        """Make room for the sums of every fold."""
        from layeratlas.measures.statistics.folds import Sums

        parts = [self.begin(layers, pairs, how) for _ in range(folds)]
        for part in parts[1:]:
            part.share_pivots(parts[0])
        return Sums(parts)

    def folded_bytes(self, units: list[int], pairs: list[tuple[int, int]], folds: int) -> int:
        """Return what the sums of every fold take, of all of them, and of a choice."""
        return (folds + 2) * self.bytes(units, pairs)

    def begin(self, layers: Sequence[Sentences], pairs: list[tuple[int, int]], how: How) -> Positions:
        """Make room for the sums."""
        from layeratlas.measures.statistics.heads import Positions

        return Positions(self, layers, pairs)
