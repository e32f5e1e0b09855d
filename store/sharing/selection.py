"""Which part of a store is meant to travel: models, corpora, layers, kinds, measures; files, scores or both."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from layeratlas.store.errors import BadRequest, unknown
from layeratlas.store.store import Store

_NEVER = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Selection:
    """What is asked for; nothing named is everything."""

    models: tuple[str, ...] = ()
    corpora: tuple[str, ...] = ()
    layers: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    scores_only: bool = False
    artifacts_only: bool = False

    def __post_init__(self) -> None:
        if self.scores_only and self.artifacts_only:
            raise BadRequest("--scores-only and --artifacts-only leave nothing: name one of them")

    @property
    def is_partial(self) -> bool:
        """Whether some scores are left out."""
        return bool(self.models or self.corpora or self.layers or self.kinds or self.measures)


@dataclass(frozen=True)
class Layer:
    """An artifact as one side knows it; `path` is None where its file is not there."""

    weights: str
    corpus: str
    kind: str
    layer: int
    words: int
    units: int
    path: str | None
    bytes: int
    sha256: str


class Holdings:
    """What a store knows, by key: the small tables of its catalog."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @cached_property
    def models(self) -> dict[str, tuple[str, str]]:
        """Name and source, by weights."""
        return {key: (name, source) for key, name, source in self._rows("weights, name, source", "models")}

    @cached_property
    def corpora(self) -> dict[str, str]:
        """What they were called, by fingerprint; two that were called alike are told apart in each catalog anew."""
        return dict(self._rows("corpus, stated", "corpora"))

    @property
    def names(self) -> dict[str, str]:
        """Of models and corpora, by key."""
        return {key: name for key, (name, _) in self.models.items()} | self.corpora

    @property
    def keys(self) -> frozenset[str]:
        """Of models, corpora and sources."""
        return frozenset([*self.models, *self.corpora, *self.sources])

    @cached_property
    def artifacts(self) -> dict[str, Layer]:
        """By fingerprint."""
        columns = "artifact, weights, corpus, kind, layer, words, units, if(damaged IS NULL, path, NULL), bytes, sha256"
        return {key: Layer(*rest) for key, *rest in self._rows(columns, "artifacts")}

    @cached_property
    def configurations(self) -> dict[str, str]:
        """Measure, by fingerprint."""
        return dict(self._rows("configuration, measure", "configurations"))

    @cached_property
    def sources(self) -> dict[str, str]:
        """Digest of imported results, by name."""
        return dict(self._rows("source, digest", "sources"))

    @cached_property
    def origins(self) -> dict[str, str]:
        """How what another store measured came here, by that store's id."""
        return dict(self._rows("store, origin", "origins"))

    @cached_property
    def forgotten(self) -> dict[tuple[str, str], datetime]:
        """Until when what was written of something is not heeded, by what it is and its key."""
        return {(what, key): before for what, key, before in self._rows("what, key, before", "forgotten")}

    def _rows(self, columns: str, table: str) -> list[tuple]:  # type: ignore[type-arg]
        return self._store.rows(f"SELECT {columns} FROM base.{table}")  # noqa: S608


@dataclass(frozen=True)
class Chosen:
    """The keys of what travels; of artifacts and configurations also from when on what was written of them counts."""

    weights: frozenset[str]
    corpora: frozenset[str]
    sources: frozenset[str]
    artifacts: dict[str, datetime]
    configurations: dict[str, datetime]
    is_partial: bool
    forgotten: dict[str, datetime] = field(default_factory=dict)  # until when what was written of a key does not count

    @property
    def keys(self) -> frozenset[str]:
        """Of models, corpora and sources."""
        return self.weights | self.corpora | self.sources

    def without(self, keys: Collection[str], holdings: Holdings) -> Chosen:
        """Return the rest, without these models, corpora and sources."""
        if not keys:
            return self
        artifacts = {
            key: since for key, since in self.artifacts.items()
            if not {holdings.artifacts[key].weights, holdings.artifacts[key].corpus} & set(keys)
        }  # fmt: skip
        return replace(
            self, weights=self.weights - set(keys), corpora=self.corpora - set(keys), sources=self.sources - set(keys),
            artifacts=artifacts, is_partial=True,
        )  # fmt: skip

    def counts(self, row: Mapping[str, Any], *columns: str) -> bool:
        """Tell whether a row was written after what these columns name was last forgotten."""
        return all(row["written"] > self.forgotten.get(row[column], _NEVER) for column in columns)


def choose(holdings: Holdings, selection: Selection) -> Chosen:
    """Return what of a store is meant. Raises BadRequest for a name that it does not have."""
    named = {name for name, _ in holdings.models.values()}
    _check("model", selection.models, named)
    _check("corpus", selection.corpora, holdings.corpora.values())
    _check("measure", selection.measures, holdings.configurations.values())
    artifacts = {key: layer for key, layer in holdings.artifacts.items() if _is_meant(holdings, selection, layer)}
    configurations = [
        key for key, measure in holdings.configurations.items()
        if not selection.measures or measure in selection.measures
    ]  # fmt: skip
    narrow = bool(selection.models or selection.corpora or selection.layers or selection.kinds)
    weights = {layer.weights for layer in artifacts.values()} if narrow else set(holdings.models)
    corpora = {layer.corpus for layer in artifacts.values()} if narrow else set(holdings.corpora)
    sources = {source for key, (_, source) in holdings.models.items() if key in weights} & set(holdings.sources)
    before = {key: when for (_, key), when in holdings.forgotten.items()}

    def since(*keys: str) -> datetime:
        return max((before.get(key, _NEVER) for key in keys), default=_NEVER)

    return Chosen(
        frozenset(weights), frozenset(corpora), frozenset(sources),
        {key: since(layer.weights, layer.corpus, holdings.models[layer.weights][1]) for key, layer in artifacts.items()
         if layer.weights in holdings.models},
        {key: since(holdings.configurations[key]) for key in configurations},
        selection.is_partial or bool(before), before,
    )  # fmt: skip


def _is_meant(holdings: Holdings, selection: Selection, layer: Layer) -> bool:
    name = holdings.models.get(layer.weights, ("", ""))[0]
    asked = (
        (selection.models, name), (selection.corpora, holdings.corpora.get(layer.corpus)),
        (selection.layers, layer.layer), (selection.kinds, layer.kind),
    )  # fmt: skip
    return all(not wanted or found in wanted for wanted, found in asked)


def _check(what: str, wanted: Collection[str], known: Collection[str]) -> None:
    for name in wanted:
        if name not in known:
            raise BadRequest(unknown(what, name, known))
