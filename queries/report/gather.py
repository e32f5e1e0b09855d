"""Ask the catalog for everything that the report shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from layeratlas.queries import depth, inference, summaries
from layeratlas.queries.ask import Table, ask, question
from layeratlas.queries.figures import correspondence, families, finetuning, localization
from layeratlas.queries.figures.charts import Dots, Lines
from layeratlas.queries.figures.grid import grid
from layeratlas.queries.grids import pair_grid
from layeratlas.queries.report.content import Measured, Report, Scope
from layeratlas.queries.scope import Asked, scope
from layeratlas.store.errors import BadRequest, NothingYet, unknown

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SCOPE = ("source", "corpus", "pooling", "kind")
_PROVENANCE = {
    "Corpora": "SELECT corpus, sentences, words, origin, content FROM corpora WHERE list_contains($corpora, corpus) "
    "ORDER BY corpus",
    "Models": "SELECT model, family, layers AS blocks, neurons, parameters, objective, finetuned_from, untrained_seed, "
    "architecture, source, origin, revision, weights FROM models WHERE list_contains($sources, source) "
    "ORDER BY source <> 'own', source, family, model",
    "Imported results": "SELECT source, citation, licence, tolerance, origin, digest FROM sources "
    "WHERE list_contains($sources, source) ORDER BY source",
    "Runs that wrote to this catalog": "SELECT command, started, finished, outcome, device, threads, versions, run "
    "FROM runs ORDER BY started, run",
    "Refused pairs": "SELECT measure, configuration, corpus, count(*) AS pairs, reason FROM refusals "
    "WHERE list_contains($corpora, corpus) GROUP BY ALL ORDER BY ALL",
}


def gather(
    catalog: DuckDBPyConnection, *, measures: tuple[str, ...] = (), source: str | None = None,
    corpus: str | None = None, configuration: str | None = None,
) -> Report:  # fmt: skip
    """Collect heatmaps, charts and provenance; what is not named is all there is.

    Raises BadRequest for an unknown name, NothingYet without scores.
    """
    there = ask(catalog, question("report_measured"), title="Measures and their exact configurations")
    chosen = there.records()
    if not chosen:
        raise NothingYet("the catalog has no scores yet: run `layeratlas run STUDY.toml` or `layeratlas measure`")
    chosen = _only(chosen, "source", (source,) if source else ())
    chosen = _only(chosen, "corpus", (corpus,) if corpus else ())
    chosen = _only(chosen, "measure", measures)
    chosen = _only(chosen, "configuration", (configuration,) if configuration else ())
    scopes = [
        _scope(catalog, dict(zip(_SCOPE, key, strict=True)), list(rows))
        for key, rows in groupby(chosen, key=lambda row: tuple(row[name] for name in _SCOPE))
    ]
    shown = replace(there, rows=[tuple(row.values()) for row in chosen])
    return Report(tuple(scopes), (shown, *_provenance(catalog, scopes)))


def _only(rows: list[dict[str, Any]], column: str, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Keep the rows that have one of these names; a configuration can be called by its presets."""
    kept = rows
    for name in names:
        known = [row[column] for row in rows] + [each for row in rows for each in _presets(row, column)]
        if name not in known:
            raise BadRequest(unknown(column, name, known))
    if names:
        kept = [row for row in rows if {row[column], *_presets(row, column)} & set(names)]
    return kept


def _presets(row: dict[str, Any], column: str) -> list[str]:
    return list(row["presets"] or []) if column == "configuration" else []


def _scope(catalog: DuckDBPyConnection, named: dict[str, str], rows: list[dict[str, Any]]) -> Scope:
    known = summaries.models(catalog, named["source"])
    pairs = [_pairs(catalog, row) for row in rows]
    measured = [_measured(row, each, known) for row, each in zip(rows, pairs, strict=True)]
    usual = {row["measure"]: row for row in rows if _is_usual(row, rows)}
    return Scope(**named, measured=tuple(measured), charts=tuple(_of_all_measures(catalog, usual)))


def _of_all_measures(catalog: DuckDBPyConnection, usual: dict[str, dict[str, Any]]) -> Iterator[Dots | Lines]:
    """Charts of what `query families` and `query localization` answer, where these scores are enough for them."""
    with suppress(NothingYet):
        chosen = [scope(catalog, _asked(row)) for row in usual.values()]
        yield families.chart(inference.compare_families(catalog, chosen))
    if {"neuronsim", "svsim"} <= usual.keys():
        with suppress(NothingYet):
            yield localization.chart(depth.localization(catalog, _asked(usual["neuronsim"]), curve=False))


def _asked(row: dict[str, Any]) -> Asked:
    return Asked((row["measure"],), corpus=row["corpus"], source=row["source"], configuration=row["configuration"],
                 pooling=row["pooling"])  # fmt: skip


def _pairs(catalog: DuckDBPyConnection, row: dict[str, Any]) -> Table:
    return pair_grid(catalog, _asked(row))


def _is_usual(row: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Whether this is the configuration in which a measure stands beside others: the default, else its first."""
    same = [each for each in rows if each["measure"] == row["measure"]]
    return row is next((each for each in same if "default" in _presets(each, "configuration")), same[0])


def _measured(row: dict[str, Any], pairs: Table, known: dict[str, summaries.Model]) -> Measured:
    charts: list[Lines] = []
    if (tuned := summaries.finetuning(pairs, known)).rows:
        charts.append(finetuning.chart(tuned))
    if (matches := summaries.correspondence(pairs, known)).rows:
        charts.append(correspondence.chart(matches))
    return Measured(row["measure"], row["configuration"], row["symmetric"], grid(pairs), tuple(charts))


def _provenance(catalog: DuckDBPyConnection, scopes: list[Scope]) -> list[Table]:
    values = {"corpora": sorted({one.corpus for one in scopes}), "sources": sorted({one.source for one in scopes})}
    tables = [ask(catalog, sql, values, title=title) for title, sql in _PROVENANCE.items()]
    return [table for table in tables if table.rows]
