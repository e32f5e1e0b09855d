"""Parquet: one layer a file, a row a word. Neurons are one column of lists, or a column each.

Columns `sentence`, `word` and `token`, where there are any, are checked against the corpus, as our own artifacts have.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from layeratlas.extract.importers.base import Block, Found, Source, number_of_file, reading, rows_at_once
from layeratlas.store.errors import LayeratlasError

SUFFIXES = (".parquet",)
_KEYS = ("sentence", "word", "token")
_OTHERS = ("model", "layer")  # of artifacts of older versions


def open_file(path: Path) -> Source:
    """Look at a file; rows are read when they are wanted."""
    return _Table(path)


class _Table(Source):
    def __init__(self, path: Path) -> None:
        self.title, self._path = path.name, path
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
        columns = [field for field in schema if field.name not in (*_KEYS, *_OTHERS)]
        self._keys = [name for name in _KEYS if name in schema.names]
        self._lists = [field.name for field in columns if _is_list(field.type)]
        self._columns = self._lists or [field.name for field in columns if _is_number(field.type)]
        if not self._columns or (self._lists and len(self._lists) != 1):
            raise LayeratlasError(
                f"{self.title} has the columns {', '.join(schema.names)}: expected one of lists of numbers, "
                "or a column of numbers a neuron"
            )
        neurons = self._width() if self._lists else len(self._columns)
        self.found = [Found(None, number_of_file(path.stem), neurons, rows)]

    def _width(self) -> int:
        first = next(iter(self._batches(1)), None)
        lists = first.column(self._lists[0]) if first is not None and first.num_rows else None
        return len(lists[0]) if lists is not None and lists[0].is_valid else 0

    def _batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(self._path, page_checksum_verification=True) as file:
            yield from file.iter_batches(rows, columns=[*self._keys, *self._columns])

    def blocks(self, keys: Sequence[Hashable], sentences: Iterable[list[str]]) -> Iterator[Block]:
        """Stream the one layer."""
        neurons, done = self.found[0].neurons, 0
        with reading(self.title):
            for batch in self._batches(rows_at_once(neurons)):
                told = {name: batch.column(name) for name in self._keys}
                yield Block(
                    {None: self._matrix(batch, neurons, done)},
                    sentence=_numbers(told.get("sentence")), word=_numbers(told.get("word")),
                    token=told["token"].to_pylist() if "token" in told else None,
                )  # fmt: skip
                done += batch.num_rows

    def _matrix(self, batch: pa.RecordBatch, neurons: int, done: int) -> npt.NDArray[Any]:  # [rows, neurons]
        if not self._lists:
            columns = [self._whole(batch.column(name), name, done) for name in self._columns]
            return np.stack([column.to_numpy(zero_copy_only=False) for column in columns], axis=1)
        (name,) = self._lists
        lists = self._whole(batch.column(name), name, done)
        lengths = lists.value_lengths().to_numpy(zero_copy_only=False)
        if (lengths != neurons).any():
            row = int(np.argmax(lengths != neurons))
            raise LayeratlasError(f"{self.title}: row {done + row} has {lengths[row]} neurons, those before {neurons}")
        values = self._whole(lists.flatten(), name, done, neurons)
        flat: npt.NDArray[Any] = values.to_numpy(zero_copy_only=False)
        return flat.reshape(batch.num_rows, neurons)

    def _whole(self, column: pa.Array, name: str, done: int, each: int = 1) -> pa.Array:
        if column.null_count:
            row = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False))) // each
            raise LayeratlasError(f"{self.title}: row {done + row} has no value in {name}")
        return column


def _numbers(column: pa.Array | None) -> npt.NDArray[Any] | None:
    return None if column is None else column.to_numpy(zero_copy_only=False)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _is_list(kind: pa.DataType) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_list(kind) for is_list in lists) and _is_number(kind.value_type)
