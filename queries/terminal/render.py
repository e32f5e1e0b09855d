"""Tables as text for people and for programs. Takes rows, never touches the database."""

from __future__ import annotations

import csv
import io
import math
import os
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

from layeratlas.queries.core.table import Table
from layeratlas.queries.core.visible import as_json, visible
from layeratlas.queries.terminal.fit import Columns, fitted
from layeratlas.store.errors import BadRequest

if TYPE_CHECKING:
    from rich.console import Console

    from layeratlas.queries.core.scope import Scope

_CONTEXT = ("measure", "configuration", "corpus", "pooling", "kind", "words", "source")
_LINES = ("explain_value", "sql")  # columns of free SQL whose cells are lines: EXPLAIN, duckdb_views()
_UNBOUNDED = 100_000  # columns
_GAP = "  "  # between columns
_OUT: ContextVar[IO[str] | None] = ContextVar("_OUT", default=None)  # where to write; None: stdout


def render(table: Table, form: str) -> None:
    """Write a table to stdout in one of options.FORMATS; titles and meanings only where people read."""
    if form == "json":
        print(as_json(as_records(table), indent=2))
    elif form == "csv":
        write_csv(table, sys.stdout, is_shown=sys.stdout.isatty())
    elif form == "markdown":
        print(_markdown(table))
    elif form == "parquet":
        if sys.stdout.buffer.isatty():
            raise BadRequest("parquet is not for a terminal: redirect it to a file")
        write_parquet(table, sys.stdout.buffer)
    else:
        print_headed(*headed(table))


def as_text(draw: Callable[[], None]) -> str:
    """Return what a function of the terminal would print, without colours; nothing is printed, in no thread."""
    out = io.StringIO()
    before = _OUT.set(out)
    try:
        draw()
    finally:
        _OUT.reset(before)
    return out.getvalue().rstrip("\n")


def headed(table: Table) -> tuple[str, Table]:
    """Return the line above a table, and the table without the columns that this line speaks for."""
    said, rest = _constants(_with_reach(table))
    return " · ".join([title(table), *said]), rest


def cells_of(table: Table) -> list[tuple[str, bool, list[str]]]:
    """Return of each column its name, whether it is of numbers, and its cells as they are shown."""
    columns = []
    for place, name in enumerate(table.columns):
        values = [row[place] for row in table.rows]
        is_numeric = any(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        columns.append((visible(name), is_numeric, list(map(_cell, values))))
    return columns


def render_findings(found: Sequence[tuple[Table, bool | None, str]], form: str) -> None:
    """Write questions with their numbers and verdicts."""
    if form == "json":
        answers = [{"question": table.what, "seen": seen, "verdict": verdict, "rows": as_records(table)}
                   for table, seen, verdict in found]  # fmt: skip
        print(as_json(answers, indent=2))
        return
    for table, _, verdict in found:
        render(table, "table")
        print(f"=> {visible(verdict)}\n")


def width() -> int | None:
    """Columns that stdout has; None where it is no terminal and $COLUMNS says nothing."""
    named = os.environ.get("COLUMNS", "")
    if named.isdecimal() and int(named):
        return int(named)
    return terminal().width if sys.stdout.isatty() else None


def terminal() -> Console:
    """The terminal, or a pipe, which has no colours and no width to fit; $NO_COLOR and $COLUMNS are heeded."""
    from rich.console import Console

    # In a notebook Rich would show what is printed as a page of its own, beside the answer's.
    return Console(highlight=False, force_jupyter=False, file=_OUT.get())


def print_lines(text: str, *, bold: bool = False) -> None:
    """Print a title or a sentence, in lines where there is a width."""
    from rich.text import Text

    for line in textwrap.wrap(visible(text), width() or _UNBOUNDED, break_long_words=False, break_on_hyphens=False):
        terminal().print(Text(line, style="bold" if bold else ""), soft_wrap=True)


def print_headed(heading: str, table: Table) -> None:
    """Print a table below its heading, and what it means."""
    names = [
        visible(name) + " " * table.columns[:index].count(name) for index, name in enumerate(table.columns)
    ]  # SQL may repeat
    numeric = {
        name for index, name in enumerate(names)
        if any(isinstance(row[index], int | float) and not isinstance(row[index], bool) for row in table.rows)
    }  # fmt: skip
    cells = {
        name: [_cell(row[index], lines=not table.what and name in _LINES) for row in table.rows]
        for index, name in enumerate(names)
    }
    cells, left_out = fitted(cells, width() or _UNBOUNDED)
    print_lines(heading, bold=True)
    _print_cells(cells, numeric)
    print_lines(f"(left out at this width: {', '.join(left_out)})" if left_out else "")
    print_lines(f"=> {table.says}" if table.says else "")


def _print_cells(cells: Columns, numeric: set[str]) -> None:
    """Print columns side by side. Where all fits, line by line: Rich takes a millisecond for every row."""
    from rich.cells import cell_len
    from rich.text import Text

    sizes = {name: max(map(cell_len, [name, *column])) for name, column in cells.items()}
    is_plain = not any("\n" in cell or "\t" in cell for column in cells.values() for cell in column)
    if not is_plain or sum(sizes.values()) + len(_GAP) * (len(sizes) - 1) > (width() or _UNBOUNDED):
        _print_folded(cells, numeric)
        return

    def line(row: Iterable[str]) -> str:
        placed = zip(row, sizes.items(), strict=True)
        blanks = [(cell, " " * (size - cell_len(cell)), name in numeric) for cell, (name, size) in placed]
        return _GAP.join(blank + cell if is_right else cell + blank for cell, blank, is_right in blanks)

    rows = [line(row) for row in zip(*cells.values(), strict=True)]
    console = terminal()
    console.print(Text(line(cells), style="bold"), soft_wrap=True)
    if rows:
        console.file.write("\n".join(rows) + "\n")


def _print_folded(cells: Columns, numeric: set[str]) -> None:
    """Print columns that are wider than the terminal, or hold lines of their own: long cells are folded."""
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=None, pad_edge=False)
    for name in cells:
        drawn.add_column(Text(name), justify="right" if name in numeric else "left", overflow="fold")
    for row in zip(*cells.values(), strict=True):
        drawn.add_row(*map(Text, row))
    console = terminal()
    if width() is None:
        whole = Console(width=_UNBOUNDED, force_jupyter=False).measure(drawn).maximum
        console = Console(highlight=False, force_jupyter=False, width=whole, file=_OUT.get())
    console.print(drawn)


