"""Do scores keep the laws that must hold: a range, a symmetry, neuronsim ≤ mixedsim? No rows when all is well."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.registry import Option, question
from layeratlas.queries.core.scope import Asked, find
from layeratlas.queries.core.table import Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Measures whose range is 0 to 1 whoever computed them, also where imported values leave it.
KNOWN = ("neuronsim", "mixedsim", "svsim", "pwsim", "ckasim")
OWN_TOLERANCE = 1e-5  # float32 products; the largest difference to float64 that we know of is 1.2e-6


@question("consistency", Option("tolerance", float, "How exact a value is; else as its source says.", least=0),
          limit=20)  # fmt: skip
def consistency(catalog: DuckDBPyConnection, asked: Asked = Asked(), *, tolerance: float | None = None) -> Table:
    """Scores that break a law that must hold: a range, a symmetry, neuronsim at most mixedsim.

    Example: layeratlas query consistency --source wu2020-ewt
    """
    scope = find(catalog, asked, every_measure=True)
    exact = _tolerance(catalog, scope.source) if tolerance is None else tolerance
    values = {**scope.values, "models": [], "families": [], "tolerance": exact, "known": list(KNOWN),
              "shown_models": list(scope.models), "shown_families": list(scope.families)}  # fmt: skip
    answer = ask(catalog, load(__package__, "consistency"), values, what="Scores that break a law", scope=scope)
    return replace(answer, says=_meaning(answer), notes=(f"each exact to {exact:g}",))


def _meaning(answer: Table) -> str:
    if not answer.rows:
        return "no score breaks a law"
    worst = answer.records()[0]
    number = "one score breaks a law" if len(answer.rows) == 1 else f"{len(answer.rows):,} scores break a law"
    return (
        f"{number}; the worst is {worst['measure']} of {worst['model_a']} layer {worst['layer_a']} towards "
        f"{worst['model_b']} layer {worst['layer_b']}, {worst['value']:.2f} where {worst['bound']:.2f} is allowed"
    )


def _tolerance(catalog: DuckDBPyConnection, source: str) -> float:
    row = catalog.execute("SELECT tolerance FROM sources WHERE source = ?", [source]).fetchone()
    return float(row[0]) if row and row[0] is not None else OWN_TOLERANCE
