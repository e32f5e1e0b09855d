"""What arrives is checked before it counts: that it is what it says, that memory holds it, and that its names are text.

Files of others are decoded in a process of its own, with limits; what a damaged or hostile one does to a library that
reads it ends there.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from layeratlas.store.errors import LayeratlasError
from layeratlas.store.files import Part
from layeratlas.store.sandbox import Limits, attempt_afresh

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

LARGEST_GROUP = 2**31  # decoded bytes of one row group of an artifact; attention of one sentence is the largest
_MOST = 2**36  # decoded bytes of one file, where nothing says fewer
_EXPANSION = 2000  # decoded bytes for one of the file: zstd of equal numbers
_ROWS_AT_ONCE = 2**15
_LEAST = 2  # bytes of the smallest number that an artifact holds
_LIMITS = Limits(seconds=3600, patience=3600, memory=2**33)
_LONGEST_NAME = 1000  # characters

#: Columns that reach terminals and pages as names.
_NAMES = ("name", "family", "measure", "label", "source", "model", "finetuned_from", "objective", "kind", "path")


class ArrivalRefused(LayeratlasError):  # noqa: N818 - named for what it is
    """A file that came from elsewhere is not what it says; nothing of it was taken."""

    exit_code = 4


@dataclass(frozen=True)
class Expected:
    """What a file is said to be: a segment of a table, or an artifact of a kind, of so many words and units.

    decoded: bytes that it may take in memory, where its sender says so.
    """

    title: str
    path: str
    table: str | None = None
    artifact: str | None = None
    kind: str = ""
    words: int | None = None  # None where nothing but the file itself says it
    units: int | None = None
    decoded: int | None = None
    part: tuple[int, int] | None = None  # where it stands in the file, and its bytes; else it is the whole file

    @property
    def allowed(self) -> int:
        """The most decoded bytes that it may have."""
        return min(self.size * _EXPANSION + 2**20, _MOST if self.decoded is None else self.decoded)

    @property
    def size(self) -> int:
        """The bytes that it has."""
        return Path(self.path).stat().st_size if self.part is None else self.part[1]

    def open(self) -> IO[bytes]:
        """Open it."""
        return Path(self.path).open("rb") if self.part is None else io.BufferedReader(Part(Path(self.path), *self.part))


def inspect(files: Sequence[Expected]) -> None:
    """Read every value of files that came from elsewhere. Raises ArrivalRefused for the first that is not sound."""
    if not files:
        return
    found = attempt_afresh(inspect_all, {"files": [asdict(file) for file in files]}, _LIMITS)
    if found is not None:
        where = "" if any(found.startswith(file.title) for file in files) else f"{files[0].title} (or one beside it): "
        raise ArrivalRefused(f"{where}{found}; nothing of it was taken")


def inspect_all(given: dict[str, Any]) -> str | None:
    """The job of the process with limits: say of the first bad file what is wrong with it."""
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())
    for file in (Expected(**each) for each in given["files"]):
        try:
            wrong = _segment(file) if file.table else _artifact(file)
        except RecursionError:
            wrong = "cannot be read: it is nested too deeply"
        except (
            pa.ArrowException,
            OSError,
            MemoryError,
            ValueError,
            KeyError,
            TypeError,
            OverflowError,
            LayeratlasError,
        ) as error:
            wrong = f"cannot be read: {' '.join(str(error).split())[:300]}"
        if wrong:
            return f"{file.title} {wrong}"
    return None


def decoded_bytes(file: Path) -> int:
    """Return how many bytes of memory the values of a Parquet file take."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(file, pre_buffer=False) as opened:
        return sum(batch.nbytes for batch in opened.iter_batches(_ROWS_AT_ONCE // 16, use_threads=False))


def _segment(expected: Expected) -> str | None:
    import pyarrow.parquet as pq

    from layeratlas.store.log import schema

    with expected.open() as opened, pq.ParquetFile(opened, pre_buffer=False) as file:
        known = {field.name: field.type for field in schema(str(expected.table))}
        for field in file.schema_arrow:
            if field.name not in known:
                return f"has a column '{field.name}', which this layeratlas does not know: a newer one wrote it"
            if field.type != known[field.name]:
                return f"has a column '{field.name}' of {field.type}, expected {known[field.name]}"
        decoded, rows = 0, 0
        for batch in file.iter_batches(_ROWS_AT_ONCE, use_threads=False):
            decoded, rows = decoded + batch.nbytes, rows + len(batch)
            if decoded > expected.allowed:
                return f"takes more than {expected.allowed:,} bytes of memory, which is more than it may"
            if wrong := _bad_names(batch):
                return wrong
        return None if rows == file.metadata.num_rows else "holds fewer rows than it says"


def _bad_names(batch: pa.RecordBatch) -> str | None:
    import pyarrow.compute as pc

    for column in (name for name in _NAMES if name in batch.schema.names):
        values = batch.column(column)
        if pc.any(pc.match_substring_regex(values, r"[\x00-\x1f\x7f-\x9f]"), min_count=0).as_py():
            return f"has a {column} with control characters"
        if (pc.max(pc.utf8_length(values)).as_py() or 0) > _LONGEST_NAME:
            return f"has a {column} of more than {_LONGEST_NAME:,} characters"
    return None


def _artifact(expected: Expected) -> str | None:
    import pyarrow.parquet as pq

    from layeratlas.store.artifacts.base import described

    with expected.open() as opened, pq.ParquetFile(opened, page_checksum_verification=True, pre_buffer=False) as file:
        found = described(file.metadata, "it")
        said = (expected.artifact, expected.kind, expected.words or found.words, expected.units or found.units)
        if said != (found.artifact, found.identity.kind, found.words, found.units):
            return "describes itself as another layer than its sender says"
        if wrong := _wrong_columns(file, expected.kind, found.units):
            return wrong
        if _is_plain(file.metadata, expected.size):
            return None
        decoded = 0
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).total_byte_size
            if size > LARGEST_GROUP:
                return f"has a row group of {size:,} bytes"
            for batch in file.iter_batches(_ROWS_AT_ONCE // 16, row_groups=[group], use_threads=False):
                decoded += batch.nbytes
                if decoded > expected.allowed:
                    return f"takes more than {expected.allowed:,} bytes of memory, which is more than it may"
    return None


def _is_plain(metadata: pq.FileMetaData, size: int) -> bool:
    """Tell whether a file cannot take more memory than it has bytes: uncompressed, every value written out."""
    plain = {"PLAIN", "RLE"}  # RLE: which values of a list belong together
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    chunks = [group.column(index) for group in groups for index in range(group.num_columns)]
    values = sum(chunk.num_values for chunk in chunks) * _LEAST
    return values <= size and all(
        chunk.compression == "UNCOMPRESSED" and set(chunk.encodings) <= plain for chunk in chunks
    )


def _wrong_columns(file: pq.ParquetFile, kind: str, units: int) -> str | None:
    """Say how an artifact's columns differ from what its kind writes; older files also have model and layer."""
    from layeratlas.store.kinds import kind_of

    known = kind_of(kind).files.columns(units)
    columns = {field.name: str(field.type) for field in file.schema_arrow if field.name not in ("model", "layer")}
    found = {name: kind.replace("<element:", "<item:") for name, kind in columns.items()}
    for name, types in known.items():
        if name in found and found[name] not in types:
            return f"has a column '{name}' of {found[name]}, expected {types[0]}"
    if set(found) != set(known):
        return f"has columns {', '.join(found)}, expected {', '.join(known)}"
    return None
