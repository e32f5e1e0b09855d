"""Is information in single neurons or spread over a layer: measures side by side, from local to global."""

from __future__ import annotations

from queries.ask import Table
from queries.figures.charts import Dots, Group, Point

_SERIES = {"other_families": "other families", "same_family": "other models of the family", "same_model": "same model"}


def chart(table: Table) -> Dots:
    """Draw rows of measure, same_model, same_family, other_families, in their order; None is left out."""
    groups = tuple(
        Group(row["measure"], tuple(Point(at, row[name]) for at, name in enumerate(_SERIES) if row[name] is not None))
        for row in table.records()
    )
    return Dots(
        id="localization", title="In single neurons, or spread over a layer?", caption=_caption(table),
        axis="mean similarity to layers of …", series=tuple(_SERIES.values()), groups=groups, table=table,
    )  # fmt: skip


def _caption(table: Table) -> str:
    across = {row["measure"]: row["other_families"] for row in table.records() if row["other_families"] is not None}
    if not {"neuronsim", "mixedsim"} <= across.keys():
        return "From measures of single neurons, above, to measures of whole layers."
    neuron, mixed = across["neuronsim"], across["mixedsim"]
    verdict = "spread over many neurons" if neuron < mixed / 2 else "to be found in single neurons"
    return (
        f"Towards other families, the best single neuron matches a neuron at {neuron:.2f}, all neurons of a layer "
        f"together at {mixed:.2f}: what models share is {verdict}."
    )
