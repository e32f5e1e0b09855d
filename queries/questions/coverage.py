"""What has been scored, refused, and is missing? One row a measure × ordered pair of models, the gaps first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.registry import question
from layeratlas.queries.core.scope import Asked, find
from layeratlas.queries.core.table import Table, union

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@question("coverage", limit=40)
def coverage(catalog: DuckDBPyConnection, asked: Asked = Asked()) -> Table:
    """What has been scored and what is missing, for every pair of models under every measure; the gaps first.

    Example: layeratlas query coverage
    """
    scope = find(catalog, asked, every_measure=True)
    sql = load(__package__, "coverage")
    answer = union([ask(catalog, sql, one.values) for one in scope.each()], "Coverage", scope)
    rows = sorted(answer.rows, key=lambda row: (-row[-1], -row[-2]))  # stable: measures and models keep their order
    possible, scored, refused, missing = (sum(row[index] for row in rows) for index in (-4, -3, -2, -1))
    lacking = sorted({row[0] for row in rows if row[-1]})
    says = f"{scored:,} of {possible:,} ordered layer pairs are scored, {refused:,} refused, {missing:,} missing"
    return replace(answer, rows=rows, says=says + (f": {', '.join(lacking)}" if lacking else ""))
