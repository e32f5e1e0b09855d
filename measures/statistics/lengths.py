"""How long words' rows are, and where they point: means over words of rows, of their lengths and of their directions.

Rows are taken in float64 as the model has them, means included, whatever the data's dtype.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from layeratlas.measures.score import MeasureError, TooFewWords

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.engine import How
    from layeratlas.measures.sources.activations import Rows
    from layeratlas.measures.statistics.centring import Block
    from layeratlas.measures.statistics.folds import Sums

_NOTHING = 1e-12  # of the mean length: a mean row that is shorter is what rounding leaves of 0


@dataclass(frozen=True)
class LayerLengths:
    """What is known of one layer. mean_row [neurons]; directions [neurons]: the sum of rows of length one."""

    name: str
    words: int
    mean_length: float
    mean_row: Tensor
    directions: Tensor
    without_direction: int  # rows that are 0

    @property
    def magnitude(self) -> float:
        """The length of the mean row."""
        return float(self.mean_row.norm())

    @cached_property
    def concentricity(self) -> float:
        """The mean cosine of words' rows with their mean row. Raises MeasureError."""
        self._need_directions()
        if not self.magnitude > _NOTHING * self.mean_length:
            raise MeasureError(f"{self.name}: the mean row is 0, and so points nowhere")
        found = float(self.directions @ self.mean_row) / (self.words * self.magnitude)
        return min(max(found, -1.0), 1.0)

    @cached_property
    def anisotropy(self) -> float:
        """The mean cosine of all pairs of different words. Raises MeasureError."""
        self._need_directions()
        found = (float(self.directions.square().sum()) - self.words) / (self.words * (self.words - 1))
        return min(max(found, -1.0), 1.0)

    def _need_directions(self) -> None:
        if self.without_direction:
            raise MeasureError(
                f"{self.name}: {self.without_direction:,} of {self.words:,} words' rows are 0, and so have no direction"
            )


@dataclass(frozen=True)
class Lengths:
    """Means over words of rows, of their lengths and of their directions."""

    only_once: ClassVar[str] = ""
    light: ClassVar[bool] = True  # beside what reading the rows costs

    def bytes(self, units: list[int], pairs: list[tuple[int, int]]) -> int:
        """Return what the sums take."""
        return 2 * 8 * sum(units)

    def folded(self, layers: Sequence[Rows], pairs: list[tuple[int, int]], how: How, folds: int) -> Sums:
        """Make room for the sums of every fold."""
        from layeratlas.measures.statistics.folds import Sums

        return Sums([self.begin(layers, pairs, how) for _ in range(folds)])

    def folded_bytes(self, units: list[int], pairs: list[tuple[int, int]], folds: int) -> int:
        """Return what the sums of every fold take, of all of them, and of a choice."""
        return (folds + 2) * self.bytes(units, pairs)

    def begin(self, layers: Sequence[Rows], pairs: list[tuple[int, int]], how: How) -> LengthSums:
        """Make room for the sums."""
        return LengthSums([layer.name for layer in layers], [layer.units for layer in layers], how.device)


@dataclass(frozen=True)
class LengthsOfPair:
    """What is known of a batch of pairs: how many words there were."""

    words: int

    @property
    def counts(self) -> dict[str, int]:
        """What diagnostics begin with."""
        return {"words": self.words}

    @property
    def flipped(self) -> LengthsOfPair:
        """The same, seen from b."""
        return self


class LengthSums:
    """Sums over words, for a set of layers."""

    def __init__(self, names: list[str], units: list[int], device: Any) -> None:
        import torch

        edges = torch.tensor([0, *units]).cumsum(0).tolist()
        self._names, self._columns = names, [slice(start, stop) for start, stop in pairwise(edges)]
        self._sums = torch.zeros(2, edges[-1], dtype=torch.float64, device=device)  # of rows, and of their directions
        self._lengths, self._without = [0.0] * len(units), [0] * len(units)
        self.words = 0

    def add(self, block: Block) -> None:
        """Take the next words of every layer."""
        from layeratlas.measures.linalg import row_sums

        for index, columns in enumerate(self._columns):
            sums, lengths, without = row_sums(block.centred[:, columns], block.pivot[columns])
            self._sums[:, columns] += sums
            self._lengths[index] += lengths
            self._without[index] += without
        self.words += block.words

    def together(self, parts: Sequence[LengthSums], weights: Sequence[int]) -> LengthSums:
        """Return the sums of parts, each times a weight."""
        from layeratlas.measures.statistics.folds import summed

        found = copy(self)
        found._sums = summed([part._sums for part in parts], weights)
        found._lengths = [summed(some, weights) for some in zip(*(part._lengths for part in parts), strict=True)]
        found._without = [summed(some, weights) for some in zip(*(part._without for part in parts), strict=True)]
        found.words = summed([part.words for part in parts], weights)
        return found

    def group(self, a: int, b: int) -> None:
        """A layer's lengths are the same in all pairs."""

    def prepare(self, index: int, group: Hashable = None) -> LayerLengths:
        """Return what is known of one layer. Raises TooFewWords."""
        if self.words < 2:
            raise TooFewWords(f"{self._names[index]} has {self.words} words here: nothing can be said of so few")
        rows, directions = self._sums[:, self._columns[index]]
        return LayerLengths(
            self._names[index], self.words, self._lengths[index] / self.words, rows / self.words, directions,
            self._without[index],
        )  # fmt: skip

    def pair(self, pairs: list[tuple[int, int]]) -> LengthsOfPair:
        """Pairs are compared by what is known of each layer alone."""
        return LengthsOfPair(self.words)

    def release(self, row: int) -> None:
        """There is nothing to give up."""
