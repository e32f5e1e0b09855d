"""What a store holds, what is measured, what is missing, and what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layeratlas.queries.ask import Table, ask, question

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def overview(catalog: DuckDBPyConnection) -> list[Table]:
    """Return the tables of `layeratlas status`: models × layers, measures, and problems if there are any."""
    tables = [
        ask(catalog, question("status_models"), title="Extracted: models × layers"),
        ask(catalog, question("status_measures"), title="Measured: ordered layer pairs"),
        ask(catalog, question("status_problems"), title="Problems"),
    ]
    return tables[:2] + [table for table in tables[2:] if table.rows]
