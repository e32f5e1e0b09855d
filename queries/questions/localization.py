"""Is what a layer shares with others in single neurons, or spread over many? (Wu et al. 2020, section 4.3)

One row a layer: z-scored neuronsim minus z-scored svsim towards other models. Above 0, it sits in single neurons more
than is usual at its similarity. Both are standardised over the pairs of all models that have both; models and families
that are named choose rows, and change no number. `top_k`: the curve over neurons, mean neuronsim of the best-matched
k %, of the first `limit` layers; `curve`: whether there is to be one. Raises NothingYet unless both measures are there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.registry import question
from layeratlas.queries.core.scope import Asked, find_one
from layeratlas.queries.core.table import Table
from layeratlas.store.errors import NothingYet

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
    if all(row["top_10"] is None for row in answer.records()):
        answer = answer.without(("top_1", "top_10", "top_50"))
        says += "; without scores of neurons there is no curve over the best-matched ones" if curve else ""
    return answer.saying(says)
