"""Layers × layers: the one arrangement of layer pairs that every heatmap is drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.ask import bindings, load
from layeratlas.queries.core.origins import measured_by

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from duckdb import DuckDBPyConnection

    from layeratlas.queries.core.scope import Scope

    Values = npt.NDArray[np.float64]  # [rows, columns]


@dataclass(frozen=True, order=True)
class Layer:
    """A layer of a model; sorted, families and models stand together."""

    family: str
    model: str
    layer: int

    @property
    def title(self) -> str:
        """How people name it."""
        return f"{self.model} {self.layer}"


@dataclass(frozen=True)
class Block:
    """Neighbouring layers of one model along a side; `start` is the place of the first."""

    model: str
    family: str
    layers: tuple[int, ...]
    start: int

    @property
    def stop(self) -> int:
        """The place after its last."""
        return self.start + len(self.layers)


@dataclass(frozen=True)
class Matrix:
    """Scores of row layers towards column layers, [rows, columns]; NaN where there is none. `what`: what is shown."""

    rows: tuple[Layer, ...]
    columns: tuple[Layer, ...]
    values: Values
    what: str = ""
    scope: Scope | None = None

    @property
    def is_square(self) -> bool:
        """Whether rows and columns are the same layers."""
        return self.rows == self.columns

    def scored(self) -> Matrix:
        """Leave out the layers without any score; a square matrix stays square."""
        import numpy as np

        known = np.isfinite(self.values)
        rows, columns = np.asarray(known.any(axis=1)), np.asarray(known.any(axis=0))
        if self.is_square:
            rows = columns = rows | columns
        kept = [tuple(layer for layer, keep in zip(side, keeps, strict=True) if keep)
                for side, keeps in ((self.rows, rows), (self.columns, columns))]  # fmt: skip
        return Matrix(kept[0], kept[1], self.values[np.ix_(rows, columns)], self.what, self.scope)


def matrix(
    catalog: DuckDBPyConnection, scope: Scope, rows: Sequence[Layer], columns: Sequence[Layer], *, what: str = ""
) -> Matrix:
    """Read the scores of row layers towards column layers under a scope's measure."""
    import numpy as np

    values = np.full((len(rows), len(columns)), np.nan)
    if values.size:
        sql = measured_by(load(__package__, "matrix"), scope.values)
        ends = {**_ends("row", rows), **_ends("column", columns)}
        found = catalog.execute(sql, bindings(sql, {**scope.values, **ends})).fetchnumpy()
        values[found["line"], found["place"]] = found["value"]
    return Matrix(tuple(rows), tuple(columns), values, what, scope)


def blocks(layers: Sequence[Layer]) -> tuple[Block, ...]:
    """Return the models along a side."""
    found: list[Block] = []
    for (family, model), same in groupby(layers, key=lambda layer: (layer.family, layer.model)):
        found.append(Block(model, family, tuple(layer.layer for layer in same), found[-1].stop if found else 0))
    return tuple(found)


def families(sides: Sequence[Block]) -> list[tuple[str, int, int]]:
    """Return each family with the place where it begins and the place after its end."""
    spans: list[tuple[str, int, int]] = []
    for block in sides:
        if spans and spans[-1][0] == block.family:
            spans[-1] = (block.family, spans[-1][1], block.stop)
        else:
            spans.append((block.family, block.start, block.stop))
    return spans


def _ends(side: str, layers: Sequence[Layer]) -> dict[str, list[Any]]:
    return {f"{side}_models": [each.model for each in layers], f"{side}_layers": [each.layer for each in layers]}
