"""Within a family against across families, measure by measure."""

from __future__ import annotations

from typing import Any

from queries.ask import Table
from queries.figures.charts import Dots, Group, Point, listed


def chart(table: Table) -> Dots:
    """Draw rows of measure, within, across, difference (None where no family has two models)."""
    rows = table.records()
    groups = tuple(
        Group(row["measure"], tuple(Point(at, row[name]) for at, name in enumerate(("across", "within"))
                                    if row[name] is not None))
        for row in rows
    )  # fmt: skip
    return Dots(
        id="families", title="Are models of one family more similar?", caption=_caption(rows), axis="mean similarity",
        series=("across families", "within a family"), groups=tuple(group for group in groups if group.points),
        table=table,
    )  # fmt: skip


def _caption(rows: list[dict[str, Any]]) -> str:
    told = [row for row in rows if row["difference"] is not None]
    if not told:
        return "No family has two models: only similarity across families is known."
    higher = [str(row["measure"]) for row in told if row["difference"] > 0]
    widest = max(told, key=lambda row: row["difference"])
    return (
        f"Models of one family are more similar to one another than to other families under {len(higher)} of "
        f"{len(told)} measures{f' ({listed(higher)})' if higher else ''}. The widest gap: {widest['measure']}, "
        f"{widest['within']:.2f} within against {widest['across']:.2f} across."
    )
