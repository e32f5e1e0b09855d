"""SQL as the user writes it: one statement, read-only, over the catalog alone."""

from __future__ import annotations

import duckdb

from layeratlas.queries.core.ask import ask
from layeratlas.queries.core.table import Table
from layeratlas.store.errors import BadRequest


class WrongSql(BadRequest):
    """A statement that DuckDB refuses, in its own words: it points at the place, in lines of its own."""

    has_lines = True


def run_sql(catalog: duckdb.DuckDBPyConnection, statement: str, *, limit: int | None = None) -> Table:
    """Run one statement; return its rows, at most `limit`.

    Raises BadRequest with DuckDB's own words when it is wrong, or not a mere question.
    `catalog` comes from store.catalog.reading: read-only, shut off from other files, its configuration locked.
    """
    try:
        if len(duckdb.extract_statements(statement)) != 1:
            raise BadRequest("write one SQL statement")
        return ask(catalog, statement, limit=limit)
    except duckdb.Error as error:
        raise WrongSql(f"SQL: {error}") from None
