"""What a question is about: which measures, configuration, corpus and source, found from what the user named.

What is not named is chosen, and the scope says what: our own scores before imported ones, the usual measure (ckasim,
where only attention was measured attsim) before others, the default configuration, the corpus with the most scores, and
of several with as many the one that came first.
Scores of several sources or corpora are never mixed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.origins import EVERYBODY, Origin, find_origin
from layeratlas.queries.core.usual import CONFIGURATION, OWN, USUAL
from layeratlas.store.errors import BadRequest, NothingYet, unknown
from layeratlas.store.identity import SENTENCES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SIMILARITY = "similarity"  # the direction in which larger is closer; a distance has the other
Rows = list[dict[str, Any]]


class UnknownMeasure(BadRequest):
    """A measure that has no scores; it may be one that can be measured."""

    def __init__(self, name: str, source: str, known: Iterable[str]) -> None:
        super().__init__(unknown("measure", name, known))
        self.name, self.source = name, source


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
    origin: str | None = None
    limit: int | None = None

    def measuring(self, *measures: str) -> Asked:
        """The same, under these measures."""
        return replace(self, measures=measures)


@dataclass(frozen=True)
class Measured:
    """One measure of a scope: what it compares, over how many words (fewest and most), and which way it points."""

    name: str
    kind: str
    words_from_tokens: str
    words: tuple[int | None, int | None] = (None, None)
    direction: str = SIMILARITY
    low: float | None = 0.0  # of its values; None is unbounded
    high: float | None = 1.0

    @property
    def is_distance(self) -> bool:
        """Whether smaller is closer."""
        return self.direction != SIMILARITY

    @property
    def superlative(self) -> str:
        """What its closest pair is called."""
        return "closest" if self.is_distance else "most similar"

    @property
    def span(self) -> float | None:
        """How far apart its values can lie; None where they have no bounds."""
        return None if self.low is None or self.high is None else self.high - self.low

    @property
    def sign(self) -> int:
        """What a value is multiplied by so that larger is closer."""
        return -1 if self.is_distance else 1


@dataclass(frozen=True)
class Scope:
    """Scores that an answer is of: one source, corpus and configuration, of one or several measures; what was named."""

    source: str
    corpus: str
    configuration: str
    measures: tuple[Measured, ...]
    models: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    limit: int | None = None
    corpora: int = 1  # that it was chosen from, when none was named
    origin: Origin = EVERYBODY

    @property
    def first(self) -> Measured:
        """The measure, or the first of several."""
        return self.measures[0]

    @property
    def measure(self) -> str:
        """The name of the measure, or of the first."""
        return self.first.name

    @property
    def names(self) -> list[str]:
        """The names of the measures."""
        return [each.name for each in self.measures]

    def each(self) -> list[Scope]:
        """The same scope of every measure alone."""
        return [replace(self, measures=(measure,)) for measure in self.measures]

    @property
    def values(self) -> dict[str, Any]:
        """What SQL can bind, by name; lists are empty where nothing was named."""
        return {
            "measure": self.measure, "measures": self.names, "configuration": self.configuration,
            "corpus": self.corpus, "source": self.source, "kind": self.first.kind,
            "pooling": self.first.words_from_tokens, "sign": self.first.sign,
            "poolings": sorted({each.words_from_tokens for each in self.measures}),
            "models": list(self.models), "families": list(self.families), "limit": self.limit, **self.origin.values,
        }  # fmt: skip

    @property
    def by(self) -> str:
        """By which measures, in which configuration, in words; and which of them are distances."""
        said = f"{', '.join(self.names)} ({self.configuration})"
        distances = [each.name for each in self.measures if each.is_distance]
        if not distances:
            return said
        return f"{said}, " + ("a distance" if len(self.measures) == 1 else f"distances: {', '.join(distances)}")

    @property
    def are_distances(self) -> bool:
        """Whether smaller is closer under every measure."""
        return all(each.is_distance for each in self.measures)

    @property
    def context(self) -> tuple[str, ...]:
        """Of which scores, apart from the measure, in words."""
        named = [*self.models, *self.families]
        only = [f"only {', '.join(named)}"] if named else []
        chosen = f"{self.corpus} (one of {self.corpora} corpora)" if self.corpora > 1 else self.corpus
        return (chosen, _count(self.first), *only, f"source {self.source}", *self.origin.context)


def find_one(catalog: DuckDBPyConnection, asked: Asked, *, naming: Sequence[str] = ()) -> Scope:
    """Find the one measure, configuration, corpus and source that are meant. `naming`: models that it must have.

    Raises BadRequest for a name that is not there, saying what is; NothingYet for an empty catalog.
    """
    if len(asked.measures) > 1:
        raise BadRequest(f"name one measure: this question takes one at a time, got {', '.join(asked.measures)}")
    return find(catalog, asked, naming=naming).each()[0]


def find(
    catalog: DuckDBPyConnection, asked: Asked, *, naming: Sequence[str] = (), every_measure: bool = False
) -> Scope:
    """Find the measures that are named, or the usual one, or every one there is; of one source and one corpus."""
    origin = find_origin(catalog, asked.origin)
    there = ask(catalog, load(__package__, "scopes"), origin.values).records()
    if not there:
        raise origin.nothing(
            "the catalog has no scores yet: `layeratlas run STUDY.toml` or `layeratlas import-results` adds some"
        )
    there = _of_source(there, asked.source, (*naming, *asked.models))
    check_names(catalog, there[0]["source"], (*naming, *asked.models), asked.families)
    there = _of_kind(there, asked.kind)
    chosen = _measures(there, asked.measures, every_measure=every_measure)
    there = [row for row in there if row["measure"] in chosen]
    there, called = _configured(there, asked.configuration)
    corpora = 1 if asked.corpus else len({row["corpus"] for row in there})
    there = _of_corpus(there, asked.corpus)
    there = _pooled(there, asked.pooling)
    found = {row["measure"]: _measured(row) for row in there}
    for name in asked.measures:
        if name not in found:
            raise BadRequest(
                f"{name} has no scores ({called}) on {there[0]['corpus']} with pooling {there[0]['pooling']}: "
                "ask it alone"
            )
    return Scope(
        there[0]["source"], there[0]["corpus"], called, tuple(found[name] for name in chosen if name in found),
        asked.models, asked.families, asked.limit, corpora, origin,
    )  # fmt: skip


def check_model(catalog: DuckDBPyConnection, source: str, name: str, *, or_family: bool = False) -> None:
    """Raise BadRequest when no model (or family) of a source has this name."""
    rows = catalog.execute("SELECT model, family FROM models WHERE source = ?", [source]).fetchall()
    known = {row[0] for row in rows} | ({row[1] for row in rows} if or_family else set())
    if name not in known:
        what = "model or family" if or_family else "model"
        add = "To add one: `layeratlas extract MODEL --corpus FILE`" if source == OWN else f"(source {source})"
        raise BadRequest(f"{unknown(what, name, known)} {add}")


def check_layer(catalog: DuckDBPyConnection, scope: Scope, model: str, layer: int) -> None:
    """Raise BadRequest when a model has no such layer in a scope."""
    check_model(catalog, scope.source, model)
    sql = (
        "SELECT DISTINCT layer FROM artifacts WHERE model = ? AND source = ? AND corpus = ? "
        "AND list_contains(?, kind) ORDER BY 1"
    )
    values = [model, scope.source, scope.corpus, [each.kind for each in scope.measures]]
    layers = [row[0] for row in catalog.execute(sql, values).fetchall()]
    if layer not in layers:
        there = f"{layers[0]} to {layers[-1]}" if layers else f"none on {scope.corpus}"
        raise BadRequest(f"{model} has no layer {layer}; there is: {there}")


def model_and_layer(text: str) -> tuple[str, int]:
    """Read what a user wrote as MODEL:LAYER. Raises BadRequest."""
    model, colon, layer = text.rpartition(":")
    if not (colon and model and layer.isdecimal()):
        raise BadRequest(f"expected MODEL:LAYER such as bert-tiny:0, got '{text}'")
    return model, int(layer)


def _of_source(there: Rows, source: str | None, naming: Iterable[str]) -> Rows:
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


def _of_kind(there: Rows, kind: str | None) -> Rows:
    """Rows of measures of one kind of artifacts, or all. Raises NothingYet."""
    kept = [row for row in there if kind in (None, row["kind"])]
    if not kept:
        raise NothingYet(
            f'nothing of {kind} is measured: extract it with kinds = ["{kind}"], then `layeratlas measure`'
        )
    return kept


def _measures(there: Rows, named: Sequence[str], *, every_measure: bool) -> list[str]:
    """Names of the measures that are meant, in order."""
    names = [row["measure"] for row in there]
    for name in named:
        if name not in names:
            raise UnknownMeasure(name, there[0]["source"], names)
    if every_measure and not named:
        return sorted(set(names))
    usual = [usual.measure for usual in USUAL.values() if usual.measure in names]
    return list(dict.fromkeys(named)) or [*usual, names[0]][:1]


def check_names(catalog: DuckDBPyConnection, source: str, models: Sequence[str], families: Sequence[str]) -> None:
    """Raise BadRequest when no model or no family of a source has one of these names."""
    for model in models:
        check_model(catalog, source, model)
    known = [
        row[0] for row in catalog.execute("SELECT DISTINCT family FROM models WHERE source = ?", [source]).fetchall()
    ]
    for family in families:
        if family not in known:
            raise BadRequest(unknown("family", family, known))


def _configured(rows: Rows, named: str | None) -> tuple[Rows, str]:
    """Keep the rows of one configuration, called by its label or a preset that it equals, and return that name."""
    names = [{row["configuration"], *row["presets"]} for row in rows]
    called = named or (CONFIGURATION if any(CONFIGURATION in each for each in names) else rows[0]["configuration"])
    kept = [row for row, each in zip(rows, names, strict=True) if called in each]
    if not kept:
        raise BadRequest(unknown("configuration", called, set().union(*names)))
    return kept, called


def _of_corpus(rows: Rows, named: str | None) -> Rows:
    """Keep the rows of one corpus: the named one, else that with the most scores."""
    wanted = named or rows[0]["corpus"]
    kept = [row for row in rows if row["corpus"] == wanted]
    if not kept:
        raise BadRequest(unknown("corpus", wanted, [row["corpus"] for row in rows]))
    return kept


def _pooled(rows: Rows, named: str | None) -> Rows:
    """Keep the rows of one pooling: the named one, else for each kind that with the most scores."""
    most: dict[str, str] = {}
    for row in rows:
        most.setdefault(row["kind"], row["pooling"])
    kept = [row for row in rows if row["pooling"] == (named or most[row["kind"]])]
    if not kept:
        raise BadRequest(unknown("pooling", str(named), [row["pooling"] for row in rows]))
    return kept


def _measured(row: dict[str, Any]) -> Measured:
    words = (row["least_words"], row["most_words"])
    return Measured(row["measure"], row["kind"], row["pooling"], words, row["direction"], row["low"], row["high"])


def _count(of: Measured) -> str:
    least, most = of.words
    unit = "sentences" if of.words_from_tokens.startswith(SENTENCES) else "words"
    if least is None or most is None:
        return f"{unit} not stated"
    return f"{least:,} {unit}" if least == most else f"{least:,} to {most:,} {unit}"
