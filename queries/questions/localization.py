"""Is what a layer shares with others in single neurons, or spread over many? (Wu et al. 2020, section 4.3)

One row a layer: z-scored neuronsim minus z-scored svsim towards other models. Above 0, it sits in single neurons more
than is usual at its similarity. Both are standardised over the pairs of all models that have both; models and families
that are named choose rows, and change no number. `top_k`: the curve over neurons, mean neuronsim of the best-matched
k %, of the first `limit` layers; `curve`: whether there is to be one. `error`: the standard error over text, where all
of these scores have replicates (svsim has them, although it has no interval: what chance adds to all its values alike,
standardising takes away). Raises NothingYet unless both measures are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.registry import question
from layeratlas.queries.core.scope import Asked, find_one
from layeratlas.queries.core.table import Table
from layeratlas.store.errors import NothingYet
from layeratlas.store.spread import spread

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SINGLE, SPREAD = "neuronsim", "svsim"


@question("localization", limit=20)
def localization(catalog: DuckDBPyConnection, asked: Asked = Asked(), *, curve: bool = True) -> Table:
    """For each layer: is what it shares with other models in single neurons, or spread over many?

    neuronsim minus svsim, both in standard deviations over the layer pairs that have both. A description: nothing is
    tested, there is no null hypothesis.

    Example: layeratlas query localization --model bert-tiny
    """
    scope = find_one(catalog, asked.measuring(SINGLE))
    values = {
        **scope.values, "measures": [SINGLE, SPREAD], "models": [], "families": [],
        "shown_models": list(scope.models), "shown_families": list(scope.families),
        "limit": scope.limit if curve else 0,
    }  # fmt: skip
    what = "In single neurons, or spread out: neuronsim beside svsim"
    answer = ask(catalog, load(__package__, "localization"), values, what=what, scope=scope)
    if not answer.rows or answer.records()[0]["localization"] is None:
        raise NothingYet("localization compares neuronsim with svsim, over pairs that both have: `layeratlas measure`")
    top, low = answer.records()[0], answer.records()[-1]
    says = (
        f"most local: {top['model']} layer {top['layer']} ({top['localization']:+.2f} standard deviations), "
        f"most spread out: {low['model']} layer {low['layer']} ({low['localization']:+.2f})"
    )
    errors = _errors(catalog, values, answer)
    if all(row["top_10"] is None for row in answer.records()):
        answer = answer.without(("top_1", "top_10", "top_50"))
        says += "; without scores of neurons there is no curve over the best-matched ones" if curve else ""
    return _with(answer, errors).saying(says)


def _errors(catalog: DuckDBPyConnection, values: dict[str, Any], answer: Table) -> list[float | None]:
    """Return each row's standard error over text, of the first cutting under which all pairs have replicates."""
    if not catalog.execute("SELECT 1 FROM base.intervals LIMIT 1").fetchone():
        return []
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for row in ask(catalog, load(__package__, "localization_replicates"), values).records():
        found.setdefault((row["model"], row["layer"]), row)
    errors: list[float | None] = []
    for row in answer.records():
        told = found.get((row["model"], row["layer"]))
        if told is None or None in told["replicates"]:
            errors.append(None)
        else:
            errors.append(spread(told["method"], row["localization"], told["replicates"], told["sizes"]).error)
    return errors


def _with(answer: Table, errors: Sequence[float | None]) -> Table:
    """Return the table with standard errors beside localization, where there is one."""
    if all(error is None for error in errors):
        return answer
    at = answer.columns.index("localization") + 1
    rows = [(*row[:at], error, *row[at:]) for row, error in zip(answer.rows, errors, strict=True)]
    return replace(answer, columns=(*answer.columns[:at], "error", *answer.columns[at:]), rows=rows)
