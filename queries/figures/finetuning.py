"""Each layer of fine-tuned models against the same layer of the model that they were tuned from."""

from __future__ import annotations

from statistics import fmean

from layeratlas.queries.core.table import Table
from layeratlas.queries.figures.charts import Line, Lines, Panel, is_distance, listed, note


def chart(table: Table) -> Lines:
    """Draw rows of model, finetuned_from, layer, layers, value: a panel an origin, a line a copy with its band."""
    rows = table.full_records()
    names = {row["model"]: _short(row["model"], row["finetuned_from"]) for row in rows}
    series = tuple(sorted(set(names.values())))
    origins = sorted({row["finetuned_from"] for row in rows})
    panels = tuple(
        Panel(origin, tuple(
            Line(series.index(names[model]),
                 tuple(sorted((row["layer"], row["value"]) for row in rows if row["model"] == model)),
                 tuple(sorted((row["layer"], row["low"], row["high"]) for row in rows
                              if row["model"] == model and row.get("low") is not None)))
            for model in sorted({row["model"] for row in rows if row["finetuned_from"] == origin})
        ))
        for origin in origins
    )  # fmt: skip
    return Lines(
        id="finetuning", title="Which layers does fine-tuning change?", caption=_caption(table), x="layer",
        axis=f"{'distance' if is_distance(table) else 'similarity'} to the untuned layer", series=series, panels=panels,
        table=table, note=note(table, by=True),
    )  # fmt: skip


def _short(model: str, origin: str) -> str:
    """What a fine-tuned model's name adds to its origin's: bert-tiny-pos of bert-tiny is pos."""
    return model.removeprefix(origin).strip("-+_./ ") or model if model.startswith(origin) else model


def _caption(table: Table) -> str:
    """Say where the change is, from the means of each model's lower and upper half."""
    rows, sign = table.full_records(), -1 if is_distance(table) else 1
    falls: dict[str, float] = {}
    for model in sorted({row["model"] for row in rows}):
        depths = [(row["layer"] / row["layers"], row["value"]) for row in rows if row["model"] == model]
        lower, upper = ([value for depth, value in depths if (depth > 0.5) == above] for above in (False, True))
        if lower and upper:
            falls[model] = sign * (fmean(lower) - fmean(upper))
    higher = [model for model, fall in falls.items() if fall > 0]
    least = min(rows, key=lambda row: sign * float(row["value"]))
    return (
        f"The upper half of the layers changed more than the lower in {len(higher)} of {len(falls)} fine-tuned models"
        f"{f' ({listed(higher)})' if 0 < len(higher) < len(falls) else ''}. The most changed layer is layer "
        f"{least['layer']} of {least['model']}: {least['value']:.2f}."
    )
