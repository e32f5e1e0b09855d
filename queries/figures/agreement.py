"""How far measures agree, as `layeratlas query measures` has it: measures × measures, those that agree side by side."""

from __future__ import annotations

from layeratlas.queries.core.table import Table
from layeratlas.queries.figures.charts import Grid, note

Correlations = dict[tuple[str, str], float | None]


def chart(table: Table) -> Grid:
    """Draw rows of measure, other, spearman; None leaves its cell empty."""
    found: Correlations = {}
    for row in table.records():
        found[row["measure"], row["other"]] = found[row["other"], row["measure"]] = row["spearman"]
    names = _ordered(sorted({name for pair in found for name in pair}), found)
    values = tuple(tuple(1.0 if one == other else found.get((one, other)) for other in names) for one in names)
    return Grid(id="agreement", title="Which measures say the same?", caption=_caption(table), axis="rank correlation",
                names=names, values=values, table=table, note=note(table))  # fmt: skip


def _caption(table: Table) -> str:
    pairs = max((row["layer_pairs"] for row in table.records()), default=0)
    return f"Spearman's correlation over {pairs:,} pairs of layers: {table.says}."


def _ordered(names: list[str], found: Correlations) -> tuple[str, ...]:
    """Put measures that agree beside each other: the order of a dendrogram by average linkage."""
    if len(names) < 3:
        return tuple(names)
    from scipy.cluster.hierarchy import leaves_list, linkage

    apart = [
        max(0.0, 1 - (found.get((one, other)) or 0.0))  # rounding may carry a correlation past 1
        for at, one in enumerate(names) for other in names[at + 1 :]
    ]  # fmt: skip
    return tuple(names[place] for place in leaves_list(linkage(apart, "average", optimal_ordering=True)))
