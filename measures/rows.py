"""Artifacts as the engines read layers: the words, or the sentences, that all of them have, in the same order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from layeratlas.store.artifacts import activations, attention
from layeratlas.store.artifacts.attention import GROUP_BYTES, read_longest
from layeratlas.store.errors import ArtifactDamaged
from layeratlas.store.store import ArtifactRow


@dataclass(frozen=True)
class ArtifactRows:
    """One artifact's activations, less the words that its counterparts do not have."""

    name: str
    path: Path
    neurons: int
    words: int
    kept: npt.NDArray[np.bool_] | None  # [words in the file]; None keeps all

    def chunks(self, words: int) -> Iterator[npt.NDArray[Any]]:  # each [words, neurons]
        """Read the kept words, `words` at a time."""
        with _readable(self.name, self.path):
            chunks = activations.read_chunks(self.path, rows=words)
            yield from chunks if self.kept is None else _rechunked(chunks, self.kept, words)


@dataclass(frozen=True)
class ArtifactAttention:
    """One artifact's attention, less the sentences of which its counterparts lack a word.

    longest, held: words of its longest sentence, bytes of what is read at a time.
    """

    name: str
    path: Path
    heads: int
    words: int
    longest: int
    kept: npt.NDArray[np.bool_] | None  # [sentences in the file]; None keeps all
    held: int = GROUP_BYTES

    def chunks(self) -> Iterator[list[npt.NDArray[Any]]]:  # each sentence [heads, query, key]
        """Read the kept sentences."""
        start = 0
        with _readable(self.name, self.path):
            for sentences in attention.read_chunks(self.path):
                kept = itertools.repeat(True) if self.kept is None else self.kept[start:]
                yield list(itertools.compress(sentences, kept))
                start += len(sentences)


def aligned_rows(root: Path, artifacts: Sequence[ArtifactRow]) -> list[ArtifactRows]:
    """Return readers that all give the same words in the same order."""
    examples = {row.word_set: row for row in artifacts}
    if len(examples) == 1:
        return [ArtifactRows(row.title, root / row.path, row.units, row.words, None) for row in artifacts]
    keys = {word_set: _packed(activations.read_keys(root / row.path)) for word_set, row in examples.items()}
    common = reduce(np.intersect1d, keys.values())
    kept = {word_set: np.isin(have, common) for word_set, have in keys.items()}
    return [ArtifactRows(row.title, root / row.path, row.units, len(common), kept[row.word_set]) for row in artifacts]


def aligned_attention(root: Path, artifacts: Sequence[ArtifactRow]) -> list[ArtifactAttention]:
    """Return readers that all give the same sentences, word for word, in the same order.

    A row of attention is spread over all words of its sentence: where one model lacks a word, the sentence is left out.
    """
    examples = {row.word_set: row for row in artifacts}
    keys = {word_set: _sentences(attention.read_keys(root / row.path)) for word_set, row in examples.items()}
    common = reduce(lambda a, b: a & b, (set(have.items()) for have in keys.values()))
    words = sum(len(word) for _, word in common) // 4
    kept = {word_set: np.array([item in common for item in have.items()], bool) for word_set, have in keys.items()}
    return [
        ArtifactAttention(
            row.title, path, row.units, words, read_longest(path), None if len(keys) == 1 else kept[row.word_set]
        )
        for row, path in ((row, root / row.path) for row in artifacts)
    ]


def _sentences(keys: npt.NDArray[np.int32]) -> dict[int, bytes]:  # [words, 2]
    """The words of each sentence, as int32, in order."""
    if not len(keys):
        return {}
    starts = np.flatnonzero(np.diff(keys[:, 0], prepend=-1))
    parts = zip(keys[starts, 0].tolist(), np.split(keys[:, 1], starts[1:]), strict=True)
    return {sentence: word.tobytes() for sentence, word in parts}


@contextmanager
def _readable(name: str, path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise ArtifactDamaged(f"{name}: {path.name} cannot be read: {error}") from error


def _packed(keys: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:  # [words, 2] -> [words]
    """One sortable number for sentence and word."""
    return keys[:, 0].astype(np.int64) << 32 | keys[:, 1]


def _rechunked(
    chunks: Iterator[npt.NDArray[Any]], kept: npt.NDArray[np.bool_], words: int
) -> Iterator[npt.NDArray[Any]]:
    """Drop rows, and give chunks of equal length again: other layers dropped others."""
    start, waiting = 0, np.empty((0, 0))
    for chunk in chunks:
        rest = chunk[kept[start : start + len(chunk)]]
        start += len(chunk)
        waiting = np.concatenate([waiting, rest]) if len(waiting) else rest
        while len(waiting) >= words:
            yield waiting[:words]
            waiting = waiting[words:]
    if len(waiting):
        yield waiting
