"""All pairs of many layers: tiles that fit memory, one pass over the words a tile, then the pairs' small algebra.

Nothing here knows a kind of artifacts or a measure: the kind's source feeds blocks of words to the statistics that the
measures need, and pairs whose prepared layers have the same shapes are compared in one batch, so that many small layers
cost little more than their arithmetic.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Protocol, TypeVar

import torch
from threadpoolctl import threadpool_limits

from layeratlas.measures.batches import batched, shape_of
from layeratlas.measures.declaration import Ends, Gathering, Measure, Range, Settling, Statistic
from layeratlas.measures.figure import Figure, Stated, state
from layeratlas.measures.joined import Needs, statistics_of
from layeratlas.measures.nulls import Null, chances
from layeratlas.measures.registry import in_order
from layeratlas.measures.resampling import Interval, Replicates
from layeratlas.measures.score import MeasureError, Score, Scores, TooFewWords, UnequalWidths
from layeratlas.measures.sources.base import Source
from layeratlas.measures.statistics import drawn, rotated
from layeratlas.measures.statistics.folds import Dealing, Drawable, Foldable, Rotatable, Shuffleable, Shuffling
from layeratlas.measures.tiles import Cost, Pair, cut
from layeratlas.store.uncertainty import NOTHING, Intervals, Uncertainty

CPU = torch.device("cpu")
T = TypeVar("T")
R = TypeVar("R")
N = TypeVar("N", bound=Needs)
_BATCH_BYTES = 2**22  # of the pairs' correlations in float64: their small algebra then stays in a core's cache
_ALGEBRA = 5 * 8  # bytes a squared neuron that the decomposition of a layer takes, or the algebra of a pair
_BYTES = {"drawn": drawn.bytes_of, "rotated": rotated.bytes_of}  # of the widths: what a null takes beside the sums
Follow = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
_SLACK = 1e-6  # how far rounding may carry a value out of its range


def _unseen(done: int) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class How:
    """With what means to compare. dtype: of products; sums are float64. memory: bytes for the statistics of a tile."""

    dtype: torch.dtype = torch.float32
    device: torch.device = CPU
    memory: int = 2 * 2**30
    sure: Uncertainty = NOTHING  # what to find out beside scores


@dataclass(frozen=True)
class Outcomes:
    """What one measure says of several ordered pairs of layers, a towards b: their scores, or why there are none."""

    measure: Measure
    pairs: list[Pair]
    scores: Scores | list[Score | MeasureError]
    intervals: list[Interval | str | None] | None = None  # where they were asked for; see `Replicates.intervals`
    nulls: list[Null | str | None] | None = None  # likewise; see `Chance.nulls`

    def reasons(self) -> list[str]:
        """Return why pairs have no score, one reason a pair that has none."""
        if isinstance(self.scores, Scores):
            return []
        return [reason(score) for score in self.scores if isinstance(score, MeasureError)]

    def single(self) -> Iterator[tuple[Pair, Score | MeasureError]]:
        """Give the pairs one by one."""
        for index, pair in enumerate(self.pairs):
            yield pair, self.scores[index]


def reason(refusal: MeasureError) -> str:
    """Return why there is no score, as the catalog keeps it."""
    return f"{type(refusal).__name__}: {refusal}"


def compare_pairs(
    kind: str,
    layers: Sequence[Source],
    pairs: Sequence[Pair],
    measures: Sequence[Measure],
    how: How = How(),
    *,
    advance: Callable[[int], None] = lambda words: None,
) -> Iterator[list[Outcomes]]:
    """Yield the outcomes, both directions, of all pairs (a, b) with a < b, some pairs at a time.

    advance: called with the number of words read (each tile reads all of them).
    Raises UnalignedWords when layers do not have the same words, MeasureError for layers of another shape.
    """
    for tile in tiles_of(kind, layers, pairs, measures, how.memory, sure=how.sure):
        yield from compare_tile(kind, layers, tile, measures, how, advance=advance)


def tiles_of(
    kind: str, layers: Sequence[Source], pairs: Sequence[Pair], measures: Sequence[Measure], memory: int, *,
    groups: int = 1, sure: Uncertainty = NOTHING,
) -> list[list[Pair]]:  # fmt: skip
    """Split pairs into tiles whose statistics and reading take at most `memory` bytes."""
    return cut(pairs, [layer.units for layer in layers], _cost(kind, layers, measures, sure), memory, groups=groups)


def memory_of(
    kind: str, layers: Sequence[Source], tile: Sequence[Pair], measures: Sequence[Measure], sure: Uncertainty = NOTHING
) -> int:
    """Return how many bytes the statistics of one tile take, and reading it."""
    used = sorted({index for pair in tile for index in pair})
    place = {index: at for at, index in enumerate(used)}
    pairs = [(place[a], place[b]) for a, b in sorted(tile)]
    return _cost(kind, layers, measures, sure)(used, [layers[index].units for index in used], pairs)


def _cost(kind: str, layers: Sequence[Source], measures: Sequence[Measure], sure: Uncertainty) -> Cost:
    source, statistics = source_of(kind), set(_needed(measures, sure).values())
    rows = source.rows(layers) if sure.nulls and sure.nulls.method == "permuted" else 0

    def cost(indices: Sequence[int], units: list[int], pairs: list[Pair]) -> int:
        held: int = source.held([layers[index] for index in indices])
        algebra = _algebra([layers[index] for index in indices])
        return held + beside(units) + algebra + sum(taken(statistic, units, pairs) for statistic in statistics)

    def beside(units: list[int]) -> int:
        if sure.nulls is None:
            return 0
        if sure.nulls.method in _BYTES:
            return _BYTES[sure.nulls.method](units)
        times = sure.nulls.permutations
        return sum(one.shuffled_bytes(units, rows, times) for one in statistics if isinstance(one, Shuffleable))

    def taken(statistic: Any, units: list[int], pairs: list[Pair]) -> int:
        if sure.intervals and isinstance(statistic, Foldable):
            return statistic.folded_bytes(units, pairs, sure.intervals.blocks)
        return int(statistic.bytes(units, pairs))

    return cost


def _needed(asked: Sequence[N], sure: Uncertainty) -> dict[N, Statistic]:
    """Return what to gather for each measure or figure, with what draws take."""
    needed, method = statistics_of(asked), sure.nulls.method if sure.nulls else ""
    if method == "drawn":
        return {one: found.to_draw() if isinstance(found, Drawable) else found for one, found in needed.items()}
    if method == "rotated":
        return {one: found.to_rotate() if isinstance(found, Rotatable) else found for one, found in needed.items()}
    return needed


def _algebra(layers: Sequence[Source]) -> int:
    """Return how many bytes the small algebra of one layer or pair takes."""
    return int(_ALGEBRA * max((layer.units for layer in layers), default=0) ** 2)


def source_of(kind: str) -> Any:
    """Return the module that reads a kind's layers (`sources.base.Kind`)."""
    return import_module(f"layeratlas.measures.sources.{kind}")


