"""The catalog: one DuckDB file, written by one merger at a time, read briefly by anyone.

DuckDB lets one process write and then no other may even read. So workers write to the log (`log.py`), the merger
(`merge.py`) takes its segments in under a lock, and readers open read-only, retry for about two seconds and then say
who holds the file. A lost catalog is no loss: it is made anew from the log.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path

import duckdb

from layeratlas.store.errors import CatalogDamaged, CatalogMissing, CatalogNewer, NothingYet, StoreBusy, unwritable
from layeratlas.store.log import Log

FILE = "catalog.duckdb"
READ_PATIENCE = 2.0  # seconds a reader waits for the merger
WRITE_PATIENCE = 20.0  # seconds the merger waits for readers
_DAMAGE = (
    duckdb.IOException, duckdb.SerializationException, duckdb.InternalException, duckdb.FatalException,
    UnicodeDecodeError,
)  # fmt: skip
_ERRORS = (duckdb.Error, UnicodeDecodeError)
#: What readers are: given when they connect, for the threads of a process share one database, and its settings.
_SHUT_OFF: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "lock_configuration": True,
}
_SAME_PROCESS = "unique file handle conflict"  # what DuckDB says of a file that its own process has open otherwise
_STORAGE_VERSION = "v1.0.0"  # any DuckDB from 1.0 can open it; measured to cost nothing here


#: Catalogs that a thread of a process waits to write: readers that would begin hold back, or they might never end.
_WANTED: set[tuple[int, Path]] = set()


@contextmanager
def reading(root: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the catalog read-only, shut off from every other file, for the length of the block."""
    file = root / FILE
    if not file.exists():
        if Log(root).segments():
            raise CatalogMissing(
                f"the catalog of {root} is missing; its log is there: `layeratlas rebuild` makes it anew"
            )
        raise NothingYet(f"there is no catalog in {root} yet: run `layeratlas run STUDY.toml`, or name another --store")
    _hold_back(file)
    connection = _patiently(
        lambda: _quiet(duckdb.connect(str(file), read_only=True, config=_SHUT_OFF)), file, READ_PATIENCE
    )
    try:
        _refuse_newer(connection, file)
        yield connection
    except _ERRORS as error:
        if not _is_damage(error):
            raise
        raise _damaged(file, error) from error
    finally:
        with suppress(duckdb.Error):
            connection.close()


def read_all(root: Path) -> None:
    """Read every value of the catalog. Raises CatalogDamaged where one cannot be read."""
    with reading(root) as connection:
        tables = connection.execute(
            "SELECT table_name, list(column_name) FROM duckdb_columns() "
            "WHERE schema_name = 'base' AND database_name = current_database() GROUP BY 1 ORDER BY 1"
        ).fetchall()
        try:
            for table, columns in tables:
                is_view = connection.execute("SELECT 1 FROM duckdb_views() WHERE view_name = ?", [table]).fetchone()
                if not is_view:
                    values = ", ".join(f'"{column}"' for column in columns)
                    connection.execute(f'SELECT sum(hash({values})) FROM base."{table}"').fetchall()  # noqa: S608
        except duckdb.Error as error:
            raise _damaged(root / FILE, error) from error


def _damaged(file: Path, error: Exception) -> CatalogDamaged:
    said = f"{file} cannot be read as a catalog: {_first_line(error)}"
    if Log(file.parent).segments():
        said += ". Its log has every result: `layeratlas rebuild` makes it anew"
    return CatalogDamaged(said)


def _is_damage(error: Exception) -> bool:
    """Tell an error of the file from one of a statement; a wrong checksum has no class of its own."""
    return isinstance(error, _DAMAGE) or type(error) is duckdb.Error


def _is_full(error: Exception) -> bool:
    text = str(error).lower()
    return any(sign in text for sign in ("no space", "disk full", "could not write", "quota", "file too large"))


@contextmanager
def writing(root: Path, file: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the catalog for the merger, migrated; the caller holds the merge lock. Checkpointed when the block ends.

    file: where it stands, when it is not the store's own. Raises StoreBusy, CatalogDamaged, LayeratlasError.
    """
    file = file or root / FILE
    connection = _quiet(duckdb.connect())
    try:
        attach = f"ATTACH '{str(file).replace(chr(39), chr(39) * 2)}' AS catalog (STORAGE_VERSION '{_STORAGE_VERSION}')"
        with _wanting(file):
            _patiently(lambda: connection.execute(attach), file, WRITE_PATIENCE)
        connection.execute("USE catalog")
        _migrate(connection, file)
        yield connection
        connection.execute("CHECKPOINT catalog")
    except _ERRORS as error:
        if isinstance(error, duckdb.TransactionException) or _is_full(error):  # what is in the log stays there
            raise unwritable(file, _first_line(error)) from error
        if not _is_damage(error):
            raise
        raise _damaged(file, error) from error
    finally:
        with suppress(duckdb.Error):  # of a file that cannot be read or written any more
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
        raise CatalogNewer(f"{file} was written by a newer layeratlas (schema {number}): upgrade layeratlas to open it")


def _patiently(
    connect: Callable[[], duckdb.DuckDBPyConnection], file: Path, patience: float
) -> duckdb.DuckDBPyConnection:
    """Connect, waiting while another process holds the file. Raises StoreBusy, or CatalogDamaged."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return connect()
        except _ERRORS as error:
            if not _is_held(error):
                raise _damaged(file, error) from error
            if time.monotonic() > deadline:
                raise StoreBusy(f"{file} is in use by {_holder(error)}: wait for it to end, then try again") from error
            time.sleep(0.02)


def _quiet(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Return a connection that draws no bar of its own to stdout, as DuckDB does in notebooks and at a prompt."""
    return connection.cursor()  # those settings are the first connection's alone


@contextmanager
def _wanting(file: Path) -> Iterator[None]:
    wanted = (os.getpid(), file)
    _WANTED.add(wanted)
    try:
        yield
    finally:
        _WANTED.discard(wanted)


def _hold_back(file: Path) -> None:
    """Let a thread of this process that waits to write go first; but wait no longer than readers do."""
    deadline = time.monotonic() + READ_PATIENCE
    while (os.getpid(), file) in _WANTED and time.monotonic() < deadline:
        time.sleep(0.005)


def _is_held(error: Exception) -> bool:
    """Whether another process, or another thread of this one, has the file open in a way that shuts us out."""
    text = str(error).lower()
    return (isinstance(error, duckdb.IOException) and "lock" in text) or _SAME_PROCESS in text


def _holder(error: Exception) -> str:
    if _SAME_PROCESS in str(error).lower():
        return "another thread of this process"
    found = re.search(r"PID (\d+)", str(error))
    return f"process {found[1]}" if found else "another process"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
