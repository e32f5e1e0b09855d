"""Questions about single neurons."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from queries.ask import Table, ask, question
from queries.scope import Asked, check_layer, model_and_layer, scope
from store.errors import NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def neurons(catalog: DuckDBPyConnection, asked: Asked, *, of: str, least: bool = False) -> Table:
    """The neurons of MODEL:LAYER by how well other models match them, and by which layer and neuron.

    Raises NothingYet where a measure or a source has no scores of single neurons.
    """
    model, layer = model_and_layer(of)
    asked = asked if asked.measures else asked.measuring("neuronsim")
    one = scope(catalog, asked, naming=(model,))
    check_layer(catalog, [one], model, layer)
    title = one.title(f"Neurons of {model} layer {layer}, {'worst' if least else 'best'} matched elsewhere first")
    values = {**one.values, "model": model, "layer": layer, "least": least}
    answer = ask(catalog, question("neurons"), values, title=title)
    if not answer.rows:
        raise NothingYet(
            f"{one.source} has no {one.measure} of single neurons of {model} layer {layer} towards other models; "
            "`simcat measure --measure neuronsim` keeps them"
        )
    best = [row["value"] for row in answer.records()]
    matched = sum(value >= 0.5 for value in best)
    return answer.saying(
        f"{matched:,} of {len(best):,} neurons are matched at 0.5 or more by another model; "
        f"the median is {median(best):.2f}"
    )
