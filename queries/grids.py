"""Every layer pair of one measure, for heatmaps of many models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from queries.ask import Table, ask, check_measures, check_model, question
from queries.pairs import default_measure
from store.errors import BadRequest, NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SCOPE = ("source", "corpus", "pooling", "kind", "configuration")


def pair_grid(
    catalog: DuckDBPyConnection, *, measure: str | None = None, configuration: str = "default",
    models: tuple[str, ...] = (), source: str | None = None, corpus: str | None = None, pooling: str | None = None,
    kind: str | None = None,
) -> Table:  # fmt: skip
    """One row an ordered layer pair; value is of a towards b. `models`: none is all, one it and itself, two a and b.

    Raises BadRequest for unknown names and when the scores are of two corpora (poolings, …), NothingYet without scores.
    """
    if len(models) > 2:
        raise BadRequest(f"a heatmap is of no, one or two named models, got {len(models)}: {', '.join(models)}")
    measure = measure or default_measure(catalog)[0]
    check_measures(catalog, (measure,))
    for model in models:
        check_model(catalog, model)
    left, right = (models[0], models[-1]) if models else (None, None)
    values = {"measure": measure, "configuration": configuration, "left": left, "right": right, "source": source,
              "corpus": corpus, "pooling": pooling, "kind": kind}  # fmt: skip
    pair = f", {left} towards {right}" if models else ", all layers"
    answer = ask(catalog, question("grid"), values, title=f"{measure} ({configuration}){pair}")
    if not answer.rows:
        raise NothingYet(f"no {answer.title} yet: `simcat status` says what has been measured")
    _refuse_two(answer)
    return answer


def _refuse_two(answer: Table) -> None:
    for name in _SCOPE:
        there = sorted({row[answer.columns.index(name)] for row in answer.rows})
        if len(there) > 1:
            raise BadRequest(f"{answer.title} has scores of more than one {name}: say which, --{name} {there[0]} | "
                             + " | ".join(there[1:]))  # fmt: skip
