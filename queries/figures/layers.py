"""Figures of layers over their depth: a panel a figure, a line a model, in the colour of its family."""

from __future__ import annotations

from collections.abc import Sequence

from layeratlas.queries.core.table import Table
from layeratlas.queries.figures.charts import Line, Lines, Panel, note

_BESIDE = ("family", "model", "layer", "depth", "words", "refused")  # columns that are no figure


def chart(table: Table, figures: Sequence[str] = ()) -> Lines:
    """Draw rows of family, model, depth and these figures, or all; where a layer has no value, its line has a gap."""
    figures = figures or [name for name in table.columns if name not in _BESIDE]
    rows = [row for row in table.records() if row["depth"] is not None]
    series = tuple(sorted({row["family"] for row in rows}))
    models = sorted({(row["family"], row["model"]) for row in rows})
    panels = tuple(
        Panel(figure.replace("_", " "), tuple(
            Line(series.index(family), points)
            for family, model in models
            if (points := tuple(
                (row["depth"], row[figure]) for row in rows if row["model"] == model and row[figure] is not None
            ))
        ))
        for figure in figures
    )  # fmt: skip
    return Lines(
        id="layers", title="What are layers like, from the embeddings to the last block?",
        caption=f"A line a model, in the colour of its family. {table.says[:1].upper()}{table.says[1:]}.",
        x="relative depth", axis="", series=series, panels=panels, table=table, note=note(table), shares_axis=False,
    )  # fmt: skip
