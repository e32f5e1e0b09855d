"""Ask the catalog for everything that the report shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.origins import Origin, find_origin
from layeratlas.queries.core.scope import Asked
from layeratlas.queries.core.table import Table
from layeratlas.queries.core.usual import CONFIGURATION
from layeratlas.queries.figures import agreement, clusters, correspondence, families, finetuning, localization
from layeratlas.queries.figures.charts import Chart
from layeratlas.queries.questions import QUESTIONS
from layeratlas.queries.questions.heatmap import matrix
from layeratlas.queries.questions.localization import SINGLE, SPREAD
from layeratlas.queries.report.content import Comparable, Heatmap, Report
from layeratlas.queries.report.units import found_again
from layeratlas.store.errors import BadRequest, NothingYet, unknown

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from layeratlas.store.store import Store

_COMPARABLE = ("source", "corpus", "pooling", "kind")
_PROVENANCE = {
    "Corpora": "SELECT corpus, sentences, words, origin, content, licence, citation FROM corpora "
    "WHERE list_contains($corpora, corpus) ORDER BY corpus",
    "Models": "SELECT model, family, layers AS blocks, neurons, parameters, objective, finetuned_from, untrained_seed, "
    "architecture, source, origin, revision, weights, licence, citation FROM models "
    "WHERE list_contains($sources, source) ORDER BY source <> 'own', source, family, model",
    "Imported results": "SELECT source, citation, licence, tolerance, origin, digest FROM sources "
    "WHERE list_contains($sources, source) ORDER BY source",
    "Runs that wrote to this catalog": "SELECT command, started, finished, outcome, device, threads, versions, run "
    "FROM runs ORDER BY started, run",
    "Refused pairs": "SELECT measure, configuration, corpus, count(*) AS pairs, reason FROM refusals "
    "WHERE list_contains($corpora, corpus) GROUP BY ALL ORDER BY ALL",
}


def gather(
    catalog: DuckDBPyConnection, *, measures: tuple[str, ...] = (), source: str | None = None,
    corpus: str | None = None, configuration: str | None = None, origin: str | None = None,
    store: Store | None = None,
) -> Report:  # fmt: skip
    """Collect heatmaps, charts, single units and provenance; what is not named is all there is.

    store: whose files say which words drive neurons; without it nothing does.

    Raises BadRequest for an unknown name, NothingYet without scores.
    """
    of = find_origin(catalog, origin)
    there = ask(catalog, load(__package__, "measured"), of.values, what="Measures and their exact configurations")
    chosen = [{**row, "origin": origin} for row in there.records()]
    if not chosen:
        raise of.nothing("the catalog has no scores yet: run `layeratlas run STUDY.toml` or `layeratlas measure`")
    chosen = _only(chosen, "source", (source,) if source else ())
    chosen = _only(chosen, "corpus", (corpus,) if corpus else ())
    chosen = _only(chosen, "measure", measures)
    chosen = _only(chosen, "configuration", (configuration,) if configuration else ())
    parts = [
        _part(catalog, dict(zip(_COMPARABLE, key, strict=True)), list(rows))
        for key, rows in groupby(chosen, key=lambda row: tuple(row[name] for name in _COMPARABLE))
    ]
    shown = replace(there, rows=[tuple(row[name] for name in there.columns) for row in chosen], notes=of.context)
    again = found_again(catalog, parts, origin=origin, store=store)
    return Report(tuple(parts), (*again, shown, *_provenance(catalog, parts, of)))


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


def _part(catalog: DuckDBPyConnection, of: dict[str, str], rows: list[dict[str, Any]]) -> Comparable:
    heatmaps = tuple(_heatmap(catalog, row) for row in rows)
    return Comparable(**of, heatmaps=heatmaps, charts=tuple(_of_all_measures(catalog, rows)))


def _of_all_measures(catalog: DuckDBPyConnection, rows: list[dict[str, Any]]) -> Iterator[Chart]:
    """Charts of what `query families`, `measures` and `localization` answer, where these scores are enough for them."""
    usual = [row for row in rows if CONFIGURATION in _presets(row, "configuration")]
    usual = usual or [row for row in rows if row["configuration"] == rows[0]["configuration"]]
    names = [row["measure"] for row in usual]
    with suppress(NothingYet):
        yield families.chart(QUESTIONS["families"].ask(catalog, replace(_asked(usual[0]), measures=tuple(names))))
    if len(names) > 2:
        with suppress(NothingYet):
            yield agreement.chart(QUESTIONS["measures"].ask(catalog, replace(_asked(usual[0]), measures=tuple(names))))
    if {SINGLE, SPREAD} <= set(names):
        asked = _asked(usual[names.index(SINGLE)])
        with suppress(NothingYet):
            yield localization.chart(QUESTIONS["localization"].ask(catalog, asked, curve=False))


def _heatmap(catalog: DuckDBPyConnection, row: dict[str, Any]) -> Heatmap:
    asked = _asked(row)
    charts: list[Chart] = []
    with suppress(NothingYet):
        found = QUESTIONS["clusters"].ask(catalog, asked)
        charts += [clusters.tree(found), clusters.ordered(found)]
    with suppress(NothingYet):
        charts.append(clusters.chart(QUESTIONS["clusters"].ask(catalog, asked, of="layers")))
    for name, chart in (("finetuning", finetuning.chart), ("correspondence", correspondence.chart)):
        with suppress(NothingYet):
            charts.append(chart(QUESTIONS[name].ask(catalog, asked)))
    return Heatmap(row["measure"], row["configuration"], row["symmetric"], matrix(catalog, asked), tuple(charts))


def _asked(row: dict[str, Any]) -> Asked:
    return Asked((row["measure"],), row["kind"], corpus=row["corpus"], source=row["source"],
                 configuration=row["configuration"], pooling=row["pooling"], origin=row["origin"])  # fmt: skip


def _provenance(catalog: DuckDBPyConnection, parts: list[Comparable], of: Origin) -> list[Table]:
    values = {"corpora": sorted({one.corpus for one in parts}), "sources": sorted({one.source for one in parts}),
              **of.values}  # fmt: skip
    tables = [ask(catalog, sql, values, what=title) for title, sql in _PROVENANCE.items()]
    return [table for table in tables if table.rows]
