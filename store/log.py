"""The log: every finished row, as immutable Parquet segments. It is the truth; the catalog is derived from it.

`results/<table>/<time>-<SHA-256 of the bytes>.parquet` appears whole or not at all, says by its name whether it is what
was written, and can be read with DuckDB or polars alone. Many small segments become one (`compact`), which lists in its
footer what it covers; it is there before they go.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layeratlas.store.files import sha256_file, whole_file
from layeratlas.store.provenance import now

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

FOLDER = "results"

#: The columns of each table. `written` and `store` (whose row it is) are filled in where a row leaves them out.
COLUMNS: dict[str, dict[str, str]] = {
    "origins": {"store": "string", "origin": "string"},
    "forgotten": {"what": "string", "key": "string", "before": "timestamp", "lifted": "bool"},
    "sources": {
        "source": "string", "digest": "string", "origin": "string", "citation": "string", "licence": "string",
        "tolerance": "double", "run": "string",
    },
    "runs": {
        "run": "string", "command": "string", "started": "timestamp", "finished": "timestamp", "outcome": "string",
        "host": "string", "device": "string", "threads": "int32", "versions": "string", "store": "string",
    },
    "models": {
        "weights": "string", "name": "string", "family": "string", "architecture": "string", "origin": "string",
        "revision": "string", "finetuned_from": "string", "untrained_seed": "int32", "layers": "int32",
        "neurons": "int32", "parameters": "int64", "source": "string", "objective": "string",
        "heads": "int32", "licence": "string", "citation": "string",
    },
    "corpora": {
        "corpus": "string", "name": "string", "origin": "string", "sentences": "int64", "words": "int64",
        "licence": "string", "citation": "string",
    },
    "artifacts": {
        "artifact": "string", "weights": "string", "corpus": "string", "kind": "string", "layer": "int32",
        "words_from_tokens": "string", "settings": "string", "words": "int64", "units": "int32", "word_set": "string",
        "path": "string", "bytes": "int64", "sha256": "string", "run": "string",
    },
    "damaged": {"artifact": "string", "reason": "string"},
    "failures": {"model": "string", "corpus": "string", "reason": "string", "run": "string"},
    "configurations": {
        "configuration": "string", "measure": "string", "version": "int32", "label": "string", "presets": "strings",
        "parameters": "string", "is_symmetric": "bool", "direction": "string", "low": "double", "high": "double",
    },
    "figures": {
        "artifact": "string", "figure": "string", "version": "int32", "parameters": "string", "value": "double",
        "words": "int64", "refused": "string", "diagnostics": "string", "run": "string", "store": "string",
    },
    "scores": {
        "configuration": "string", "artifact_a": "string", "artifact_b": "string", "value": "double",
        "words": "int64", "refused": "string", "diagnostics": "string", "run": "string",
        "units": "floats", "matches": "ints", "store": "string",
    },
    "intervals": {
        "configuration": "string", "artifact_a": "string", "artifact_b": "string", "settings": "string",
        "method": "string", "blocks": "int32", "seed": "int64", "value": "double", "error": "double", "low": "double",
        "high": "double", "corrected": "double", "replicates": "doubles", "sizes": "ints", "curve_words": "ints",
        "curve": "doubles", "refused": "string", "run": "string", "store": "string",
    },
    "nulls": {
        "configuration": "string", "artifact_a": "string", "artifact_b": "string", "settings": "string",
        "method": "string", "permuted": "string", "permutations": "int32", "seed": "int64", "value": "double",
        "mean": "double", "deviation": "double", "low": "double", "median": "double", "high": "double",
        "calibrated": "double", "p": "double", "refused": "string", "run": "string", "store": "string",
    },
}  # fmt: skip
for _columns in COLUMNS.values():
    _columns["written"] = "timestamp"

_NAME = re.compile(r"(\d{8}T\d{12}Z)-([0-9a-f]{64})\.parquet")
_TIME = "%Y%m%dT%H%M%S%fZ"
_COVERS = b"layeratlas.covers"
_PAIR = ("configuration", "artifact_a", "artifact_b")
_BESIDE = (*_PAIR, "settings")
_FIGURE = ("artifact", "figure", "version", "parameters")
_MANY = 16  # segments of about one size become one
_SIZES = (2**16, 2**20, 2**24, 2**27)  # bytes: sizes up to the first are about one, and so on; larger ones stay


@dataclass(frozen=True)
class Segment:
    """One file of the log."""

    table: str
    path: Path

    @property
    def name(self) -> str:
        """By which everybody who has it knows it: `<table>/<time>-<hash>.parquet`."""
        return f"{self.table}/{self.path.name}"

    @property
    def written(self) -> datetime:
        """When its newest row was written, UTC."""
        return datetime.strptime(self.path.name.split("-")[0], _TIME)

    def is_whole(self) -> bool:
        """Tell whether it holds the bytes that its name promises."""
        return sha256_file(self.path) == self.path.stem.rpartition("-")[2]

    @cached_property
    def covers(self) -> frozenset[str]:
        """The names of the segments whose rows it holds, its own when it was not made of others."""
        import pyarrow.parquet as pq

        return covers(pq.read_metadata(self.path), self.name)


class Log:
    """The segments below one store's root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / FOLDER

    def segments(self, tables: Collection[str] = tuple(COLUMNS)) -> list[Segment]:
        """Return what there is of these tables, oldest first in each."""
        return [
            Segment(table, path) for table in COLUMNS if table in tables
            for path in sorted((self.folder / table).glob("*.parquet")) if _NAME.fullmatch(path.name)
        ]  # fmt: skip

    def write(self, table: str, rows: Sequence[Mapping[str, Any]], *, store: str) -> Segment | None:
        """Write rows; None when there are none. What a row leaves out is NULL; an unknown column is a KeyError."""
        if not rows:
            return None
        return self.write_table(table, as_table(table, rows), store=store)

    def write_table(
        self, table: str, data: pa.Table, *, store: str, covers: Iterable[str] = (), at: datetime | None = None
    ) -> Segment:
        """Write rows that are columns already; `covers` names the segments that they were read from."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        at = at or now()
        whole = {}
        for name, kind in COLUMNS[table].items():
            default = {"written": at, "store": store}.get(name)
            whole[name] = (
                data[name] if name in data.column_names else pa.repeat(pa.scalar(default, _type(kind)), len(data))
            )
        ready = pa.table(whole).cast(schema(table))
        if covers:
            ready = ready.replace_schema_metadata({_COVERS: json.dumps(sorted(covers))})
        sink = pa.BufferOutputStream()
        pq.write_table(ready, sink, compression="zstd", **_encodings(table))
        content = sink.getvalue()
        name = f"{at.strftime(_TIME)}-{hashlib.sha256(content).hexdigest()}.parquet"
        segment = Segment(table, self.folder / table / name)
        with whole_file(segment.path) as temporary, temporary.open("wb") as file:
            file.write(content)
        return segment

    def read(self, segments: Sequence[Segment]) -> pa.Table:
        """Return the rows of segments of one table, all of its columns; what an older segment lacks is NULL."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        tables = [pq.read_table(one.path, partitioning=None) for one in segments]
        return pa.concat_tables([_whole(segments[0].table, table) for table in tables])

    def pairs(self, segments: Iterable[Segment]) -> set[tuple[str, str, str]]:
        """Return (configuration, artifact_a, artifact_b) of all scores and refusals in segments."""
        return self._keys(segments, _PAIR)

    def beside(self, segments: Iterable[Segment]) -> set[tuple[str, str, str, str]]:
        """Return (configuration, artifact_a, artifact_b, settings) of what segments have beside scores."""
        return self._keys(segments, _BESIDE)

    def figures(self, segments: Iterable[Segment]) -> set[tuple[str, str, int, str]]:
        """Return (artifact, figure, version, parameters) of all figures and refusals in segments."""
        return self._keys(segments, _FIGURE)

    def _keys(self, segments: Iterable[Segment], columns: Sequence[str]) -> set[Any]:
        found: set[Any] = set()
        for segment in segments:
            import pyarrow.parquet as pq  # only where something waits

            try:
                table = pq.read_table(segment.path, columns=list(columns), partitioning=None)
            except FileNotFoundError:  # compacted meanwhile
                continue
            found.update(zip(*(table[name].to_pylist() for name in columns), strict=True))
        return found

    def is_scattered(self) -> bool:
        """Tell whether some table has so many segments that `compact` may find something to do."""
        return any(len(self.segments([table])) >= _MANY for table in COLUMNS)

    def compact(self, taken: Collection[str], *, store: str) -> dict[str, list[str]]:
        """Make one of many segments of about one size; return what each new one replaced. Call it under a lock.

        taken: names of those that the catalog has taken. No other is touched.
        """
        replaced = {}
        for table in COLUMNS:
            sizes: dict[int, list[Segment]] = {}
            for segment in (one for one in self.segments([table]) if one.name in taken):
                size = segment.path.stat().st_size
                sizes.setdefault(sum(size > limit for limit in _SIZES), []).append(segment)
            for size, some in sizes.items():
                if len(some) >= _MANY and size < len(_SIZES):
                    whole = [one for one in some if one.is_whole()]  # else damage would get a name that vouches for it
                    together = self._join(table, whole, store)
                    replaced[together.name] = [one.name for one in whole if one.name != together.name]
        return replaced

    def _join(self, table: str, segments: Sequence[Segment], store: str) -> Segment:
        covers = frozenset[str]().union(*(one.covers for one in segments))
        together = self.write_table(
            table, self.read(segments), store=store, covers=covers, at=max(one.written for one in segments)
        )
        for one in segments:
            if one.path != together.path:
                one.path.unlink(missing_ok=True)
        return together

    def set_aside(self, segment: Segment) -> Path:
        """Take a damaged segment out of the log: `….parquet.damaged` is read by nobody, and remains as evidence."""
        aside = segment.path.with_name(segment.path.name + ".damaged")
        segment.path.replace(aside)
        return aside

    def damaged(self) -> list[Path]:
        """Return the segments that were set aside, and that have not come back since."""
        found = sorted(self.folder.glob("*/*.parquet.damaged"))
        return [path for path in found if not path.with_suffix("").exists()]


