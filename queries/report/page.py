"""Write the report's page: its parts are put together, its numbers packed, its tables written as HTML."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from layeratlas.queries.core.matrix import Block, Matrix, blocks
from layeratlas.queries.core.table import Table
from layeratlas.queries.core.usual import CONFIGURATION, FIRST, USUAL
from layeratlas.queries.core.visible import as_json, visible
from layeratlas.queries.figures.charts import Chart
from layeratlas.queries.report.content import Comparable, Heatmap, Report
from layeratlas.store.errors import BadRequest
from layeratlas.store.files import whole_file

_SCRIPTS = ("base.js", "heatmap.js", "charts.js", "page.js")
_HASHES = ("weights", "content", "run", "revision", "parameters", "versions", "command", "origin", "reason", "digest")


def page(report: Report, *, title: str = "Similarity of language models, layer by layer") -> str:
    """Return the report as one HTML page that loads nothing; equal for equal reports."""
    data = {"parts": [_part(part, report.parts) for part in report.parts], "first": USUAL[FIRST].measure}
    parts = {
        "title": escape(title), "lead": _text(_lead(report)), "style": _file("page.css"),
        "contents": " ".join(f'<a href="#{_anchor(table)}">{escape(table.what)}</a>' for table in report.tables),
        "tables": "\n".join(map(_section, report.tables)),
        "data": _embedded(data),
        "script": "\n".join(map(_file, _SCRIPTS)),
    }  # fmt: skip
    return Template(_file("page.html")).substitute(parts)


def write(report: Report, path: Path) -> None:
    """Write the page, whole or not at all. Raises BadRequest when there is no folder for it."""
    if not path.parent.is_dir():
        raise BadRequest(f"cannot write {path}: no folder {path.parent}")
    with whole_file(path) as temporary:
        temporary.write_text(page(report), encoding="utf-8")


def _file(name: str) -> str:
    return resources.files("layeratlas.queries.report").joinpath(name).read_text(encoding="utf-8")


def _lead(report: Report) -> str:
    """Say what the page is of, in numbers."""
    heatmaps = [(part, one) for part in report.parts for one in part.heatmaps]
    layers = {(part.source, layer) for part, one in heatmaps for layer in one.matrix.rows}
    models = {(source, layer.model) for source, layer in layers}
    families = {layer.family for _, layer in layers}
    measures = sorted({one.measure for _, one in heatmaps})
    scores = sum(int((one.matrix.values == one.matrix.values).sum()) for _, one in heatmaps)
    corpora = sorted({part.corpus for part in report.parts})
    return (
        f"{scores:,} scores: {_count(len(layers), 'layer')} of {_count(len(models), 'model')} in "
        f"{_count(len(families), 'family', 'families')}, compared by {', '.join(measures)} on {', '.join(corpora)}. "
        "Every number comes from the catalog; its exact configuration stands below."
    )


def _count(number: int, word: str, many: str | None = None) -> str:
    return f"{number:,} {word if number == 1 else many or word + 's'}"


def _part(part: Comparable, every: Sequence[Comparable]) -> dict[str, Any]:
    """Scores that compare, under a name that tells them from the others."""
    differ = [what for what in ("kind", "pooling") if len({getattr(each, what) for each in every}) > 1]
    name = ", ".join([part.corpus, *(getattr(part, what) for what in differ), part.source])
    return {
        "name": name,
        "corpus": part.corpus,
        "figures": list(map(_chart, part.charts)),
        "measured": [_heatmap(one) for one in part.heatmaps],
    }


def _heatmap(one: Heatmap) -> dict[str, Any]:
    name = one.measure if one.configuration == CONFIGURATION else f"{one.measure} ({one.configuration})"
    way = one.matrix.scope.first if one.matrix.scope else None
    return {
        "name": name, "symmetric": one.is_symmetric, "distance": way is not None and way.is_distance,
        "low": way and way.low, "high": way and way.high,
        "blocks": list(map(_block, blocks(one.matrix.rows))), "cells": _packed(one.matrix),
        "figures": list(map(_chart, one.charts)),
    }  # fmt: skip


def _chart(chart: Chart) -> dict[str, Any]:
    low, high = chart.ends()
    drawn = {each.name: _value(getattr(chart, each.name)) for each in dataclasses.fields(chart) if each.name != "table"}
    rows = [[_plain(value) for value in row] for row in chart.table.rows]
    return {**drawn, "form": chart.form, "low": low, "high": high, "columns": chart.table.columns, "rows": rows}


def _value(part: Any) -> Any:
    """A part of a chart as JSON has it."""
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        return dataclasses.asdict(part)
    return [_value(each) for each in part] if isinstance(part, tuple) else part


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    return value if isinstance(value, str | int | bool | None) else str(value)


def _block(block: Block) -> dict[str, Any]:
    return {"model": block.model, "family": block.family, "layers": block.layers, "start": block.start}


def _packed(cells: Matrix) -> str:
    """Values as little-endian float32 in base64: a third of their size as JSON, exact to seven digits."""
    return base64.b64encode(cells.values.astype("<f4").tobytes()).decode("ascii")


def _embedded(data: object) -> str:
    """JSON that cannot end the script element it stands in."""
    return as_json(data).replace("<", "\\u003c")


def _anchor(table: Table) -> str:
    return table.what.lower().split(" ", 1)[0]


def _section(table: Table) -> str:
    table = _without_empty_columns(table)
    names = (_text(name.replace("_", " ")) for name in table.columns)
    head = "".join(f"<th{_kind(table, at)}>{name}</th>" for at, name in enumerate(names))
    rows = "\n".join(_row(table, row) for row in table.rows)
    title = escape(table.what)
    return (
        f'<section id="{_anchor(table)}"><h2>{title}</h2>\n'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{title}"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div></section>"
    )


def _without_empty_columns(table: Table) -> Table:
    return table.without([name for name in table.columns if all(v in (None, "", []) for v in table.column(name))])


def _row(table: Table, row: Iterable[Any]) -> str:
    return "<tr>" + "".join(f"<td{_kind(table, at)}>{_cell(value)}</td>" for at, value in enumerate(row)) + "</tr>"


def _kind(table: Table, at: int) -> str:
    if any(isinstance(row[at], int | float) and not isinstance(row[at], bool) for row in table.rows):
        return ' class="number"'
    return ' class="hash"' if table.columns[at] in _HASHES else ""


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return _text(", ".join(map(str, value)) if isinstance(value, list) else str(value))


def _text(text: str) -> str:
    """A text as HTML has it; the script shows names in the same way (base.js)."""
    return escape(visible(text))
