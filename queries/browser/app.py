"""The application: its screens share one reader, and it watches the catalog for new results."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import App
from textual.binding import Binding, BindingType

from layeratlas.queries.browser.complete import History, history_file
from layeratlas.queries.browser.dialogs import FileName, Help
from layeratlas.queries.browser.export import export
from layeratlas.queries.browser.heat import Heat
from layeratlas.queries.browser.layers import LayersScreen
from layeratlas.queries.browser.maps import MapScreen
from layeratlas.queries.browser.pair import PairScreen
from layeratlas.queries.browser.reader import Reader
from layeratlas.queries.browser.sql import SqlScreen, Statement
from layeratlas.queries.core.table import Table
from layeratlas.queries.core.visible import visible
from layeratlas.queries.terminal.fit import shortened
from layeratlas.store.errors import LayeratlasError
from layeratlas.store.store import Store

WATCH = 1.0  # seconds between looks at the catalog's file


class Browser(App[None]):
    """Look around a catalog in the terminal."""

    TITLE = "layeratlas"
    CSS_PATH = "browser.tcss"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012 - as App has it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,f1", "help", "Help", key_display="? F1", tooltip="this page"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, store: Store, *, history: Path | None = None) -> None:
        super().__init__()
        self.reader = Reader(store)
        self.history = History(history)
        self.theme = "rose-pine"
        self._stamp = self.reader.stamp()

    def on_mount(self) -> None:
        """Show the maps and start to watch."""
        self.push_screen(MapScreen())
        self.set_interval(WATCH, self._watch)

    def _watch(self) -> None:
        """Read again when the catalog's file has changed."""
        stamp = self.reader.stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        for screen in self.screen_stack:
            if isinstance(screen, MapScreen | PairScreen | LayersScreen | SqlScreen):
                screen.reread()

    def action_help(self) -> None:
        """Show the keys."""
        sections = [
            ("Map", [*MapScreen.BINDINGS, *Heat.BINDINGS]), ("Pair (Enter)", PairScreen.BINDINGS),
            ("Layers (i)", LayersScreen.BINDINGS), ("SQL (:)", [*Statement.BINDINGS, *SqlScreen.BINDINGS]),
            ("All", Browser.BINDINGS),
        ]  # fmt: skip
        self.push_screen(Help(sections))

    async def action_quit(self) -> None:
        """Leave; a question that still runs is stopped."""
        self.reader.interrupt("the browser was left")
        self.exit()

    def export(self, what: str, suggestion: str, table: Callable[[], Table]) -> None:
        """Ask for a file and write a table into it, off the event loop."""
        self.push_screen(FileName(what, shortened(visible(suggestion), 100)), lambda path: self._written(table, path))

    def _written(self, table: Callable[[], Table], path: Path | None) -> None:
        if path is not None:
            self._export(table, path)

    @work(exclusive=True, group="export")
    async def _export(self, table: Callable[[], Table], path: Path) -> None:
        try:
            rows = await asyncio.to_thread(_write, table, path)
        except LayeratlasError as error:
            self.notify(visible(str(error)), severity="error", timeout=8, markup=False)
        else:
            self.notify(visible(f"wrote {rows:,} rows to {path}"), markup=False)


def _write(table: Callable[[], Table], path: Path) -> int:
    made = table()
    export(made, path)
    return len(made.rows)


def run(store: Store) -> None:
    """Open the browser on a store, until the user leaves it."""
    Browser(store, history=history_file()).run()
