"""Intervals of scores: from the values that the same measure gives when some blocks of the corpus are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from layeratlas.measures.declaration import Measure, Range
from layeratlas.measures.score import MeasureError, Score, Scores
from layeratlas.measures.statistics.sampled import mixed
from layeratlas.store.spread import spread
from layeratlas.store.uncertainty import Intervals

if TYPE_CHECKING:
    from layeratlas.measures.engine import Outcomes

Values = npt.NDArray[np.float64]
Pair = tuple[int, int]
T = TypeVar("T")


@dataclass(frozen=True)
class Interval:
    """How far a score would differ on other text: standard error, 95 % interval, value less its bias.

    replicates: what each choice of blocks gives; sizes: of the blocks, in words. refused: why there are no bounds.
    curve: what parts of the text give, on average over parts of `curve_words` words.
    """

    error: float
    low: float | None
    high: float | None
    corrected: float | None
    replicates: list[float]
    sizes: list[int]
    refused: str | None = None
    curve_words: list[int] = field(default_factory=list)
    curve: list[float] = field(default_factory=list)


def parts(blocks: int) -> list[list[list[int]]]:  # [sizes][parts][blocks]
    """Return parts of the text, smallest first: a tenth of its blocks, a quarter, a half; two of each, apart.

    Each says of every block how often it counts.
    """
    found = []
    for size in sorted({blocks // share for share in (10, 4, 2)} - {0}):
        starts = (0, blocks // 2)
        found.append([[int(start <= block < start + size) for block in range(blocks)] for start in starts])
    return found


def weights(asked: Intervals) -> list[list[int]]:  # [replicates][blocks]
    """Return how often each block counts in each replicate."""
    if asked.method == "jackknife":
        return [[int(block != left_out) for block in range(asked.blocks)] for left_out in range(asked.blocks)]
    drawn = (mixed(asked.draws * asked.blocks, asked.seed) % np.uint64(asked.blocks)).astype(np.int64)
    return [np.bincount(row, minlength=asked.blocks).tolist() for row in drawn.reshape(asked.draws, asked.blocks)]


def interval(asked: Intervals, value: float, replicates: Values, sizes: list[int], measure: Measure) -> Interval:
    """Return the interval of one score. replicates: in the order of `weights`; sizes: of the blocks, in words.

    A measure that has none of its own still says how far its values spread.
    """
    values = replicates.tolist()
    found = spread(asked.method, value, values, sizes)
    if measure.unsure:
        return Interval(found.error, None, None, None, values, sizes, measure.unsure)
    bounds, reach = measure.bounds, found.reach
    low, high, corrected = (
        _within(bounds, one) for one in (found.corrected - reach, found.corrected + reach, found.corrected)
    )
    return Interval(found.error, low, high, corrected, values, sizes)


def _within(bounds: Range, value: float) -> float:
    low = value if bounds.low is None else max(bounds.low, value)
    return low if bounds.high is None else min(bounds.high, low)


class Collected:
    """What a measure says of ordered pairs again and again, under other circumstances each time."""

    def __init__(self, times: int) -> None:
        self._times = times
        self.values: dict[tuple[Measure, Pair], Values] = {}
        self.refused: dict[tuple[Measure, Pair], str] = {}

    def take(self, number: int, outcomes: Iterable[Outcomes]) -> None:
        """Take what is said of several pairs the number-th time."""
        for one in outcomes:
            self._take([number] * len(one.pairs), one)

    def take_each(self, numbers: Sequence[int], outcomes: Iterable[Outcomes]) -> None:
        """Take what is said of one pair each of these times."""
        for one in outcomes:
            self._take(numbers, one)

    def _take(self, numbers: Sequence[int], one: Outcomes) -> None:
        values = one.scores.values.double().cpu().numpy() if isinstance(one.scores, Scores) else None
        for place, (number, pair) in enumerate(zip(numbers, one.pairs, strict=True)):
            key = one.measure, pair
            if key not in self.values:
                self.values[key] = np.full(self._times, np.nan)
            score = values[place] if values is not None else one.scores[place]
            if isinstance(score, MeasureError):
                self.refused.setdefault(key, str(score))
            else:
                self.values[key][number] = score.value if isinstance(score, Score) else score

    def refuse(self, measure: Measure, pairs: Iterable[Pair], reason: str) -> None:
        """Note that a measure has no answer here."""
        for a, b in pairs:
            self.refused.update({(measure, (a, b)): reason, (measure, (b, a)): reason})

    def each(self, outcomes: Outcomes, make: Callable[[Pair, float, Values], T]) -> list[T | str | None]:
        """Return what is made of each score and its values, or why there is nothing; None where there is no score."""
        found: list[T | str | None] = []
        for pair, score in outcomes.single():
            key = outcomes.measure, pair
            if isinstance(score, MeasureError):
                found.append(None)
            else:
                found.append(self.refused[key] if key in self.refused else make(pair, score.value, self.values[key]))
        return found


class Replicates(Collected):
    """What every replicate says of ordered pairs, measure by measure, until the scores themselves are there.

    grown: what parts of the text say, which may be too short for some measures.
    """

    def __init__(self, asked: Intervals, sizes: Sequence[int]) -> None:
        self._asked, self._sizes = asked, list(sizes)
        self._weights, self._parts = weights(asked), parts(asked.blocks)
        super().__init__(len(self._weights))
        self.grown = Collected(sum(map(len, self._parts)))

    def __iter__(self) -> Iterator[tuple[Collected, int, list[int]]]:
        """Give what to take down, under which number, with which blocks."""
        yield from ((self, number, one) for number, one in enumerate(self._weights))
        yield from ((self.grown, number, one) for number, one in enumerate(chain.from_iterable(self._parts)))

    @property
    def times(self) -> int:
        """How often all pairs are compared."""
        return len(self._weights) + sum(map(len, self._parts))

    def intervals(self, outcomes: Outcomes) -> list[Interval | str | None]:
        """Return the interval of each score, or why it has none; None where there is no score."""

        def of(pair: Pair, value: float, values: Values) -> Interval:
            found = interval(self._asked, value, values, self._sizes, outcomes.measure)
            words, curve = self._curve((outcomes.measure, pair))
            return replace(found, curve_words=words, curve=curve)

        return self.each(outcomes, of)

    def _curve(self, key: tuple[Measure, Pair]) -> tuple[list[int], list[float]]:
        """Return words, and the mean over parts of so many, of the sizes at which all parts have a score."""
        values, first = self.grown.values.get(key), 0
        words: list[int] = []
        curve: list[float] = []
        for some in self._parts:
            last = first + len(some)
            if values is not None and np.isfinite(values[first:last]).all():
                words.append(round(sum(np.dot(one, self._sizes) for one in some) / len(some)))
                curve.append(float(values[first:last].mean()))
            first = last
        return words, curve