def schema(table: str) -> pa.Schema:
    """Return the columns of a table's segments."""
    import pyarrow as pa

    return pa.schema([(name, _type(kind)) for name, kind in COLUMNS[table].items()])


def as_table(table: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return rows as columns, those that some row has; an unknown column is a KeyError."""
    import pyarrow as pa

    columns = COLUMNS[table]
    for row in rows:
        if row.keys() - columns.keys():
            raise KeyError(f"{table} has no column {sorted(row.keys() - columns.keys())}")
    present = [name for name in columns if any(name in row for row in rows)]
    return pa.table({
        name: pa.array([row.get(name) for row in rows], _type(columns[name]), from_pandas=True) for name in present
    })  # fmt: skip


def _whole(table: str, rows: pa.Table) -> pa.Table:
    import pyarrow as pa

    for name, kind in COLUMNS[table].items():
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.nulls(len(rows), _type(kind)))
    return rows.select(list(COLUMNS[table])).cast(schema(table))


def covers(footer: pq.FileMetaData, name: str) -> frozenset[str]:
    """Return the names of the segments whose rows the segment with this footer holds."""
    metadata = footer.metadata or {}
    return frozenset(json.loads(metadata[_COVERS])) if _COVERS in metadata else frozenset([name])


def is_name(table: str, name: str = "") -> bool:
    """Tell whether a segment of a table may be called so."""
    return table in COLUMNS and _NAME.fullmatch(name) is not None


def _encodings(table: str) -> dict[str, Any]:
    """Numbers byte by byte, texts once: a score's neurons are most of the bytes, and take a sixth less so."""
    paths = dict.fromkeys(("floats", "doubles", "ints", "strings"), ".list.element")
    columns = {name + paths.get(kind, ""): kind for name, kind in COLUMNS[table].items()}
    split = [path for path, kind in columns.items() if kind in ("double", "floats", "doubles", "ints")]
    return {"use_byte_stream_split": split, "use_dictionary": [path for path in columns if path not in split]}


def _type(kind: str) -> pa.DataType:
    import pyarrow as pa

    return {
        "string": pa.string(), "int32": pa.int32(), "int64": pa.int64(), "double": pa.float64(), "bool": pa.bool_(),
        "timestamp": pa.timestamp("us"), "strings": pa.list_(pa.string()), "floats": pa.list_(pa.float32()),
        "doubles": pa.list_(pa.float64()), "ints": pa.list_(pa.int32()),
    }[kind]  # fmt: skip
