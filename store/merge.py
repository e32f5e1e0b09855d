"""Merging: what workers have staged goes into the catalog, in one transaction, under the merger's lock."""

from __future__ import annotations

from pathlib import Path

import duckdb

from layeratlas.store.catalog import migrations, raise_version, writing
from layeratlas.store.staging import COLUMNS, FORMER, staged

_VERSIONS = "SELECT measure, max(version) AS newest FROM staged GROUP BY 1 HAVING newest IS NOT NULL"

#: Tables whose rows carry an id of their own: what makes two rows the same, and what a later row may change.
_KEYS = {
    "runs": ("run",),
    "models": ("weights",),
    "corpora": ("corpus",),
    "artifacts": ("artifact",),
    "configurations": ("configuration",),
    "failures": ("model", "corpus"),
    "sources": ("source",),
}

#: What a later row changes only when it says something, and in which column it does: a run's end does not wait for its
#: beginning.
_KEPT = {
    "runs": {"finished": "finished", "outcome": "outcome"},
    "models": {"heads": "heads", "finetuned_from": "finetuned_from", "objective": "objective"},
    "configurations": {"direction": "direction", "low": "direction", "high": "direction"},
}
_FORMER_RANGES = "0008_former_ranges.sql"


def merge(root: Path, folder: Path) -> int:
    """Take every staged file into the catalog, in one transaction, then remove the files; return how many."""
    files = staged(folder)
    if not files:
        return 0
    with writing(root) as connection:
        connection.execute("BEGIN")
        for table in COLUMNS:  # in this order: scores need the ids of artifacts and configurations
            if table in files:
                _take(connection, table, files[table])
        _fill_ranges(connection)
        connection.execute("COMMIT")
    taken = [path for paths in files.values() for path in paths]
    for path in taken:  # only now: a checkpointed catalog cannot lose what it merged
        path.unlink(missing_ok=True)
    return len(taken)


def _take(connection: duckdb.DuckDBPyConnection, table: str, files: list[Path]) -> None:
    paths = [str(path) for path in files]
    if table == "scores":
        _take_scores(connection, paths)
        return
    connection.execute(f"CREATE OR REPLACE TEMP TABLE staged AS {_reading(connection, table, paths)}", [paths])
    if table == "models":  # staged under the program's former name
        connection.execute("UPDATE staged SET source = 'own' WHERE source = 'simcat'")
    if table == "damaged":
        connection.execute("UPDATE base.artifacts a SET damaged = reason FROM staged s WHERE a.artifact = s.artifact")
    else:
        if table == "artifacts":
            _forget_failures(connection)
        if table == "sources":
            _forget_results(connection)
        _upsert(connection, table)


def _reading(connection: duckdb.DuckDBPyConnection, table: str, paths: list[str]) -> str:
    """Return the statement that reads staged files: an older layeratlas staged fewer columns, some by other names."""
    files = "read_parquet(?, union_by_name = true)"
    there = {name for name, *_ in connection.execute(f"DESCRIBE FROM {files}", [paths]).fetchall()}
    read = []
    for column in COLUMNS[table]:
        names = [name for name in (column, FORMER.get(table, {}).get(column, column)) if name in there]
        if names:
            read.append(f"coalesce({', '.join(names)}) AS {column}")
    return f"SELECT {', '.join(read)} FROM {files}"


