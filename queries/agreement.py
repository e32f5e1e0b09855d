"""Questions about the measures themselves: do they agree, and do they keep the laws that hold between them?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from layeratlas.queries.ask import Table, ask, question
from layeratlas.queries.scope import Asked, Scope, scopes
from layeratlas.store.errors import BadRequest, NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

OWN_TOLERANCE = 1e-5  # float32 products; the largest difference to float64 that we know of is 1.2e-6


def measures(catalog: DuckDBPyConnection, asked: Asked = Asked(), *, across: str | None = None) -> Table:
    """Spearman's rank correlation of every two measures, over the layer pairs that all of them have scored."""
    chosen = scopes(catalog, asked, every_measure=True)
    if len(chosen) < 2:
        raise BadRequest(f"agreement takes two measures; there is: {chosen[0].measure}")
    title = chosen[0].title("Rank correlation of measures" + (f", across {across}" if across else ""), chosen)
    answer = ask(catalog, question("measures"), {**_values(chosen), "across": across}, title=title)
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


def consistency(catalog: DuckDBPyConnection, asked: Asked = Asked(), *, tolerance: float | None = None) -> Table:
    """Scores that break a law which must hold: a range, a symmetry, neuronsim ≤ mixedsim. No rows when all is well.

    `tolerance` is how exact a value is: by default what the source says of itself.
    """
    chosen = scopes(catalog, asked, every_measure=True)
    exact = _tolerance(catalog, chosen[0].source) if tolerance is None else tolerance
    title = chosen[0].title("Scores that break a law", chosen) + f" · each exact to {exact:g}"
    answer = ask(catalog, question("consistency"), {**_values(chosen), "tolerance": exact}, title=title)
    if not answer.rows:
        return answer.saying("no score breaks a law")
    worst = answer.records()[0]
    number = "one score breaks a law" if len(answer.rows) == 1 else f"{len(answer.rows):,} scores break a law"
    return answer.saying(
        f"{number}; the worst is {worst['measure']} of {worst['model_a']} layer {worst['layer_a']} towards "
        f"{worst['model_b']} layer {worst['layer_b']}, {worst['value']:.2f} where {worst['bound']:.2f} is allowed"
    )


def _values(chosen: list[Scope]) -> dict[str, object]:
    measures, poolings = [one.measure for one in chosen], sorted({one.pooling for one in chosen})
    return {**chosen[0].values, "measures": measures, "poolings": poolings}


def _tolerance(catalog: DuckDBPyConnection, source: str) -> float:
    row = catalog.execute("SELECT tolerance FROM sources WHERE source = ?", [source]).fetchone()
    return float(row[0]) if row and row[0] is not None else OWN_TOLERANCE
