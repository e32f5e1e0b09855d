"""The picture of an answer, where its question has one: `queries/figures/<question>.py`, with `chart(table)`.

An answer that is a tree is drawn by `draw(table)` there, with its scores; its chart is the map of the same leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.matrix import Matrix
from layeratlas.queries.core.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Drawing = Callable[[], "Figure"]

_FIGURES = "layeratlas.queries.figures"


class Picture:
    """A drawing that shows itself in a notebook, as SVG, and can be saved as PNG, SVG or PDF."""

    def __init__(self, draw: Callable[[], Figure], title: str) -> None:
        self._draw, self._title = draw, title

    @property
    def svg(self) -> str:
        """The picture as SVG. Raises MissingPackage without matplotlib."""
        from layeratlas.queries.figures import style

        return style.as_svg(self._draw)

    def figure(self) -> Figure:
        """The picture as a matplotlib Figure, to be changed. Raises MissingPackage without matplotlib."""
        from layeratlas.queries.figures import style

        style.require_matplotlib()
        with style.drawing():
            return self._draw()

    def save(self, path: str | Path) -> Path:
        """Write it to a file that ends in .png, .svg or .pdf. Raises BadRequest."""
        from layeratlas.queries.figures import style

        style.picture(Path(path), self._draw)
        return Path(path)

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<picture: {self._title}>"


def drawing_of(question: str, table: Table) -> Drawing | None:
    """Return what draws the rows of a question; None where it has no picture."""
    return partial(_figures(question).draw, table) if table.ordered else _charting(question, table)


def map_of(question: str, table: Table) -> Drawing | None:
    """Return what draws the leaves of a tree on a plane; None for other answers."""
    return _charting(question, table) if table.ordered else None


def _charting(question: str, table: Table) -> Drawing | None:
    chart = getattr(_figures(question), "chart", None)
    if chart is None:
        return None

    def draw() -> Figure:
        from layeratlas.queries.figures import plots

        return plots.draw(chart(table))

    return draw


def _figures(question: str) -> Any:
    name = f"{_FIGURES}.{question.replace('-', '_')}"
    return import_module(name) if find_spec(name) else None


def drawing_of_matrix(cells: Matrix, *, stretch: bool) -> Drawing:
    """Return what draws layers × layers."""

    def draw() -> Figure:
        from layeratlas.queries.figures import heatmap

        return heatmap.draw(cells, stretch=stretch)

    return draw
