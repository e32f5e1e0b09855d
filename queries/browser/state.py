"""What the browser shows and what is selected in it: plain values, without a terminal and without a database.

Shapes: a matrix is [rows, columns], one row and one column a layer; NaN where there is no score.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from layeratlas.queries.core.matrix import Layer, Matrix
from layeratlas.queries.core.scale import Scale, scale
from layeratlas.queries.core.scope import SIMILARITY, Measured, Scope
from layeratlas.queries.core.table import Table
from layeratlas.queries.core.usual import CONFIGURATION, FIRST, OWN, USUAL


@dataclass(frozen=True)
class Slice:
    """What one value of a layer pair is a value of; the fields in the order in which they narrow the choice.

    The direction and the range are the measure's, and tell no two slices apart.
    """

    source: str
    corpus: str
    measure: str
    configuration: str
    pooling: str | None
    kind: str
    direction: str = field(default=SIMILARITY, compare=False)
    low: float | None = field(default=0.0, compare=False)
    high: float | None = field(default=1.0, compare=False)

    @property
    def measured(self) -> Measured:
        """The measure, and which way it points."""
        pooling = self.pooling or ""
        return Measured(self.measure, self.kind, pooling, direction=self.direction, low=self.low, high=self.high)

    @property
    def scope(self) -> Scope:
        """The scope that questions take."""
        return Scope(self.source, self.corpus, self.configuration, (self.measured,))


DIMENSIONS = tuple(each.name for each in fields(Slice) if each.compare)
DEFAULT: dict[str, Any] = {
    "source": OWN,
    "kind": FIRST,
    "measure": USUAL[FIRST].measure,
    "configuration": CONFIGURATION,
}


@dataclass(frozen=True)
class Selection:
    """Which layers: all, or those of a family, of a model, or a single one."""

    family: str | None = None
    model: str | None = None
    layer: int | None = None

    def holds(self, layer: Layer) -> bool:
        """Say whether a layer is meant."""
        asked = ((self.family, layer.family), (self.model, layer.model), (self.layer, layer.layer))
        return all(wanted is None or wanted == found for wanted, found in asked)

    @property
    def is_family(self) -> bool:
        """Whether it is a whole family."""
        return self.family is not None and self.model is None

    @property
    def title(self) -> str:
        """How the screen names it."""
        if self.model is not None:
            return self.model if self.layer is None else f"{self.model} {self.layer}"
        return self.family or "all"


@dataclass(frozen=True)
class Overview:
    """What the catalog has: slices with their number of scores, and layers by (source, corpus, pooling, kind)."""

    slices: dict[Slice, int] = field(default_factory=dict)
    layers: dict[tuple[Any, ...], list[Layer]] = field(default_factory=dict)

    def of(self, which: Slice) -> list[Layer]:
        """Return the layers that a slice can have scores of, ordered by family, model and layer."""
        return self.layers.get((which.source, which.corpus, which.pooling, which.kind), [])


def choices(slices: dict[Slice, int], current: Slice, dimension: str) -> list[str | None]:
    """Return the values that a dimension can take while the ones before it stay as they are."""
    before = DIMENSIONS[: DIMENSIONS.index(dimension)]
    fitting = [each for each in slices if all(getattr(each, name) == getattr(current, name) for name in before)]
    return list(dict.fromkeys(getattr(each, dimension) for each in fitting))


def changed(which: Slice, dimension: str, value: str | None) -> Slice:
    """Return a slice with one dimension changed; the catalog need not have it."""
    changes: dict[str, Any] = {dimension: value}
    return replace(which, **changes)


def nearest(slices: dict[Slice, int], wanted: Slice, must: str | None = None) -> Slice | None:
    """Return the slice that agrees with `wanted` in `must`, and then in most of the others."""

    def agreement(each: Slice) -> tuple[bool, int]:
        same = [getattr(each, name) == getattr(wanted, name) for name in DIMENSIONS]
        return must is None or getattr(each, must) == getattr(wanted, must), sum(same)

    return max(slices, key=agreement, default=None)


@dataclass
class State:
    """The selection: slice, rows, columns and the cell under the cursor, over what was last read."""

    overview: Overview = field(default_factory=Overview)
    slice: Slice | None = None
    rows: Selection = Selection()
    columns: Selection = Selection()
    matrix: Matrix = field(default_factory=lambda: Matrix((), (), np.empty((0, 0))))
    cursor: tuple[int, int] = (0, 0)
    colours: Scale = Scale()  # of the matrix

    def read(self, overview: Overview) -> None:
        """Take a new overview; what was selected stays selected as far as it still exists."""
        self.overview = overview
        if self.slice is None and overview.slices:
            first = next(iter(overview.slices))
            self.slice = replace(first, **DEFAULT)
        if self.slice is not None:
            self.slice = nearest(overview.slices, self.slice)
        self._settle()

    def _settle(self) -> None:
        """Widen a selection that holds no layer of the slice."""
        layers = self.overview.of(self.slice) if self.slice else []
        if not any(map(self.rows.holds, layers)):
            self.rows = Selection()
        if not any(map(self.columns.holds, layers)):
            self.columns = Selection()

    def switch(self, dimension: str, value: str | None) -> None:
        """Choose another measure, source, corpus …; the other dimensions follow where they must."""
        if self.slice is not None:
            self.slice = nearest(self.overview.slices, changed(self.slice, dimension, value), dimension)
            self._settle()

    def choices(self, dimension: str) -> list[str | None]:
        """Return what `switch` can choose."""
        return choices(self.overview.slices, self.slice, dimension) if self.slice else []

    def step(self, dimension: str, by: int) -> None:
        """Switch to the next or previous value of a dimension, round and round."""
        known = self.choices(dimension)
        if self.slice and known:
            place = known.index(getattr(self.slice, dimension))
            self.switch(dimension, known[(place + by) % len(known)])

    def axes(self) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
        """Return the layers that stand for rows and for columns."""
        layers = self.overview.of(self.slice) if self.slice else []
        rows, columns = (tuple(filter(chosen.holds, layers)) for chosen in (self.rows, self.columns))
        return rows, columns

    def selections(self) -> list[Selection]:
        """Return what the columns can be narrowed to: all, a family, a model."""
        layers = self.overview.of(self.slice) if self.slice else []
        families = [Selection(family) for family in dict.fromkeys(each.family for each in layers)]
        models = [Selection(*names) for names in dict.fromkeys((each.family, each.model) for each in layers)]
        return [Selection(), *families, *models]

    def show(self, matrix: Matrix) -> None:
        """Take a new matrix; the cursor stays on its pair of layers, else on its model, else where it was."""
        old, (row, column) = self.matrix, self.cursor
        fresh = not old.rows or not old.columns
        self.matrix = matrix
        known = matrix.values[np.isfinite(matrix.values)]
        ends = [float(known.min()), float(known.max())] if known.size else []
        self.colours = scale(matrix.scope.first if matrix.scope else None, ends)
        if fresh:
            self.cursor = (0, min(1, max(len(matrix.columns) - 1, 0)))  # a layer with itself says nothing
            return
        self.cursor = (_follow(old.rows[row], row, matrix.rows), _follow(old.columns[column], column, matrix.columns))

    def move(self, rows: int, columns: int) -> None:
        """Move the cursor; it stops at the edges."""
        self.place(self.cursor[0] + rows, self.cursor[1] + columns)

    def place(self, row: int, column: int) -> None:
        """Put the cursor on a cell; it stops at the edges."""
        height, width = self.matrix.values.shape
        self.cursor = (max(min(row, height - 1), 0), max(min(column, width - 1), 0))

    @property
    def pair(self) -> tuple[Layer, Layer] | None:
        """The layers under the cursor."""
        if not self.matrix.values.size:
            return None
        return self.matrix.rows[self.cursor[0]], self.matrix.columns[self.cursor[1]]

    @property
    def value(self) -> float | None:
        """The score under the cursor."""
        if not self.matrix.values.size:
            return None
        found = float(self.matrix.values[self.cursor])
        return None if np.isnan(found) else found

    @property
    def _beside(self) -> list[Slice]:
        """The slices of the same source and corpus."""
        if self.slice is None:
            return []
        here = (self.slice.source, self.slice.corpus)
        return [each for each in self.overview.slices if (each.source, each.corpus) == here]

    @property
    def comparable(self) -> int:
        """How many scores a pair can have on the slice's corpus, from its source."""
        return len(self._beside)

    @property
    def scores(self) -> int:
        """How many scores there are on the slice's corpus, from its source."""
        return sum(self.overview.slices[each] for each in self._beside)

    def table(self) -> Table:
        """The matrix as rows, one a scored pair, with all that says what its values are."""
        names = tuple(name for name in DIMENSIONS if name != "measure")
        columns = ("measure", "model_a", "layer_a", "family_a", "model_b", "layer_b", "family_b", "value", *names)
        if self.slice is None:
            return Table("", columns, [])
        which = self.slice
        context = tuple(getattr(which, name) for name in names)
        matrix, values = self.matrix, self.matrix.values
        scored = np.argwhere(~np.isnan(values))
        rows = [
            (which.measure, a.model, a.layer, a.family, b.model, b.layer, b.family, float(values[i, j]), *context)
            for i, j in scored.tolist() for a, b in [(matrix.rows[i], matrix.columns[j])]
        ]  # fmt: skip
        return Table(f"{self.rows.title} towards {self.columns.title}", columns, rows, which.scope)


def _follow(layer: Layer, place: int, layers: tuple[Layer, ...]) -> int:
    if layer in layers:
        return layers.index(layer)
    same = [index for index, each in enumerate(layers) if each.model == layer.model]
    return same[0] if same else max(min(place, len(layers) - 1), 0)
