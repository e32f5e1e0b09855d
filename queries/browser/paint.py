"""A heatmap as lines of coloured text: the names of models and layers stay in sight, whatever is scrolled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from rich.segment import Segment
from rich.style import Style

from layeratlas.queries.core.matrix import Matrix, blocks
from layeratlas.queries.core.scale import Scale
from layeratlas.queries.core.visible import visible
from layeratlas.queries.terminal.fit import beginning, padded, wide
from layeratlas.queries.terminal.heat import ramp

HEADER = 2  # lines: models, layers
_NUMBER = 4  # characters for a layer's number and a space
_LONGEST_NAME = 30
_GROUPS = (Style.parse("bold #9ccfd8"), Style.parse("bold #f6c177"))  # neighbouring models differ
_PLAIN = Style.parse("#908caa")
_NOTHING, _ITSELF = Style.parse("#6e6a86"), Style.parse("#908caa on #26233a")
_CURSOR, _AWAY = Style.parse("bold #ffffff on #d7005f"), Style.parse("#ffffff on #8a3a5a")


@dataclass(frozen=True)
class Zoom:
    """How large a cell is drawn."""

    name: str
    width: int  # characters
    rows: int  # of the matrix in one line
    every: int  # how many layers apart numbers stand above the columns


ZOOMS = (Zoom("numbers", 4, 1, 1), Zoom("colours", 2, 1, 4), Zoom("overview", 1, 2, 8))


def fitting(zoom: Zoom, values: np.ndarray) -> Zoom:
    """Return a zoom in which numbers of this matrix do not touch: -.05 is a character longer than .05."""
    return replace(zoom, width=5) if zoom.width == 4 and np.any(values < 0) else zoom


def clip(text: str, width: int) -> str:
    """Shorten a text to a width, marked as shortened."""
    return text if wide(text) <= width else f"{beginning(text, width - 1)}…" if width > 0 else ""


def number(value: float) -> str:
    """Return a value in at most four characters: .87, 1.0, -.05."""
    return f"{value:.2f}".replace("0.", ".") if abs(value) < 0.995 else f"{value:.1f}"


@lru_cache(maxsize=2048)
def _style(bucket: int) -> Style:
    colour = "rgb({},{},{})".format(*ramp(bucket / 255))
    return Style.parse(f"{'#000000' if bucket > 130 else '#ffffff'} on {colour}")


@lru_cache(maxsize=65536)
def _halves(top: int, bottom: int) -> Style:
    upper, lower = (_colour(bucket) for bucket in (top, bottom))
    return Style.parse(f"{upper} on {lower}")


def _colour(bucket: int) -> str:
    if bucket < 0:
        return ("#000000", "#26233a", "#d7005f")[-bucket - 1]  # nothing, a layer with itself, the cursor
    return "rgb({},{},{})".format(*ramp(bucket / 255))


class Painter:
    """Draws one matrix; x and y are what is scrolled away, in characters and lines of the part below the header."""

    def __init__(self, matrix: Matrix, cursor: tuple[int, int], zoom: Zoom, *, room: int, colours: Scale = Scale(),
                 active: bool = True) -> None:  # fmt: skip
        self._matrix, self._cursor, self._colours, self._active = matrix, cursor, colours, active
        self.zoom = fitting(zoom, matrix.values)
        self._rows, self._columns = blocks(matrix.rows), blocks(matrix.columns)
        longest = max((wide(visible(group.model)) for group in self._rows), default=0)
        self._name = min(longest, max(room // 4, 8), _LONGEST_NAME)
        self._row_group = [index for index, group in enumerate(self._rows) for _ in range(group.start, group.stop)]

    @property
    def margin(self) -> int:
        """Characters of the row labels."""
        return self._name + _NUMBER

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole drawing with labels and header."""
        height, width = self._matrix.values.shape
        return self.margin + width * self.zoom.width, HEADER + -(-height // self.zoom.rows)

    def cell_at(self, x: int, y: int) -> tuple[int, int] | None:
        """Return the cell drawn at a place of the whole drawing."""
        if x < self.margin or y < HEADER:
            return None
        return (y - HEADER) * self.zoom.rows, (x - self.margin) // self.zoom.width

    def place_of(self, row: int, column: int) -> tuple[int, int]:
        """Return where a cell is drawn, without labels and header."""
        return column * self.zoom.width, row // self.zoom.rows

    def line(self, at: int, x: int, y: int, width: int) -> list[Segment]:
        """Return line `at` of the visible part."""
        room = width - self.margin
        if at == 0:
            return [Segment(" " * self.margin), *self._models(x, room)]
        if at == 1:
            return [Segment(" " * self.margin), *self._layers(x, room)]
        first = (y + at - HEADER) * self.zoom.rows
        if first >= len(self._matrix.rows):
            return []
        return [*self._label(first, at == HEADER), *self._cells(first, x, room)]

    def _models(self, x: int, room: int) -> list[Segment]:
        found = []
        for index, group in enumerate(self._columns):
            left, right = (max(min(place * self.zoom.width, x + room), x) for place in (group.start, group.stop))
            if right > left:
                found.append(
                    Segment(padded(clip(visible(group.model), right - left - 1), right - left), _GROUPS[index % 2])
                )
        return found

    def _layers(self, x: int, room: int) -> list[Segment]:
        width, length = self.zoom.width, len(self._matrix.columns) * self.zoom.width
        text, styles = [" "] * (length + _NUMBER), [_PLAIN] * (length + _NUMBER)
        for group in self._columns:
            for place in range(group.start, group.stop):
                layer = self._matrix.columns[place].layer
                said = f"{layer:>{width - 1}}" if width >= 4 else str(layer)
                if layer % self.zoom.every == 0 and place * width + len(said) < group.stop * width + (width >= 4):
                    text[place * width : place * width + len(said)] = said
        said = f"{self._matrix.columns[self._cursor[1]].layer:>{width - 1 if width >= 4 else width}}"
        start = max(min(self._cursor[1] * width, min(x + room, length) - len(said)), 0)  # whole, also at the right edge
        text[start : start + len(said)] = said
        styles[start : start + len(said)] = [self._mark] * len(said)
        return [Segment(each, style) for each, style in zip(text, styles, strict=True)][x : min(x + room, length)]

    @property
    def _mark(self) -> Style:
        return _CURSOR if self._active else _AWAY

    def _label(self, first: int, topmost: bool) -> list[Segment]:
        rows = range(first, min(first + self.zoom.rows, len(self._matrix.rows)))
        begins = [row for row in rows if self._rows[self._row_group[row]].start == row]
        marked = self._cursor[0] in rows
        row = self._cursor[0] if marked else (begins or [first])[0]
        group, layer = self._row_group[row], self._matrix.rows[row]
        name = clip(visible(layer.model), self._name) if topmost or begins or marked else ""
        style = self._mark if marked else _GROUPS[group % 2]
        return [Segment(padded(name, self._name), style if marked else _GROUPS[group % 2]),
                Segment(f"{layer.layer:>3}", style if marked else _PLAIN), Segment(" ")]  # fmt: skip

    def _cells(self, first: int, x: int, room: int) -> list[Segment]:
        width = self.zoom.width
        left, right = x // width, min(-(-(x + room) // width), len(self._matrix.columns))
        draw = self._two_cells if self.zoom.rows == 2 else self._cell
        found = [draw(first, column) for column in range(left, right)]
        return _cut(found, x - left * width, room)

    def _bucket(self, row: int, column: int) -> int:
        if row >= len(self._matrix.rows):
            return -1
        if self._matrix.rows[row] == self._matrix.columns[column]:
            return -2
        value = self._matrix.values[row, column]
        return -1 if np.isnan(value) else int(min(max(self._colours.position(float(value)), 0.0), 1.0) * 255)

    def _cell(self, row: int, column: int) -> Segment:
        width, bucket = self.zoom.width, self._bucket(row, column)
        said = {-1: "·", -2: "="}.get(bucket) or (number(self._matrix.values[row, column]) if width >= 4 else "")
        if (row, column) == self._cursor:
            return Segment(said.rjust(width) if said else "[]", self._mark)
        return Segment(said.rjust(width), {-1: _NOTHING, -2: _ITSELF}.get(bucket) or _style(bucket))

    def _two_cells(self, row: int, column: int) -> Segment:
        top, bottom = (-3 if (each, column) == self._cursor else self._bucket(each, column) for each in (row, row + 1))
        return Segment("▀", _halves(top, bottom))


def _cut(segments: list[Segment], start: int, length: int) -> list[Segment]:
    """Return `length` characters from `start` on."""
    found, at = [], 0
    for text, style, _ in segments:
        part = text[max(start - at, 0) : max(start + length - at, 0)]
        at += len(text)
        if part:
            found.append(Segment(part, style))
    return found
