"""What chance alone gives: a layer's score with another whose text is shuffled, or neurons turned, again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from layeratlas.measures.declaration import Measure
from layeratlas.measures.resampling import Collected, Pair, Values
from layeratlas.measures.score import MeasureError, Score
from layeratlas.measures.statistics import dealt, drawn, orders
from layeratlas.measures.statistics.folds import Dealing, Drawable, Rotatable, Shuffleable
from layeratlas.store.uncertainty import Nulls

if TYPE_CHECKING:
    from layeratlas.measures.engine import Gathered, Outcomes, Reading, SideBySide


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


class Chance(Collected):
    """What shuffled text gives, measure by measure, until the scores themselves are there."""

    def __init__(self, asked: Nulls) -> None:
        self.asked = asked
        super().__init__(asked.permutations)
        self._expected: dict[tuple[Measure, Pair], float] = {}
        self._seen: dict[tuple[Measure, Pair], float] = {}

    def expect(self, measure: Measure, pairs: Sequence[Pair], means: Any) -> None:  # means [pairs]
        """Take what theory says of the mean."""
        self._expected.update({(measure, pair): mean for pair, mean in zip(pairs, means.tolist(), strict=True)})

    def see(self, outcomes: Iterable[Outcomes]) -> None:
        """Take the scores that are set against chance, where they are of less than all text."""
        for one in outcomes:
            self._seen.update(
                {(one.measure, pair): score.value for pair, score in one.single() if isinstance(score, Score)}
            )

    def nulls(self, outcomes: Outcomes) -> list[Null | str | None]:
        """Return where each score stands, or why that is not known; None where there is no score."""
        measure = outcomes.measure

        def stands(pair: Pair, value: float, values: Values) -> Null:
            one = measure, pair
            return null(measure, self._seen.get(one, value), values, self._expected.get(one))

        return self.each(outcomes, stands)


def chances(
    read: Reading, gathered: Gathered, asked: Nulls, each: SideBySide, done: Callable[[int], None]
) -> Chance:  # fmt: skip
    """Compare all pairs of a tile again and again; what is known of each layer stays. done: called with how often."""
    found = Chance(asked)
    gathered.prepare(each)
    if read.left_out and asked.method == "permuted":  # then scores, too, are of what has something to go with
        words = read.layers[0].words  # type: ignore[attr-defined]
        if read.left_out > words / 2:
            for measure in read.measures:
                found.refuse(measure, read.pairs, f"{read.left_out:,} of {words:,} words are of sentences of a length "
                             "that no other has: extract more text")  # fmt: skip
            return found
        gathered = read.again()
        for outcomes in gathered.compared(read.pairs, each):
            found.see(outcomes)
    _WAYS[asked.method](found, read, gathered, each, done)
    if asked.permuted == "words":  # any word meets any: what is expected is known
        for measure, pairs, means in gathered.expected(read.pairs):
            found.expect(measure, pairs, means)
    return found


def _shuffle(
    found: Chance, read: Reading, gathered: Gathered, each: SideBySide, done: Callable[[int], None]
) -> None:  # fmt: skip
    """Compare all pairs, b's text in another order."""
    alike: dict[Any, list[Measure]] = {}
    for measure in read.measures:
        statistic: Any = measure.statistic
        if not isinstance(statistic, Shuffleable):
            found.refuse(measure, read.pairs, f"what {measure.name} needs is not kept so that text can be shuffled")
        elif statistic.unshuffled:
            found.refuse(measure, read.pairs, f"{measure.name}: {statistic.unshuffled}")
        else:
            alike.setdefault(gathered.gathering(measure), []).append(measure)
    times, seen = found.asked.permutations, 0
    for part, (gathering, measures) in enumerate(alike.items()):
        way = _deal if isinstance(gathering, Dealing) else _reorder
        try:
            for share in way(found, read, gathered, measures, each):  # of this part, from 0 to 1
                whole = round(times * (part + share) / len(alike))
                done(whole - seen)
                seen = whole
        except MeasureError as refusal:
            for measure in measures:
                found.refuse(measure, read.pairs, str(refusal))
    done(times - seen)


