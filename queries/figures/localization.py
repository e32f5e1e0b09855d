"""Is information in single neurons or spread over a layer: by layer, as `layeratlas query localization` has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from layeratlas.queries.core.table import Table
from layeratlas.queries.figures.charts import Line, Lines, Panel, note


def _band(row: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return where a value stands, less and more two standard errors."""
    return row["layer"], row["localization"] - 2 * row["error"], row["localization"] + 2 * row["error"]


def chart(table: Table) -> Lines:
    """Draw rows of model, layer, family, localization, error: a panel a family, a line a model, two errors wide."""
    rows = table.records()
    series = tuple(sorted({row["model"] for row in rows}))
    panels = tuple(
        Panel(family, tuple(
            Line(series.index(model),
                 tuple(sorted((row["layer"], row["localization"]) for row in rows if row["model"] == model)),
                 tuple(sorted(_band(row) for row in rows if row["model"] == model and row.get("error") is not None)))
            for model in sorted({row["model"] for row in rows if row["family"] == family})
        ))
        for family in sorted({row["family"] for row in rows})
    )  # fmt: skip
    return Lines(
        id="localization", title="In single neurons, or spread over a layer?",
        caption=f"neuronsim less svsim, in standard deviations; {table.says}.", x="layer",
        axis="spread out ← 0 → in neurons", series=series, panels=panels, table=table,
        note=note(table),
    )  # fmt: skip
