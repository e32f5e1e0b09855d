"""Tables as text for people and for programs. Takes rows, never touches the database."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

from queries.ask import Table
from store.errors import BadRequest

if TYPE_CHECKING:
    from rich.console import Console

_BLOCKS = " ░▒▓█"
_CONTEXT = ("measure", "configuration", "corpus", "pooling", "kind", "words", "source")
_UNBOUNDED = 100_000  # columns


def render(table: Table, form: str) -> None:
    """Write a table to stdout in one of options.FORMATS; titles and meanings only where people read."""
    if form == "json":
        print(json.dumps(as_records(table), indent=2, ensure_ascii=False))
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows(table.rows)
    elif form == "markdown":
        print(_markdown(table))
    elif form == "parquet":
        if sys.stdout.buffer.isatty():
            raise BadRequest("parquet is not for a terminal: redirect it to a file")
        write_parquet(table, sys.stdout.buffer)
    else:
        _print_table(table)


def render_findings(found: Sequence[tuple[Table, bool | None, str]], form: str) -> None:
    """Write questions with their numbers and verdicts."""
    if form == "json":
        answers = [{"question": table.title, "seen": seen, "verdict": verdict, "rows": as_records(table)}
                   for table, seen, verdict in found]  # fmt: skip
        print(json.dumps(answers, indent=2, ensure_ascii=False))
        return
    for table, _, verdict in found:
        render(table, "table")
        print(f"=> {verdict}\n")


def heat(table: Table) -> None:
    """Draw a layer heatmap (columns layer_a, layer_b, value) as coloured blocks, or shades where there is no colour."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    place = {name: index for index, name in enumerate(table.columns)}
    values = {(row[place["layer_a"]], row[place["layer_b"]]): row[place["value"]] for row in table.rows}
    lines, columns = (sorted({key[side] for key in values}) for side in (0, 1))
    console.print(table.title, style="bold")
    console.print("      " + "".join(f"{column:>5}" for column in columns))
    for line in lines:
        text = Text(f"{line:>5} ")
        for column in columns:
            value = values.get((line, column))
            text.append("    ·" if value is None else f" {value:4.2f}", _colour(value))
            if not console.is_terminal and value is not None:
                text = text[:-5] + Text(f"{_shade(value)}{value:4.2f}")
        console.print(text)
    _say(console, table)


def ramp(value: float) -> tuple[int, int, int]:
    """Return the colour (red, green, blue) of a similarity: dark to light, viridis-like; clipped to [0, 1]."""
    stops = [(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)]
    position = min(max(value, 0.0), 1.0) * (len(stops) - 1)
    low = min(int(position), len(stops) - 2)
    red, green, blue = (round(x + (y - x) * (position - low)) for x, y in zip(stops[low], stops[low + 1], strict=True))
    return red, green, blue


def _colour(value: float | None) -> str:
    if value is None:
        return "dim"
    return f"{'black' if value > 0.5 else 'white'} on rgb{str(ramp(value)).replace(' ', '')}"


def _shade(value: float) -> str:
    return _BLOCKS[min(int(max(value, 0.0) * len(_BLOCKS)), len(_BLOCKS) - 1)]


def _print_table(table: Table) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    title, table = _context_in_title(table)
    numeric = {
        index for index in range(len(table.columns))
        if any(isinstance(row[index], int | float) and not isinstance(row[index], bool) for row in table.rows)
    }  # fmt: skip
    drawn = RichTable(box=None, pad_edge=False)
    for index, column in enumerate(table.columns):
        drawn.add_column(column, justify="right" if index in numeric else "left", overflow="fold")
    for row in table.rows:
        drawn.add_row(*(_cell(value) for value in row))
    console = Console(highlight=False)
    if not console.is_terminal:  # a pipe has no width to fit
        console = Console(highlight=False, width=Console(width=_UNBOUNDED).measure(drawn).maximum)
    if title:
        console.print(Text(title, style="bold"), soft_wrap=True)
    console.print(drawn)
    _say(console, table)


def _say(console: Console, table: Table) -> None:
    """What the figures mean, below them."""
    if table.says:
        console.print(f"=> {table.says}", markup=False, soft_wrap=True)


def _context_in_title(table: Table) -> tuple[str, Table]:
    """Move columns that say the same in every row, such as the corpus, from the rows into the title."""
    constant = {
        name: table.rows[0][index]
        for index, name in enumerate(table.columns)
        if table.title and len(table.rows) > 1 and name in _CONTEXT and len({row[index] for row in table.rows}) == 1
    }
    kept = [index for index, name in enumerate(table.columns) if name not in constant]
    named = {word.strip("(),") for word in table.title.split()}
    said = [
        f"{name} {_cell(value)}" for name, value in constant.items()
        if value is not None and not {_cell(value), f"{value:,}" if isinstance(value, int) else _cell(value)} & named
    ]  # fmt: skip
    rows = [tuple(row[index] for index in kept) for row in table.rows]
    shown = replace(table, columns=tuple(table.columns[index] for index in kept), rows=rows)
    return " · ".join([table.title, *said]), shown


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1e6 else f"{value:.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    return str(value).replace("[", r"\[")


def as_records(table: Table) -> list[dict[str, Any]]:
    """Return one dictionary a row, of values that JSON has."""
    return [dict(zip(table.columns, map(_plain, row), strict=True)) for row in table.rows]


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool | list | dict | None) else str(value)


def _markdown(table: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rows = [line([_cell(value).replace(r"\[", "[") for value in row]) for row in table.rows]
    return "\n".join([line(table.columns), line(["---"] * len(table.columns)), *rows])


def write_parquet(table: Table, out: IO[bytes]) -> None:
    """Write a table as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.columns)
    buffer = io.BytesIO()
    pq.write_table(pa.table({name: list(values) for name, values in zip(table.columns, columns, strict=True)}), buffer)
    out.write(buffer.getvalue())
