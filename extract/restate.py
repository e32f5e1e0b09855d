"""What a study says of what the catalog knows already: names, family, origin, licence … Later statements count."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from layeratlas.extract.plan import find_corpora, find_model
from layeratlas.store.log import COLUMNS
from layeratlas.store.merge import KEYS
from layeratlas.store.store import Store
from layeratlas.store.study import CorpusSpec, ModelSpec, Study

STATED = ("family", "finetuned_from", "objective", "licence", "citation")
STATED_OF_CORPORA = ("licence", "citation")


def restate(store: Store, study: Study) -> list[str]:
    """Take over what a study states and the catalog has otherwise; return what changed, as lines.

    What a study leaves out stays as it was stated before.
    """
    said = [*_restated(store, "models", STATED, _models(store, study)),
            *_restated(store, "corpora", STATED_OF_CORPORA, _corpora(store, study))]  # fmt: skip
    said += _rename(store, study)
    if said:
        store.merge()
    return said


def _models(store: Store, study: Study) -> Iterator[tuple[ModelSpec, str]]:
    """The models of a study that can be found, with the weights that the catalog knows them by."""
    for spec in study.models:
        located, _ = find_model(spec, store)
        if located:
            yield spec, located.weights


def _corpora(store: Store, study: Study) -> Iterator[tuple[CorpusSpec, str]]:
    for spec, content in find_corpora(study.corpora, store):
        yield spec, content.corpus


def _restated(
    store: Store, table: str, stated: Collection[str], specs: Iterable[tuple[ModelSpec | CorpusSpec, str]]
) -> list[str]:
    """Write rows of a table anew where a study says something else; return what changed, as lines."""
    columns = [column for column in COLUMNS[table] if column != "written"]
    rows = store.rows(f"SELECT {', '.join(columns)} FROM base.{table}")  # noqa: S608 - our names
    (key,) = KEYS[table]
    known = {row[columns.index(key)]: dict(zip(columns, row, strict=True)) for row in rows}
    changed, said = [], []
    for spec, identity in specs if known else ():
        row = known.get(identity)
        new = _new(spec, row, stated) if row else {}
        if row and new:
            changed.append({**row, **new})
            said += [f"{spec.name}: {name} is now {value}, it was {row[name] or 'not stated'}"
                     for name, value in new.items()]  # fmt: skip
    store.write(table, changed)
    return said


def _new(spec: ModelSpec | CorpusSpec, row: dict[str, Any], stated: Collection[str]) -> dict[str, str]:
    """Return what a study says of a model or corpus otherwise than the catalog."""
    values = {name: getattr(spec, name) for name in stated}
    return {name: value for name, value in values.items() if value is not None and value != row[name]}


def _rename(store: Store, study: Study) -> list[str]:
    """Give corpora that the catalog knows the names that the study gives them."""
    known = {row.corpus: row for row in store.corpora()}
    said = []
    for spec, content in find_corpora(study.corpora, store):
        row = known.get(content.corpus)
        if row and row.stated != spec.name:
            store.write("corpora", [{"corpus": row.corpus, "name": spec.name}])
            said.append(f"the corpus {row.name} is now called {spec.name}")
    return said