def _reorder(
    found: Chance, read: Reading, gathered: Gathered, measures: list[Measure], each: SideBySide
) -> Iterator[float]:
    """Compare all pairs in one order after another; say how far it is."""
    gathering, asked = gathered.gathering(measures[0]), found.asked
    for number, order in enumerate(gathering.orders(asked, read.layers[0], read.held)):
        met = gathering.shuffled(read.held, torch.from_numpy(order))
        for outcomes in gathered.met(dict.fromkeys(measures, met)).compared(read.pairs, each):
            found.take(number, outcomes)
        yield (number + 1) / asked.permutations


def _deal(
    found: Chance, read: Reading, gathered: Gathered, measures: list[Measure], each: SideBySide
) -> Iterator[float]:
    """Compare one pair after another in all orders; say how far it is."""
    gathering = gathered.gathering(measures[0])
    sentences = read.layers[0].sentences()  # type: ignore[attr-defined]
    deals = list(orders.deals(found.asked, sentences))

    def of_pair(pair: Pair) -> list[tuple[range, list[Outcomes]]]:
        widths = [read.layers[end].units for end in pair]
        few, many = dealt.in_cache(*widths), dealt.at_once(*widths)
        outcomes: list[tuple[range, list[Outcomes]]] = []
        for deal in () if gathered.refuses(measures, pair) else deals:
            for numbers in _cut(deal.numbers, many):
                met = gathering.dealt(read.held, deal, pair, numbers)
                for some in _cut(numbers, few):
                    first = some.start - numbers.start
                    part = dict.fromkeys(measures, met.part(first, first + len(some)))
                    outcomes.append((some, gathered.met(part).compare([pair] * len(some))))
        return outcomes

    for place, outcomes in enumerate(each(of_pair, read.pairs)):
        for some, of_some in outcomes:
            found.take_each(some, of_some)
        yield (place + 1) / len(read.pairs)


def _cut(numbers: range, most: int) -> list[range]:
    return [numbers[first : first + most] for first in range(0, len(numbers), most)]


def _draw(
    found: Chance, read: Reading, gathered: Gathered, each: SideBySide, done: Callable[[int], None]
) -> None:  # fmt: skip
    """Compare all pairs, what b's words in any order would give, some draws at a time."""

    def undrawn(measure: Measure) -> str:
        statistic: Any = measure.statistic
        if isinstance(statistic, Drawable):
            return statistic.undrawn
        return f"what {measure.name} needs cannot be drawn: ask for --null permuted"

    chosen = _chosen(found, read, undrawn)
    gathering = gathered.drawn(chosen, found.asked.seed)
    step = drawn.at_once([layer.units for layer in read.layers])
    for first in range(0, found.asked.permutations, step):
        numbers = range(first, min(first + step, found.asked.permutations))
        batches = [[pair] * len(numbers) for pair in read.pairs] if chosen else []
        for outcomes in gathering.draws(numbers).compared_as(batches, each):
            found.take_each(numbers, outcomes)
        done(len(numbers))


def _rotate(
    found: Chance, read: Reading, gathered: Gathered, each: SideBySide, done: Callable[[int], None]
) -> None:  # fmt: skip
    """Compare all pairs (a, b), both ways, with b's neurons turned."""

    def unrotated(measure: Measure) -> str:
        statistic: Any = measure.statistic
        if measure.level != "neuron":
            return f"{measure.name} does not ask which neuron holds what, so that turning them says nothing of it"
        if isinstance(statistic, Rotatable):
            return statistic.unrotated
        return f"what {measure.name} needs is not kept so that neurons can be turned"

    chosen = _chosen(found, read, unrotated)
    count = len(read.layers)
    for number in range(found.asked.permutations):
        turned = gathered.rotated(chosen, found.asked.seed, number, each)
        for outcomes in turned.compared(turned.pairs, each) if chosen else ():
            there = [one for one in outcomes if one.pairs[0][1] >= count]
            found.take(number, [replace(one, pairs=[(a, b - count) for a, b in one.pairs]) for one in there])
        done(1)


def _chosen(found: Chance, read: Reading, reason: Callable[[Measure], str]) -> list[Measure]:
    """Return the measures that nothing speaks against, and refuse the others."""
    reasons = {measure: reason(measure) for measure in read.measures}
    for measure, why in reasons.items():
        if why:
            found.refuse(measure, read.pairs, why)
    return [measure for measure, why in reasons.items() if not why]


_WAYS = {"permuted": _shuffle, "drawn": _draw, "rotated": _rotate}
