"""The catalog: one DuckDB file, written by one merger at a time, read briefly by anyone.

DuckDB lets one process write and then no other may even read. So workers stage files (`staging.py`), the merger takes
them in under a lock, and readers open read-only, retry for about two seconds and then say who holds the file.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import duckdb

from layeratlas.store.errors import CatalogDamaged, LayeratlasError, NothingYet, StoreBusy
from layeratlas.store.staging import COLUMNS, FORMER, staged

FILE = "catalog.duckdb"
READ_PATIENCE = 2.0  # seconds a reader waits for the merger
WRITE_PATIENCE = 20.0  # seconds the merger waits for readers
_STORAGE_VERSION = "v1.0.0"  # any DuckDB from 1.0 can open it; measured to cost nothing here

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
    "models": {"heads": "heads"},
    "configurations": {"direction": "direction", "low": "direction", "high": "direction"},
}
_FORMER_RANGES = "0008_former_ranges.sql"


@contextmanager
def reading(root: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the catalog read-only, shut off from every other file, for the length of the block."""
    file = root / FILE
    if not file.exists():
        raise NothingYet(f"there is no catalog in {root} yet: run `layeratlas run STUDY.toml`, or name another --store")
    connection = _patiently(lambda: duckdb.connect(str(file), read_only=True), file, READ_PATIENCE)
    try:
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        _refuse_newer(connection, file)
        yield connection
    finally:
        connection.close()


@contextmanager
def writing(root: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the catalog for the merger, migrated; the caller holds the merge lock. Checkpointed when the block ends."""
    file = root / FILE
    connection = duckdb.connect()
    try:
        attach = f"ATTACH '{str(file).replace(chr(39), chr(39) * 2)}' AS catalog (STORAGE_VERSION '{_STORAGE_VERSION}')"
        _patiently(lambda: connection.execute(attach), file, WRITE_PATIENCE)
        connection.execute("USE catalog")
        _migrate(connection, file)
        yield connection
        connection.execute("CHECKPOINT catalog")
    except duckdb.IOException as error:  # a full disk; what is staged stays staged
        raise LayeratlasError(f"{file} cannot be written: {_first_line(error)}") from error
    finally:
        connection.close()


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


def bring_up_to_date(root: Path, versions: Mapping[str, int]) -> None:
    """Give a catalog every migration, and tell it of newer versions of its measures: older scores become stale."""
    with writing(root) as connection:
        connection.execute("BEGIN")
        for measure, version in _outdated(connection, versions):
            _raise_version(connection, measure, version)
        connection.execute("COMMIT")


def _fill_ranges(connection: duckdb.DuckDBPyConnection) -> None:
    """Give configurations that the version before has staged the range that its own migration gives them."""
    if connection.execute("SELECT 1 FROM base.configurations WHERE direction IS NULL").fetchone():
        connection.execute(dict(_migrations())[_FORMER_RANGES])


def _raise_version(connection: duckdb.DuckDBPyConnection, measure: str, version: int) -> None:
    known = connection.execute("SELECT version FROM base.versions WHERE measure = ?", [measure]).fetchone()
    if known is None:
        connection.execute("INSERT INTO base.versions VALUES (?, ?)", [measure, version])
    elif known[0] < version:
        connection.execute("UPDATE base.versions SET version = ? WHERE measure = ?", [version, measure])


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
            _raise_version(connection, measure, version)


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


def _migrate(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS schema_migrations (number INTEGER, name VARCHAR, applied TIMESTAMP)")
    _refuse_newer(connection, file)
    for name, statements in _pending(connection):
        connection.execute("BEGIN")
        connection.execute(statements)
        connection.execute(
            "INSERT INTO schema_migrations VALUES (?, ?, current_timestamp::TIMESTAMP)", [int(name[:4]), name]
        )
        connection.execute("COMMIT")


def _migrations() -> list[tuple[str, str]]:
    files = [file for file in resources.files("layeratlas.store.migrations").iterdir() if file.name.endswith(".sql")]
    return [(file.name, file.read_text(encoding="utf-8")) for file in sorted(files, key=lambda file: file.name)]


def _pending(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Return the migrations that this catalog has not seen; their numbers may have gaps."""
    done = {number for (number,) in connection.execute("SELECT number FROM schema_migrations").fetchall()}
    return [(name, statements) for name, statements in _migrations() if int(name[:4]) not in done]


def is_current(connection: duckdb.DuckDBPyConnection, versions: Mapping[str, int]) -> bool:
    """Whether a catalog has every migration and knows of no older version of a measure than these.

    Only the measures that the catalog has are looked up, for it may be costly to know them all.
    """
    return not _pending(connection) and not _outdated(connection, versions)


def _outdated(connection: duckdb.DuckDBPyConnection, versions: Mapping[str, int]) -> list[tuple[str, int]]:
    known = connection.execute("SELECT measure, version FROM base.versions").fetchall()
    newest = [(measure, versions.get(measure, version)) for measure, version in known]
    return [(measure, new) for (measure, version), (_, new) in zip(known, newest, strict=True) if new > version]


def _refuse_newer(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    try:
        row = connection.execute("SELECT coalesce(max(number), 0) FROM schema_migrations").fetchone()
    except duckdb.CatalogException:
        raise CatalogDamaged(f"{file} is a DuckDB file, but no layeratlas catalog") from None
    number = int(row[0]) if row else 0
    if number > max(int(name[:4]) for name, _ in _migrations()):
        raise CatalogDamaged(
            f"{file} was written by a newer layeratlas (schema {number}): upgrade layeratlas to open it"
        )


def _patiently(
    connect: Callable[[], duckdb.DuckDBPyConnection], file: Path, patience: float
) -> duckdb.DuckDBPyConnection:
    """Connect, waiting while another process holds the file. Raises StoreBusy, or CatalogDamaged."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return connect()
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise CatalogDamaged(f"{file} cannot be read as a catalog: {_first_line(error)}") from error
            if time.monotonic() > deadline:
                raise StoreBusy(f"{file} is in use by {_holder(error)}: wait for it to end, then try again") from error
            time.sleep(0.02)
        except (duckdb.SerializationException, duckdb.InternalException, duckdb.FatalException) as error:
            raise CatalogDamaged(f"{file} cannot be read as a catalog: {_first_line(error)}") from error


def _holder(error: duckdb.IOException) -> str:
    found = re.search(r"PID (\d+)", str(error))
    return f"process {found[1]}" if found else "another process"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
