"""Do measures agree? Spearman's rank correlation of every two, over the layer pairs that all of them have scored."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.registry import Option, question
from layeratlas.queries.core.scope import Asked, find
from layeratlas.queries.core.table import Table
from layeratlas.store.errors import BadRequest, NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@question("measures", Option("across", ("families", "models"), "Only pairs of different families or models."))
def measures(catalog: DuckDBPyConnection, asked: Asked = Asked(), *, across: str | None = None) -> Table:
    """How far measures agree: Spearman's rank correlation over the layer pairs that all of them have.

    Example: layeratlas query measures --across families
    """
    scope = find(catalog, asked, every_measure=True)
    if len(scope.measures) < 2:
        raise BadRequest(f"agreement takes two measures; there is: {scope.measure}")
    what = "Rank correlation of measures" + (f", across {across}" if across else "")
    sql = load(__package__, "measures", **_columns(len(scope.measures)))
    answer = ask(catalog, sql, {**scope.values, "across": across}, what=what, scope=scope)
    if not answer.rows:
        raise NothingYet("no layer pair is scored by all of these measures: name fewer with --measure")
    rows = [row for row in answer.records() if row["spearman"] is not None]
    if not rows:
        return answer.saying("a measure that is the same everywhere ranks nothing")
    most, least = rows[0], rows[-1]
    return answer.saying(
        f"{most['measure']} and {most['other']} rank layer pairs most alike ({most['spearman']:.2f}), "
        f"{least['measure']} and {least['other']} least ({least['spearman']:.2f})"
    )


def _columns(measures: int) -> dict[str, str]:
    """What the SQL leaves open: a column for each measure, a correlation for every two."""
    each = range(1, measures + 1)
    return {
        "values": ", ".join(f"max(closeness) FILTER (number = {n}) AS c{n}" for n in each),
        "ranks": ", ".join(f"(rank() OVER t{n} + count(*) OVER t{n})::DOUBLE AS r{n}" for n in each),
        "ties": ", ".join(f"t{n} AS (ORDER BY c{n})" for n in each),
        "correlations": ", ".join(
            f"{{'a': {a}, 'b': {b}, 'spearman': corr(r{a}, r{b})}}" for a, b in combinations(each, 2)
        ),
    }
