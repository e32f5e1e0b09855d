"""Second moments kept fold by fold, for what is fitted on some sentences and tried on the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from layeratlas.measures.engine import How
    from layeratlas.measures.sources.activations import Rows
    from layeratlas.measures.statistics.held_out import FoldSums


@dataclass(frozen=True)
class FoldMoments:
    """The moments of so many stretches of whole sentences, of about equal length, one after the other."""

    folds: int

    def bytes(self, units: list[int], pairs: list[tuple[int, int]]) -> int:
        """Return what the sums of every fold take, of all of them, and each layer's directions outside folds."""
        directions = 2 * 8 * self.folds * sum(width**2 for width in units)
        return (self.folds + 1) * CrossMoments().bytes(units, pairs) + directions

    def begin(self, layers: Sequence[Rows], pairs: list[tuple[int, int]], how: How) -> FoldSums:
        """Make room for the sums."""
        from layeratlas.measures.statistics.held_out import FoldSums

        return FoldSums(self.folds, layers, pairs, how)
