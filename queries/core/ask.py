"""How a question reaches the catalog: its SQL file, its values bound, its rows as a table."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.origins import measured_by
from layeratlas.queries.core.table import Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from layeratlas.queries.core.scope import Scope

_ROWS = 10_000  # fetched in one step; between steps other threads (a terminal's) go on


def ask(
    catalog: DuckDBPyConnection, sql: str, values: Mapping[str, Any] | None = None, *, what: str = "",
    scope: Scope | None = None, limit: int | None = None,
) -> Table:  # fmt: skip
    """Run one query with its values bound (what it does not name is left out); return its rows, at most `limit`.

    Where the values name an origin, of its scores only.
    """
    sql = measured_by(sql, values or {})
    bound = bindings(sql, values or {})
    cursor = interruptible(catalog, sql, bound)
    columns = tuple(column[0] for column in cursor.description or ())
    rows: list[tuple[Any, ...]] = []
    most = limit if limit is not None else sys.maxsize
    while len(rows) < most and (some := cursor.fetchmany(min(_ROWS, most - len(rows)))):
        rows += some
    return Table(what, columns, rows, scope, sql=written_out(sql, bound))


def interruptible(catalog: DuckDBPyConnection, sql: str, bound: Mapping[str, Any]) -> DuckDBPyConnection:
    """Execute a statement in a thread beside the one that hears of Ctrl-C: DuckDB may hear of it at the end alone."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(catalog.execute, sql, bound)
        try:
            return running.result()
        except KeyboardInterrupt:
            catalog.interrupt()
            raise


def load(package: str, name: str, **words: str) -> str:
    """Return the SQL in <name>.sql of a package, with each {word} that it leaves open filled in.

    {scored} is what questions over the numbers of base.scores begin with: core/scored.sql.
    """
    sql = _read(package, name)
    if "{scored}" in sql:
        words["scored"] = _without_comments(_read(__name__.rpartition(".")[0], "scored"))
    for word, meant in words.items():
        sql = sql.replace(f"{{{word}}}", meant)
    return sql


@cache
def _read(package: str, name: str) -> str:
    return resources.files(package).joinpath(f"{name}.sql").read_text(encoding="utf-8").rstrip("\n")


def bindings(sql: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the values that a statement names; comments name nothing."""
    named = {name for line in sql.splitlines() for name in re.findall(r"\$(\w+)", line.partition("--")[0])}
    return {name: value for name, value in values.items() if name in named}


def written_out(sql: str, values: Mapping[str, Any]) -> str:
    """Return a statement with its bound values in place of their names, without the comments above it."""

    def literal(found: re.Match[str]) -> str:
        return _literal(values[found[1]]) if found[1] in values else found[0]

    lines = [line.partition("--") for line in _without_comments(sql).splitlines()]
    return "\n".join(re.sub(r"\$(\w+)", literal, code) + dashes + comment for code, dashes, comment in lines)


def worked_on(name: str, sql: str) -> str:
    """Return a statement headed by a comment: it gives what a question works on, not its answer."""
    return f"-- The rows that {name} works on; the statistics are numpy's.\n{sql}"


def _without_comments(sql: str) -> str:
    """Leave out the comments above a statement."""
    return re.sub(r"\A(\s*--.*\n)+", "", sql).strip()


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_literal, value))}]" if value else "[]::VARCHAR[]"
    if isinstance(value, bool | int | float):
        return str(value)
    return _text(str(value))


def _text(value: str) -> str:
    """Write a text so that no terminal obeys it: what prints nothing of its own as chr(…)."""
    quoted = value.replace("'", "''")
    if value.isprintable():
        return f"'{quoted}'"
    return "('" + "".join(each if each.isprintable() else f"' || chr({ord(each)}) || '" for each in quoted) + "')"
