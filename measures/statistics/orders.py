"""The orders in which text is shuffled: which words of b are met by those of a."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from layeratlas.measures.folds import lengths_of
from layeratlas.measures.score import MeasureError, TooFewWords
from layeratlas.measures.statistics.sampled import mixed

if TYPE_CHECKING:
    from layeratlas.measures.sources.sentences import Run


class Asked(Protocol):
    """What is to be shuffled, `sentences` or `words`, how often, and by which random numbers."""

    @property
    def permuted(self) -> str:
        """What is shuffled."""

    @property
    def permutations(self) -> int:
        """How often."""

    @property
    def seed(self) -> int:
        """Which random numbers."""


Order = npt.NDArray[np.int64]
_AT_HOME = 0.05  # the share of words that may stay where they are
_STACKS = 128  # as many as a hundred orders need
_SIZES = (_STACKS, 96, 64, 48, 32, 24)  # of tables with many stacks: each number of stacks costs its transform
_MANY = 8  # stacks: of fewer, an order may leave all where they are, or there would be too few orders
_DEALT = 2**20 - 1  # less the first order's number: how words are dealt out


@dataclass(frozen=True)
class Deal:
    """Some of the orders in which b's words are met by a's: words are dealt into stacks, and stacks shifted.

    tables: of word numbers [rows, stacks]; a stack of a meets the one of b that is a shift further on, row by row. Each
    word is in one table. shifts [tables][orders]. numbers: of the orders.

    Of the largest table every shift is taken once at most, and 0 never: no word stays where it is, and no two orders
    have anything in common. These shifts and that of the text itself, which is 0, are a group, so that the score is
    one of as many equally likely ones where layers have nothing to do with each other. Of `words` that is nearly all;
    of `sentences` there are smaller tables beside it, whose shifts come again, and the more so the shorter the text is.
    """

    tables: Sequence[Order]
    shifts: Sequence[Order]
    numbers: range

    def order(self, k: int) -> Order:  # [words]
        """Return the k-th order: which word of b is met by each of a."""
        found = np.empty(sum(table.size for table in self.tables), np.int64)
        for table, shifts in zip(self.tables, self.shifts, strict=True):
            found[table] = np.roll(table, -shifts[k - self.numbers.start], axis=1)
        return found


def deals(asked: Asked, sentences: npt.NDArray[np.int32]) -> Iterator[Deal]:  # sentences [words]
    """Give all orders; words are dealt out anew when the shifts of the largest table are used up.

    Raises TooFewWords where a single sentence of its length is so long that it matters.
    """
    first = 0
    while first < asked.permutations:
        tables = _tables(asked, sentences, first)
        sizes = [table.shape[1] for table in tables]
        count = max(1, min(max(sizes) - 1, asked.permutations - first))
        edges = np.cumsum(sizes)
        mixed_up = np.split(_numbers(int(edges[-1]), asked, first), edges[:-1])
        yield Deal(tables, [_shifts(own, count) for own in mixed_up], range(first, first + count))
        first += count


def _shifts(numbers: npt.NDArray[np.uint64], count: int) -> Order:  # [stacks] -> [count]
    """Return shifts of so many stacks, each as often as any other, give or take one."""
    least = 1 if len(numbers) >= _MANY else 0
    return least + np.resize(np.argsort(numbers[least:], kind="stable"), count)


def _parts(count: int) -> list[int]:
    """Cut so many into few sizes, none of less than 8 unless all are less."""
    found = []
    while count > 2 * _MANY:
        found.append(next((size for size in _SIZES if size in {count, min(size, count - _MANY)}), count // 2))
        count -= found[-1]
    return [*found, count] if count else found


def _tables(asked: Asked, sentences: npt.NDArray[np.int32], first: int) -> list[Order]:
    """Deal words out, or sentences, each among those of its length.

    Sentences of a length that no other has are strung together, and the string cut into stacks.
    """
    lengths = lengths_of(sentences) if asked.permuted == "sentences" else np.ones(len(sentences), np.int64)
    starts = np.r_[0, np.cumsum(lengths)[:-1]]
    numbers = _numbers(len(lengths), asked, _DEALT - first)
    rows: dict[int, list[Order]] = {}  # of each number of stacks
    single: list[int] = []
    for length in np.unique(lengths):
        alike = np.flatnonzero(lengths == length)
        alike = alike[np.argsort(numbers[alike], kind="stable")]
        if len(alike) == 1:
            single.append(int(alike[0]))
            continue
        for part in np.split(alike, np.cumsum(_parts(len(alike)))[:-1]):
            rows.setdefault(len(part), []).append(starts[part] + np.arange(length)[:, None])
    if single:
        strung = np.concatenate([np.arange(starts[one], starts[one] + lengths[one]) for one in sorted(single)])
        if len(single) == 1 and len(strung) > _AT_HOME * len(sentences):
            raise TooFewWords(
                f"one sentence has {len(strung):,} of {len(sentences):,} words and there is none to go with it: "
                "ask for --null permuted:words, or extract more text"
            )
        most = min(_STACKS, len(strung))  # of which as many as leave the fewest words over, which stay where they are
        stacks = 1 if len(single) == 1 else min(range(most, most // 2, -1), key=lambda n: len(strung) % n)
        cut = len(strung) // stacks * stacks
        rows.setdefault(stacks, []).append(strung[:cut].reshape(stacks, -1).T)
        rows.setdefault(1, []).append(strung[cut:, None])
    return [np.concatenate(some) for _, some in sorted(rows.items())]


def of_positions(asked: Asked, runs: Sequence[Run]) -> Iterator[Order]:  # each [positions]
    """Give the orders in which b's sentences of attention, position by position, are met by a's of their length.

    Raises MeasureError where words are to meet other words: a word's attention is to the words of its sentence.
    """
    if asked.permuted == "words":
        raise MeasureError("a word's attention is to the words of its sentence: ask for --null permuted:sentences")
    sentences = sum(run.sentences for run in runs)
    for k in range(asked.permutations):
        numbers, first = _numbers(sentences, asked, k), 0
        order = np.arange(runs[-1].stop if runs else 0)
        for run in runs:
            own = order[run.start : run.stop].reshape(run.sentences, run.words**2)
            own[:] = own[np.argsort(numbers[first : first + run.sentences], kind="stable")]
            first += run.sentences
        yield order


def _numbers(count: int, asked: Asked, k: int) -> npt.NDArray[np.uint64]:
    return mixed(count, asked.seed << 20 | k)
