"""Activation artifacts: a row a word.

Columns `sentence int32, word int32, token string, activation FixedSizeList<float32>[neurons]`. Model and layer are
in the path, from which readers of folders take them, and in the file's own metadata; older files have them as columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from layeratlas.store.artifacts.base import ArtifactWriter, read_groups
from layeratlas.store.errors import LayeratlasError
from layeratlas.store.identity import ArtifactIdentity

_FLOAT16_MAX = 65_504.0


class ActivationWriter(ArtifactWriter):
    """Streams one layer's words, in corpus order. Memory: one row group.

    Raises LayeratlasError when float16 storage cannot hold a value.
    """

    def __init__(self, root: Path, identity: ArtifactIdentity, model: str, neurons: int) -> None:
        self._dtype = np.dtype(getattr(identity.settings, "storage", "float32"))
        super().__init__(root, identity, model, neurons, _schema(neurons, self._dtype))
        self._group = 1024 if neurons >= 4096 else 2048
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0

    def write(
        self,
        sentence: npt.NDArray[np.int32],  # [words]
        word: npt.NDArray[np.int32],  # [words]
        token: Sequence[str],  # [words]
        activation: npt.NDArray[Any],  # [words, neurons]
    ) -> None:
        """Append words, in corpus order."""
        if activation.shape != (len(token), self._units):
            raise ValueError(f"expected activations [{len(token)}, {self._units}], got {list(activation.shape)}")
        rows = len(token)
        if not rows:
            return
        flat = self._storable(activation).reshape(-1)
        self._pending.append(
            pa.record_batch(
                [
                    pa.array(sentence, pa.int32()),
                    pa.array(word, pa.int32()),
                    pa.array(token, pa.string()),
                    pa.FixedSizeListArray.from_arrays(pa.array(flat), type=self._schema.field("activation").type),
                ],
                schema=self._schema,
            )
        )
        self._count(sentence, word)
        self._pending_rows += rows
        if self._pending_rows >= self._group:
            self._flush(final=False)

    def _storable(self, activation: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self._dtype == np.float16:
            largest = np.abs(activation, dtype=np.float32).max()
            if largest > _FLOAT16_MAX:
                raise LayeratlasError(
                    f"{self._model} layer {self._identity.layer} has a value of {largest:.6g}, over float16's "
                    f'{_FLOAT16_MAX:.0f}: set storage = "float32"'
                )
        return np.ascontiguousarray(activation, dtype=self._dtype)

    def _flush(self, *, final: bool) -> None:
        if not self._pending:
            return
        table = pa.Table.from_batches(self._pending)
        whole = table.num_rows if final else table.num_rows - table.num_rows % self._group
        if whole:
            self._writer.write_table(table.slice(0, whole), row_group_size=self._group)
        rest = table.slice(whole).combine_chunks()
        self._pending = rest.to_batches() if rest.num_rows else []
        self._pending_rows = rest.num_rows


def _schema(neurons: int, dtype: np.dtype[Any]) -> pa.Schema:
    value = pa.field("item", pa.from_numpy_dtype(dtype), nullable=False)
    return pa.schema(
        [
            pa.field("sentence", pa.int32(), nullable=False),
            pa.field("word", pa.int32(), nullable=False),
            pa.field("token", pa.string(), nullable=False),
            pa.field("activation", pa.list_(value, neurons), nullable=False),
        ]
    )


def columns(units: int) -> dict[str, tuple[str, ...]]:
    """Return the columns of a file of so many neurons, and the types that each may have."""
    possible = [_schema(units, np.dtype(storage)) for storage in ("float32", "float16")]
    return {name: tuple(str(schema.field(name).type) for schema in possible) for name in possible[0].names}


writer = ActivationWriter
TEXT = ("token",)


def read_keys(path: Path | BufferedIOBase) -> npt.NDArray[np.int32]:  # [words, 2]: sentence, word
    """Return which words an artifact holds, in order."""
    table = pq.read_table(path, columns=["sentence", "word"], partitioning=None)
    return np.stack([table["sentence"].to_numpy(), table["word"].to_numpy()], axis=1)


def read_chunks(path: Path | BufferedIOBase, *, rows: int = 0) -> Iterator[npt.NDArray[Any]]:  # each [≤ rows, neurons]
    """Stream an artifact's activations, in order, about `rows` words at a time: whole row groups, but at least one.

    Memory: one chunk, and none of it is kept here. Pages whose checksum is wrong raise an OSError.
    """
    for table in read_groups(path, ["activation"], rows=rows):
        yield _matrix(table)


def _matrix(table: pa.Table) -> npt.NDArray[Any]:  # [rows, neurons]
    column = table.column(0).combine_chunks()
    values: npt.NDArray[Any] = column.flatten().to_numpy(zero_copy_only=True)
    return values.reshape(len(column), -1)
