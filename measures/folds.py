"""Blocks of the corpus, of whole sentences and about equal length, called folds where blocks of reading are near."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from layeratlas.measures.score import TooFewWords

Whole = npt.NDArray[np.int64]


def cut(lengths: Sequence[int] | Whole, folds: int) -> list[int]:
    """Return the sentences with which folds begin, and how many sentences there are: folds + 1 places.

    lengths: words of each sentence. An edge is the end of a sentence that is nearest to its even share of the words.
    Raises TooFewWords where there are fewer sentences than folds.
    """
    ends = np.cumsum(np.asarray(lengths, np.int64))
    count = len(ends)
    if count < folds:
        raise TooFewWords(f"{folds} blocks take as many sentences, there are {count}: ask for fewer blocks")
    edges = [0]
    for fold in range(1, folds):
        nearest = int(np.searchsorted(ends, ends[-1] * fold / folds))
        if nearest and ends[-1] * fold / folds - ends[nearest - 1] <= ends[nearest] - ends[-1] * fold / folds:
            nearest -= 1
        edges.append(min(max(nearest + 1, edges[-1] + 1), count - (folds - fold)))
    return [*edges, count]


def lengths_of(sentences: npt.NDArray[np.int32]) -> Whole:  # [words] -> [sentences]
    """Return how many words each sentence has, of the number of the sentence that each word is of."""
    starts = np.flatnonzero(np.diff(sentences, prepend=-1 if not len(sentences) else sentences[0] - 1))
    found: Whole = np.diff(np.r_[starts, len(sentences)]).astype(np.int64)
    return found
