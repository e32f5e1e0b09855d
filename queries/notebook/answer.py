"""What a question returns in Python: rows as the frame one likes, what they are of, and in words what they mean."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.matrix import Layer, Matrix, blocks
from layeratlas.queries.core.table import Table
from layeratlas.queries.notebook.page import lines, page
from layeratlas.queries.notebook.picture import Drawing, Picture, drawing_of, drawing_of_matrix, map_of
from layeratlas.store.errors import BadRequest, LayeratlasError, MissingPackage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from layeratlas.queries.core.scope import Scope

_SHOWN = 30  # rows
_FORKED: set[int] = set()  # this process, when it was forked from one that had loaded polars


def _note_fork() -> None:
    if "polars" in sys.modules:
        _FORKED.add(os.getpid())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


class Answer:
    """Rows, what they are rows of, and in words what they mean; shows itself in a notebook and in a terminal.

    `.polars()`, `.pandas()`, `.arrow()`, `.numpy()`, `.records()` give the rows, `.plot()` the picture where there is
    one, `.title`, `.says`, `.scope`, `.sql` and `.provenance` say what they are. What takes Arrow takes an answer:
    `polars.DataFrame(answer)`.
    """

    def __init__(
        self, table: Table, *, question: str = "", store: str = "", limit: int | None = None,
        columns: pa.Table | None = None,
    ) -> None:  # fmt: skip
        """Of a table, cut to `limit` rows; a picture is drawn of all. columns: all rows, where the table has a few."""
        self._whole, self._question, self._store, self._columns = table, question, store, columns
        self.table = table.first(limit)

    @property
    def title(self) -> str:
        """What is shown, by which measure, and of which scores: the line above the table in a terminal."""
        return self._headed()[0]

    @property
    def says(self) -> str:
        """What the rows mean, in a sentence; empty where there is nothing to say."""
        return self.table.says

    @property
    def scope(self) -> Scope | None:
        """Which scores were asked: measures, configuration, corpus, source, origin. None for SQL and for figures."""
        return self.table.scope

    @property
    def sql(self) -> str:
        """The statement that gave the rows, for `store.sql` or `layeratlas sql`."""
        return self.table.sql

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self.table.columns

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Where the rows come from: store, question, title, scope, SQL, version. `.arrow()` carries it as metadata."""
        from importlib.metadata import version

        return {
            "layeratlas": version("layeratlas"), "store": self._store, "question": self._question, "title": self.title,
            "scope": asdict(self.scope) if self.scope else None, "sql": self.sql,
        }  # fmt: skip

    def records(self) -> list[dict[str, Any]]:
        """The rows, each a dictionary."""
        if self._columns is None:
            return self.table.records()
        found: list[dict[str, Any]] = self._columns.to_pylist()
        return found

    def polars(self) -> pl.DataFrame:
        """The rows as a polars frame. Raises LayeratlasError in a fork of a process that used polars: it would hang."""
        if os.getpid() in _FORKED:
            raise LayeratlasError(
                "polars hangs in a process that was forked from one that had used it: take .records() or .arrow(), or "
                'start workers by "spawn"'
            )
        import polars as pl

        try:
            found = pl.from_arrow(self.arrow())
        except pl.exceptions.DuplicateError as error:
            raise BadRequest(f"two columns have one name: give one another, with AS ({error})") from None
        return found if isinstance(found, pl.DataFrame) else found.to_frame()

    def pandas(self) -> pd.DataFrame:
        """The rows as a pandas frame. Raises MissingPackage without pandas."""
        try:
            import pandas  # noqa: F401
        except ImportError:
            raise MissingPackage("a pandas frame needs pandas: pip install pandas; .polars() needs nothing") from None
        found: pd.DataFrame = self.arrow().to_pandas()
        return found

    def arrow(self) -> pa.Table:
        """The rows as a pyarrow Table, with `.provenance` as JSON under `layeratlas` in its metadata."""
        import pyarrow as pa

        found = self._columns
        if found is None:
            columns = list(zip(*self.table.rows, strict=True)) or [()] * len(self.columns)
            found = pa.Table.from_arrays([pa.array(list(values)) for values in columns], names=list(self.columns))
        return found.replace_schema_metadata({"layeratlas": json.dumps(self.provenance, default=str)})

    def numpy(self) -> npt.NDArray[Any]:
        """The rows as a structured numpy array: `answer.numpy()["value"]`."""
        return self.polars().to_numpy(structured=True)

    def filter(self, *predicates: Any, **equal: Any) -> Answer:
        """The same answer, cut to rows that fulfil these conditions, as polars' `filter` takes them."""
        frame = self.polars().filter(*predicates, **equal)
        first = frame.head(_SHOWN).rows()
        table = replace(self.table, rows=first, says="", notes=(*self.table.notes, "filtered"), ordered=None)
        return Answer(table, store=self._store, columns=frame.to_arrow())

    def plot(self) -> Picture:
        """The answer's picture; of groups, their tree beside its scores. Raises BadRequest where there is none."""
        return self._picture("picture", drawing_of)

    def map(self) -> Picture:
        """Groups on a plane: near is alike. Raises BadRequest for other answers."""
        return self._picture("map", map_of)

    def _picture(self, what: str, drawing: Callable[[str, Table], Drawing | None]) -> Picture:
        draw = drawing(self._question, self._whole) if self._question else None
        if draw is None:
            raise BadRequest(f"{self._question or 'this'} has no {what}: draw what .polars() has")
        return Picture(draw, self.title)

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.table.rows) if self._columns is None else int(self._columns.num_rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The rows, each a dictionary."""
        return iter(self.records())

    def __getitem__(self, column: str) -> pl.Series:
        """One column, as a polars series. Raises BadRequest where there is no such column."""
        if column not in self.columns:
            raise BadRequest(f"there is no column {column!r}; there is: {', '.join(self.columns)}")
        return self.polars()[column]

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """What other libraries take a table by."""
        return self.arrow().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        from layeratlas.queries.terminal import render, tree

        if self.table.ordered:
            return render.as_text(partial(tree.draw, self.table))
        heading, table = self._headed()
        text = render.as_text(partial(render.print_headed, heading, table.first(_SHOWN)))
        return text if len(self) <= _SHOWN else f"{text}\n({_SHOWN} of {len(self):,} rows)"

    def _repr_html_(self) -> str:
        return self._page(self._svg())

    def _page(self, svg: str) -> str:
        from layeratlas.queries.terminal.render import cells_of

        _, table = self._headed()
        return page(self.title, cells_of(table.first(_SHOWN)), says=self.says, rows=len(self), picture=svg)

    def _headed(self) -> tuple[str, Table]:
        """The line above the rows, and the rows without what it says of all of them."""
        from layeratlas.queries.terminal.render import headed, title

        return headed(self.table) if self._columns is None else (title(self.table), self.table)

    def _svg(self) -> str:
        """The picture as SVG; empty where there is none, or nothing to draw it with."""
        draw = drawing_of(self._question, self._whole) if self._question and self._whole.rows else None
        try:
            return Picture(draw, self.title).svg if draw else ""
        except MissingPackage:
            return ""


class Heatmap(Answer):
    """Layers × layers; draws itself. `.numpy()` is the matrix, `.layers` and `.other_layers` are its sides."""

    @property
    def title(self) -> str:
        """What is shown, by which measure, and of which scores."""
        from layeratlas.queries.terminal.render import title

        return title(self.table)

    @cached_property
    def matrix(self) -> Matrix:
        """The scores, [layers, other layers], NaN where there is none."""
        return _matrix(self._whole)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of the lines; scores are of them towards those of the columns."""
        return self.matrix.rows

    @property
    def other_layers(self) -> tuple[Layer, ...]:
        """The layers of the columns."""
        return self.matrix.columns

    def numpy(self) -> npt.NDArray[np.float64]:
        """The scores as a matrix [layers, other layers], NaN where there is none."""
        return self.matrix.values.copy()

    def plot(self, *, stretch: bool = False) -> Picture:
        """The picture. stretch: colours from the smallest to the largest value, not from 0 to 1."""
        return Picture(drawing_of_matrix(self.matrix, stretch=stretch), self.title)

    def __repr__(self) -> str:
        from layeratlas.queries.terminal import heat, render

        size = heat.cell_size(sorted({*self.layers, *self.other_layers}))
        if len(blocks(self.layers)) == len(blocks(self.other_layers)) == 1:
            size = 1  # of two models: numbers where they fit
        return render.as_text(partial(heat.draw, _binned(self._whole, size), bin=size))

    def _repr_html_(self) -> str:
        try:
            svg = self.plot().svg
        except MissingPackage:
            return lines(repr(self))
        return self._page(svg)


def _matrix(table: Table) -> Matrix:
    import numpy as np

    names = ("family", "model", "layer")
    sides = [list(map(Layer, *(table.column(f"{name}_{side}") for name in names))) for side in "ab"]
    rows, columns = (tuple(sorted(set(side))) for side in sides)
    places = [{layer: place for place, layer in enumerate(side)} for side in (rows, columns)]
    values = np.full((len(rows), len(columns)), np.nan)
    at = tuple([place[layer] for layer in side] for place, side in zip(places, sides, strict=True))
    values[at] = table.column("value")
    return Matrix(rows, columns, values, table.what, table.scope)


def _binned(table: Table, size: int) -> Table:
    """Let `size` neighbouring layers share a cell, which is their mean."""
    if size == 1:
        return table
    layers = [place for place, name in enumerate(table.columns) if name in ("layer_a", "layer_b")]
    value = table.columns.index("value")
    cells: dict[tuple[Any, ...], list[float]] = {}
    for row in table.rows:
        binned = [each // size * size if place in layers else each for place, each in enumerate(row)]
        score = binned.pop(value)
        cells.setdefault(tuple(binned), []).append(score)
    names = [name for name in table.columns if name != "value"]
    rows = [(*key, sum(values) / len(values)) for key, values in cells.items()]
    return replace(table, columns=(*names, "value"), rows=rows)