def _upsert(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    staged_columns = {name for name, *_ in connection.execute("DESCRIBE staged").fetchall()}
    keys, columns = _KEYS[table], [column for column in COLUMNS[table] if column in staged_columns]
    same = " AND ".join(f"t.{key} = s.{key}" for key in keys)
    rest = [column for column in columns if column not in keys]
    kept = _KEPT.get(table, {})
    changes = ", ".join(
        f"{c} = CASE WHEN s.{kept[c]} IS NULL THEN t.{c} ELSE s.{c} END" if c in kept else f"{c} = s.{c}" for c in rest
    )
    newest = f"(SELECT DISTINCT ON ({', '.join(keys)}) * FROM staged ORDER BY {_newest(table)})"
    extra_columns, extra_values = _extras(table)
    connection.execute(f"UPDATE base.{table} t SET {changes} FROM {newest} s WHERE {same}")
    connection.execute(
        f"INSERT INTO base.{table} ({', '.join(columns + extra_columns)}) "
        f"SELECT {', '.join('s.' + column for column in columns)}{''.join(', ' + value for value in extra_values)} "
        f"FROM {newest} s WHERE NOT EXISTS (SELECT 1 FROM base.{table} t WHERE {same})"
    )
    if table == "artifacts":
        connection.execute("UPDATE base.artifacts t SET damaged = NULL FROM staged s WHERE t.artifact = s.artifact")
    if table == "configurations":
        for measure, version in connection.execute(_VERSIONS).fetchall():
            raise_version(connection, measure, version)


def _newest(table: str) -> str:
    return "finished DESC NULLS LAST" if table == "runs" else "1"


def _extras(table: str) -> tuple[list[str], list[str]]:
    columns, values = [], []
    if table in ("models", "corpora", "artifacts", "configurations"):
        columns.append("id")
        values.append(f"(SELECT coalesce(max(id), 0) FROM base.{table})::INTEGER + row_number() OVER ()")
    if table == "artifacts":
        columns.append("registered")
        values.append("current_timestamp::TIMESTAMP")
    return columns, values


def _forget_failures(connection: duckdb.DuckDBPyConnection) -> None:
    """An artifact that arrives ends its model's failure; a rebuilt one may be measured again."""
    connection.execute(
        "DELETE FROM base.failures f USING staged s, base.models m "
        "WHERE m.weights = s.weights AND m.name = f.model AND f.corpus = s.corpus"
    )
    connection.execute(
        "DELETE FROM base.scores r USING staged s, base.artifacts a WHERE a.artifact = s.artifact "
        "AND a.sha256 <> s.sha256 AND a.id IN (r.artifact_a, r.artifact_b) AND r.refused IS NOT NULL"
    )


def _forget_results(connection: duckdb.DuckDBPyConnection) -> None:
    """Results that are imported anew replace all that their source had."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE gone AS SELECT a.id, m.weights FROM staged s JOIN base.models m USING (source) "
        "LEFT JOIN base.artifacts a USING (weights)"
    )
    connection.execute("DELETE FROM base.scores s USING gone WHERE s.artifact_a = gone.id")
    connection.execute("DELETE FROM base.artifacts a USING gone WHERE a.id = gone.id")
    connection.execute("DELETE FROM base.models m USING gone WHERE m.weights = gone.weights")


def _take_scores(connection: duckdb.DuckDBPyConnection, paths: list[str]) -> None:
    once = "DISTINCT ON (k.id, a.id, b.id)" if len(paths) > 1 else ""  # one worker names a pair once, two may both
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE arriving AS SELECT {once} "
        "k.id AS configuration, a.id AS artifact_a, b.id AS artifact_b, "
        f"s.value, s.words, s.refused, s.diagnostics, s.run, s.units, s.matches "
        f"FROM ({_reading(connection, 'scores', paths)}) s "
        "JOIN base.configurations k ON k.configuration = s.configuration "
        "JOIN base.artifacts a ON a.artifact = s.artifact_a JOIN base.artifacts b ON b.artifact = s.artifact_b",
        [paths],
    )
    for table in ("scores", "details"):
        connection.execute(
            f"DELETE FROM base.{table} t USING arriving s WHERE t.configuration = s.configuration "
            "AND t.artifact_a = s.artifact_a AND t.artifact_b = s.artifact_b"
        )
    connection.execute(
        "INSERT INTO base.scores SELECT configuration, artifact_a, artifact_b, value, words, refused, diagnostics, "
        "run, current_timestamp::TIMESTAMP FROM arriving ORDER BY configuration, artifact_a, artifact_b"
    )
    connection.execute(
        "INSERT INTO base.details SELECT configuration, artifact_a, artifact_b, units, matches "
        "FROM arriving WHERE units IS NOT NULL"
    )


def _fill_ranges(connection: duckdb.DuckDBPyConnection) -> None:
    """Give configurations that the version before has staged the range that its own migration gives them."""
    if connection.execute("SELECT 1 FROM base.configurations WHERE direction IS NULL").fetchone():
        connection.execute(dict(migrations())[_FORMER_RANGES])
