"""Which layers of other models are closest to one layer? The `limit` of Asked counts those of each measure.

Raises BadRequest for an unknown model or layer, NothingYet when no pair is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.registry import Argument, question
from layeratlas.queries.core.scope import Asked, check_layer, find, model_and_layer
from layeratlas.queries.core.sure import NULL, with_intervals
from layeratlas.queries.core.table import Table, union
from layeratlas.store.errors import NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@question("nearest", Argument("layer", metavar="MODEL:LAYER"), NULL, limit=5, limits_each_measure=True)
def nearest(catalog: DuckDBPyConnection, asked: Asked = Asked(), *, layer: str, null: str | None = None) -> Table:
    """The layers of other models that are closest to one layer, ranked under each measure.

    Example: layeratlas query nearest bert-tiny:2
    """
    model, number = model_and_layer(layer)
    scope = find(catalog, asked, naming=(model,), every_measure=True)
    check_layer(catalog, scope, model, number)
    values = {"model": model, "layer": number, "limit": asked.limit or 5}
    sql = load(__package__, "nearest")
    answers = [ask(catalog, sql, {**one.values, **values}) for one in scope.each()]
    answer = union(answers, f"Nearest to {model} layer {number}", scope)
    if not answer.rows:
        raise NothingYet(f"no layer of another model is compared with {model} layer {number}: run `layeratlas measure`")
    pairs = lambda row: (model, number, row["model"], row["layer"])  # noqa: E731
    answer = with_intervals(catalog, answer, scope, pairs, null=null)
    return answer.saying(_meaning(answer))


def _meaning(answer: Table) -> str:
    first = [row for row in answer.records() if row["rank"] == 1]
    if len({(row["model"], row["layer"]) for row in first}) == 1:
        figures = ", ".join(f"{row['measure']} {row['value']:.2f}" for row in first)
        return f"{first[0]['model']} layer {first[0]['layer']} is the nearest by every measure: {figures}"
    places = [f"{row['model']} layer {row['layer']} ({row['measure']} {row['value']:.2f})" for row in first]
    return f"the nearest: {', '.join(places)}"
