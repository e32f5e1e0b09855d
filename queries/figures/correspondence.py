"""Which layer of another model is most like a layer: do depths correspond?"""

from __future__ import annotations

from statistics import correlation, fmean

from layeratlas.queries.core.table import Table
from layeratlas.queries.figures.charts import Line, Lines, Panel, is_distance, note


def chart(table: Table) -> Lines:
    """Draw rows of model, depth, other, other_family, best_depth: a panel a model, a line another model.

    More models than colours: a line is then the mean over the models of a family.
    """
    rows = table.full_records()
    towards = "other" if len({row["other"] for row in rows}) <= 7 else "other_family"
    series = tuple(sorted({row[towards] for row in rows}))
    panels = []
    for model in sorted({row["model"] for row in rows}):
        depths: dict[str, dict[float, list[float]]] = {}
        for row in rows:
            if row["model"] == model:
                depths.setdefault(row[towards], {}).setdefault(row["depth"], []).append(row["best_depth"])
        lines = (Line(series.index(name), tuple(sorted((at, fmean(found)) for at, found in by.items())))
                 for name, by in sorted(depths.items()))  # fmt: skip
        panels.append(Panel(model, tuple(lines)))
    return Lines(
        id="correspondence", title="Do layers correspond by depth?", caption=_caption(table), x="depth of the layer",
        axis="depth of its match", series=series, panels=tuple(panels), table=table,
        note=note(table, by=True), diagonal=True,
    )  # fmt: skip


def _caption(table: Table) -> str:
    own, match = (table.column(name) for name in ("depth", "best_depth"))
    closest = "closest" if is_distance(table) else "most similar"
    said = f"Depth runs from 0, the embeddings, to 1, the last layer; a match is the {closest} layer of another model."
    if len(set(own)) < 2 or len(set(match)) < 2:
        return said
    apart = fmean(abs(a - b) for a, b in zip(own, match, strict=True))
    return (
        f"{said} Over {len(own)} matches the two depths correlate at {correlation(own, match):.2f} and lie {apart:.2f} "
        "apart on average; dashed: equal depth."
    )
