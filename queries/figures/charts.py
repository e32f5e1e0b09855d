"""What a chart shows, apart from who draws it: matplotlib (`plots.py`) or the report's page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from layeratlas.queries.core.scale import scale
from layeratlas.queries.core.table import Table


@dataclass(frozen=True)
class Point:
    """One value of a series, with its interval where it has one."""

    series: int
    value: float
    low: float | None = None
    high: float | None = None
    is_joined: bool = True  # by a line, to the other points of its group


@dataclass(frozen=True)
class Group:
    """One line of a dot chart: a category with a point a series."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Dots:
    """A dot chart: categories below one another, one value axis."""

    form: ClassVar[str] = "dots"
    id: str
    title: str
    caption: str
    axis: str
    series: tuple[str, ...]
    groups: tuple[Group, ...]
    table: Table
    note: str  # of which scores
    interval: str = ""  # what the intervals are

    def ends(self) -> tuple[float, float]:
        """Return the ends of the value axis."""
        return _ends(value for group in self.groups for point in group.points for value in _extent(point))


@dataclass(frozen=True)
class Line:
    """One series over x, ordered by x; band: x, low and high, where its values have intervals."""

    series: int
    points: tuple[tuple[float, float], ...]
    band: tuple[tuple[float, float, float], ...] = ()

    def values(self) -> Iterable[float]:
        """Return what the value axis must have room for."""
        return (*(value for _, value in self.points), *(end for _, *ends in self.band for end in ends))


@dataclass(frozen=True)
class Panel:
    """Lines that share their axes."""

    name: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Lines:
    """Small multiples of lines, with a common value axis unless each panel has its own."""

    form: ClassVar[str] = "lines"
    id: str
    title: str
    caption: str
    x: str
    axis: str
    series: tuple[str, ...]
    panels: tuple[Panel, ...]
    table: Table
    note: str  # of which scores
    diagonal: bool = False  # whether a dashed line marks where x and value are equal
    shares_axis: bool = True

    def ends(self, panel: Panel | None = None) -> tuple[float, float]:
        """Return the ends of the value axis, common to all panels; or of a panel's, where each has its own."""
        if panel is not None and not self.shares_axis:
            values = [value for line in panel.lines for value in line.values()]
            found = scale(None, values, stretch=True)
            return found.low, found.high
        return _ends(value for each in self.panels for line in each.lines for value in line.values())


@dataclass(frozen=True)
class Spot:
    """One place of a map. `x` and `y` are distances: of both a step is as long."""

    series: int
    name: str
    x: float
    y: float


@dataclass(frozen=True)
class Map:
    """Places on a plane; a trail joins those of one model, from its first layer to its last, where it has the name."""

    form: ClassVar[str] = "map"
    id: str
    title: str
    caption: str
    series: tuple[str, ...]
    trails: tuple[tuple[Spot, ...], ...]
    table: Table
    note: str  # of which scores

    def ends(self) -> tuple[float, float]:
        """Return the smallest and the largest number of either axis."""
        places = [place for trail in self.trails for spot in trail for place in (spot.x, spot.y)]
        return min(places), max(places)


@dataclass(frozen=True)
class Leaf:
    """One leaf of a dendrogram: its branch meets that of the leaf before at the height `joins`."""

    series: int
    name: str
    group: int
    joins: float | None


@dataclass(frozen=True)
class Tree:
    """A dendrogram: leaves below one another, in its order."""

    form: ClassVar[str] = "tree"
    id: str
    title: str
    caption: str
    axis: str
    series: tuple[str, ...]
    leaves: tuple[Leaf, ...]
    table: Table
    note: str  # of which scores

    def ends(self) -> tuple[float, float]:
        """Return 0 and the height at which the last branches meet."""
        return 0.0, max((leaf.joins for leaf in self.leaves if leaf.joins is not None), default=1.0) or 1.0


@dataclass(frozen=True)
class Grid:
    """Names × names, a number in each cell, None where there is none; `low` and `high` are the ends of colours."""

    form: ClassVar[str] = "grid"
    series: ClassVar[tuple[str, ...]] = ()
    id: str
    title: str
    caption: str
    axis: str
    names: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    table: Table
    note: str  # of which scores
    low: float = -1.0
    high: float = 1.0

    def ends(self) -> tuple[float, float]:
        """Return the ends of colours."""
        return self.low, self.high


Chart = Dots | Lines | Map | Tree | Grid


def note(table: Table, *, by: bool = False) -> str:
    """Say of which scores a table is; `by`: by which measure too."""
    return " · ".join([*([table.scope.by] if by and table.scope else []), *table.context])


def is_distance(table: Table) -> bool:
    """Whether the values of a table's measures are all distances."""
    return table.scope is not None and all(measure.is_distance for measure in table.scope.measures)


def listed(names: Sequence[str]) -> str:
    """Write names as a reader expects: a, b and c."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))


def _extent(point: Point) -> Iterable[float]:
    return (value for value in (point.low, point.value, point.high) if value is not None)


def _ends(values: Iterable[float]) -> tuple[float, float]:
    """0 to 1, so that charts compare, unless values lie outside."""
    found = scale(None, values)
    return found.low, found.high
