"""How a question reaches the catalog: its SQL file, its values bound, its rows as a table."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING, Any

from layeratlas.store.errors import NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ROWS = 10_000  # fetched in one step; between steps other threads (a terminal's) go on


@dataclass(frozen=True)
class Table:
    """An answer: columns, rows, a title that says what was asked of what, and what the figures mean, in words.

    `sql` is the statement that gave the rows, its values written out, so that `layeratlas sql` can run it.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    says: str = ""
    sql: str = ""

    def records(self) -> list[dict[str, Any]]:
        """The rows, each by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def first(self, rows: int | None) -> Table:
        """The same answer, cut to so many rows."""
        return replace(self, rows=self.rows[:rows])

    def saying(self, says: str) -> Table:
        """The same answer, with its meaning in words."""
        return replace(self, says=says)


def ask(
    catalog: DuckDBPyConnection, sql: str, values: Mapping[str, Any] | None = None, *, title: str = "", says: str = "",
    limit: int | None = None,
) -> Table:  # fmt: skip
    """Run one query with its values bound (what it does not name is left out); return its rows, at most `limit`."""
    named = _names(sql)
    bound = {name: value for name, value in (values or {}).items() if name in named}
    cursor = catalog.execute(sql, bound)
    columns = tuple(column[0] for column in cursor.description or ())
    rows: list[tuple[Any, ...]] = []
    most = limit if limit is not None else sys.maxsize
    while len(rows) < most and (some := cursor.fetchmany(min(_ROWS, most - len(rows)))):
        rows += some
    return Table(title, columns, rows, says, written_out(sql, bound))


def question(name: str, **words: str) -> str:
    """Return the SQL of a question, queries/sql/<name>.sql, with each {word} that it leaves open filled in."""
    sql = resources.files("layeratlas.queries.sql").joinpath(f"{name}.sql").read_text(encoding="utf-8")
    for word, meant in words.items():
        sql = sql.replace(f"{{{word}}}", meant)
    return sql


def measured(catalog: DuckDBPyConnection) -> list[str]:
    """Return the measures of our own that have scores. Raises NothingYet when there is none."""
    sql = (
        "SELECT DISTINCT measure FROM base.configurations k JOIN base.versions USING (measure, version) "
        "WHERE EXISTS (SELECT 1 FROM base.scores s WHERE s.configuration = k.id AND s.refused IS NULL) ORDER BY 1"
    )
    names = [name for (name,) in catalog.execute(sql).fetchall()]
    if not names:
        raise NothingYet(
            "the catalog has no scores of our own yet: run `layeratlas run STUDY.toml` or `layeratlas measure`"
        )
    return names


def written_out(sql: str, values: Mapping[str, Any]) -> str:
    """Return a statement with its bound values in place of their names, without the comments above it."""

    def literal(found: re.Match[str]) -> str:
        return _literal(values[found[1]]) if found[1] in values else found[0]

    statement = re.sub(r"\A(\s*--.*\n)+", "", sql).strip()
    lines = [line.partition("--") for line in statement.splitlines()]
    return "\n".join(re.sub(r"\$(\w+)", literal, code) + dashes + comment for code, dashes, comment in lines)


def union(statements: Sequence[str]) -> str:
    """Return one statement that gives the rows of all of them."""
    return "\nUNION ALL\n".join(f"({each})" for each in statements) if len(statements) > 1 else statements[0]


def worked_on(name: str, sql: str) -> str:
    """Return a statement headed by a comment: it gives what a question works on, not its answer."""
    return f"-- The rows that {name} works on; the statistics are numpy's.\n{sql}"


def _names(sql: str) -> set[str]:
    return {name for line in sql.splitlines() for name in re.findall(r"\$(\w+)", line.partition("--")[0])}


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_literal, value))}]" if value else "[]::VARCHAR[]"
    if isinstance(value, bool | int | float):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"
