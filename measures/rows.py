"""Artifacts as the engine reads layers: the words that all of them have, in the same chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from store.artifacts import read_chunks, read_keys
from store.errors import ArtifactDamaged
from store.store import ArtifactRow


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
        try:
            chunks = read_chunks(self.path, rows=words)
            yield from chunks if self.kept is None else _rechunked(chunks, self.kept, words)
        except (pa.ArrowException, OSError) as error:
            raise ArtifactDamaged(f"{self.name}: {self.path.name} cannot be read: {error}") from error


def aligned_rows(root: Path, artifacts: Sequence[ArtifactRow]) -> list[ArtifactRows]:
    """Return readers that all give the same words in the same order."""
    examples = {row.word_set: row for row in artifacts}
    if len(examples) == 1:
        return [ArtifactRows(row.title, root / row.path, row.neurons, row.words, None) for row in artifacts]
    keys = {word_set: _packed(read_keys(root / row.path)) for word_set, row in examples.items()}
    common = reduce(np.intersect1d, keys.values())
    kept = {word_set: np.isin(have, common) for word_set, have in keys.items()}
    return [ArtifactRows(row.title, root / row.path, row.neurons, len(common), kept[row.word_set]) for row in artifacts]


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
