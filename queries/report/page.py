"""Write the report's page: its parts are put together, its numbers packed, its tables written as HTML."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from layeratlas.queries.ask import Table
from layeratlas.queries.figures.charts import Dots, Lines
from layeratlas.queries.figures.grid import Block, Grid
from layeratlas.queries.figures.style import split_title
from layeratlas.queries.report.content import Measured, Report, Scope
from layeratlas.store.errors import BadRequest
from layeratlas.store.files import whole_file

_SCRIPTS = ("base.js", "heatmap.js", "charts.js", "page.js")
_HASHES = ("weights", "content", "run", "revision", "parameters", "versions", "command", "origin", "reason", "digest")


def page(report: Report, *, title: str = "Similarity of language models, layer by layer") -> str:
    """Return the report as one HTML page that loads nothing; equal for equal reports."""
    parts = {
        "title": escape(title), "lead": escape(_lead(report)), "style": _part("page.css"),
        "contents": " ".join(f'<a href="#{_anchor(table)}">{escape(table.title)}</a>' for table in report.tables),
        "tables": "\n".join(map(_section, report.tables)),
        "data": _embedded({"scopes": [_scope(scope, report.scopes) for scope in report.scopes], "first": "ckasim"}),
        "script": "\n".join(map(_part, _SCRIPTS)),
    }  # fmt: skip
    return Template(_part("page.html")).substitute(parts)


def write(report: Report, path: Path) -> None:
    """Write the page, whole or not at all. Raises BadRequest when there is no folder for it."""
    if not path.parent.is_dir():
        raise BadRequest(f"cannot write {path}: no folder {path.parent}")
    with whole_file(path) as temporary:
        temporary.write_text(page(report), encoding="utf-8")


def _part(name: str) -> str:
    return resources.files("layeratlas.queries.report").joinpath(name).read_text(encoding="utf-8")


def _lead(report: Report) -> str:
    """Say what the page is of, in numbers."""
    blocks = {(scope.source, block) for scope in report.scopes for one in scope.measured for block in one.grid.rows}
    models = {(source, block.model) for source, block in blocks}
    families = {block.family for _, block in blocks}
    layers = {(source, block.model, layer) for source, block in blocks for layer in block.layers}
    measures = sorted({one.measure for scope in report.scopes for one in scope.measured})
    scores = sum(int((one.grid.values == one.grid.values).sum()) for scope in report.scopes for one in scope.measured)
    corpora = sorted({scope.corpus for scope in report.scopes})
    return (
        f"{scores:,} scores: {_count(len(layers), 'layer')} of {_count(len(models), 'model')} in "
        f"{_count(len(families), 'family', 'families')}, compared by {', '.join(measures)} on {', '.join(corpora)}. "
        "Every number comes from the catalog; its exact configuration stands below."
    )


def _count(number: int, word: str, many: str | None = None) -> str:
    return f"{number:,} {word if number == 1 else many or word + 's'}"


def _scope(scope: Scope, all_scopes: Sequence[Scope]) -> dict[str, Any]:
    """A scope under a name that tells it from the others."""
    differ = [what for what in ("kind", "pooling") if len({getattr(each, what) for each in all_scopes}) > 1]
    name = ", ".join([scope.corpus, *(getattr(scope, what) for what in differ), scope.source])
    return {
        "name": name,
        "corpus": scope.corpus,
        "figures": list(map(_chart, scope.charts)),
        "measured": [_measured(one) for one in scope.measured],
    }


def _measured(one: Measured) -> dict[str, Any]:
    name = one.measure if one.configuration == "default" else f"{one.measure} ({one.configuration})"
    return {"name": name, "symmetric": one.is_symmetric, "blocks": list(map(_block, one.grid.rows)),
            "cells": _packed(one.grid), "figures": list(map(_chart, one.charts))}  # fmt: skip


def _chart(chart: Dots | Lines) -> dict[str, Any]:
    low, high = chart.ends()
    drawn = {field: value for field, value in dataclasses.asdict(chart).items() if field != "table"}
    rows = [[_plain(value) for value in row] for row in chart.table.rows]
    return {
        **drawn,
        "form": chart.form,
        "note": split_title(chart.table.title)[1],
        "low": low,
        "high": high,
        "columns": chart.table.columns,
        "rows": rows,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    return value if isinstance(value, str | int | bool | None) else str(value)


def _block(block: Block) -> dict[str, Any]:
    return {"model": block.model, "family": block.family, "layers": block.layers, "start": block.start}


def _packed(cells: Grid) -> str:
    """Values as little-endian float32 in base64: a third of their size as JSON, exact to seven digits."""
    return base64.b64encode(cells.values.astype("<f4").tobytes()).decode("ascii")


def _embedded(data: object) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _anchor(table: Table) -> str:
    return table.title.lower().split(" ", 1)[0]


def _section(table: Table) -> str:
    table = _without_empty_columns(table)
    names = (escape(name.replace("_", " ")) for name in table.columns)
    head = "".join(f"<th{_kind(table, at)}>{name}</th>" for at, name in enumerate(names))
    rows = "\n".join(_row(table, row) for row in table.rows)
    title = escape(table.title)
    return (
        f'<section id="{_anchor(table)}"><h2>{title}</h2>\n'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{title}"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div></section>"
    )


def _without_empty_columns(table: Table) -> Table:
    kept = [at for at in range(len(table.columns)) if any(row[at] not in (None, "", []) for row in table.rows)]
    rows = [tuple(row[at] for at in kept) for row in table.rows]
    return Table(table.title, tuple(table.columns[at] for at in kept), rows)


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
    return escape(", ".join(map(str, value)) if isinstance(value, list) else str(value))
