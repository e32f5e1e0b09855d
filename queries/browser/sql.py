"""The screen where users write SQL: history, completion, read-only."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, cast

from rich.text import Text
from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.screen import Screen
from textual.suggester import Suggester
from textual.widgets import DataTable, Footer, Input, Static

from layeratlas.queries.browser import questions
from layeratlas.queries.browser.complete import History, complete, completed
from layeratlas.queries.browser.texts import FAINT, KEY, STRONG, cell
from layeratlas.queries.core.sql_box import run_sql
from layeratlas.queries.core.table import Table
from layeratlas.queries.core.visible import visible
from layeratlas.store.errors import LayeratlasError

if TYPE_CHECKING:
    from layeratlas.queries.browser.app import Browser

SHOWN = 1000  # rows; an export has them all
_AT_ONCE = 100  # rows drawn before keys are looked at again
_WIDEST = 48  # characters of a cell
_START = (
    "Views: {views}\nEnter runs, Tab completes, up and down bring back what was asked. Nothing can be changed here."
)


class _Ghost(Suggester):
    """Shows the first completion behind the cursor; the right arrow takes it."""

    def __init__(self, screen: SqlScreen) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._screen = screen

    async def get_suggestion(self, value: str) -> str | None:
        """Return the whole line with its last word completed."""
        found = complete(value, self._screen.names)
        line = completed(value, found[0]) if found else ""
        return line if line.startswith(value) else None


class Statement(Input):
    """One line of SQL."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "tab", "complete", "Complete", priority=True, tooltip="complete the word; again for the next candidate"
        ),
        Binding("up", "older", "Older", tooltip="the statement before", show=False),
        Binding("down", "newer", "Newer", tooltip="the statement after", show=False),
        Binding("pageup", "page(-1)", "Page up", tooltip="scroll the answer", show=False),
        Binding("pagedown", "page(1)", "Page down", tooltip="scroll the answer", show=False),
    ]

    class Asked(Message):
        """A key that the screen answers."""

        def __init__(self, what: str, by: int = 0) -> None:
            super().__init__()
            self.what, self.by = what, by

    def action_complete(self) -> None:
        """Ask for a completion."""
        self.post_message(self.Asked("complete"))

    def action_older(self) -> None:
        """Ask for the statement before."""
        self.post_message(self.Asked("older"))

    def action_newer(self) -> None:
        """Ask for the statement after."""
        self.post_message(self.Asked("newer"))

    def action_page(self, by: int) -> None:
        """Ask for another part of the answer."""
        self.post_message(self.Asked("page", by))

    def _on_paste(self, event: events.Paste) -> None:
        """Take all lines of what is pasted, not only the first."""
        self.insert_text_at_cursor(" ".join(event.text.split("\n")))
        event.prevent_default()
        event.stop()


