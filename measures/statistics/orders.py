"""The orders in which text is shuffled: which words of b are met by those of a."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


def of_words(asked: Asked, sentences: npt.NDArray[np.int32]) -> Iterator[Order]:  # [words] -> each [words]
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
