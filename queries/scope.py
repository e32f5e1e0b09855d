"""What a question is about: which measure, configuration, corpus and source, found from what the user named.

What is not named is chosen, and the title says what: our own scores before imported ones, ckasim before other measures
(attsim where only attention was measured), the default configuration, the corpus with the most scores. Scores of
several sources or corpora are never mixed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from layeratlas.queries.ask import Table, ask, question, union
from layeratlas.store.errors import BadRequest, NothingYet, unknown

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

OWN = "own"
DEFAULT_MEASURES = {"activations": "ckasim", "attention": "attsim"}  # by kind


@dataclass(frozen=True)
class Asked:
    """What the user named, as the options that all questions share have it. Nothing named is all, or the usual."""

    measures: tuple[str, ...] = ()
    kind: str | None = None
    models: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    corpus: str | None = None
    source: str | None = None
    configuration: str | None = None
    pooling: str | None = None
    limit: int | None = None
    columns: int | None = None  # of a drawing; no option

    def measuring(self, measure: str) -> Asked:
        """The same, under this measure."""
        return replace(self, measures=(measure,))


@dataclass(frozen=True)
class Scope:
    """One measure, configuration, corpus, pooling and source, all of which have scores; and the asked-for filters."""

    measure: str
    configuration: str
    corpus: str
    pooling: str
    source: str
    kind: str
    words: tuple[int | None, int | None]  # fewest and most
    models: tuple[str, ...]
    families: tuple[str, ...]
    limit: int | None

    @property
    def values(self) -> dict[str, Any]:
        """What SQL can bind, by name; lists are empty where nothing was named."""
        return {
            "measure": self.measure, "configuration": self.configuration, "corpus": self.corpus,
            "pooling": self.pooling, "source": self.source, "models": list(self.models),
            "families": list(self.families), "limit": self.limit,
        }  # fmt: skip

    def title(self, what: str, measures: Sequence[Scope] = ()) -> str:
        """A title that says what the figures are of; `measures`: of which ones, where there are several."""
        names = ", ".join(one.measure for one in measures) or self.measure
        parts = [f"{what}, {names} ({self.configuration})", self.corpus, _count(self.words)]
        named = [*self.models, *self.families]
        parts += [f"only {', '.join(named)}"] if named else []
        return " · ".join([*parts, f"source {self.source}"])


def scope(catalog: DuckDBPyConnection, asked: Asked, *, naming: Sequence[str] = ()) -> Scope:
    """Find the one measure, configuration, corpus and source that are meant. `naming`: models that it must have.

    Raises BadRequest for a name that is not there, saying what is; NothingYet for an empty catalog.
    """
    if len(asked.measures) > 1:
        raise BadRequest(f"name one measure: this question takes one at a time, got {', '.join(asked.measures)}")
    return scopes(catalog, asked, naming=naming)[0]


def scopes(
    catalog: DuckDBPyConnection, asked: Asked, *, naming: Sequence[str] = (), every_measure: bool = False
) -> list[Scope]:
    """Find one scope for each measure that is named, or for every one there is; of one source and one corpus."""
    there = ask(catalog, question("scopes")).records()
    if not there:
        raise NothingYet(
            "the catalog has no scores yet: `layeratlas run STUDY.toml` or `layeratlas import-results` adds some"
        )
    there = _of_source(there, asked.source, (*naming, *asked.models))
    _check_names(catalog, there[0]["source"], (*naming, *asked.models), asked.families)
    there = _of_kind(there, asked.kind)
    names = [row["measure"] for row in there]
    for name in asked.measures:
        if name not in names:
            add = f" To add one: `layeratlas measure --measure {name}`" if there[0]["source"] == OWN else ""
            raise BadRequest(unknown("measure", name, names) + add)
    if every_measure and not asked.measures:
        chosen = sorted(set(names))
    else:
        usual = [name for name in DEFAULT_MEASURES.values() if name in names]
        chosen = list(asked.measures) or [*usual, names[0]][:1]
    there = [row for row in there if row["measure"] in chosen]
    there, called = _configured(there, asked.configuration)
    there = _of_corpus(there, asked.corpus)
    there = _pooled(there, asked.pooling)
    found = {row["measure"]: _scope(row, called, asked) for row in there}
    for name in asked.measures:
        if name not in found:
            one = next(iter(found.values()))
            raise BadRequest(
                f"{name} has no scores ({called}) on {one.corpus} with pooling {one.pooling}: ask it alone"
            )
    return [found[name] for name in chosen if name in found]


def check_model(catalog: DuckDBPyConnection, source: str, name: str, *, or_family: bool = False) -> None:
    """Raise BadRequest when no model (or family) of a source has this name."""
    rows = catalog.execute("SELECT model, family FROM models WHERE source = ?", [source]).fetchall()
    known = {row[0] for row in rows} | ({row[1] for row in rows} if or_family else set())
    if name not in known:
        kind = "model or family" if or_family else "model"
        add = "To add one: `layeratlas extract MODEL --corpus FILE`" if source == OWN else f"(source {source})"
        raise BadRequest(f"{unknown(kind, name, known)} {add}")


def check_layer(catalog: DuckDBPyConnection, chosen: Sequence[Scope], model: str, layer: int) -> None:
    """Raise BadRequest when a model has no such layer in any of these scopes."""
    check_model(catalog, chosen[0].source, model)
    sql = (
        "SELECT DISTINCT layer FROM artifacts WHERE model = ? AND source = ? AND corpus = ? "
        "AND list_contains(?, kind) ORDER BY 1"
    )
    values = [model, chosen[0].source, chosen[0].corpus, [one.kind for one in chosen]]
    layers = [row[0] for row in catalog.execute(sql, values).fetchall()]
    if layer not in layers:
        there = f"{layers[0]} to {layers[-1]}" if layers else f"none on {chosen[0].corpus}"
        raise BadRequest(f"{model} has no layer {layer}; there is: {there}")


def model_and_layer(text: str) -> tuple[str, int]:
    """Split MODEL:LAYER. Raises BadRequest."""
    model, colon, layer = text.rpartition(":")
    if not (colon and model and layer.isdecimal()):
        raise BadRequest(f"expected MODEL:LAYER such as bert-tiny:0, got '{text}'")
    return model, int(layer)


def joined(answers: Sequence[Table], title: str) -> Table:
    """Put answers of the same columns, one a measure, under one another."""
    rows = [row for answer in answers for row in answer.rows]
    return Table(title, answers[0].columns, rows, sql=union([answer.sql for answer in answers]))


def _of_source(there: list[dict[str, Any]], source: str | None, naming: Iterable[str]) -> list[dict[str, Any]]:
    """Rows of the source that is meant: the named one; else our own, else the largest, that has the named models."""
    known = list(dict.fromkeys(row["source"] for row in there))
    if source is None:
        having = [
            name for name in known if set(naming) <= {m for r in there if r["source"] == name for m in r["models"]}
        ]
        choice = having or known
        source = OWN if OWN in choice else choice[0]
    if source not in known:
        raise BadRequest(unknown("source", source, known))
    return [row for row in there if row["source"] == source]


def _of_kind(there: list[dict[str, Any]], kind: str | None) -> list[dict[str, Any]]:
    """Rows of measures of one kind of artifacts, or all. Raises NothingYet."""
    kept = [row for row in there if kind in (None, row["kind"])]
    if not kept:
        raise NothingYet(
            f'nothing of {kind} is measured: extract it with kinds = ["{kind}"], then `layeratlas measure`'
        )
    return kept


def _check_names(catalog: DuckDBPyConnection, source: str, models: Sequence[str], families: Sequence[str]) -> None:
    for model in models:
        check_model(catalog, source, model)
    known = [
        row[0] for row in catalog.execute("SELECT DISTINCT family FROM models WHERE source = ?", [source]).fetchall()
    ]
    for family in families:
        if family not in known:
            raise BadRequest(unknown("family", family, known))


def _configured(rows: list[dict[str, Any]], named: str | None) -> tuple[list[dict[str, Any]], str]:
    """Keep the rows of one configuration, called by its label or a preset that it equals, and return that name."""
    names = [{row["configuration"], *row["presets"]} for row in rows]
    called = named or ("default" if any("default" in each for each in names) else rows[0]["configuration"])
    kept = [row for row, each in zip(rows, names, strict=True) if called in each]
    if not kept:
        raise BadRequest(unknown("configuration", called, set().union(*names)))
    return kept, called


def _of_corpus(rows: list[dict[str, Any]], named: str | None) -> list[dict[str, Any]]:
    """Keep the rows of one corpus: the named one, else that with the most scores."""
    wanted = named or rows[0]["corpus"]
    kept = [row for row in rows if row["corpus"] == wanted]
    if not kept:
        raise BadRequest(unknown("corpus", wanted, [row["corpus"] for row in rows]))
    return kept


def _pooled(rows: list[dict[str, Any]], named: str | None) -> list[dict[str, Any]]:
    """Keep the rows of one pooling: the named one, else that with the most scores, of activations and of attention."""
    most: dict[str, str] = {}
    for row in rows:
        most.setdefault(row["kind"], row["pooling"])
    kept = [row for row in rows if row["pooling"] == (named or most[row["kind"]])]
    if not kept:
        raise BadRequest(unknown("pooling", str(named), [row["pooling"] for row in rows]))
    return kept


def _scope(row: dict[str, Any], called: str, asked: Asked) -> Scope:
    words = (row["least_words"], row["most_words"])
    return Scope(
        row["measure"], called, row["corpus"], row["pooling"], row["source"], row["kind"], words,
        asked.models, asked.families, asked.limit,
    )  # fmt: skip


def _count(words: tuple[int | None, int | None]) -> str:
    least, most = words
    if least is None or most is None:
        return "words not stated"
    return f"{least:,} words" if least == most else f"{least:,} to {most:,} words"
