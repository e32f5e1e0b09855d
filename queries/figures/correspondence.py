"""Which layer of another model is most like a layer: do depths correspond?"""

from __future__ import annotations

from statistics import correlation, fmean

from layeratlas.queries.ask import Table
from layeratlas.queries.figures.charts import Line, Lines, Panel


def chart(table: Table) -> Lines:
    """Draw rows of model_a, layer_a, depth_a, model_b, family_b, depth_b: a panel a model, a line another model.

    More models than colours: a line is then the mean over the models of a family.
    """
    rows = table.records()
    towards = "model_b" if len({row["model_b"] for row in rows}) <= 7 else "family_b"
    series = tuple(sorted({row[towards] for row in rows}))
    panels = []
    for model in sorted({row["model_a"] for row in rows}):
        depths: dict[str, dict[float, list[float]]] = {}
        for row in rows:
            if row["model_a"] == model:
                depths.setdefault(row[towards], {}).setdefault(row["depth_a"], []).append(row["depth_b"])
        lines = (Line(series.index(name), tuple(sorted((at, fmean(found)) for at, found in by.items())))
                 for name, by in sorted(depths.items()))  # fmt: skip
        panels.append(Panel(model, tuple(lines)))
    return Lines(
        id="correspondence", title="Do layers correspond by depth?", caption=_caption(table), x="depth of the layer",
        axis="depth of its match", series=series, panels=tuple(panels), table=table, diagonal=True,
    )  # fmt: skip


def _caption(table: Table) -> str:
    own, match = ([row[name] for row in table.records()] for name in ("depth_a", "depth_b"))
    said = (
        "Depth runs from 0, the embeddings, to 1, the last layer; a match is the most similar layer of another model."
    )
    if len(set(own)) < 2 or len(set(match)) < 2:
        return said
    apart = fmean(abs(a - b) for a, b in zip(own, match, strict=True))
    return (
        f"{said} Over {len(own)} matches the two depths correlate at {correlation(own, match):.2f} and lie {apart:.2f} "
        "apart on average; dashed: equal depth."
    )
