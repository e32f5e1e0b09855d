"""Every layer pair of one measure, for heatmaps of many models."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from layeratlas.queries.ask import Table, ask, question
from layeratlas.queries.scope import Asked, scope, scopes
from layeratlas.store.errors import BadRequest, NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def pair_grids(catalog: DuckDBPyConnection, asked: Asked) -> list[Table]:
    """`pair_grid` of every measure that is named, or of every one there is."""
    found = [replace(asked, measures=(one.measure,)) for one in scopes(catalog, asked, every_measure=True)]
    return [pair_grid(catalog, each) for each in found]


def pair_grid(catalog: DuckDBPyConnection, asked: Asked, *, pair: tuple[str, ...] = ()) -> Table:
    """One row an ordered layer pair; value is of a towards b. `pair`: none is all models, one it and itself, two a, b.

    Raises BadRequest for unknown names, NothingYet without scores.
    """
    if len(pair) > 2:
        raise BadRequest(f"a heatmap is of no, one or two named models, got {len(pair)}: {', '.join(pair)}")
    one = scope(catalog, asked, naming=pair)
    left, right = (pair[0], pair[-1]) if pair else (None, None)
    what = f"{left} towards {right}" if pair else "Layers towards layers"
    values = {**one.values, "left": left, "right": right}
    answer = ask(catalog, question("grid"), values, title=one.title(what))
    if not answer.rows:
        raise NothingYet(f"no score fits: {answer.title}. `layeratlas status` says what has been measured")
    return answer
