"""An answer as HTML: title, picture, rows, and in words what they mean. In the notebook's colours, light or dark."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from layeratlas.queries.core.visible import visible

Column = tuple[str, bool, list[str]]  # name, whether of numbers, cells

_STYLE = """<style>
.layeratlas { color: inherit; font-size: 90%; line-height: 1.45; max-width: 100%; overflow-x: auto; }
.layeratlas p { margin: .3em 0; text-align: left; }
.layeratlas table { border-collapse: collapse; margin: .3em 0; background: transparent; color: inherit; }
.layeratlas th, .layeratlas td { padding: .15em .8em .15em 0; text-align: left; white-space: nowrap; border: 0;
  border-bottom: 1px solid rgba(128, 128, 128, .25); background: transparent; color: inherit; }
.layeratlas .number { text-align: right; font-variant-numeric: tabular-nums; }
.layeratlas img { max-width: 100%; height: auto; background: white; }
.layeratlas .note { opacity: .7; }
</style>"""


def page(title: str, columns: Sequence[Column], *, says: str = "", rows: int = 0, picture: str = "") -> str:
    """Lay an answer out. rows: how many there are, of which the columns show some. picture: SVG, drawn above them.

    Below a picture the rows are folded away.
    """
    table = _table(columns, rows)
    if picture:
        table = f"{_image(picture, title, says)}<details><summary>{_count(rows)}</summary>{table}</details>"
    head = f"<p><b>{_text(title)}</b></p>" if title else ""
    meaning = f"<p>⇒ {_text(says)}</p>" if says else ""
    return f'{_STYLE}<div class="layeratlas">{head}{table}{meaning}</div>'


def lines(text: str) -> str:
    """Lay a text of the terminal out, line for line."""
    return f'{_STYLE}<div class="layeratlas"><pre>{escape(text)}</pre></div>'


def _table(columns: Sequence[Column], rows: int) -> str:
    heads = "".join(_cell("th", name, is_number) for name, is_number, _ in columns)
    shown = [
        "".join(_cell("td", cell, is_number) for cell, (_, is_number, _) in zip(row, columns, strict=True))
        for row in zip(*(cells for _, _, cells in columns), strict=True)
    ]
    body = "".join(f"<tr>{row}</tr>" for row in shown)
    left = f'<p class="note">{len(shown):,} of {_count(rows)}; .polars() has all</p>' if len(shown) < rows else ""
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>{left}"


def _cell(tag: str, text: str, is_number: bool) -> str:
    return f"<{tag}{' class=number' if is_number else ''}>{escape(text)}</{tag}>"


def _image(svg: str, title: str, says: str) -> str:
    data = base64.b64encode(svg.encode()).decode()
    described = escape(visible(f"{title}. {says}"), quote=True)
    return f'<img src="data:image/svg+xml;base64,{data}" alt="{described}">'


def _count(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"


def _text(text: str) -> str:
    return escape(visible(text))
