"""Where does fine-tuning change a model? One row a fine-tuned copy × layer, towards the same layer before.

`sets_in` is the layer from which on the copy is less close, where one step between two means leaves the least squares.
A step is said only when it is worth saying: at least WORTH_SAYING of the measure's range, or where that is unbounded of
how far apart the values of all the copy's layers towards all its origin's are; else it is None. Where zero lies has no
say. Raises BadRequest for an unknown model, NothingYet when no copy is measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.ask import ask, load, worked_on
from layeratlas.queries.core.models import described
from layeratlas.queries.core.registry import Argument, question
from layeratlas.queries.core.scope import Asked, Measured, check_model, find_one
from layeratlas.queries.core.sure import with_intervals
from layeratlas.queries.core.table import Table
from layeratlas.queries.core.usual import OWN
from layeratlas.store.errors import NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

WORTH_SAYING = 0.05  # of the range


@question("finetuning", Argument("base"))
def finetuning(catalog: DuckDBPyConnection, asked: Asked = Asked(), *, base: str | None = None) -> Table:
    """Each layer of a model's fine-tuned copies against the same layer before, and where the change sets in.

    That is the layer from which on similarity is lower, by the best single step. A description: nothing is tested,
    there is no null hypothesis.

    Example: layeratlas query finetuning bert-tiny
    """
    if asked.source is None:
        asked = replace(asked, source=_source_of_copies(catalog, base))
    scope = find_one(catalog, asked)
    if base is not None:
        check_model(catalog, scope.source, base)
    pairs = ask(catalog, load(__package__, "finetuning"), {**scope.values, "base": base})
    if not pairs.rows:
        raise NothingYet(_nothing(catalog, scope.source, base))
    steps = {model: _step(rows, scope.first) for model, rows in _by_copy(pairs)}
    columns = ("finetuned_from", "model", "layers", "layer", "value", "sets_in")
    rows = [(r["model_b"], r["model_a"], r["layers"], r["layer"], r["value"], steps[r["model_a"]])
            for r in pairs.records()]  # fmt: skip
    what = f"Layers of fine-tuned copies towards {base or 'their origin'}'s"
    answer = Table(what, columns, rows, scope, _steps_in_words(steps), worked_on("finetuning", pairs.sql))
    answer = with_intervals(
        catalog, answer, scope, lambda r: (r["model"], r["layer"], r["finetuned_from"], r["layer"]), is_ranked=False
    )
    given = {"finetuned_from": base, "layers": answer.column("layers")[0]}  # copies have the blocks of their origin
    return answer if base is None else replace(answer.without(tuple(given)), given=given)


def _step(rows: Sequence[Mapping[str, Any]], measure: Measured) -> int | None:
    apart = rows[0]["apart"] if measure.span is None else measure.span
    closeness = [measure.sign * row["value"] for row in rows]
    return sets_in([row["layer"] for row in rows], closeness, least=WORTH_SAYING * apart)


def sets_in(layers: Sequence[int], closeness: Sequence[float], *, least: float) -> int | None:
    """Return the layer from which on closeness is lower, by one step of at least `least`; None without one."""
    from layeratlas.queries.core.statistics import step_down

    found = step_down(closeness)
    return layers[found[0]] if found and found[1] >= least else None


def _by_copy(pairs: Table) -> list[tuple[str, list[dict[str, Any]]]]:
    return [(model, list(rows)) for model, rows in groupby(pairs.records(), key=lambda row: str(row["model_a"]))]


def _steps_in_words(steps: Mapping[str, int | None]) -> str:
    drops = ", ".join(f"{model} from layer {layer}" for model, layer in steps.items() if layer is not None)
    none = ", ".join(model for model, layer in steps.items() if layer is None)
    return "; ".join([f"change sets in: {drops}"] * bool(drops) + [f"no change sets in: {none}"] * bool(none))


def _source_of_copies(catalog: DuckDBPyConnection, base: str | None) -> str | None:
    """Our own if it has copies of a model, or of any; else the first that has."""
    sql = (
        "SELECT DISTINCT source FROM models WHERE finetuned_from IS NOT NULL "
        "AND ($base IS NULL OR finetuned_from = $base) ORDER BY source <> $own, source"
    )
    rows = ask(catalog, sql, {"base": base, "own": OWN}).rows
    return str(rows[0][0]) if rows else None


def _nothing(catalog: DuckDBPyConnection, source: str, base: str | None) -> str:
    if base is None:
        return "no fine-tuned model (finetuned_from in a study) is measured with its origin: `layeratlas status`"
    origins = sorted({each.finetuned_from for each in described(catalog, source).values() if each.finetuned_from})
    return f"no fine-tuned copy of {base} is measured; there are copies of: {', '.join(origins) or 'none'}"
