"""A statistic kept fold by fold, so that what any choice of folds gives is a sum, and nothing is read again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from layeratlas.measures.declaration import Gathering, Statistic


class Folded(Protocol):
    """One statistic, gathered fold by fold."""

    def add(self, block: Any) -> None:
        """Take the next words of every layer; the block says of which fold they are."""

    def whole(self) -> Gathering:
        """Return what all words give."""

    def weighted(self, weights: Sequence[int]) -> Gathering:
        """Return what the folds give, each counted so often."""


@runtime_checkable
class Foldable(Protocol):
    """A statistic that can be kept fold by fold. only_once: why no fold may count twice; "" where it may."""

    only_once: ClassVar[str]

    def folded(self, layers: Any, pairs: list[tuple[int, int]], how: Any, folds: int) -> Folded:
        """Make room for so many folds."""

    def folded_bytes(self, units: list[int], pairs: list[tuple[int, int]], folds: int) -> int:
        """Return how many bytes that takes, with what two choices of folds give."""


@runtime_checkable
class Shuffling(Protocol):
    """A gathering whose pairs can be met again, with b's words in another order."""

    @property
    def words(self) -> int:
        """How many words there are."""

    def orders(self, asked: Any, layer: Any, held: Any) -> Iterator[Any]:
        """Give the orders that are asked for, of the words, or what else enters.

        layer: one of the tile's; held: all that was added. Raises MeasureError where there are none.
        """

    def shuffled(self, held: Any, order: Any) -> Gathering:
        """Return what a's words with b's in another order give; what is known of each layer alone stays.

        held: all that was added, of all layers side by side; order: one of `orders`.
        """


@runtime_checkable
class Dealing(Protocol):
    """A gathering that gives many orders of b's words at once, pair by pair."""

    @property
    def words(self) -> int:
        """How many words there are."""

    def dealt(self, held: Any, deal: Any, pair: tuple[int, int], numbers: Sequence[int]) -> Any:
        """Return what a's words with b's in these orders give, `part(first, last)` of which is a gathering.

        held: all that was added, of all layers side by side; deal: see `orders.Deal`.
        """


@runtime_checkable
class Shuffleable(Protocol):
    """A statistic whose gathering is Shuffling or Dealing. needs_words: whether that takes all that was added."""

    needs_words: ClassVar[bool]

    @property
    def unshuffled(self) -> str:
        """Why text in another order says nothing of the measures that need it; "" where it does."""

    def shuffled_bytes(self, units: list[int], rows: int, times: int) -> int:
        """Return how many bytes holding so many rows of each unit takes, and what so many orders take at a time."""


@runtime_checkable
class Drawable(Protocol):
    """A statistic from which can be drawn what b's words in any order would give."""

    @property
    def undrawn(self) -> str:
        """Why the measures that need it cannot have that; "" where they can."""

    def to_draw(self) -> Statistic:
        """Return the same with what draws take."""


@runtime_checkable
class Rotatable(Protocol):
    """A statistic from which follows what it is of layers whose neurons are turned at random."""

    @property
    def unrotated(self) -> str:
        """Why the measures that need it cannot have that; "" where they can."""

    def to_rotate(self) -> Statistic:
        """Return the same with what turned layers are made of."""


class Additive(Gathering, Protocol):
    """A statistic that is sums over words."""

    def together(self, parts: Sequence[Any], weights: Sequence[int]) -> Any:
        """Return the sums of parts (itself among them), each times a weight that may be negative."""


class Sums:
    """Folds of a statistic that is sums."""

    def __init__(self, parts: Sequence[Additive]) -> None:
        self._parts = parts
        self._whole: Any = None

    def add(self, block: Any) -> None:
        """Add to the fold's sums."""
        self._parts[block.fold].add(block)

    def whole(self) -> Any:
        """Return a sum of all folds; what is made of it is not kept for the next who asks."""
        return self._parts[0].together([self._total()], [1])

    def weighted(self, weights: Sequence[int]) -> Any:
        """Return a weighted sum, the shorter way: where most folds count once, as all of them and the others' rest."""
        rest = [weight - 1 for weight in weights]
        parts, chosen = [self._total(), *self._parts], [1, *rest]
        if sum(map(bool, weights)) < 1 + sum(map(bool, rest)):
            parts, chosen = list(self._parts), list(weights)
        used = [(part, weight) for part, weight in zip(parts, chosen, strict=True) if weight]
        return self._parts[0].together([part for part, _ in used], [weight for _, weight in used])

    def _total(self) -> Any:
        if self._whole is None:
            self._whole = self._parts[0].together(self._parts, [1] * len(self._parts))
        return self._whole


T = TypeVar("T")


def summed(values: Sequence[T], weights: Sequence[int]) -> T:
    """Return the sum of numbers, arrays or tensors of one shape, each times its weight."""
    found: Any = values[0] * weights[0]  # type: ignore[operator]
    for value, weight in zip(values[1:], weights[1:], strict=True):
        if weight == -1:
            found -= value
        else:
            found += value if weight == 1 else value * weight  # type: ignore[operator]
    return found  # type: ignore[no-any-return]