def title(table: Table) -> str:
    """Say in one line what is shown, by which measure, and of which scores."""
    return " · ".join([table.subject, *table.context])


def _with_reach(table: Table) -> Table:
    """Write intervals as people read them: what is corrected for bias ± half of the interval."""
    if not {"error", "low", "high", "corrected"} <= set(table.columns):
        return table
    place = table.columns.index("corrected")
    rows = []
    for row, record in zip(table.rows, table.records(), strict=True):
        middle, low, high = (record[name] for name in ("corrected", "low", "high"))
        said = None if middle is None else f"{middle:.4f} ± {max(high - middle, middle - low):.4f}"
        rows.append((*row[:place], said, *row[place + 1 :]))
    return replace(table, rows=rows).without(["error", "low", "high"])


def _constants(table: Table) -> tuple[list[str], Table]:
    """Take columns that say the same in every row out of a titled table; say of them what its scope does not."""
    constant = {
        name: table.rows[0][index]
        for index, name in enumerate(table.columns)
        if table.what and len(table.rows) > 1 and name in _CONTEXT and len({row[index] for row in table.rows}) == 1
    }
    known = _stated(table.scope)
    said = [
        f"{name} {_cell(value)}" for name, value in constant.items()
        if value is not None and value not in known.get(name, ())
    ]  # fmt: skip
    return said, table.without(list(constant))


def _stated(scope: Scope | None) -> dict[str, Sequence[Any]]:
    """What a title says of a scope, by column."""
    if scope is None:
        return {}
    return {"measure": scope.names, "configuration": (scope.configuration,), "corpus": (scope.corpus,),
            "words": scope.first.words, "source": (scope.source,)}  # fmt: skip


def _cell(value: Any, *, lines: bool = False) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1e6 else f"{value:.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    return visible(str(value), lines=lines)


class _Lines:
    """What csv writes rows to: it quotes what its own ends of rows, CR and LF, are found in, and here they are LF."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def write(self, row: str) -> int:
        return self._out.write(row.removesuffix("\r\n") + "\n")


def write_csv(table: Table, out: IO[str], *, is_shown: bool = False) -> None:
    """Write a table as CSV: names exactly, for programs. `is_shown`: to a terminal, which would obey what they hold."""
    writer = csv.writer(_Lines(out))
    for row in (table.columns, *table.rows):
        writer.writerow([visible(each) if isinstance(each, str) else each for each in row] if is_shown else row)


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

    rows = [line([_cell(value) for value in row]) for row in table.rows]
    return "\n".join([line([visible(name) for name in table.columns]), line(["---"] * len(table.columns)), *rows])


def write_parquet(table: Table, out: IO[bytes]) -> None:
    """Write a table as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.columns)
    buffer = io.BytesIO()
    pq.write_table(pa.table({name: list(values) for name, values in zip(table.columns, columns, strict=True)}), buffer)
    out.write(buffer.getvalue())
