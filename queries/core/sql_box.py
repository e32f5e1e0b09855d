"""SQL as the user writes it: one statement, read-only, over the catalog alone."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import duckdb

from layeratlas.queries.core.ask import ask
from layeratlas.queries.core.table import Table
from layeratlas.store.errors import BadRequest

if TYPE_CHECKING:
    import pyarrow as pa


class WrongSql(BadRequest):
    """A statement that DuckDB refuses, in its own words: it points at the place, in lines of its own."""

    has_lines = True


def run_sql(catalog: duckdb.DuckDBPyConnection, statement: str, *, limit: int | None = None) -> Table:
    """Run one statement; return its rows, at most `limit`.

    Raises BadRequest with DuckDB's own words when it is wrong, or not a mere question.
    `catalog` comes from store.catalog.reading: read-only, shut off from other files, its configuration locked.
    """
    try:
        _require_one(statement)
        return ask(catalog, statement, limit=limit)
    except duckdb.Error as error:
        raise WrongSql(f"SQL: {error}") from None


def run_sql_to_arrow(
    catalog: duckdb.DuckDBPyConnection, statement: str, values: Mapping[str, Any] | None = None
) -> pa.Table:
    """Run one statement with values bound by name; return its rows as columns. Else as `run_sql`."""
    try:
        _require_one(statement)
        found = catalog.sql(statement, params=dict(values or {}))
        if found is None:
            raise BadRequest("the statement has no rows: write a question, SELECT …")
        return _with_plain_integers(found.to_arrow_table())
    except duckdb.Error as error:
        raise WrongSql(f"SQL: {error}") from None


def _require_one(statement: str) -> None:
    if len(duckdb.extract_statements(statement)) != 1:
        raise BadRequest("write one SQL statement")


def _with_plain_integers(found: pa.Table) -> pa.Table:
    """Sums of whole numbers come as decimals of 38 digits; return them as int64 where they fit."""
    import pyarrow as pa

    for place, field in enumerate(found.schema):
        if pa.types.is_decimal(field.type) and field.type.scale == 0:
            with suppress(pa.ArrowInvalid):
                found = found.set_column(place, field.name, found.column(place).cast(pa.int64()))
    return found