def compare_tile(
    kind: str, layers: Sequence[Source], pairs: Sequence[Pair], measures: Sequence[Measure], how: How, *,
    figures: Sequence[tuple[int, Figure]] = (), tell: Callable[[list[Stated]], None] = lambda stated: None,
    advance: Callable[[int], None] = lambda words: None, follow: Follow = lambda title, times: nullcontext(_unseen),
) -> Iterator[list[Outcomes]]:  # fmt: skip
    """Yield the outcomes of the pairs of one tile: one pass over its layers.

    figures: of which layers (indices) which figures are wanted from the same pass; `tell` gets them, before any pair.
    follow: shows how far what is done again and again has come, from its title and how often that is.
    """
    used = sorted({index for pair in pairs for index in pair} | {index for index, _ in figures})
    place = {index: at for at, index in enumerate(used)}
    local = [(place[a], place[b]) for a, b in sorted(pairs)]
    own = [(place[index], one) for index, one in figures]
    read = _read(kind, [layers[index] for index in used], local, in_order(measures),
                 figures=own, how=how, advance=advance)  # fmt: skip
    spare = max(0, how.memory - memory_of(kind, layers, pairs, measures, how.sure))
    with _side_by_side(how.device, 1 + spare // _algebra([layers[index] for index in used])) as each:
        replicates = chance = None
        if how.sure.intervals and local:
            replicates = Replicates(how.sure.intervals, read.sizes)
            with follow("leaving out blocks", replicates.times) as done:
                _replicate(replicates, read, how.sure.intervals, each, done)
        gathered = read.gathered()
        if own:
            tell([replace(one, layer=used[one.layer]) for one in gathered.state(own, each)])
        if how.sure.nulls and local:
            with follow("meeting by chance", how.sure.nulls.permutations) as done:
                chance = chances(read, gathered, how.sure.nulls, each, done)
        for outcomes in gathered.compared(local, each):
            yield [
                replace(one, pairs=[(used[a], used[b]) for a, b in one.pairs],
                        intervals=replicates.intervals(one) if replicates else None,
                        nulls=chance.nulls(one) if chance else None)
                for one in outcomes
            ]  # fmt: skip


def _replicate(
    found: Replicates, read: Reading, asked: Intervals, each: SideBySide, done: Callable[[int], None]
) -> None:  # fmt: skip
    """Compare all pairs of a tile again and again, with some blocks of the corpus left out, or counted twice."""
    sure = []
    for measure in read.measures:
        if reason := read.unsure(measure, asked):
            found.refuse(measure, read.pairs, reason)
        else:
            sure.append(measure)
    for taking, number, weights in found if sure else ():
        for outcomes in read.gathered(sure, weights).compared(read.pairs, each):
            taking.take(number, outcomes)
        done(1)


def _read(
    kind: str, layers: Sequence[Source], pairs: list[Pair], measures: Sequence[Measure],
    *, figures: Sequence[tuple[int, Figure]], how: How, advance: Callable[[int], None],
) -> Reading:  # fmt: skip
    """Read the layers once, and let every statistic take what it needs; of pairs only what measures need."""
    source, folds, whole = source_of(kind), how.sure.intervals.blocks if how.sure.intervals and pairs else 0, ""
    edges: list[int] = []
    if folds:
        try:
            edges = source.edges(layers, folds)
        except TooFewWords as refusal:
            whole = str(refusal)
    feed = source.feed(layers, how.dtype, how.device, edges)
    asked: list[Measure | Figure] = [*measures, *dict.fromkeys(one for _, one in figures)]
    needed = _needed(asked, how.sure)
    of_pairs = {needed[measure] for measure in measures}
    statistics: dict[Statistic, Any] = {}
    for statistic in dict.fromkeys(needed.values()):
        own = pairs if statistic in of_pairs else []
        if edges and own and isinstance(statistic, Foldable):
            statistics[statistic] = statistic.folded(layers, own, how, folds)
        else:
            statistics[statistic] = statistic.begin(layers, own, how)
    sizes = [0] * folds
    held: list[Any] = []
    shuffled = bool(pairs) and how.sure.nulls is not None and how.sure.nulls.method == "permuted"
    hold = shuffled and any(isinstance(one, Shuffleable) and one.needs_words for one in statistics)
    for block in feed.blocks():
        for gathering in statistics.values():
            gathering.add(block)
        if edges:
            sizes[block.fold] += block.words
        if hold:
            held.append(source.kept(block))
        advance(block.words)
    together, left_out = source.together(held) if held else (None, 0)
    return Reading(
        layers, pairs, list(measures), needed, statistics, feed.refused, sizes, whole, together, left_out, how
    )


@dataclass(frozen=True)
class Reading:
    """What one pass gathered; needed: which statistic serves which measure or figure.

    sizes: of the corpus's blocks, in words; uncut: why it has none. held: all that was read, where text is to be
    shuffled, but for so many words as are left out because there is nothing that could go with them.
    """

    layers: Sequence[Source]
    pairs: list[Pair]
    measures: list[Measure]
    needed: dict[Any, Statistic]
    statistics: dict[Statistic, Any]  # Gathering, or Folded
    refused: dict[int, MeasureError]
    sizes: list[int]
    uncut: str
    held: Any
    left_out: int
    how: How

    def unsure(self, measure: Measure, asked: Intervals) -> str:
        """Return why a measure has no interval here; "" where it has."""
        statistic = self.needed[measure]
        if not isinstance(statistic, Foldable):
            return f"what {measure.name} needs is not kept block by block"
        return self.uncut or (statistic.only_once if asked.method == "bootstrap" else "")

    def gathered(self, measures: Sequence[Measure] | None = None, weights: Sequence[int] = ()) -> Gathered:
        """Return what all words give; or, for some measures, what the blocks give, each counted so often."""
        chosen = self.measures if measures is None else measures
        figures = [one for one in self.needed if isinstance(one, Figure)] if measures is None else []
        used = {
            statistic: self._gathering(statistic, weights)
            for statistic in dict.fromkeys(self.needed[one] for one in (*chosen, *figures))
        }
        return Gathered(
            self.layers, self.pairs, {one: used[self.needed[one]] for one in chosen},
            {one: used[self.needed[one]] for one in figures}, self.refused,
        )  # fmt: skip

    def again(self) -> Gathered:
        """Return what is held gives, of measures that can be met with shuffled text, and all words of the others."""
        statistics: dict[Statistic, Any] = {}
        for measure in self.measures:
            statistic = self.needed[measure]
            if isinstance(statistic, Shuffleable) and statistic not in statistics:
                statistics[statistic] = statistic.begin(self.layers, self.pairs, self.how)
                statistics[statistic].add(self.held)
        return replace(self, statistics={**self.statistics, **statistics}).gathered()

    def _gathering(self, statistic: Statistic, weights: Sequence[int]) -> Gathering:
        found = self.statistics[statistic]
        if weights:
            return found.weighted(weights)  # type: ignore[no-any-return]
        return found.whole() if hasattr(found, "whole") else found  # type: ignore[no-any-return]


class SideBySide(Protocol):
    """A map that keeps the order of its items, whatever does the work."""

    def __call__(self, work: Callable[[T], R], items: Sequence[T], /) -> Iterator[R]:
        """Do some work for every item."""


class Gathered:
    """The statistics of one tile, and what each measure prepared of each layer."""

    def __init__(
        self, layers: Sequence[Source], pairs: list[Pair], statistics: dict[Measure, Gathering],
        of_figures: dict[Figure, Gathering], refused: dict[int, MeasureError],
    ) -> None:  # fmt: skip
        self._layers, self.pairs, self._statistics, self._of_figures = layers, pairs, statistics, of_figures
        self._refused = refused
        self._prepared: dict[tuple[Measure, int, Hashable], Any] = {}  # or the MeasureError that speaks against it

    def state(self, figures: Sequence[tuple[int, Figure]], each: SideBySide) -> list[Stated]:
        """Return what figures say of layers (indices), layers side by side."""
        of_layer: dict[int, list[Figure]] = {}
        for index, one in figures:
            of_layer.setdefault(index, []).append(one)

        def stated(index: int) -> list[Stated]:
            return [state(one, index, self._known(one, index)) for one in of_layer[index]]

        return [one for some in each(stated, list(of_layer)) for one in some]

    def _known(self, figure: Figure, index: int) -> Any:
        """Return what is known of a layer, or the refusal that speaks against it."""
        if index in self._refused:
            return self._refused[index]
        try:
            return self._of_figures[figure].prepare(index, None)
        except MeasureError as refusal:
            return refusal

    def prepare(self, each: SideBySide) -> None:
        """Have every measure prepare every layer that it will compare, layers side by side; once."""
        if self._prepared:
            return
        views = dict.fromkeys(
            (statistic, end, statistic.group(*pair))
            for statistic in dict.fromkeys(self._statistics.values()) for pair in self.pairs for end in pair
        )  # fmt: skip
        for prepared in each(self._prepare, list(views)):
            self._prepared.update(prepared)

    def _prepare(self, view: tuple[Gathering, int, Hashable]) -> dict[tuple[Measure, int, Hashable], Any]:
        statistic, index, group = view
        own = [measure for measure, needed in self._statistics.items() if needed is statistic]
        prepared = {(measure, index, group): self._prepare_one(measure, index, group) for measure in own}
        if isinstance(statistic, Settling):
            statistic.settle(index)
        return prepared

    def _prepare_one(self, measure: Measure, index: int, group: Hashable) -> Any:
        if index in self._refused:
            return self._refused[index]
        try:
            return measure.prepare(self._statistics[measure].prepare(index, group))
        except MeasureError as refusal:
            return refusal

    def gathering(self, measure: Measure) -> Any:
        """Return what was gathered for a measure."""
        return self._statistics[measure]

    def drawn(self, measures: Sequence[Measure], seed: int) -> Gathered:
        """Return the same layers under these measures, whose pairs are drawn; of no draw as yet."""
        of_measures: set[Any] = {self._statistics[measure] for measure in measures}
        one_each = {one: one.drawn(seed) for one in of_measures}
        return self.met({measure: one_each[self._statistics[measure]] for measure in measures})

    def rotated(self, measures: Sequence[Measure], seed: int, draw: int, each: SideBySide) -> Gathered:
        """Return these layers, and after them the same with their neurons turned; of each pair, either end turned."""
        count = len(self._layers)
        of_measures: set[Any] = {self._statistics[measure] for measure in measures}
        gathering = {one: one.rotated(seed, draw) for one in of_measures}
        pairs = [pair for a, b in self.pairs for pair in ((a, b + count), (b, a + count))]
        refused = {**self._refused, **{index + count: why for index, why in self._refused.items()}}
        statistics = {measure: gathering[self._statistics[measure]] for measure in measures}
        found = Gathered([*self._layers, *self._layers], pairs, statistics, {}, refused)
        found._prepared = {key: value for key, value in self._prepared.items() if key[0] in statistics}
        turned = [(one, index, None) for one in gathering.values() for index in range(count, 2 * count)]
        for prepared in each(found._prepare, turned):
            found._prepared.update(prepared)
        return found

    def refuses(self, measures: Sequence[Measure], pair: Pair) -> bool:
        """Tell whether a layer of a pair is refused under all of these measures, which share what was gathered."""
        group = self._statistics[measures[0]].group(*pair)
        return any(all(isinstance(self._prepared[one, end, group], MeasureError) for one in measures) for end in pair)

    def draws(self, numbers: Sequence[int]) -> Gathered:
        """Return these draws."""
        one_each = {one: one.draws(numbers) for one in set(self._statistics.values())}  # type: ignore[attr-defined]
        return self.met({measure: one_each[one] for measure, one in self._statistics.items()})

    def expected(self, pairs: list[Pair]) -> Iterator[tuple[Measure, list[Pair], Any]]:
        """Give the means over all ways in which words can meet, of measures that know them."""
        for batch in self.batches(pairs):
            for measure, statistic in self._statistics.items():
                group = statistic.group(*batch[0])
                ends = [[self._prepared[measure, pair[end], group] for pair in batch] for end in (0, 1)]
                refused = any(isinstance(one, MeasureError) for some in ends for one in some)
                if refused or not isinstance(statistic, Shuffling | Dealing):
                    continue
                a, b = map(batched, ends)
                words = statistic.words
                back = _turned(batch)
                for some, means in ((batch, measure.expected(a, b, words)), (back, measure.expected(b, a, words))):
                    if means is not None:
                        yield measure, some, means

    def met(self, statistics: dict[Measure, Gathering]) -> Gathered:
        """Return the same layers, as they are prepared, with other statistics of pairs."""
        found = Gathered(self._layers, self.pairs, statistics, {}, self._refused)
        found._prepared = {key: value for key, value in self._prepared.items() if key[0] in statistics}
        return found

    def compared(self, pairs: list[Pair], each: SideBySide) -> Iterator[list[Outcomes]]:
        """Prepare all layers, and give the outcomes of pairs, batch by batch."""
        self.prepare(each)
        return self.compared_as(self.batches(pairs), each)

    def compared_as(self, batches: list[list[Pair]], each: SideBySide) -> Iterator[list[Outcomes]]:
        """Give the outcomes of batches, in the order of their first layers."""
        for batch, outcomes in zip(batches, each(self.compare, batches), strict=True):
            self.release(min(a for a, _ in batch))
            yield outcomes

    def batches(self, pairs: list[Pair]) -> list[list[Pair]]:
        """Group pairs whose layers have the same shapes, in the order of their first layers."""
        shapes = {key: shape_of(prepared) for key, prepared in self._prepared.items()}
        numbers: dict[Hashable, int] = {}
        of_layer: dict[tuple[int, tuple[Hashable, ...]], int] = {}

        def number(index: int, groups: tuple[Hashable, ...]) -> int:
            if (index, groups) not in of_layer:
                views = zip(self._statistics, groups, strict=True)
                shape = (self._layers[index].units, *(shapes[measure, index, group] for measure, group in views))
                of_layer[index, groups] = numbers.setdefault(shape, len(numbers))
            return of_layer[index, groups]

        alike: dict[Hashable, list[Pair]] = {}
        for pair in pairs:
            groups = tuple(statistic.group(*pair) for statistic in self._statistics.values())
            alike.setdefault((groups, *(number(end, groups) for end in pair)), []).append(pair)
        return sorted(batch for some in alike.values() for batch in self._cut(some))

    def _cut(self, alike: list[Pair]) -> Iterator[list[Pair]]:
        """Cut pairs of the same shapes into batches."""
        a, b = (self._layers[end].units for end in alike[0])
        size = max(1, _BATCH_BYTES // (8 * a * b))
        for start in range(0, len(alike), size):
            yield alike[start : start + size]

    def release(self, row: int) -> None:
        """Give up what only pairs (a, b) with a < row need."""
        for statistic in set(self._statistics.values()):
            statistic.release(row)

    def compare(self, pairs: list[Pair]) -> list[Outcomes]:
        """Compare one batch, both directions, under every measure."""
        crosses: dict[Gathering, Any] = {}
        outcomes: list[Outcomes] = []
        for measure, statistic in self._statistics.items():
            outcomes += self._compare(measure, statistic, pairs, crosses)
        return outcomes

    def _compare(
        self, measure: Measure, statistic: Gathering, pairs: list[Pair], crosses: dict[Gathering, Any]
    ) -> list[Outcomes]:
        back = _turned(pairs)
        group = statistic.group(*pairs[0])
        left, right = ([self._prepared[measure, pair[end], group] for pair in pairs] for end in (0, 1))
        try:
            _require_prepared(left, right)
            if statistic not in crosses:
                crosses[statistic] = statistic.pair(pairs)
            cross = crosses[statistic]
        except MeasureError:
            refused: list[Score | MeasureError] = [self._refusal(measure, statistic, pair, group) for pair in pairs]
            return [Outcomes(measure, some, refused) for some in (pairs, back)]
        a, b = batched(left), batched(right)
        there = self._scores(measure, pairs, (left[0], right[0], cross.words), lambda: measure.compare(a, b, cross))
        if measure.symmetric and not _detailed(there):
            return [Outcomes(measure, pairs, there), Outcomes(measure, back, there)]
        turned = (right[0], left[0], cross.words)
        again = self._scores(measure, back, turned, lambda: measure.compare(b, a, cross.flipped))
        return [Outcomes(measure, pairs, there), Outcomes(measure, back, again)]

    def _refusal(self, measure: Measure, statistic: Gathering, pair: Pair, group: Hashable) -> MeasureError:
        """Return why a pair has no score at all: what speaks against its first layer, its second, or both together."""
        for end in pair:
            if isinstance(found := self._prepared[measure, end, group], MeasureError):
                return found
        try:
            statistic.pair([pair])
        except MeasureError as refusal:
            return refusal
        raise RuntimeError(f"{measure.name} refuses a batch, but not its pair {pair}")

    def _scores(
        self, measure: Measure, pairs: list[Pair], first: tuple[Any, Any, int], compare: Callable[[], Scores]
    ) -> Scores | list[Score | MeasureError]:
        """Score a batch, or say of each pair why not. What speaks against its first pair speaks against all."""
        a, b, words = first
        try:
            self._check(measure, pairs[0], a, b, words)
        except MeasureError:
            return [self._checked(measure, pair, a, b, words) for pair in pairs]
        scores = compare()
        sound = _within(measure.bounds, scores.values)
        if bool(sound.all()):
            return scores
        return [scores[index] if sound[index] else self._no_number(measure, pair, float(scores.values[index]))
                for index, pair in enumerate(pairs)]  # fmt: skip

    def _check(self, measure: Measure, pair: Pair, a: Any, b: Any, words: int) -> None:
        left, right = (self._layers[end] for end in pair)
        if measure.equal_widths and left.units != right.units:
            raise UnequalWidths(
                f"{measure.name} compares layers of one width; {left.name} has {left.units:,}, {right.name} "
                f"has {right.units:,}"
            )
        measure.check(a, b, Ends(left.name, right.name, words))

    def _checked(self, measure: Measure, pair: Pair, a: Any, b: Any, words: int) -> MeasureError:
        try:
            self._check(measure, pair, a, b, words)
        except MeasureError as refusal:
            return refusal
        raise RuntimeError(f"{measure.name}.check depends on more than whole numbers: it refuses a part of a batch")

    def _no_number(self, measure: Measure, pair: Pair, value: float) -> MeasureError:
        left, right = (self._layers[end].name for end in pair)
        return MeasureError(
            f"{measure.name} gives {value:.6g} of {left} towards {right}, which is outside its range "
            f"{measure.bounds.low} to {measure.bounds.high}"
        )


def _turned(pairs: list[Pair]) -> list[Pair]:
    return [(b, a) for a, b in pairs]


def _detailed(scores: Scores | list[Score | MeasureError]) -> bool:
    """Tell whether scores say something of a's single neurons: then b's are another matter, whatever the value."""
    if isinstance(scores, Scores):
        return scores.units is not None
    return any(isinstance(score, Score) and score.units is not None for score in scores)


def _within(bounds: Range, values: torch.Tensor) -> torch.Tensor:  # [pairs] -> [pairs]
    """Tell which values are finite and in a range."""
    sound = torch.isfinite(values)
    if bounds.low is not None:
        sound &= values >= bounds.low - _SLACK
    if bounds.high is not None:
        sound &= values <= bounds.high + _SLACK
    return sound


def _require_prepared(left: Sequence[Any], right: Sequence[Any]) -> None:
    """Raise the refusal that speaks against the layers of a batch, all of one shape, if one does."""
    for prepared in (left[0], right[0]):
        if isinstance(prepared, MeasureError):
            raise prepared


@contextmanager
def _side_by_side(device: torch.device, room: int) -> Iterator[SideBySide]:
    """Give a map that runs a piece of work a core, but no more than memory has room for; these share the cores.

    Single-threaded as a rule: problems this small gain little from threads.
    """
    if device.type != "cpu":
        yield map
        return
    pieces = min(torch.get_num_threads(), room)
    threads = torch.get_num_threads() // pieces
    with (
        _torch_threads(threads),
        ThreadPoolExecutor(pieces, initializer=torch.set_num_threads, initargs=(threads,)) as pool,
    ):

        def each(work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
            ahead: deque[Future[R]] = deque()
            for item in items:
                ahead.append(pool.submit(work, item))
                if len(ahead) > 4 * pieces:  # no more finished pieces wait in memory than that
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

        yield each


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count, user_api="blas"):  # numpy's
            yield
    finally:
        torch.set_num_threads(before)
