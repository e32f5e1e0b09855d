"""Which neurons of a layer, or heads, are matched well elsewhere, and by which? One question for each kind's unit.

Raises NothingYet where a measure or a source has no scores of single units.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import TYPE_CHECKING

from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.registry import Argument, Option, question
from layeratlas.queries.core.scope import Asked, check_layer, find_one, model_and_layer
from layeratlas.queries.core.table import Table
from layeratlas.queries.core.usual import usual_of
from layeratlas.store.errors import NothingYet
from layeratlas.store.kinds import KINDS, Kind

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def matched(
    catalog: DuckDBPyConnection, asked: Asked = Asked(), *, kind: Kind, layer: str, least: bool = False
) -> Table:
    """The units of MODEL:LAYER by how well other models match them, and by which layer and unit."""
    model, number = model_and_layer(layer)
    usual, unit = usual_of(kind.name), kind.unit
    if usual is not None and not asked.measures:
        asked = asked.measuring(usual.of_units)
    scope = find_one(catalog, asked, naming=(model,))
    check_layer(catalog, scope, model, number)
    what = f"{unit.title()}s of {model} layer {number}, {'worst' if least else 'best'} matched elsewhere first"
    values = {**scope.values, "model": model, "layer": number, "least": least}
    answer = ask(catalog, load(__package__, "matched", unit=unit), values, what=what, scope=scope)
    if not answer.rows:
        raise NothingYet(
            f"{scope.source} has no {scope.measure} of single {unit}s of {model} layer {number} towards other models"
            + (f"; `layeratlas measure --measure {usual.of_units}` keeps them" if usual else "")
        )
    best = answer.column("value")
    if scope.are_distances:
        return answer.saying(f"the median distance of a {unit} to its closest match is {median(best):.2f}")
    enough = sum(value >= 0.5 for value in best)
    return answer.saying(
        f"{enough:,} of {len(best):,} {unit}s are matched at 0.5 or more by another model; "
        f"the median is {median(best):.2f}"
    )


def _asked_by(kind: Kind) -> Callable[..., Table]:
    """Declare the question of one kind, under the name of its unit."""

    def units(catalog: DuckDBPyConnection, asked: Asked = Asked(), *, layer: str, least: bool = False) -> Table:
        return matched(catalog, asked, kind=kind, layer=layer, least=least)

    name = f"{kind.unit}s"
    units.__name__ = name
    units.__doc__ = (
        f"The {name} of a layer by how well they are matched in other models, and by which {kind.unit}.\n\n"
        f"Example: layeratlas query {name} bert-tiny:2"
    )
    told = (Argument("layer", metavar="MODEL:LAYER"), Option("least", bool, "The worst matched first."))
    return question(name, *told, limit=20)(units)


#: By kind: `neurons`, `heads`.
OF_UNITS = {name: _asked_by(kind) for name, kind in KINDS.items()}
