"""What arrives is checked before it counts: that it is what it says, that memory holds it, and that its names are text.

Files of others are decoded in a process of its own, with limits; what a damaged or hostile one does to a library that
reads it ends there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layeratlas.store.errors import LayeratlasError
from layeratlas.store.sandbox import Limits, attempt_afresh

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

LARGEST_GROUP = 2**31  # decoded bytes of one row group of an artifact; attention of one sentence is the largest
_MOST = 2**36  # decoded bytes of one file, where nothing says fewer
_EXPANSION = 2000  # decoded bytes for one of the file: zstd of equal numbers
_ROWS_AT_ONCE = 2**15
_LIMITS = Limits(seconds=3600, patience=3600, memory=2**33)
_LONGEST_NAME = 1000  # characters

#: Columns that reach terminals and pages as names.
_NAMES = ("name", "family", "measure", "label", "source", "model", "finetuned_from", "objective", "kind", "path")


class ArrivalRefused(LayeratlasError):
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
    words: int = 0
    units: int = 0
    decoded: int | None = None

    @property
    def allowed(self) -> int:
        """The most decoded bytes that it may have."""
        own = Path(self.path).stat().st_size * _EXPANSION
        return min(own + 2**20, _MOST if self.decoded is None else self.decoded)


def inspect(files: Sequence[Expected]) -> None:
    """Read every value of files that came from elsewhere. Raises ArrivalRefused for the first that is not as it says."""
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
        except (pa.ArrowException, OSError, MemoryError, ValueError, KeyError, TypeError, OverflowError) as error:
            wrong = f"cannot be read: {' '.join(str(error).split())[:300]}"
        if wrong:
            return f"{file.title} {wrong}"
    return None


def _segment(expected: Expected) -> str | None:
    import pyarrow.parquet as pq

    from layeratlas.store.log import schema

    with pq.ParquetFile(expected.path) as file:
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

    from layeratlas.store.artifacts.base import describe

    path = Path(expected.path)
    found = describe(path.parent, path)
    said = (found.artifact, found.identity.kind, found.words, found.units)
    if said != (expected.artifact, expected.kind, expected.words, expected.units):
        return "describes itself as another layer than its sender says"
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        if wrong := _wrong_columns(file, expected):
            return wrong
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


def _wrong_columns(file: pq.ParquetFile, expected: Expected) -> str | None:
    """Say how an artifact's columns differ from what its kind writes; older files also have model and layer."""
    from layeratlas.store.kinds import kind_of

    known = kind_of(expected.kind).files.columns(expected.units)
    found = {field.name: str(field.type) for field in file.schema_arrow if field.name not in ("model", "layer")}
    for name, types in known.items():
        if name in found and found[name] not in types:
            return f"has a column '{name}' of {found[name]}, expected {types[0]}"
    if set(found) != set(known):
        return f"has columns {', '.join(found)}, expected {', '.join(known)}"
    return None
