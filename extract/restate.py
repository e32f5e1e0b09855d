"""What a study says of what the catalog knows already: a model's family, a corpus's name … Later statements count."""

from __future__ import annotations

from typing import Any

from layeratlas.extract.plan import find_corpora, find_model
from layeratlas.store.log import COLUMNS
from layeratlas.store.store import Store
from layeratlas.store.study import ModelSpec, Study

STATED = ("family", "finetuned_from", "objective")


def restate(store: Store, study: Study) -> list[str]:
    """Take over what a study states and the catalog has otherwise; return what changed, as lines.

    What a study leaves out stays as it was stated before.
    """
    columns = [column for column in COLUMNS["models"] if column != "written"]
    rows = store.rows(f"SELECT {', '.join(columns)} FROM base.models WHERE source = 'own'")  # noqa: S608 - our names
    known = {row[columns.index("weights")]: dict(zip(columns, row, strict=True)) for row in rows}
    changed, said = [], []
    for spec in study.models if known else ():
        located, _ = find_model(spec, store)
        row = known.get(located.weights) if located else None
        stated = _stated(spec, row) if row else {}
        if row and stated:
            changed.append({**row, **stated})
            said += [
                f"{spec.name}: {key} is now {new}, it was {row[key] or 'not stated'}" for key, new in stated.items()
            ]
    if changed:
        store.write("models", changed)
    said += _rename(store, study)
    if said:
        store.merge()
    return said


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


def _stated(spec: ModelSpec, row: dict[str, Any]) -> dict[str, str]:
    """Return what a study says of a model otherwise than the catalog."""
    values = {key: getattr(spec, key) for key in STATED}
    return {key: value for key, value in values.items() if value is not None and value != row[key]}
