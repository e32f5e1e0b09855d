"""Which scores did another store measure too, with another number? Nothing is chosen here: what is named narrows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.origins import find_origin
from layeratlas.queries.core.registry import question
from layeratlas.queries.core.scope import Asked
from layeratlas.queries.core.table import Table
from layeratlas.store.errors import BadRequest, unknown

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_KNOWN = {
    "measure": "SELECT DISTINCT measure FROM base.configurations",
    "model": "SELECT DISTINCT model FROM models",
    "family": "SELECT DISTINCT family FROM models",
    "corpus": "SELECT DISTINCT corpus FROM corpora",
    "source": "SELECT DISTINCT source FROM models",
    "configuration": "SELECT DISTINCT label FROM base.configurations",
    "pooling": "SELECT DISTINCT pooling FROM artifacts",
}


@question("disagreements", limit=20)
def disagreements(catalog: DuckDBPyConnection, asked: Asked = Asked()) -> Table:
    """Scores of others that differ from those that stand here, by more than noise; --origin says whose.

    Example: layeratlas query disagreements --measure ckasim
    """
    named = {
        "measure": asked.measures, "model": asked.models, "family": asked.families, "corpus": [asked.corpus],
        "source": [asked.source], "configuration": [asked.configuration], "pooling": [asked.pooling],
    }  # fmt: skip
    for what, names in named.items():
        _check(catalog, what, [name for name in names if name is not None])
    values = {
        "measures": list(asked.measures), "kind": asked.kind, "models": list(asked.models), "corpus": asked.corpus,
        "families": list(asked.families), "source": asked.source, "configuration": asked.configuration,
        "pooling": asked.pooling, "by": find_origin(catalog, asked.origin).name,
    }  # fmt: skip
    answer = ask(catalog, load(__package__, "disagreements"), values, what="Scores of others that differ")
    return answer.saying(_meaning(answer))


def count(catalog: DuckDBPyConnection) -> int:
    """Return how many there are."""
    return len(ask(catalog, "SELECT 1 FROM base.disagreements").rows)


def _check(catalog: DuckDBPyConnection, what: str, names: list[str]) -> None:
    known = [row[0] for row in ask(catalog, _KNOWN[what]).rows] if names else []
    for name in names:
        if name not in known:
            raise BadRequest(unknown(what, name, known))


def _meaning(answer: Table) -> str:
    if not answer.rows:
        return "no score of another store differs from the one that stands here"
    number = len(answer.rows)
    origins = ", ".join(sorted(set(answer.column("origin"))))
    said = "one score differs" if number == 1 else f"{number:,} scores differ"
    return f"{said}, of {origins}; `layeratlas audit` measures again which of the numbers is right"
