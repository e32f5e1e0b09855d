"""From the catalog back to the log: once for a store of the release before it, and where a segment was damaged."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from layeratlas.store.log import COLUMNS, Log, Segment

if TYPE_CHECKING:
    import duckdb

STAGING = "staging"  # where finished rows waited for the merger
_ROWS = 1_000_000  # of scores in one segment

#: What columns were called in files that an older release staged, by what they are called now.
_FORMER = {
    "artifacts": {"words_from_tokens": "pooling", "units": "neurons"},
    "scores": {"units": "neurons"},
}

#: How a table's rows are read from the catalog, where that is not `SELECT <its columns> FROM base.<table>`.
_READ = {
    "origins": "SELECT store, origin, arrived AS written FROM base.origins",
    "forgotten": "SELECT what, key, before, false AS lifted FROM base.forgotten",
    "corpora": "SELECT * REPLACE (stated AS name) FROM base.corpora",
    "artifacts": "SELECT *, registered AS written FROM base.artifacts",
    "damaged": "SELECT artifact, damaged AS reason FROM base.artifacts WHERE damaged IS NOT NULL",
    "runs": "SELECT *, coalesce(finished, started) AS written FROM base.runs",
    "scores": """
        SELECT k.configuration, a.artifact AS artifact_a, b.artifact AS artifact_b, s.value, s.words, s.refused,
               s.diagnostics, s.run, d.units, d.matches, s.measured AS written
        FROM base.scores s JOIN base.configurations k ON k.id = s.configuration
        JOIN base.artifacts a ON a.id = s.artifact_a JOIN base.artifacts b ON b.id = s.artifact_b
        LEFT JOIN base.details d ON d.configuration = s.configuration AND d.artifact_a = s.artifact_a
            AND d.artifact_b = s.artifact_b
        ORDER BY s.configuration, s.artifact_a, s.artifact_b""",
}


def needs_log(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether an up-to-date catalog holds what no segment does."""
    [(found,)] = connection.execute(
        "SELECT (SELECT count(*) FROM base.segments) = 0 AND "
        "((SELECT count(*) FROM base.models) > 0 OR (SELECT count(*) FROM base.runs) > 0)"
    ).fetchall()
    return bool(found)


def write_log(
    connection: duckdb.DuckDBPyConnection, log: Log, *, store: str, tables: Collection[str] = tuple(COLUMNS)
) -> list[Segment]:
    """Write what a catalog has of these tables to the log; return the segments, which tell it nothing new."""
    segments = []
    for table, columns in ((table, COLUMNS[table]) for table in tables):
        rows = connection.sql(_READ.get(table, f"SELECT * FROM base.{table}")).to_arrow_table()  # noqa: S608
        rows = rows.select([name for name in columns if name in rows.column_names])
        for start in range(0, len(rows), _ROWS):
            segments.append(log.write_table(table, rows.slice(start, _ROWS), store=store))
    return segments


def take_staged(root: Path, log: Log, *, store: str) -> None:
    """Write to the log what workers had staged and no merger had taken, then remove it."""
    import pyarrow.parquet as pq

    for path in sorted((root / STAGING).glob("*-*.parquet")):
        table = path.name.split("-", 1)[0]
        if table in COLUMNS:
            rows = pq.read_table(path, partitioning=None)
            former = {new: old for new, old in _FORMER.get(table, {}).items() if old in rows.column_names}
            for new, old in former.items():
                rows = rows.drop_columns([old]).append_column(new, rows[old])
            if table == "models":  # staged under the program's former name
                sources = ["own" if source == "simcat" else source for source in rows["source"].to_pylist()]
                rows = rows.set_column(rows.column_names.index("source"), "source", [sources])
            at = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)
            log.write_table(table, rows, store=store, at=at)
            path.unlink()
