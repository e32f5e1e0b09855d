"""What chance alone gives: the score of a layer with another whose text is shuffled, again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from layeratlas.measures.declaration import Measure
from layeratlas.measures.folds import lengths_of
from layeratlas.measures.resampling import Collected, Pair, Values
from layeratlas.measures.score import TooFewWords
from layeratlas.measures.statistics import drawn
from layeratlas.measures.statistics.folds import Drawable, Shuffleable, Shuffling
from layeratlas.measures.statistics.sampled import mixed
from layeratlas.store.uncertainty import Nulls

if TYPE_CHECKING:
    from layeratlas.measures.engine import Gathered, Outcomes, Reading, SideBySide

Order = npt.NDArray[np.int64]
_AT_HOME = 0.05  # the share of words that may stay where they are


@dataclass(frozen=True)
class Null:
    """What chance gives: mean, standard deviation, the ends of its middle 95 % and the median.

    The mean is that over all ways in which words can meet, where a measure knows it and each is as likely.
    calibrated: (score - mean) / (value of a layer towards itself - mean), 0 at chance and 1 at identity; None where a
    measure has no such value. p: how often chance is as close, the score itself counted with: never 0.
    """

    mean: float
    deviation: float | None
    low: float
    median: float
    high: float
    calibrated: float | None
    p: float


def null(measure: Measure, value: float, chance: Values, expected: float | None = None) -> Null:
    """Return where a score stands among those that chance gives. expected: their mean, where theory knows it."""
    mean = float(chance.mean()) if expected is None else expected
    low, median, high = (float(one) for one in np.quantile(chance, (0.025, 0.5, 0.975)))
    as_close = int((chance >= value).sum() if measure.sense == "similarity" else (chance <= value).sum())
    most = measure.self_value
    return Null(
        mean, float(chance.std(ddof=1)) if len(chance) > 1 else None, low, median, high,
        None if most is None or most == mean else (value - mean) / (most - mean), (1 + as_close) / (1 + len(chance)),
    )  # fmt: skip


def orders(asked: Nulls, sentences: npt.NDArray[np.int32]) -> Iterator[Order]:  # [words] -> each [words]
    """Give the orders in which b's words are met by a's.

    Sentences go with sentences of their length. Those of a length that no other has are strung together, and turned
    round by some number of words. Raises TooFewWords where a single such sentence is so long that it matters.
    """
    if asked.permuted == "words":
        yield from (np.argsort(_numbers(len(sentences), asked, k), kind="stable") for k in range(asked.permutations))
        return
    lengths = lengths_of(sentences)
    starts, sentence = np.r_[0, np.cumsum(lengths)[:-1]], np.repeat(np.arange(len(lengths)), lengths)
    within = np.arange(len(sentences)) - starts[sentence]
    alike = [np.flatnonzero(lengths == length) for length in np.unique(lengths)]
    single = np.array([some[0] for some in alike if len(some) == 1], np.int64)
    strung = np.flatnonzero(np.isin(sentence, single))  # words
    if len(single) == 1 and len(strung) > _AT_HOME * len(sentences):
        raise TooFewWords(
            f"one sentence has {len(strung):,} of {len(sentences):,} words and there is none to go with it: ask for "
            "--null permuted:words, or extract more text"
        )
    for k in range(asked.permutations):
        numbers, from_where = _numbers(len(lengths) + 1, asked, k), np.arange(len(lengths))
        for some in alike:
            from_where[some] = some[np.argsort(numbers[some], kind="stable")]
        order = starts[from_where[sentence]] + within
        if len(single) > 1:
            order[strung] = np.roll(strung, int(numbers[-1] % np.uint64(len(strung))))
        yield order


def _numbers(count: int, asked: Nulls, k: int) -> npt.NDArray[np.uint64]:
    return mixed(count, asked.seed << 20 | k)


class Chance(Collected):
    """What shuffled text gives, measure by measure, until the scores themselves are there."""

    def __init__(self, asked: Nulls) -> None:
        self.asked = asked
        super().__init__(asked.permutations)
        self._expected: dict[tuple[Measure, Pair], float] = {}

    def expect(self, measure: Measure, pairs: Sequence[Pair], means: Any) -> None:  # means [pairs]
        """Take what theory says of the mean."""
        self._expected.update({(measure, pair): mean for pair, mean in zip(pairs, means.tolist(), strict=True)})

    def nulls(self, outcomes: Outcomes) -> list[Null | str | None]:
        """Return where each score stands, or why that is not known; None where there is no score."""
        measure = outcomes.measure
        return self.each(
            outcomes, lambda pair, value, values: null(measure, value, values, self._expected.get((measure, pair)))
        )


def chances(
    read: Reading, gathered: Gathered, asked: Nulls, each: SideBySide, done: Callable[[int], None]
) -> Chance:  # fmt: skip
    """Compare all pairs of a tile again and again; what is known of each layer stays. done: called with how often."""
    found = Chance(asked)
    gathered.prepare(each)
    if asked.method == "drawn":
        _draw(found, read, gathered, each, done)
    else:
        _shuffle(found, read, gathered, each, done)
    if asked.permuted == "words":  # any word meets any: what is expected is known
        for measure, pairs, means in gathered.expected(read.pairs):
            found.expect(measure, pairs, means)
    return found


def _shuffle(
    found: Chance, read: Reading, gathered: Gathered, each: SideBySide, done: Callable[[int], None]
) -> None:  # fmt: skip
    """Compare all pairs, b's text in another order."""
    of_statistic: dict[Shuffling, list[Measure]] = {}
    for measure in read.measures:
        statistic: Any = measure.statistic
        if not isinstance(statistic, Shuffleable):
            found.refuse(measure, read.pairs, f"what {measure.name} needs is not kept so that text can be shuffled")
        elif statistic.unshuffled:
            found.refuse(measure, read.pairs, f"{measure.name}: {statistic.unshuffled}")
        else:
            of_statistic.setdefault(gathered.gathering(measure), []).append(measure)
    sentences = read.layers[0].sentences() if of_statistic else None  # type: ignore[attr-defined]
    of_words = {one: orders(found.asked, one.of_words(sentences)) for one in of_statistic}
    for number in range(found.asked.permutations):
        for gathering, ways in list(of_words.items()):
            measures = of_statistic[gathering]
            try:
                met = gathering.shuffled(read.held, torch.from_numpy(next(ways)))
            except TooFewWords as refusal:
                del of_words[gathering]
                for measure in measures:
                    found.refuse(measure, read.pairs, str(refusal))
                continue
            for outcomes in gathered.met(dict.fromkeys(measures, met)).compared(read.pairs, each):
                found.take(number, outcomes)
        done(1)


def _draw(
    found: Chance, read: Reading, gathered: Gathered, each: SideBySide, done: Callable[[int], None]
) -> None:  # fmt: skip
    """Compare all pairs, what b's words in any order would give, some draws at a time."""
    chosen = []
    for measure in read.measures:
        statistic: Any = measure.statistic
        reason = f"what {measure.name} needs cannot be drawn: ask for --null permuted"
        if isinstance(statistic, Drawable):
            reason = statistic.undrawn
        if reason:
            found.refuse(measure, read.pairs, reason)
        else:
            chosen.append(measure)
    gathering = gathered.drawn(chosen, found.asked.seed)
    step = drawn.at_once([layer.units for layer in read.layers])
    for first in range(0, found.asked.permutations, step):
        numbers = range(first, min(first + step, found.asked.permutations))
        batches = [[pair] * len(numbers) for pair in read.pairs] if chosen else []
        for outcomes in gathering.draws(numbers).compared_as(batches, each):
            found.take_each(numbers, outcomes)
        done(len(numbers))
