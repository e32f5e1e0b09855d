"""How similar are whole models? One row an ordered pair of models (models.sql)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.registry import question
from layeratlas.queries.core.scope import Asked, find_one
from layeratlas.queries.core.table import Table
from layeratlas.store.errors import NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NEARNESS = ("within one model", "within a family", "across families")


@question("models")
def models(catalog: DuckDBPyConnection, asked: Asked = Asked()) -> Table:
    """Model × model: mean similarity, of the best layers, and of layers at the same relative depth.

    Example: layeratlas query models --measure neuronsim
    """
    scope = find_one(catalog, asked)
    answer = ask(catalog, load(__package__, "models"), scope.values, what="Model × model", scope=scope)
    if not answer.rows:
        raise NothingYet(
            f"no pair of these models is scored by {scope.measure}: `layeratlas query coverage` says what is"
        )
    means = nearness(answer.records())
    said = ", ".join(f"{name} {mean:.2f}" for name, mean in means.items())
    way = ", and smaller is closer" if scope.are_distances else ""
    return answer.saying(f"{scope.measure} over layer pairs is on average {said}{way}")


def nearness(rows: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Mean over layer pairs inside a model, between models of a family, and between families; what there is of it."""
    sums: dict[str, tuple[float, int]] = {}
    for row in rows:
        same_model, same_family = row["model_a"] == row["model_b"], row["family_a"] == row["family_b"]
        level = NEARNESS[0 if same_model else 1 if same_family else 2]
        total, number = sums.get(level, (0.0, 0))
        sums[level] = (total + row["mean"] * row["layer_pairs"], number + row["layer_pairs"])
    return {level: sums[level][0] / sums[level][1] for level in NEARNESS if level in sums}
