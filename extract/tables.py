"""Corpora that are columns of a table: CSV and TSV, Parquet, Arrow, and folders of these two as `datasets` saves them.

A row is a sentence: a text, or a list of words. Streamed; memory holds a few thousand rows.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from layeratlas.extract.malformed import MalformedLineError
from layeratlas.store.errors import BadRequest, unknown

USUAL = ("text", "words", "tokens", "sentence")  # what columns are called that hold sentences
_ROWS = 4096
_STATE, _SPLITS = "state.json", "dataset_dict.json"  # what `save_to_disk` leaves in a folder


def csv_rows(
    path: Path, lines: Iterator[tuple[int, str]], column: str | None, *, delimiter: str
) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of every row. Raises BadRequest for another column, MalformedLineError for no CSV."""
    reader = csv.reader((line + "\n" for _, line in lines), delimiter=delimiter, strict=True)
    try:
        names = next(reader, [])
        place = names.index(column_of(path, names, column))
        for row in reader:
            if row and len(row) != len(names):
                raise MalformedLineError(reader.line_num, f"expected {len(names)} columns, got {len(row)}")
            if row:
                yield reader.line_num, row[place]
    except csv.Error as error:
        raise MalformedLineError(reader.line_num, f"not CSV: {error}") from None


def column_rows(path: Path, column: str | None) -> Iterator[tuple[int, Any]]:
    """Yield the number, from 1, and the value of every row of Parquet or Arrow, a file or a folder.

    Raises BadRequest for another column, and for files that cannot be read.
    """
    import pyarrow as pa

    number = 0
    for file in files(path):
        try:
            for values in (_parquet if file.suffix == ".parquet" else _arrow)(file, column):
                for value in values:
                    number += 1
                    yield number, value
        except (pa.ArrowException, OSError) as error:
            raise BadRequest(f"{file} cannot be read: {' '.join(str(error).split())[:300]}") from None


def files(path: Path) -> list[Path]:
    """Return the files of a corpus in order: itself, or a folder's. Raises BadRequest for a folder without any."""
    if not path.is_dir():
        return [path]
    if (path / _SPLITS).exists():
        splits = sorted(folder.name for folder in path.iterdir() if (folder / _STATE).exists())
        raise BadRequest(f"{path} holds several splits: name one of its folders, {', '.join(splits)}")
    if (path / _STATE).exists():
        try:
            named = [
                path / Path(one["filename"]).name for one in json.loads((path / _STATE).read_text())["_data_files"]
            ]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise BadRequest(f"{path / _STATE} does not name the data's files: save the dataset again") from None
    else:
        named = sorted(file for file in path.iterdir() if file.suffix in (".parquet", ".arrow"))
    if not named:
        raise BadRequest(f"{path} is a folder without .parquet or .arrow files: name a file, or a saved dataset")
    return named


def column_of(path: Path, names: Sequence[str], column: str | None) -> str:
    """Return the column that is meant. Raises BadRequest for none, and when several could be meant."""
    if column is not None:
        if column not in names:
            raise BadRequest(f"{path}: {unknown('column', column, names)}")
        return column
    usual = [name for name in USUAL if name in names]
    if len(usual) != 1:
        shown = ", ".join(map(str, names[:20])) or "none"
        raise BadRequest(
            f"{path}: say which column holds the sentences, with --column (column in a study); there is: {shown}"
        )
    return usual[0]


def _parquet(file: Path, column: str | None) -> Iterator[list[Any]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as opened:
        name = column_of(file, opened.schema_arrow.names, column)
        for batch in opened.iter_batches(_ROWS, columns=[name]):
            yield batch[name].to_pylist()


def _arrow(file: Path, column: str | None) -> Iterator[list[Any]]:
    import pyarrow as pa

    with pa.memory_map(str(file)) as source:
        try:
            batches: Any = pa.ipc.open_stream(source)  # as `datasets` writes them
        except pa.ArrowInvalid:
            opened = pa.ipc.open_file(source)
            batches = (opened.get_batch(number) for number in range(opened.num_record_batches))
            names = opened.schema.names
        else:
            names = batches.schema.names
        name = column_of(file, names, column)
        for batch in batches:
            for start in range(0, len(batch), _ROWS):
                yield batch[name].slice(start, _ROWS).to_pylist()
