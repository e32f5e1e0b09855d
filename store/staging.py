"""Staging: workers write finished rows as Parquet files; the merger takes them into the catalog.

`staging/<table>-<hash of the bytes>.parquet` appears whole or not at all, and writing it twice changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layeratlas.store.files import whole_file

if TYPE_CHECKING:
    import pyarrow as pa

#: The columns of each staged table; the merger's statements in catalog.py use these names.
COLUMNS: dict[str, dict[str, str]] = {
    "sources": {
        "source": "string", "digest": "string", "origin": "string", "citation": "string", "licence": "string",
        "tolerance": "double", "run": "string",
    },
    "runs": {
        "run": "string", "command": "string", "started": "timestamp", "finished": "timestamp", "outcome": "string",
        "host": "string", "device": "string", "threads": "int32", "versions": "string",
    },
    "models": {
        "weights": "string", "name": "string", "family": "string", "architecture": "string", "origin": "string",
        "revision": "string", "finetuned_from": "string", "untrained_seed": "int32", "layers": "int32",
        "neurons": "int32", "parameters": "int64", "source": "string", "objective": "string",
        "heads": "int32",
    },
    "corpora": {"corpus": "string", "name": "string", "origin": "string", "sentences": "int64", "words": "int64"},
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
    "scores": {
        "configuration": "string", "artifact_a": "string", "artifact_b": "string", "value": "double",
        "words": "int64", "refused": "string", "diagnostics": "string", "run": "string",
        "units": "floats", "matches": "ints",
    },
}  # fmt: skip

#: What columns were called in files that the version before staged, by what they are called now.
FORMER: dict[str, dict[str, str]] = {
    "artifacts": {"words_from_tokens": "pooling", "units": "neurons"},
    "scores": {"units": "neurons"},
}

_PAIR = ("configuration", "artifact_a", "artifact_b")


def stage(folder: Path, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows for the merger. A column that a row leaves out is NULL; an unknown column is a KeyError."""
    if not rows:
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = COLUMNS[table]
    for row in rows:
        if row.keys() - columns.keys():
            raise KeyError(f"{table} has no column {sorted(row.keys() - columns.keys())}")
    data = {
        name: pa.array([row.get(name) for row in rows], _type(kind), from_pandas=True) for name, kind in columns.items()
    }
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(data), sink, compression="zstd")
    content = sink.getvalue().to_pybytes()
    with whole_file(folder / f"{table}-{hashlib.sha256(content).hexdigest()}.parquet") as temporary:
        temporary.write_bytes(content)


def staged_pairs(folder: Path) -> set[tuple[str, str, str]]:
    """Return the pairs, as (configuration, artifact_a, artifact_b), whose scores or refusals are staged."""
    import pyarrow.parquet as pq

    found: set[tuple[str, str, str]] = set()
    for path in staged(folder).get("scores", []):
        try:
            table = pq.read_table(path, columns=list(_PAIR), partitioning=None)
        except FileNotFoundError:  # merged meanwhile
            continue
        found.update(zip(*(table[name].to_pylist() for name in _PAIR), strict=True))
    return found


def staged(folder: Path) -> dict[str, list[Path]]:
    """Return the staged files by table."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*-*.parquet")):
        table = path.name.split("-", 1)[0]
        if table in COLUMNS:
            found.setdefault(table, []).append(path)
    return found


def _type(kind: str) -> pa.DataType:
    import pyarrow as pa

    return {
        "string": pa.string(), "int32": pa.int32(), "int64": pa.int64(), "double": pa.float64(), "bool": pa.bool_(),
        "timestamp": pa.timestamp("us"), "strings": pa.list_(pa.string()), "floats": pa.list_(pa.float32()),
        "ints": pa.list_(pa.int32()),
    }[kind]  # fmt: skip
