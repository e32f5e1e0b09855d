"""Groups that emerge, as `layeratlas query clusters` has them: a dendrogram beside the ordered heatmap, and a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from math import isfinite
from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.matrix import Matrix
from layeratlas.queries.core.scale import scale
from layeratlas.queries.core.table import Table
from layeratlas.queries.core.visible import visible
from layeratlas.queries.figures.charts import Grid, Leaf, Map, Spot, Tree, note
from layeratlas.queries.figures.plots import colour_of, words
from layeratlas.queries.figures.style import INK, MISSING, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Node = tuple[float, float]  # where a branch stands among the leaves, and its height

_PAGE, _CELL = 9.0, 0.42  # inches: all leaves, at most, and one
_LETTER = 0.075  # inches that a name's letter needs, at most
_READABLE = 0.075  # inches of a leaf that has a name
_BRANCHES, _STRIP = 2.2, 0.16  # inches
_TURNED = 0.2  # inches of a leaf whose column has a name, too
_NUMBERED = 16  # leaves; of more, cells have no room for numbers


def tree(table: Table) -> Tree:
    """Make a dendrogram of rows of model, layer (of layers), family, cluster, joins."""
    rows, series = table.records(), _families(table)
    leaves = tuple(Leaf(series.index(row["family"]), _name(row), row["cluster"], row["joins"]) for row in rows)
    return Tree(id="tree", title=f"Which {_what(table)} are alike?", caption=_caption(table), axis=_axis(table),
                series=series, leaves=leaves, table=table, note=note(table, by=True))  # fmt: skip


def chart(table: Table) -> Map:
    """Make a map of rows of model, layer (of layers), family, x, y."""
    series = _families(table)
    rows = sorted(table.records(), key=lambda row: (row["family"], row["model"], row.get("layer", 0)))
    trails = tuple(
        tuple(Spot(series.index(row["family"]), _name(row), row["x"], row["y"]) for row in same)
        for _, same in groupby(rows, key=lambda row: row["model"])
    )
    layers = "A line joins a model's layers, its name stands at the last. " if "layer" in table.columns else ""
    return Map(id="map", title=f"A map of {_what(table)}: near is alike", caption=layers + _caption(table),
               series=series, trails=trails, table=table, note=note(table, by=True))  # fmt: skip


def ordered(table: Table) -> Grid:
    """Make the heatmap whose rows and columns stand in the order of the dendrogram."""
    cells = _scores(table)
    names = tuple(leaf.name for leaf in tree(table).leaves)
    values = tuple(tuple(value if isfinite(value) else None for value in row) for row in cells.values.tolist())
    known = [value for row in values for value in row if value is not None]
    ends = scale(cells.scope.first if cells.scope else None, [min(known), max(known)])
    return Grid(id="ordered", title=f"The scores of {_what(table)}, in the order of the tree", axis="score",
                caption="Rows towards columns; those that are alike stand side by side.", names=names, values=values,
                table=table, note=note(table, by=True), low=ends.low, high=ends.high)  # fmt: skip


def draw(table: Table) -> Figure:
    """Draw the dendrogram of a table beside the scores that it groups, rows and columns in its order."""
    from matplotlib.figure import Figure

    picture, cells, count = tree(table), _scores(table), len(table.rows)
    size = min(_CELL, _PAGE / count)
    side, names = size * count, max(len(leaf.name) for leaf in picture.leaves) * _LETTER
    figure = Figure(figsize=(_BRANCHES + _STRIP + side, side))
    width = figure.get_size_inches()[0]
    branches = figure.add_axes((0, 0, _BRANCHES / width, 1))
    strip = figure.add_axes(((_BRANCHES + 0.03) / width, 0, (_STRIP - 0.06) / width, 1))
    grid = figure.add_axes(((_BRANCHES + _STRIP) / width, 0, side / width, 1))
    _branches(branches, picture)
    _strip(strip, picture)
    _cells(grid, cells, picture, size)
    is_named = size >= _READABLE
    _names(grid, picture, size, is_named=is_named)
    below = 0.15 + names * 0.5 if is_named and size >= _TURNED else 0.0
    words(figure, replace(picture, caption=_says_colours(cells) + picture.caption), below=max(below, 0.55))
    return figure


def _scores(table: Table) -> Matrix:
    assert table.ordered, "an answer of `clusters`, whole"
    return table.ordered


def _branches(axes: Axes, picture: Tree) -> None:
    low, high = picture.ends()
    for nodes in elbows([leaf.joins for leaf in picture.leaves]):
        axes.plot([x for _, x in nodes], [y for y, _ in nodes], color=INK, linewidth=0.9, solid_joinstyle="miter")
    axes.set_xlim(high * 1.03, low)
    axes.set_ylim(len(picture.leaves) - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(picture.axis, fontsize=7.5)
    axes.tick_params(labelsize=7)


def elbows(joins: Sequence[float | None]) -> list[tuple[Node, Node, Node, Node]]:
    """Return each junction of a dendrogram as its four corners: (place among the leaves, height)."""
    heights = [each or 0.0 for each in joins]
    found: list[tuple[Node, Node, Node, Node]] = []

    def grown(start: int, stop: int) -> Node:
        if stop - start == 1:
            return float(start), 0.0
        middle = max(range(start + 1, stop), key=heights.__getitem__)
        one, other, height = grown(start, middle), grown(middle, stop), heights[middle]
        found.append((one, (one[0], height), (other[0], height), other))
        return (one[0] + other[0]) / 2, height

    if joins:
        grown(0, len(joins))
    return found


def _strip(axes: Axes, picture: Tree) -> None:
    for place, leaf in enumerate(picture.leaves):
        axes.axhspan(place - 0.5, place + 0.5, color=colour_of(leaf.series), linewidth=0)
    axes.set_ylim(len(picture.leaves) - 0.5, -0.5)
    axes.set_axis_off()


def _cells(axes: Axes, cells: Matrix, picture: Tree, size: float) -> None:
    import numpy as np

    known = cells.values[np.isfinite(cells.values)]
    colours = scale(cells.scope.first if cells.scope else None, [float(known.min()), float(known.max())])
    axes.set_facecolor(MISSING)
    axes.pcolormesh(np.ma.masked_invalid(cells.values), cmap="viridis_r" if colours.is_distance else "viridis",
                    vmin=colours.low, vmax=colours.high, rasterized=True)  # fmt: skip
    axes.invert_yaxis()
    for place in range(1, len(picture.leaves)):
        if picture.leaves[place].group != picture.leaves[place - 1].group:
            axes.axhline(place, color="white", linewidth=1.4)
            axes.axvline(place, color="white", linewidth=1.4)
    if len(picture.leaves) <= _NUMBERED:
        for (line, column), value in np.ndenumerate(cells.values):
            if np.isfinite(value):
                colour = "black" if colours.position(float(value)) > 0.55 else "white"
                axes.text(column + 0.5, line + 0.5, f"{value:.2f}", ha="center", va="center", color=colour,
                          fontsize=17 * size)  # fmt: skip
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=0.8, color=INK)


def _names(axes: Axes, picture: Tree, size: float, *, is_named: bool) -> None:
    """Names of rows to the right, and of columns below where there is room for them."""
    places = [place + 0.5 for place in range(len(picture.leaves))]
    axes.set_xticks([])
    axes.set_yticks([])
    if not is_named:
        axes.set_xlabel("too many for their names: the numbers are in `query clusters`", color=MUTED, fontsize=7.5)
        return
    names, letters = [visible(leaf.name) for leaf in picture.leaves], min(8.5, size * 60)
    axes.set_yticks(places, names, fontsize=letters)
    axes.tick_params(length=0, pad=3)
    axes.yaxis.tick_right()
    if size >= _TURNED:
        axes.set_xticks(places, names, fontsize=letters, rotation=35, ha="right", rotation_mode="anchor")
    else:
        axes.set_xlabel("columns in the order of rows", color=MUTED, fontsize=7.5)


def _says_colours(cells: Matrix) -> str:
    if cells.scope is None:
        return ""
    return f"Colours are {cells.scope.measure} of row towards column, bright where they are close. "


def _caption(table: Table) -> str:
    return f"{table.says[:1].upper()}{table.says[1:]}."


def _what(table: Table) -> str:
    return "layers" if "layer" in table.columns else "models"


def _axis(table: Table) -> str:
    return next((each for each in table.notes if "linkage" in each), "distance")


def _families(table: Table) -> tuple[str, ...]:
    return tuple(sorted(set(table.column("family"))))


def _name(row: dict[str, Any]) -> str:
    return f"{row['model']} {row['layer']}" if "layer" in row else str(row["model"])
