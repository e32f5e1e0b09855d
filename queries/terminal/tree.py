"""Dendrograms in a terminal: a line a leaf, its scores with all leaves in their order, and its branches to the right.

Branches meet as far out as they are apart. Where a terminal is too narrow for a column a leaf, a cell is the mean of
some that stand side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.table import Table
from layeratlas.queries.core.visible import visible
from layeratlas.queries.terminal.fit import padded, shortened, wide
from layeratlas.queries.terminal.heat import cell, in_colour, legend
from layeratlas.queries.terminal.render import print_lines, terminal, title, width

if TYPE_CHECKING:
    from rich.text import Text

    from layeratlas.queries.core.matrix import Matrix

_PIPE = 100  # columns of a drawing that goes to no terminal
_NAME = 28  # of a leaf's name, at most
_LEAST, _MOST = 20, 72  # of the branches
_FEWEST = 6  # cells beside them
_LEFT, _RIGHT, _UP, _DOWN = 1, 2, 4, 8
#: What is drawn where lines leave a place in these directions.
_LINES = {
    0: " ", _LEFT | _RIGHT: "─", _UP | _DOWN: "│", _LEFT | _DOWN: "┐", _LEFT | _UP: "┘", _UP | _DOWN | _RIGHT: "├",
    _UP | _DOWN | _LEFT: "┤", _LEFT | _RIGHT | _DOWN: "┬", _LEFT | _RIGHT | _UP: "┴", _UP | _DOWN | _LEFT | _RIGHT: "┼",
    _RIGHT | _DOWN: "┌", _RIGHT | _UP: "└", _LEFT: "─", _RIGHT: "─", _UP: "│", _DOWN: "│",
}  # fmt: skip


@dataclass(frozen=True)
class _Branch:
    """The stem of some leaves: in which line it stands, and from which height on."""

    line: int
    height: float


def draw(table: Table) -> None:
    """Draw rows of model, family, cluster, joins and their scores to stdout, with the title and what it means."""
    from rich.text import Text

    rows, console = table.records(), terminal()
    coloured = in_colour(console)
    names = [visible(_name(row)) for row in rows]
    family = [visible(row["family"]) for row in rows]
    sizes = min(_NAME, max(map(wide, names))), min(_NAME, max(map(wide, family)))
    number = len(str(max(row["cluster"] for row in rows)))
    room = max(_LEAST, (width() or _PIPE) - sum(sizes) - number - 4)
    free = room - _LEAST
    cells = _Cells(table.ordered, free) if table.ordered and free > min(_FEWEST, len(rows)) else None
    room = min(_MOST, room - (cells.columns + 1 if cells else 0))
    print_lines(
        title(table) + (f", a cell {cells.bin} {_what(table)} wide" if cells and cells.bin > 1 else ""), bold=True
    )
    lines = branches([row["joins"] for row in rows], room)
    for place, (name, of, row, line) in enumerate(zip(names, family, rows, lines, strict=True)):
        begins = padded(shortened(name, sizes[0]), sizes[0]) + "  " + padded(shortened(of, sizes[1]), sizes[1])
        whole = Text(f"{begins} {row['cluster']:>{number}} ")
        if cells:
            whole.append(cells.line(place, coloured=coloured)).append(" ")
        whole.append(line)
        whole.rstrip()
        console.print(whole, soft_wrap=True)
    highest = max((row["joins"] for row in rows[1:]), default=0.0)
    before = sum(sizes) + number + 4 + (cells.columns + 1 if cells else 0)
    console.print(f"{'':{before}}0{f'{highest:.2f}':>{room - 1}}", soft_wrap=True, markup=False)
    if cells:
        shades = legend(cells.low, cells.high, coloured=coloured)
        console.print(Text(f"{'':{sum(sizes) + number + 4}}").append(shades), soft_wrap=True)
    print_lines(f"=> {table.says}" if table.says else "")


class _Cells:
    """The scores of a tree's leaves, a line a leaf, in the order of the tree: `columns` wide, `bin` leaves a cell."""

    def __init__(self, scores: Matrix, room: int) -> None:
        import numpy as np

        leaves = len(scores.rows)
        self.bin = -(-leaves // max(1, min(leaves, room - 1)))  # leaves a cell
        self._wide = 2 if 2 * leaves < room else 1
        known = np.isfinite(scores.values)
        starts = np.arange(0, leaves, self.bin)
        sums, counts = (np.add.reduceat(each, starts, axis=1) for each in (np.where(known, scores.values, 0.0), known))
        self._values = [
            [total / count if count else None for total, count in zip(*line, strict=True)]
            for line in zip(sums.tolist(), counts.astype(int).tolist(), strict=True)
        ]
        found = [value for line in self._values for value in line if value is not None]
        self.low, self.high, self.columns = min(found), max(found), len(starts) * self._wide

    def line(self, place: int, *, coloured: bool) -> Text:
        """The cells of one leaf."""
        from rich.text import Text

        span = (self.high - self.low) or 1.0
        scaled = (None if value is None else (value - self.low) / span for value in self._values[place])
        return Text.assemble(*(cell(value, self._wide, coloured=coloured) for value in scaled))


def _what(table: Table) -> str:
    return "layers" if "layer" in table.columns else "models"


def _name(row: dict[str, Any]) -> str:
    return f"{row['model']} {row['layer']}" if "layer" in row else str(row["model"])


def branches(joins: Sequence[float | None], room: int) -> list[str]:
    """Draw the branches of leaves, a line each, `room` columns wide: `joins` as `query clusters` has them."""
    heights = [each or 0.0 for each in joins]
    highest = max(heights[1:], default=0.0) or 1.0
    grid = [[0] * room for _ in joins]

    def column(height: float) -> int:
        return round(height / highest * (room - 1))

    def along(branch: _Branch, end: int) -> None:
        for place in range(column(branch.height), end):
            grid[branch.line][place] |= _RIGHT
            grid[branch.line][place + 1] |= _LEFT

    def meet(first: _Branch, second: _Branch, height: float) -> _Branch:
        end = column(height)
        along(first, end)
        along(second, end)
        for line in range(first.line, second.line):
            grid[line][end] |= _DOWN
            grid[line + 1][end] |= _UP
        return _Branch((first.line + second.line) // 2, height)

    def grown(start: int, stop: int) -> _Branch:
        if stop - start == 1:
            return _Branch(start, 0.0)
        middle = max(range(start + 1, stop), key=heights.__getitem__)
        return meet(grown(start, middle), grown(middle, stop), heights[middle])

    if len(joins) > 1:
        grown(0, len(joins))
    return ["".join(map(_LINES.__getitem__, line)).rstrip() for line in grid]
