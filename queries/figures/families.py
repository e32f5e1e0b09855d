"""Within a family against across families, measure by measure, as `layeratlas query families` has it."""

from __future__ import annotations

from typing import Any

from layeratlas.queries.core.table import Table
from layeratlas.queries.figures.charts import Dots, Group, Point, is_distance, note

_LEVELS = {"across": "across families", "same_family": "within a family", "same_model": "same model"}


def chart(table: Table) -> Dots:
    """Draw rows of measure, across, same_family, same_model, difference, low, high; None is left out."""
    rows = table.records()
    groups = tuple(Group(row["measure"], _points(row)) for row in rows)
    return Dots(
        id="families", title="Are models of one family more similar?", caption=_caption(table), axis=_axis(table),
        series=(*_LEVELS.values(), _difference(table)),
        groups=tuple(group for group in groups if group.points), table=table, note=note(table),
        interval="95 % interval, models drawn with replacement",
    )  # fmt: skip


def _axis(table: Table) -> str:
    if is_distance(table):
        return "mean distance"
    return "mean similarity, or distance" if _has_distance(table) else "mean similarity"


def _difference(table: Table) -> str:
    return "difference: how much closer within" if _has_distance(table) else "difference: within less across"


def _has_distance(table: Table) -> bool:
    return table.scope is not None and any(measure.is_distance for measure in table.scope.measures)


def _points(row: dict[str, Any]) -> tuple[Point, ...]:
    found = [Point(at, row[name]) for at, name in enumerate(_LEVELS) if row[name] is not None]
    if row["difference"] is not None:
        found.append(Point(len(_LEVELS), row["difference"], row["low"], row["high"], is_joined=False))
    return tuple(found)


def _caption(table: Table) -> str:
    told = [row for row in table.records() if row["difference"] is not None]
    if not told:
        return _sentence(table.says)
    widest = max(told, key=lambda row: row["difference"])
    return (
        f"{_sentence(table.says)} The widest gap: {widest['measure']}, {widest['same_family']:.2f} within against "
        f"{widest['across']:.2f} across. Bars: 95 % intervals of the difference."
    )


def _sentence(says: str) -> str:
    return f"{says[:1].upper()}{says[1:]}."
