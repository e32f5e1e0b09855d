"""The catalog: one DuckDB file, written by one merger at a time, read briefly by anyone.

DuckDB lets one process write and then no other may even read. So workers stage files (`staging.py`), the merger
(`merge.py`) takes them in under a lock, and readers open read-only, retry for about two seconds and then say who holds
the file.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import duckdb

from layeratlas.store.errors import CatalogDamaged, NothingYet, StoreBusy, unwritable

FILE = "catalog.duckdb"
READ_PATIENCE = 2.0  # seconds a reader waits for the merger
WRITE_PATIENCE = 20.0  # seconds the merger waits for readers
_STORAGE_VERSION = "v1.0.0"  # any DuckDB from 1.0 can open it; measured to cost nothing here


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
    except (duckdb.IOException, duckdb.TransactionException) as error:  # a full disk; what is staged stays staged
        raise unwritable(file, _first_line(error)) from error
    finally:
        connection.close()


def bring_up_to_date(root: Path, versions: Mapping[str, int]) -> None:
    """Give a catalog every migration, and tell it of newer versions of its measures: older scores become stale."""
    with writing(root) as connection:
        connection.execute("BEGIN")
        for measure, version in _outdated(connection, versions):
            raise_version(connection, measure, version)
        connection.execute("COMMIT")


def raise_version(connection: duckdb.DuckDBPyConnection, measure: str, version: int) -> None:
    """Take note of a measure's version, where none is known or an older one."""
    known = connection.execute("SELECT version FROM base.versions WHERE measure = ?", [measure]).fetchone()
    if known is None:
        connection.execute("INSERT INTO base.versions VALUES (?, ?)", [measure, version])
    elif known[0] < version:
        connection.execute("UPDATE base.versions SET version = ? WHERE measure = ?", [version, measure])


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


def migrations() -> list[tuple[str, str]]:
    """Return every migration, as its file's name and its statements, in order."""
    files = [file for file in resources.files("layeratlas.store.migrations").iterdir() if file.name.endswith(".sql")]
    return [(file.name, file.read_text(encoding="utf-8")) for file in sorted(files, key=lambda file: file.name)]


def _pending(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Return the migrations that this catalog has not seen; their numbers may have gaps."""
    done = {number for (number,) in connection.execute("SELECT number FROM schema_migrations").fetchall()}
    return [(name, statements) for name, statements in migrations() if int(name[:4]) not in done]


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
    if number > max(int(name[:4]) for name, _ in migrations()):
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
