"""Layers × layers as colours: two models, or all models of a catalog on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layeratlas.queries.core.matrix import Block, Matrix, blocks, families
from layeratlas.queries.core.scale import Scale, scale
from layeratlas.queries.core.visible import visible
from layeratlas.queries.figures.style import INK, MISSING, MUTED, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

_PAGE = 8.0  # inches, the longer side of the cells of a large heatmap
_CELL = 0.42  # inches, of a small one
_TICK = 0.125  # inches that a layer's number needs
_LETTER = 0.075  # inches of a letter of a model's name
_ANNOTATED = 400  # cells; more have no room for numbers


def draw(cells: Matrix, *, stretch: bool = False) -> Figure:
    """Draw a matrix of layers: a cell is the value of its row towards its column, bright where they are close.

    Grey is unknown: the diagonal, or refused pairs.
    """
    import numpy as np
    from matplotlib.figure import Figure

    lines, columns = cells.values.shape
    size = min(_CELL, _PAGE / max(lines, columns))
    width, height = columns * size, lines * size
    figure = Figure(figsize=(width + 3.2, height + 2.0))
    axes = figure.add_axes((2.2 / (width + 3.2), 1.2 / (height + 2.0), width / (width + 3.2), height / (height + 2.0)))
    known = cells.values[np.isfinite(cells.values)]
    ends = [float(known.min()), float(known.max())] if known.size else []
    colours = scale(cells.scope.first if cells.scope else None, ends, stretch=stretch)
    mesh = _mesh(axes, cells, colours)
    if cells.values.size <= _ANNOTATED:
        _annotate(axes, cells, colours, size)
    _label(axes, cells, size)
    _borders(axes, cells)
    _colour_bar(figure, axes, mesh, height, is_distance=colours.is_distance)
    by, context = (f", {cells.scope.by}", cells.scope.context) if cells.scope else ("", ())
    titled(axes, visible(cells.what + by), visible(" · ".join([*context, f"{known.size:,} scores"])))
    return figure


def _mesh(axes: Axes, cells: Matrix, colours: Scale) -> QuadMesh:
    import numpy as np

    axes.set_facecolor(MISSING)
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(cells.values), cmap="viridis_r" if colours.is_distance else "viridis", vmin=colours.low,
        vmax=colours.high, rasterized=True,
    )  # fmt: skip
    axes.invert_yaxis()
    axes.set_aspect("equal")
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=0.8, color=INK)
    return mesh


def _annotate(axes: Axes, cells: Matrix, colours: Scale, size: float) -> None:
    """Write each value into its cell, dark on light or light on dark."""
    import numpy as np

    for (line, column), value in np.ndenumerate(cells.values):
        if np.isfinite(value):
            colour = "black" if colours.position(float(value)) > 0.55 else "white"
            text = f"{value:.2f}"
            axes.text(column + 0.5, line + 0.5, text, ha="center", va="center", color=colour, fontsize=17 * size)


def _label(axes: Axes, cells: Matrix, size: float) -> None:
    axes.tick_params(length=2, width=0.5, pad=1.5, labelsize=6.5)
    lines, columns = blocks(cells.rows), blocks(cells.columns)
    for side, axis in ((lines, axes.yaxis), (columns, axes.xaxis)):
        ticks = [tick for block in side for tick in _ticks(block, size)]
        axis.set_ticks([place + 0.5 for place, _ in ticks], [str(layer) for _, layer in ticks])
    for block in lines:
        middle = (block.start + block.stop) / 2
        axes.annotate(visible(block.model), (0, middle), (-19, 0), xycoords=axes.get_yaxis_transform(),
                      textcoords="offset points", ha="right", va="center", annotation_clip=False)  # fmt: skip
    fits = all(len(visible(block.model)) * _LETTER <= len(block.layers) * size for block in columns)
    for block in columns:
        middle = (block.start + block.stop) / 2
        turned = {"ha": "center"} if fits else {"ha": "right", "rotation": 35, "rotation_mode": "anchor"}
        axes.annotate(visible(block.model), (middle, 0), (0 if fits else 4, -15), xycoords=axes.get_xaxis_transform(),
                      textcoords="offset points", va="top", annotation_clip=False, **turned)  # fmt: skip


def _ticks(block: Block, size: float) -> list[tuple[int, int]]:
    """Return (place, layer) of the layers with a number: as many as there is room for, the first always."""
    step = next(step for step in (1, 2, 3, 4, 6, 12, 24, 48, 1000) if step * size >= _TICK)
    end = len(block.layers) - (step > 1)  # where it is narrow, the last would touch the next model's first
    return [(block.start + index, block.layers[index]) for index in range(0, max(end, 1), step)]


def _borders(axes: Axes, cells: Matrix) -> None:
    """A thin white line between models, a thick one between families, named at the far side."""
    columns = blocks(cells.columns)
    for side, line in ((blocks(cells.rows), axes.axhline), (columns, axes.axvline)):
        ends = {stop for _, _, stop in families(side)}
        for block in side[:-1]:
            line(block.stop, color="white", linewidth=2.2 if block.stop in ends else 0.7)
    if len(columns) == 1:
        return
    for family, start, stop in families(columns):
        axes.annotate(visible(family), ((start + stop) / 2, 1), (0, 3), xycoords=axes.get_xaxis_transform(), fontsize=7,
                      textcoords="offset points", ha="center", color=MUTED, annotation_clip=False)  # fmt: skip


def _colour_bar(figure: Figure, axes: Axes, mesh: QuadMesh, height: float, *, is_distance: bool) -> None:
    box = axes.get_position()
    width, _ = figure.get_size_inches()
    tall = min(height, 3.0) / height * box.height
    bar = figure.colorbar(mesh, cax=figure.add_axes((box.x1 + 0.2 / width, box.y1 - tall, 0.14 / width, tall)))
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2, width=0.5, labelsize=7)
    said = "distance of row\ntowards column" if is_distance else "row towards\ncolumn"
    bar.ax.set_title(said, fontsize=7, fontweight="normal", loc="left", pad=5)
