"""Dendrograms in a terminal: a line a leaf, its branches to the right, where they meet as far out as they are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from layeratlas.queries.core.table import Table
from layeratlas.queries.core.visible import visible
from layeratlas.queries.terminal.fit import padded, shortened, wide
from layeratlas.queries.terminal.render import print_lines, terminal, title, width

_PIPE = 100  # columns of a drawing that goes to no terminal
_NAME = 28  # of a leaf's name, at most
_LEAST, _MOST = 20, 72  # of the branches
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
    """Draw rows of model, family, cluster, joins to stdout, with the title and what it means."""
    rows = table.records()
    names = [visible(_name(row)) for row in rows]
    family = [visible(row["family"]) for row in rows]
    sizes = min(_NAME, max(map(wide, names))), min(_NAME, max(map(wide, family)))
    number = len(str(max(row["cluster"] for row in rows)))
    room = min(_MOST, max(_LEAST, (width() or _PIPE) - sum(sizes) - number - 4))
    print_lines(title(table), bold=True)
    for name, of, row, line in zip(names, family, rows, branches([row["joins"] for row in rows], room), strict=True):
        begins = padded(shortened(name, sizes[0]), sizes[0]) + "  " + padded(shortened(of, sizes[1]), sizes[1])
        print_line = f"{begins} {row['cluster']:>{number}} {line}".rstrip()
        terminal().print(print_line, soft_wrap=True, markup=False)
    highest = max((row["joins"] for row in rows[1:]), default=0.0)
    scale = f"0{f'{highest:.2f}':>{room - 1}}"
    terminal().print(f"{'':{sum(sizes) + number + 4}}{scale}", soft_wrap=True, markup=False)
    print_lines(f"=> {table.says}" if table.says else "")


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
