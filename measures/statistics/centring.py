"""Words of several layers side by side, less a pivot: raw moments lose everything when means are large."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Block:
    """The next words of every layer side by side, less a pivot that is the same in every block.

    fold: of which part of the corpus they are, where it is cut into several.
    """

    centred: Tensor  # [words, neurons of all layers]
    pivot: Tensor  # [neurons of all layers]
    fold: int = 0

    @property
    def words(self) -> int:
        """How many words there are."""
        return len(self.centred)


class Centring:
    """Centres blocks on the mean of the first one."""

    def __init__(self) -> None:
        self._pivot: Tensor | None = None

    def block(self, chunk: Tensor) -> Block:  # [words, neurons of all layers]; overwritten
        """Return the next words as a block."""
        if self._pivot is None:
            self._pivot = chunk.mean(dim=0)
        chunk -= self._pivot
        return Block(chunk, self._pivot)