class SqlScreen(Screen[None]):
    """Ask the catalog in SQL."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back", tooltip="stop the statement that runs, else go back"),
        Binding("shift+tab", "other", "Answer", tooltip="between the statement and its answer"),
        Binding("ctrl+s", "export", "Export", tooltip="write all rows of the answer to a file"),
    ]

    def __init__(self, history: History) -> None:
        super().__init__()
        self.names: dict[str, list[str]] = {}
        self._history = history
        self._candidates: list[str] = []
        self._completing = ""
        self._asked = ""
        self._answering = False

    @property
    def _browser(self) -> Browser:
        return cast("Browser", self.app)

    def compose(self) -> ComposeResult:
        """Draw the parts."""
        with Horizontal(classes="top"):
            yield Static(Text(" SQL, read-only", STRONG), id="heading")
            yield Static(id="says")
        yield Statement(placeholder="SELECT measure, avg(value) FROM layer_pairs GROUP BY 1", suggester=_Ghost(self))
        yield Static(id="candidates")
        yield DataTable(id="answer", cursor_type="row", zebra_stripes=True)
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Learn the names."""
        self.query_one(Statement).focus()
        self._learn()

    def on_screen_resume(self) -> None:
        """Go back to the statement, whatever had the focus."""
        self.query_one(Statement).focus()

    def say(self, message: str) -> None:
        """Tell why an answer takes a while."""
        self.query_one("#says", Static).update(Text(visible(message)))

    def reread(self) -> None:
        """Learn names anew; an answer stays what was asked."""
        self._learn()

    @work(exclusive=True, group="names")
    async def _learn(self) -> None:
        try:
            self.names = await self._browser.reader.answer(questions.names, self.say)
        except LayeratlasError as error:
            self._under(Text(visible(str(error), lines=error.has_lines), "#eb6f92"))
            return
        if not self._asked:
            self._under(Text(_START.format(views=", ".join(self.names)), FAINT))

    def _under(self, text: Text) -> None:
        self.query_one("#candidates", Static).update(text)

    def on_statement_asked(self, event: Statement.Asked) -> None:
        """Complete, or walk through the history, or scroll the answer."""
        statement = self.query_one(Statement)
        if event.what == "complete":
            self._complete(statement)
        elif event.what == "page":
            table = self.query_one("#answer", DataTable)
            table.action_page_down() if event.by > 0 else table.action_page_up()
        else:
            statement.value = self._history.older(statement.value) if event.what == "older" else self._history.newer()
            statement.cursor_position = len(statement.value)

    def _complete(self, statement: Statement) -> None:
        """Complete the word before the cursor; the next Tab takes the next candidate."""
        before, after = statement.value[: statement.cursor_position], statement.value[statement.cursor_position :]
        if before == self._completing and self._candidates:
            self._candidates = [*self._candidates[1:], self._candidates[0]]
        else:
            self._candidates = complete(before, self.names)
        if not self._candidates:
            self._under(Text("nothing to complete here", FAINT))
            return
        self._completing = completed(before, self._candidates[0])
        statement.value = self._completing + after
        statement.cursor_position = len(self._completing)
        self._under(Text(" ").append(self._candidates[0], KEY).append("  " + "  ".join(self._candidates[1:]), FAINT))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Run the statement."""
        if statement := event.value.strip():
            self._history.add(statement)
            self._run(statement)

    @work(exclusive=True, group="sql")
    async def _run(self, statement: str) -> None:
        self._under(Text("running … Escape stops it", FAINT))
        self._answering = True
        try:
            table = await self._browser.reader.answer(
                lambda catalog: run_sql(catalog, statement, limit=SHOWN + 1), self.say
            )
        except LayeratlasError as error:
            self._under(Text(visible(str(error), lines=error.has_lines), "#eb6f92"))
            return
        finally:
            self._answering = False
        self._asked = statement
        self._under(Text(f" first {SHOWN:,} rows; an export has all" if len(table.rows) > SHOWN
                         else f" {len(table.rows):,} rows", FAINT))  # fmt: skip
        await self._draw(table)

    async def _draw(self, table: Table) -> None:
        drawn: DataTable[Any] = self.query_one("#answer", DataTable)
        drawn.clear(columns=True)
        for name in table.columns:
            drawn.add_column(Text(visible(name)))
        for place, row in enumerate(table.rows[:SHOWN]):
            drawn.add_row(*map(_cell, row))
            if place % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)

    def action_leave(self) -> None:
        """Stop what runs, else go back."""
        if self._answering:
            self._browser.reader.interrupt()
        else:
            self.app.pop_screen()

    def action_other(self) -> None:
        """Move between the statement and its answer."""
        statement, answer = self.query_one(Statement), self.query_one("#answer", DataTable)
        (answer if statement.has_focus else statement).focus()

    def action_export(self) -> None:
        """Write all rows of the answer that is shown."""
        if self._asked:
            asked = self._asked
            self._browser.export(
                "the answer", "answer.csv", lambda: self._browser.reader.ask(lambda c: run_sql(c, asked))
            )


def _cell(value: Any) -> Text:
    said = cell(value)
    short = said if len(said) <= _WIDEST else said[: _WIDEST - 1] + "…"
    return Text(short, justify="right" if isinstance(value, int | float) and not isinstance(value, bool) else "left")
