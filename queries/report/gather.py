"""Ask the catalog for everything that the report shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from queries.ask import Table, ask, check_measures, question
from queries.figures.charts import Dots, Lines
from queries.figures.grid import Grid, grid
from queries.grids import pair_grid
from store.errors import NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MODELS = """
SELECT model, family, layers AS blocks, neurons, parameters, finetuned_from, untrained_seed, architecture, origin,
       revision, weights, source
FROM models WHERE $source IS NULL OR source = $source ORDER BY source, family, model
"""
_CORPORA = """
SELECT corpus, sentences, words, origin, content FROM corpora WHERE $corpus IS NULL OR corpus = $corpus ORDER BY 1
"""
_RUNS = "SELECT run, command, started, finished, outcome, device, threads, versions FROM runs ORDER BY started, run"
_REFUSED = """
SELECT measure, configuration, corpus, reason, count(*) AS pairs FROM refusals
WHERE $corpus IS NULL OR corpus = $corpus GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True)
class Measured:
    """One heatmap: a measure under one configuration, over one scope."""

    measure: str
    configuration: str
    is_symmetric: bool
    grid: Grid
    charts: tuple[Dots | Lines, ...] = ()  # of this measure alone


@dataclass(frozen=True)
class Scope:
    """Scores that compare: of one source, corpus, pooling and kind."""

    source: str
    corpus: str
    pooling: str
    kind: str
    measured: tuple[Measured, ...]
    charts: tuple[Dots | Lines, ...] = ()  # of all measures together


@dataclass(frozen=True)
class Report:
    """All that the page shows."""

    scopes: tuple[Scope, ...]
    tables: tuple[Table, ...]  # provenance, in order


def gather(
    catalog: DuckDBPyConnection, *, measure: str | None = None, source: str | None = None, corpus: str | None = None,
    configuration: str | None = None,
) -> Report:  # fmt: skip
    """Collect heatmaps and provenance; each filter left out means all there is. Raises NothingYet without scores."""
    check_measures(catalog, (measure,) if measure else ())
    values = {"source": source, "corpus": corpus, "measure": measure, "configuration": configuration}
    found = ask(catalog, question("report_measured"), values, title="Measures and their exact configurations")
    if not found.rows:
        raise NothingYet("no score fits: `simcat status` says what has been measured")
    scopes: dict[tuple[str, str, str, str], list[Measured]] = {}
    for row in found.rows:
        one = dict(zip(found.columns, row, strict=True))
        scopes.setdefault((row[0], row[1], row[2], row[3]), []).append(_measured(catalog, one))
    return Report(
        tuple(Scope(*key, tuple(of)) for key, of in scopes.items()),
        (found, *_provenance(catalog, source, corpus)),
    )


def _measured(catalog: DuckDBPyConnection, one: dict[str, Any]) -> Measured:
    names = ("measure", "configuration", "source", "corpus", "pooling", "kind")
    cells = pair_grid(catalog, **{name: one[name] for name in names})
    return Measured(one["measure"], one["configuration"], one["symmetric"], grid(cells))


def _provenance(catalog: DuckDBPyConnection, source: str | None, corpus: str | None) -> list[Table]:
    tables = [
        ask(catalog, _CORPORA, {"corpus": corpus}, title="Corpora"),
        ask(catalog, _MODELS, {"source": source}, title="Models"),
        ask(catalog, _RUNS, title="Runs that wrote to this catalog"),
        ask(catalog, _REFUSED, {"corpus": corpus}, title="Refused pairs"),
    ]
    return [table for table in tables if table.rows]
