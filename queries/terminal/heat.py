"""Heatmaps in a terminal: numbers where they fit, else blocks; in colour, or in shades where there is none.

Takes rows with model_a, layer_a, family_a, model_b, layer_b, family_b, value; never touches the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from layeratlas.queries.core.matrix import Block, Layer, blocks
from layeratlas.queries.core.table import Table
from layeratlas.queries.core.visible import visible
from layeratlas.queries.terminal.fit import cell_size as fitting_size
from layeratlas.queries.terminal.fit import has_model_borders, padded, shortened
from layeratlas.queries.terminal.render import print_lines, terminal, title, width

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_SHADES = " ░▒▓█"
_NAME = 14  # columns of a model's name beside the rows
_LABEL = _NAME + 5
_PIPE = 160  # columns of a drawing that goes to no terminal
_NUMBER = 5
_NAMEABLE = 6  # columns that a name needs
_STOPS = [(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)]  # dark to light, one order of hues

Cells = Mapping[tuple[str, int, str, int], float]


def room() -> int:
    """Cells and borders that fit beside the labels."""
    return (width() or _PIPE) - _LABEL


def cell_size(layers: Sequence[Layer]) -> int:
    """How many neighbouring layers share a cell, so that all of these fit."""
    sides = blocks(layers)
    return fitting_size([block.layers for block in sides], len({block.family for block in sides}), room())


def draw(table: Table, *, bin: int = 1) -> None:
    """Draw a heatmap to stdout, with its title, a legend where it has no numbers, and what it means."""
    console = terminal()
    cells = {(r["model_a"], r["layer_a"], r["model_b"], r["layer_b"]): r["value"] for r in table.records()}
    rows, columns = _side(table, "a"), _side(table, "b")
    print_lines(title(table) + (f", a cell {bin} × {bin} layers" if bin > 1 else ""), bold=True)
    numbers = 6 + _NUMBER * sum(len(block.layers) for block in columns)
    if len(rows) == len(columns) == 1 and numbers <= (width() or numbers):
        _draw_numbers(console, cells, rows[0], columns[0])
    else:
        _draw_blocks(console, cells, rows, columns)
    print_lines(f"=> {table.says}" if table.says else "")


def _side(table: Table, side: str) -> tuple[Block, ...]:
    names = [f"family_{side}", f"model_{side}", f"layer_{side}"]
    return blocks(sorted(set(map(Layer, *map(table.column, names)))))


def _draw_numbers(console: Console, cells: Cells, rows: Block, columns: Block) -> None:
    from rich.text import Text

    console.print("      " + "".join(f"{layer:>5}" for layer in columns.layers), soft_wrap=True)
    for layer in rows.layers:
        line = Text(f"{layer:>5} ")
        for other in columns.layers:
            value = cells.get((rows.model, layer, columns.model, other))
            mark = " " if value is None or in_colour(console) else _shade(value)
            line.append("    ·" if value is None else f"{mark}{value:4.2f}", _colour(value))
        console.print(line, soft_wrap=True)


def _draw_blocks(console: Console, cells: Cells, rows: Sequence[Block], columns: Sequence[Block]) -> None:
    from rich.text import Text

    low, high = min(cells.values()), max(cells.values())
    scaled = {key: (value - low) / ((high - low) or 1.0) for key, value in cells.items()}
    grid = _Grid(console, scaled, columns)
    grid.header()
    for place, group in enumerate(rows):
        grid.rule(rows, place)
        for layer in group.layers:
            grid.line(group, layer)
    console.print(Text(f"{'':{_LABEL}}").append(legend(low, high, coloured=grid.coloured)), soft_wrap=True)


class _Grid:
    """Blocks under one header: as wide as fits, with a line between families and a thin one between models."""

    def __init__(self, console: Console, scaled: Cells, columns: Sequence[Block]) -> None:
        self._console, self._scaled, self._columns = console, scaled, columns
        self.coloured = in_colour(console)
        cells = [len(group.layers) for group in columns]
        self._wide = 2 if 2 * sum(cells) + len(columns) - 1 <= room() else 1
        self._narrow = not has_model_borders(cells)  # then only families get a border
        self._numbered = len(columns) > 1 and min(cells) * self._wide < _NAMEABLE

    def header(self) -> None:
        """Names of the models, or numbers where names have no room, and first and last layers, above the columns."""
        names, ends = [], []
        for place, group in enumerate(self._columns):
            size, gap = len(group.layers) * self._wide, " " * len(self._border(place))
            name = str(place + 1)[-size:] if self._numbered else shortened(visible(group.model), size)
            names.append(gap + padded(name, size))
            ends.append(gap + (f"{group.layers[0]}{group.layers[-1]:>{size - 1}}" if size > 3 else " " * size))
        for parts in (names, ends):
            if line := "".join(parts).rstrip():
                self._print(f"{'':{_LABEL}}{line}")

    def rule(self, rows: Sequence[Block], place: int) -> None:
        """The line before the group of rows at `place`: between families, and a thin one between models."""
        if not place:
            return
        between_families = rows[place].family != rows[place - 1].family
        if self._narrow and not between_families:
            return
        flat, cross = ("─", "┼") if between_families else ("╌", "│")
        parts = [
            self._border(index).replace("│", cross).replace("┊", flat) + flat * len(group.layers) * self._wide
            for index, group in enumerate(self._columns)
        ]
        self._print(f"{'':{_LABEL}}{''.join(parts)}")

    def line(self, group: Block, layer: int) -> None:
        """One layer's cells, the model's name before its first."""
        from rich.text import Text

        name = ""
        if layer == group.layers[0]:
            places = [place for place, column in enumerate(self._columns, start=1) if column.model == group.model]
            number = f"{places[0]:>2} " if self._numbered and places else ""
            name = number + shortened(visible(group.model), _NAME - len(number))
        line = Text(f"{padded(name, _NAME)} {layer:>3} ")
        for place, column in enumerate(self._columns):
            line.append(self._border(place))
            for other in column.layers:
                value = self._scaled.get((group.model, layer, column.model, other))
                line.append(*cell(value, self._wide, coloured=self.coloured))
        self._print(line)

    def _border(self, place: int) -> str:
        """What stands before the column group at `place`."""
        if not place:
            return ""
        if self._columns[place].family != self._columns[place - 1].family:
            return "│"
        return "" if self._narrow else "┊"

    def _print(self, line: str | Text) -> None:
        self._console.print(line, soft_wrap=True, markup=False)


def cell(value: float | None, wide: int, *, coloured: bool) -> tuple[str, str]:
    """Return the text and the style of a cell so many columns wide; value: 0 to 1, or None where there is no score."""
    if value is None:
        return "·" * wide, "dim"
    if coloured:
        return " " * wide, _colour(value)
    return _shade(value) * wide, ""


def legend(low: float, high: float, *, coloured: bool) -> Text:
    """Return what colours or shades mean, from the lowest to the highest score."""
    from rich.text import Text

    line = Text(f"{low:.2f} ")
    for step in range(20):
        line.append(*cell(step / 19, 1, coloured=coloured))
    return line.append(f" {high:.2f}")


def in_colour(console: Console) -> bool:
    """Tell whether cells are coloured; else they are shaded."""
    return console.color_system is not None and not console.no_color


def ramp(value: float) -> tuple[int, int, int]:
    """Return the colour (red, green, blue) of a similarity: dark to light, viridis-like; clipped to [0, 1]."""
    position = min(max(value, 0.0), 1.0) * (len(_STOPS) - 1)
    low = min(int(position), len(_STOPS) - 2)
    ends = zip(_STOPS[low], _STOPS[low + 1], strict=True)
    red, green, blue = (round(x + (y - x) * (position - low)) for x, y in ends)
    return red, green, blue


def _colour(value: float | None) -> str:
    """The ramp as a background, legible with black or white text on it."""
    if value is None:
        return "dim"
    return f"{'black' if value > 0.5 else 'white'} on rgb{str(ramp(value)).replace(' ', '')}"


def _shade(value: float) -> str:
    return _SHADES[min(int(max(value, 0.0) * len(_SHADES)), len(_SHADES) - 1)]
