"""Layers × layers: as rows, or as a matrix for those who draw it with numpy. Both have the same scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layeratlas.queries.core import matrix as matrices
from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.matrix import Layer, Matrix
from layeratlas.queries.core.registry import Argument, question
from layeratlas.queries.core.scope import Asked, Measured, Scope, find_one
from layeratlas.queries.core.table import Table
from layeratlas.store.errors import BadRequest, NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_LAYERS = (
    "SELECT DISTINCT family, model, layer FROM artifacts "
    "WHERE source = $source AND corpus = $corpus AND pooling = $pooling AND kind = $kind "
    "AND (len($models) = 0 OR list_contains($models, model)) "
    "AND (len($families) = 0 OR list_contains($families, family)) ORDER BY ALL"
)


@question("heatmap", Argument("pair", metavar="[A B]", is_many=True), is_drawn=True)
def heatmap(catalog: DuckDBPyConnection, asked: Asked = Asked(), *, pair: tuple[str, ...] = (), bin: int = 1) -> Table:
    """Layers × layers of two models, or of all, as blocks in the terminal or as rows.

    Example: layeratlas query heatmap bert-tiny gpt2-tiny --measure ckasim
    """
    if len(pair) not in (0, 2):
        raise BadRequest(f"name two models, or none for all of them, got {len(pair)}: {', '.join(pair)}")
    scope = find_one(catalog, asked, naming=pair)
    left, right = pair or (None, None)
    values = {**scope.values, "left": left, "right": right, "bin": bin}
    what = f"{left} towards {right}" if pair else "All layers × all layers, of row towards column"
    answer = ask(catalog, load(__package__, "heatmap"), values, what=what, scope=scope)
    if not answer.rows:
        raise NothingYet(_nothing(scope, pair))
    return answer.saying(_of_two(answer, scope.first) if pair else _of_all(answer, scope.first, bin))


def matrix(catalog: DuckDBPyConnection, asked: Asked = Asked(), *, pair: tuple[str, ...] = ()) -> Matrix:
    """The same scores as a matrix of the layers that have any; of all models, of one with itself, or of two.

    Raises BadRequest for unknown names, NothingYet without scores.
    """
    if len(pair) > 2:
        raise BadRequest(f"a heatmap is of no, one or two named models, got {len(pair)}: {', '.join(pair)}")
    scope = find_one(catalog, asked, naming=pair)
    there = _layers(catalog, scope)
    rows = [each for each in there if not pair or each.model == pair[0]]
    columns = [each for each in there if not pair or each.model == pair[-1]]
    what = f"{pair[0]} towards {pair[-1]}" if pair else "Layers towards layers"
    found = matrices.matrix(catalog, scope, rows, columns, what=what).scored()
    if not found.rows:
        said = " · ".join([f"{what}, {scope.by}", *scope.context])
        raise NothingYet(f"no score fits: {said}. `layeratlas status` says what has been measured")
    return found


def layers(catalog: DuckDBPyConnection, asked: Asked = Asked()) -> list[Layer]:
    """The layers that a heatmap of all models can have, so that a drawing can be fitted before it is asked for."""
    return _layers(catalog, find_one(catalog, asked))


def _layers(catalog: DuckDBPyConnection, scope: Scope) -> list[Layer]:
    return [Layer(*row) for row in ask(catalog, _LAYERS, scope.values).rows]


def _nothing(scope: Scope, pair: tuple[str, ...]) -> str:
    if not pair:
        return f"no pair of these models is scored by {scope.measure}: `layeratlas query coverage` says what is"
    return (
        f"no {scope.measure} ({scope.configuration}) of {pair[0]} towards {pair[1]} on {scope.corpus} yet: "
        "run `layeratlas measure`"
    )


def _of_two(answer: Table, measure: Measured) -> str:
    best = max(answer.records(), key=lambda row: (measure.sign * row["value"], -row["layer_a"], -row["layer_b"]))
    return (
        f"the {measure.superlative} are layer {best['layer_a']} of {best['model_a']} and layer {best['layer_b']} of "
        f"{best['model_b']}, {best['value']:.2f}; the mean is {sum(answer.column('value')) / len(answer.rows):.2f}"
    )


def _of_all(answer: Table, measure: Measured, bin: int) -> str:
    of_two_models = (row for row in answer.records() if row["model_a"] != row["model_b"])
    best = max(of_two_models, key=lambda row: measure.sign * float(row["value"]), default=None)
    if best is None:
        return ""
    of = "from layer" if bin > 1 else "layer"
    return (
        f"of two models, {best['model_a']} {of} {best['layer_a']} and {best['model_b']} {of} {best['layer_b']} are "
        f"the {measure.superlative}, {best['value']:.2f}"
    )
