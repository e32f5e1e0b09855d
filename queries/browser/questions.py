"""What the browser asks the catalog; every answer is plain rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layeratlas.queries.browser.state import DIMENSIONS, Overview, Slice
from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.matrix import Layer
from layeratlas.queries.core.table import Table
from layeratlas.store.errors import NothingYet
from layeratlas.store.kinds import kind_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MATCHES = 1000  # of one layer's neurons, best first; no layer of a known model has ten times as many


@dataclass(frozen=True)
class Pair:
    """Two layers, and every score of theirs (one record a row of pair.sql)."""

    a: Layer
    b: Layer
    table: Table

    @property
    def records(self) -> list[dict[str, Any]]:
        """One dictionary a score."""
        return self.table.records()

    def of(self, which: Slice) -> dict[str, Any] | None:
        """Return the score of one slice."""
        return next((each for each in self.records if slice_of(each) == which), None)


def slice_of(record: dict[str, Any]) -> Slice:
    """Return the slice to which a record belongs."""
    return Slice(**{name: record[name] for name in (*DIMENSIONS, "direction", "low", "high") if name in record})


def overview(catalog: DuckDBPyConnection) -> Overview:
    """Return what there is. Raises NothingYet when nothing is measured."""
    found = {slice_of(each): each["scores"] for each in _of(catalog, "slices").records()}
    layers: dict[tuple[Any, ...], list[Layer]] = {}
    for *key, family, model, layer in _of(catalog, "layers").rows:
        layers.setdefault(tuple(key), []).append(Layer(family, model, layer))
    if not found:
        extracted = sum(map(len, layers.values()))
        if extracted:
            raise NothingYet(f"{extracted} layers are extracted, no pair is measured yet: run `layeratlas measure`")
        raise NothingYet("the catalog is empty: run `layeratlas run STUDY.toml`")
    return Overview(dict(sorted(found.items(), key=lambda item: item[0].measure)), layers)


def pair(catalog: DuckDBPyConnection, a: Layer, b: Layer) -> Pair:
    """Return every score of two layers, in both directions, and why others were refused."""
    return Pair(a, b, ask(catalog, load(__package__, "pair"), _ends(a, b), what=f"{a.title} towards {b.title}"))


def matches(catalog: DuckDBPyConnection, which: Slice, a: Layer, b: Layer) -> Table:
    """Return layer a's neurons (or heads), best matched first; no rows where the measure has no such detail."""
    values = {**{name: getattr(which, name) for name in DIMENSIONS}, **_ends(a, b), "limit": MATCHES,
              "sign": which.measured.sign}  # fmt: skip
    sql = load(__package__, "matches", unit=kind_of(which.kind).unit)
    return ask(catalog, sql, values, what=f"{which.measure}: {a.title} in {b.title}")


def origin(catalog: DuckDBPyConnection, record: dict[str, Any]) -> dict[str, Any]:
    """Return the run that wrote a score and, where it was imported, its source; NULL what the catalog does not know."""
    sql = (
        "SELECT r.*, s.citation, s.licence, s.tolerance, s.origin AS file FROM (SELECT $run AS run) "
        "LEFT JOIN runs r USING (run) LEFT JOIN sources s ON s.source = $source"
    )
    return ask(catalog, sql, record).records()[0]


def names(catalog: DuckDBPyConnection) -> dict[str, list[str]]:
    """Return the views that SQL can use, with their columns."""
    found: dict[str, list[str]] = {}
    for view, column in _of(catalog, "names").rows:
        found.setdefault(view, []).append(column)
    return found


def _ends(a: Layer, b: Layer) -> dict[str, Any]:
    return {"model_a": a.model, "layer_a": a.layer, "model_b": b.model, "layer_b": b.layer}


def _of(catalog: DuckDBPyConnection, name: str) -> Table:
    return ask(catalog, load(__package__, name))
