"""What the engine asks of a kind's layers: read them side by side, block by block, and refuse what must not enter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch

from layeratlas.measures.score import MeasureError


class Source(Protocol):
    """One layer, to be read in order as often as there are tiles."""

    @property
    def name(self) -> str:
        """How errors name the layer."""

    @property
    def units(self) -> int:
        """How many neurons, or heads, it has."""


class Block(Protocol):
    """The next words of every layer of a tile, as the kind's statistics take them."""

    @property
    def words(self) -> int:
        """How many words there are."""

    @property
    def fold(self) -> int:
        """Of which fold they are; 0 where there are none."""


class Feed(Protocol):
    """The layers of one tile, read once. A layer that must not be compared is blanked, and `refused` says why."""

    refused: dict[int, MeasureError]  # by index

    def blocks(self) -> Iterator[Block]:
        """Read all layers, block by block. Raises UnalignedWords when they do not have the same words."""


class Kind(Protocol):
    """A module of `measures/sources/`, called by the kind's name."""

    DEVICES: tuple[str, ...]  # types of devices on which its statistics can be made

    def feed(self, layers: Sequence[Any], dtype: torch.dtype, device: torch.device, edges: Sequence[int] = ()) -> Feed:
        """Read these layers once; with edges, no block is of two folds."""

    def edges(self, layers: Sequence[Any], folds: int) -> list[int]:
        """Return where folds begin, and the end of the last. Raises TooFewWords for too few sentences."""

    def held(self, layers: Sequence[Any]) -> int:
        """Return how many bytes reading these layers side by side takes, beside the statistics."""

    def rows(self, layers: Sequence[Any]) -> int:
        """Return how many values of each unit there are in all."""

    def kept(self, block: Any) -> Any:
        """Return a block that stays as it is while others are read."""

    def together(self, blocks: Sequence[Any]) -> tuple[Any, int]:
        """Return blocks as one, of what can be shuffled; and how many words cannot, so that they are not in it."""

    def from_artifacts(self, store: Any, artifacts: Sequence[Any]) -> list[Any]:
        """Return sources that read these artifacts, what all of them have, in the same order."""

    def from_array(self, name: str, array: Any) -> Any:
        """Return a source that reads an array as users have it. Raises MeasureError for another shape."""
