"""How a question reaches the catalog: its SQL file, its names checked, its values bound, its rows as a table."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from store.errors import BadRequest, NothingYet, unknown

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ROWS = 10_000  # fetched in one step; between steps other threads (a terminal's) go on

_MEASURED = """
SELECT DISTINCT measure FROM base.configurations k JOIN base.versions USING (measure, version)
WHERE EXISTS (SELECT 1 FROM base.scores s WHERE s.configuration = k.id AND s.refused IS NULL) ORDER BY 1
"""


@dataclass(frozen=True)
class Table:
    """An answer: columns, rows, and a title that says what was asked of what."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def ask(
    catalog: DuckDBPyConnection, sql: str, values: dict[str, Any] | None = None, *, title: str = "",
    limit: int | None = None,
) -> Table:  # fmt: skip
    """Run one query with its values bound; return its rows, at most `limit`."""
    cursor = catalog.execute(sql, values or {})
    columns = tuple(column[0] for column in cursor.description or ())
    rows: list[tuple[Any, ...]] = []
    most = limit if limit is not None else sys.maxsize
    while len(rows) < most and (some := cursor.fetchmany(min(_ROWS, most - len(rows)))):
        rows += some
    return Table(title, columns, rows)


def question(name: str) -> str:
    """Return the SQL of a question, queries/sql/<name>.sql."""
    return resources.files("queries.sql").joinpath(f"{name}.sql").read_text(encoding="utf-8")


def measured(catalog: DuckDBPyConnection) -> list[str]:
    """Return the measures that have scores. Raises NothingYet when there is none."""
    names = [name for (name,) in catalog.execute(_MEASURED).fetchall()]
    if not names:
        raise NothingYet("the catalog has no scores yet: run `simcat run STUDY.toml` or `simcat measure`")
    return names


def check_measures(catalog: DuckDBPyConnection, names: tuple[str, ...]) -> None:
    """Raise BadRequest when a measure has no scores."""
    known = measured(catalog)
    for name in names:
        if name not in known:
            raise BadRequest(f"{unknown('measure', name, known)}. To add one: `simcat measure --measure {name}`")


def check_model(catalog: DuckDBPyConnection, name: str, *, or_family: bool = False) -> None:
    """Raise BadRequest when no model (or family) has this name."""
    known = {row[0] for row in catalog.execute("SELECT model FROM models").fetchall()}
    if or_family:
        known |= {row[0] for row in catalog.execute("SELECT family FROM models").fetchall()}
    if name not in known:
        kind = "model or family" if or_family else "model"
        raise BadRequest(f"{unknown(kind, name, known)}. To add one: `simcat extract MODEL --corpus FILE`")
