"""Attention artifacts: a row a (sentence, head).

Columns `sentence int32, head int32, words int32, weights list<float32>[words²], word list<int32>`; model and layer as
in `activations.py`. `weights` is row-major (query, key), rows sum to one; `word` says which words of the sentence these
are where some are left out, else it is null. A row group holds whole sentences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from layeratlas.store.artifacts.base import ArtifactWriter, own_metadata, read_groups
from layeratlas.store.errors import LayeratlasError
from layeratlas.store.identity import ArtifactIdentity

GROUP_BYTES = 2 * 2**20  # of weights in a row group, which a reader of many layers holds of each; or one sentence
TOLERANCE = 1e-3  # how far a row's sum may be from one before it is scaled to it

Attention = npt.NDArray[np.float32]  # [heads, query, key]

SCHEMA = pa.schema(
    [
        pa.field("sentence", pa.int32(), nullable=False),
        pa.field("head", pa.int32(), nullable=False),
        pa.field("words", pa.int32(), nullable=False),
        pa.field("weights", pa.list_(pa.field("item", pa.float32(), nullable=False)), nullable=False),
        pa.field("word", pa.list_(pa.field("item", pa.int32(), nullable=False))),
    ]
)


@dataclass(frozen=True)
class _Sentence:
    number: int
    word: npt.NDArray[np.int32]  # [words]
    weights: Attention


class AttentionWriter(ArtifactWriter):
    """Streams one layer's sentences, in corpus order. Memory: one row group.

    Raises LayeratlasError for weights that are not finite, negative, or whose rows do not sum to one.
    """

    def __init__(self, root: Path, identity: ArtifactIdentity, model: str, heads: int) -> None:
        super().__init__(root, identity, model, heads, SCHEMA)
        self._pending: list[_Sentence] = []
        self._pending_bytes = self._sentences = self._longest = 0

    def write(
        self,
        sentence: int,
        word: npt.NDArray[np.int32],  # [words]
        weights: Attention,  # [heads, query, key]
    ) -> None:
        """Append one sentence: which of its words these are, and every head's weights among them."""
        if weights.shape != (self._units, len(word), len(word)):
            raise ValueError(f"expected weights [{self._units}, {len(word)}, {len(word)}], got {list(weights.shape)}")
        if not len(word):
            return
        if self._pending and self._pending_bytes + weights.size * 4 > GROUP_BYTES:
            self._flush(final=False)
        self._pending.append(_Sentence(sentence, word, self._checked(sentence, weights)))
        self._pending_bytes += weights.size * 4
        self._count(np.full(len(word), sentence, np.int32), word)
        self._sentences += 1
        self._longest = max(self._longest, len(word))

    def _checked(self, sentence: int, weights: Attention) -> Attention:
        """Return weights whose rows sum to one as nearly as float32 allows."""
        sums = weights.sum(axis=-1, dtype=np.float64)
        worst = np.abs(sums - 1).max()
        if not worst <= TOLERANCE or weights.min() < 0:  # NaN is not within the tolerance either
            raise LayeratlasError(
                f"{self._model} layer {self._identity.layer} gives sentence {sentence} weights that are no attention: "
                f"rows must sum to one, the worst is off by {worst:.3g}, the least weight is {weights.min():.3g}"
            )
        return np.asarray(weights / sums[..., None], np.float32)

    def _flush(self, *, final: bool) -> None:
        if self._pending:
            table = pa.Table.from_batches([self._rows(sentence) for sentence in self._pending])
            self._writer.write_table(table.combine_chunks(), row_group_size=table.num_rows)
            self._pending, self._pending_bytes = [], 0

    def _rows(self, sentence: _Sentence) -> pa.RecordBatch:
        heads, words = self._units, len(sentence.word)
        whole = np.array_equal(sentence.word, np.arange(words))
        offsets = pa.array(np.arange(heads + 1, dtype=np.int64) * words**2, pa.int32())  # refuses what 32 bits cannot
        values = pa.array(sentence.weights.reshape(-1))
        kept = None if whole else sentence.word.tolist()
        return pa.record_batch(
            [
                pa.array(np.full(heads, sentence.number, np.int32)),
                pa.array(np.arange(heads, dtype=np.int32)),
                pa.array(np.full(heads, words, np.int32)),
                pa.ListArray.from_arrays(offsets, values, type=SCHEMA.field("weights").type),
                pa.array([kept] * heads, SCHEMA.field("word").type),
            ],
            schema=SCHEMA,
        )

    def _more(self) -> dict[str, Any]:
        return {
            "rows": self._sentences * self._units,
            "sentences": self._sentences,
            "longest": self._longest,  # words of the longest sentence: what a reader's memory must hold
        }


def columns(units: int) -> dict[str, tuple[str, ...]]:
    """Return the columns of a file, and the types that each may have; the same for any number of heads."""
    return {field.name: (str(field.type),) for field in SCHEMA}


writer = AttentionWriter
TEXT = ()


def read_longest(path: Path | BufferedIOBase) -> int:
    """Return how many words an artifact's longest sentence has; 0 for one without sentences."""
    return int(own_metadata(pq.read_metadata(path))["longest"])


def read_keys(path: Path | BufferedIOBase) -> npt.NDArray[np.int32]:  # [words, 2]: sentence, word
    """Return which words an attention artifact holds, in order."""
    found = [np.empty((0, 2), np.int32)]
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["sentence", "head", "words", "word"]):
            first = batch.filter(pc.equal(batch["head"], 0))
            for sentence, words, word in zip(*(first[name].to_pylist() for name in _KEYS), strict=True):
                kept = np.arange(words, dtype=np.int32) if word is None else np.asarray(word, np.int32)
                found.append(np.stack([np.full(words, sentence, np.int32), kept], axis=1))
    return np.concatenate(found)


def read_chunks(path: Path | BufferedIOBase, *, rows: int = 0) -> Iterator[list[Attention]]:
    """Stream an artifact's sentences, each [heads, query, key], in order: whole row groups, about `rows` rows, but one.

    Memory: one chunk, and none of it is kept here. Pages whose checksum is wrong raise an OSError.
    """
    for table in read_groups(path, ["head", "words", "weights"], rows=rows):
        yield _sentences(table)


def _sentences(table: pa.Table) -> list[Attention]:
    head, words = table["head"].to_numpy(), table["words"].to_numpy()
    flat = table["weights"].combine_chunks().flatten().to_numpy(zero_copy_only=True)
    heads = int(head.max()) + 1 if len(head) else 0
    found, start = [], 0
    for length in words[::heads].tolist() if heads else []:
        stop = start + heads * length**2
        found.append(flat[start:stop].reshape(heads, length, length))
        start = stop
    return found


_KEYS = ("sentence", "words", "word")
