"""What is derived from moments that are known: layers as they are, pairs otherwise than their words say."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layeratlas.measures.statistics.moments import Layer, Moments


class Derived:
    """A gathering for which nothing is gathered, and of which nothing is given up."""

    def __init__(self, moments: Moments) -> None:
        self._moments = moments

    def add(self, block: object) -> None:
        """Refuse words."""
        raise RuntimeError("what is derived from moments takes no words")

    def group(self, a: int, b: int) -> None:
        """A layer is the same in all pairs."""

    def prepare(self, index: int, group: Hashable = None) -> Layer:
        """Return a layer's own statistics."""
        return self._moments.prepare(index, group)

    def release(self, row: int) -> None:
        """Nothing is given up: the scores themselves are still to come."""
