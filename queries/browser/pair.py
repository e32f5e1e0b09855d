"""The screen of one pair of layers: every measure, the neurons or heads that match best, where a score comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Static

from layeratlas.queries.browser import questions
from layeratlas.queries.browser.questions import Pair, slice_of
from layeratlas.queries.browser.state import Slice
from layeratlas.queries.browser.texts import STRONG, cell, provenance
from layeratlas.queries.core.matrix import Layer
from layeratlas.queries.core.visible import visible
from layeratlas.store.errors import LayeratlasError
from layeratlas.store.kinds import kind_of

if TYPE_CHECKING:
    from layeratlas.queries.browser.app import Browser

_SHOWN = ("measure", "configuration", "value", "reverse", "source", "corpus", "words", "version")


class PairScreen(Screen[None]):
    """All that the catalog knows about two layers."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "app.pop_screen", "Back"),
        Binding("x", "swap", "Swap a and b", tooltip="the other direction: b towards a"),
        Binding("tab", "app.focus_next", "Next part", show=False),
        Binding("e,ctrl+s", "export", "Export", tooltip="write the scores of this pair to a file"),
    ]

    def __init__(self, a: Layer, b: Layer, which: Slice) -> None:
        super().__init__()
        self._a, self._b, self._which = a, b, which
        self._pair: Pair | None = None

    @property
    def _browser(self) -> Browser:
        return cast("Browser", self.app)

    def compose(self) -> ComposeResult:
        """Draw the parts."""
        with Horizontal(classes="top"):
            yield Static(id="heading")
            yield Static(id="says")
        yield DataTable(id="scores", cursor_type="row", zebra_stripes=True)
        with Horizontal(id="below"):
            yield DataTable(id="matches", cursor_type="row")
            with VerticalScroll(id="origin"):
                yield Static(id="provenance")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Ask."""
        self.query_one("#scores", DataTable).focus()
        self.reread()

    def say(self, message: str) -> None:
        """Tell why an answer takes a while."""
        self.query_one("#says", Static).update(Text(visible(message)))

    def reread(self) -> None:
        """Ask again, as when the catalog has changed; the selected score stays selected."""
        self._read()

    @work(exclusive=True, group="pair")
    async def _read(self) -> None:
        a, b = self._a, self._b
        try:
            pair = await self._browser.reader.answer(lambda catalog: questions.pair(catalog, a, b), self.say)
        except LayeratlasError as error:
            self.notify(visible(str(error)), severity="error", markup=False)
            return
        self._pair = pair
        self.query_one("#heading", Static).update(Text(f" {visible(pair.table.what)}", STRONG))
        table = self.query_one("#scores", DataTable)
        with self.prevent(DataTable.RowHighlighted):
            fill(table, _SHOWN, [[record[name] for name in _SHOWN] for record in pair.records])
            slices = [slice_of(record) for record in pair.records]
            if self._which in slices:
                table.move_cursor(row=slices.index(self._which))
        if pair.records:
            self._show(table.cursor_row)
        else:
            self.query_one("#provenance", Static).update("These two layers have no score yet.")

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Follow the selected score."""
        if event.data_table.id == "scores" and self._pair is not None and event.cursor_row < len(self._pair.records):
            self._show(event.cursor_row)

    @work(exclusive=True, group="score")
    async def _show(self, row: int) -> None:
        if self._pair is None:
            return
        record, a, b = self._pair.records[row], self._a, self._b
        self._which = slice_of(record)
        which = self._which
        try:
            run, found = await self._browser.reader.answer(
                lambda catalog: (questions.origin(catalog, record), questions.matches(catalog, which, a, b)), self.say
            )
        except LayeratlasError as error:
            self.notify(visible(str(error)), severity="error", markup=False)
            return
        unit = kind_of(which.kind).unit
        nothing = f"no {unit}s of {which.measure}" if record["refused"] is None else "refused"
        columns = (unit, "value", "best in b") if found.rows else (nothing,)
        fill(self.query_one("#matches", DataTable), columns, found.rows)
        self.query_one("#provenance", Static).update(provenance(record, run, a, b))

    def action_swap(self) -> None:
        """Show b towards a."""
        self._a, self._b = self._b, self._a
        self.reread()

    def action_export(self) -> None:
        """Write the scores of this pair."""
        if self._pair is not None:
            pair = self._pair
            name = f"{self._a.title}-{self._b.title}.csv".replace(" ", "-").replace("/", "_")
            self._browser.export("the scores of this pair", name, lambda: pair.table)


def fill(table: DataTable[Any], columns: tuple[str, ...], rows: list[Any]) -> None:
    """Show rows, numbers to the right."""
    table.clear(columns=True)
    table.add_columns(*(Text(visible(name)) for name in columns))
    for row in rows:
        right = [isinstance(value, int | float) for value in row]
        cells = zip(row, right, strict=True)
        table.add_row(*(Text(cell(value), justify="right" if number else "left") for value, number in cells))
