"""The similarity of every attention head with every other, under one convention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from layeratlas.measures.engine import How
    from layeratlas.measures.sources.attention import Sentences
    from layeratlas.measures.statistics.folds import Sums
    from layeratlas.measures.statistics.heads import HeadPairs

Similarity = Literal["frobenius", "pearson", "pearson_nonzero", "jensen_shannon"]
Convention = Literal["bounded", "released"]
SingleKey = Literal["leave-out", "count"]


@dataclass(frozen=True)
class HeadSimilarity:
    """Sums over sentences for every pair of heads (docs/measures.md says what each similarity and convention is)."""

    only_once: ClassVar[str] = ""
    needs_words: ClassVar[bool] = True
    unshuffled: ClassVar[str] = ""

    similarity: Similarity
    convention: Convention
    causal: bool
    single_key: SingleKey

    def bytes(self, units: list[int], pairs: list[tuple[int, int]]) -> int:
        """Return what the float64 sums of all heads with all heads take."""
        return 8 * sum(units) ** 2

    def folded(self, layers: Sequence[Sentences], pairs: list[tuple[int, int]], how: How, folds: int) -> Sums:
        """Make room for the sums of every fold."""
        from layeratlas.measures.statistics.folds import Sums

        parts = [self.begin(layers, pairs, how) for _ in range(folds)]
        return Sums(parts)

    def folded_bytes(self, units: list[int], pairs: list[tuple[int, int]], folds: int) -> int:
        """Return what the sums of every fold take, of all of them, and of a choice."""
        return (folds + 2) * self.bytes(units, pairs)

    def shuffled_bytes(self, units: list[int], rows: int, times: int) -> int:
        """Return what all positions take in float32: as they are, and with the future hidden or in one piece."""
        return 8 * sum(units) * rows

    def begin(self, layers: Sequence[Sentences], pairs: list[tuple[int, int]], how: How) -> HeadPairs:
        """Make room for the sums."""
        from layeratlas.measures.statistics.heads import HeadPairs

        return HeadPairs(self, layers, pairs)
