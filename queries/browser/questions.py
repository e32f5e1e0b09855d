"""What the browser asks the catalog; every answer is plain rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from layeratlas.queries.ask import Table, ask, question
from layeratlas.queries.browser.state import Layer, Matrix, Overview, Scope, Slice
from layeratlas.store.errors import NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MATCHES = 1000  # of one layer's neurons, best first; no layer of a known model has ten times as many


@dataclass(frozen=True)
class Pair:
    """Two layers, and every score of theirs (one record a row of browse_pair.sql)."""

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
    return Slice(**{name: record[name] for name in ("source", "corpus", "measure", "configuration", "pooling", "kind")})


def overview(catalog: DuckDBPyConnection) -> Overview:
    """Return what there is. Raises NothingYet when nothing is measured."""
    found = {slice_of(each): each["scores"] for each in _of(catalog, "browse_slices").records()}
    layers: dict[tuple[Any, ...], list[Layer]] = {}
    for *key, family, model, layer in _of(catalog, "browse_layers").rows:
        layers.setdefault(tuple(key), []).append(Layer(family, model, layer))
    if not found:
        extracted = sum(map(len, layers.values()))
        if extracted:
            raise NothingYet(f"{extracted} layers are extracted, no pair is measured yet: run `layeratlas measure`")
        raise NothingYet("the catalog is empty: run `layeratlas run STUDY.toml`")
    return Overview(dict(sorted(found.items(), key=lambda item: item[0].measure)), layers)


def matrix(
    catalog: DuckDBPyConnection, which: Slice, axes: tuple[tuple[Layer, ...], tuple[Layer, ...]],
    scopes: tuple[Scope, Scope] = (Scope(), Scope()),
) -> Matrix:  # fmt: skip
    """Return the scores of row layers towards column layers; the scopes only spare the database what is not wanted."""
    rows, columns = axes
    layers = list(dict.fromkeys(rows + columns))
    place = {layer: index for index, layer in enumerate(layers)}
    values = np.full((len(rows), len(columns)), np.nan)
    if values.size:
        found = catalog.execute(question("browse_matrix"), {
            **asdict(which), "models": [each.model for each in layers], "layers": [each.layer for each in layers],
            "family_a": scopes[0].family, "model_a": scopes[0].model,
            "family_b": scopes[1].family, "model_b": scopes[1].model,
        }).fetchnumpy()  # fmt: skip
        row_of, column_of = (_places(axis, place) for axis in axes)
        at_row, at_column = row_of[found["place_a"]], column_of[found["place_b"]]
        wanted = (at_row >= 0) & (at_column >= 0)
        values[at_row[wanted], at_column[wanted]] = np.asarray(found["value"])[wanted]
    return Matrix(rows, columns, values)


def _places(axis: tuple[Layer, ...], place: dict[Layer, int]) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Return where each of the numbered layers stands on an axis, -1 where it does not."""
    found = np.full(len(place), -1, dtype=np.intp)
    found[[place[layer] for layer in axis]] = np.arange(len(axis))
    return found


def pair(catalog: DuckDBPyConnection, a: Layer, b: Layer) -> Pair:
    """Return every score of two layers, in both directions, and why others were refused."""
    return Pair(a, b, ask(catalog, question("browse_pair"), _ends(a, b), title=f"{a.title} towards {b.title}"))


def matches(catalog: DuckDBPyConnection, which: Slice, a: Layer, b: Layer) -> Table:
    """Return layer a's neurons (or heads), best matched first; no rows where the measure has no such detail."""
    values = {**asdict(which), **_ends(a, b), "limit": MATCHES}
    unit = "head" if values.pop("kind") == "attention" else "neuron"
    return ask(catalog, question("browse_matches", unit=unit), values, title=f"{which.measure}: {a.title} in {b.title}")


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
    for view, column in _of(catalog, "browse_names").rows:
        found.setdefault(view, []).append(column)
    return found


def _ends(a: Layer, b: Layer) -> dict[str, Any]:
    return {"model_a": a.model, "layer_a": a.layer, "model_b": b.model, "layer_b": b.layer}


def _of(catalog: DuckDBPyConnection, name: str) -> Table:
    return ask(catalog, question(name))
