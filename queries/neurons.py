"""Questions about single neurons and single heads."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from layeratlas.queries.ask import Table, ask, question
from layeratlas.queries.scope import Asked, check_layer, model_and_layer, scope
from layeratlas.store.errors import NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def neurons(catalog: DuckDBPyConnection, asked: Asked, *, of: str, least: bool = False) -> Table:
    """The neurons of MODEL:LAYER by how well other models match them, and by which layer and neuron.

    Raises NothingYet where a measure or a source has no scores of single neurons.
    """
    model, layer = model_and_layer(of)
    return _matched(catalog, asked, "neuron", model, layer, least=least)


def heads(catalog: DuckDBPyConnection, asked: Asked, *, model: str, layer: int, least: bool = False) -> Table:
    """The attention heads of a layer by how well other models match them, and by which layer and head.

    Raises NothingYet where a measure or a source has no scores of single heads.
    """
    return _matched(catalog, asked, "head", model, layer, least=least)


def _matched(catalog: DuckDBPyConnection, asked: Asked, unit: str, model: str, layer: int, *, least: bool) -> Table:
    usual = {"neuron": "neuronsim", "head": "attsim"}[unit]
    asked = asked if asked.measures else asked.measuring(usual)
    one = scope(catalog, asked, naming=(model,))
    check_layer(catalog, [one], model, layer)
    title = one.title(
        f"{unit.title()}s of {model} layer {layer}, {'worst' if least else 'best'} matched elsewhere first"
    )
    values = {**one.values, "model": model, "layer": layer, "least": least}
    answer = ask(catalog, question("matched", unit=unit), values, title=title)
    if not answer.rows:
        raise NothingYet(
            f"{one.source} has no {one.measure} of single {unit}s of {model} layer {layer} towards other models; "
            f"`layeratlas measure --measure {usual}` keeps them"
        )
    best = [row["value"] for row in answer.records()]
    matched = sum(value >= 0.5 for value in best)
    return answer.saying(
        f"{matched:,} of {len(best):,} {unit}s are matched at 0.5 or more by another model; "
        f"the median is {median(best):.2f}"
    )
