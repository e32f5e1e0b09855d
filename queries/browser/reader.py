"""How the browser reaches the catalog: one short-lived connection a question, one question at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from store.catalog import FILE, reading
from store.errors import StoreBusy

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")
Question = Callable[["DuckDBPyConnection"], T]
QUICK = 0.4  # seconds after which a user is told that an answer takes a while
AGAIN = 0.3  # seconds between attempts while a writer holds the catalog


class Reader:
    """A catalog that other processes may write meanwhile. Safe to use from several threads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._turn = threading.Lock()  # connections of one process share their settings, which `reading` locks
        self._open: DuckDBPyConnection | None = None

    def ask(self, question: Question[T]) -> T:
        """Answer one question. Raises StoreBusy, NothingYet, CatalogDamaged, and what the question raises."""
        with self._turn, reading(self.root) as catalog:
            self._open = catalog
            try:
                return question(catalog)
            finally:
                self._open = None

    async def answer(self, question: Question[T], say: Callable[[str], None]) -> T:
        """Answer one question off the event loop; `say` hears why it takes a while, and "" when it is done.

        While another process writes, wait for it, as long as it takes. Raises what `ask` raises, but StoreBusy.
        """
        while True:
            work = asyncio.create_task(asyncio.to_thread(self.ask, question))
            work.add_done_callback(lambda task: task.cancelled() or task.exception())  # nobody may wait for it any more
            if not (await asyncio.wait({work}, timeout=QUICK))[0]:
                say("asking the catalog …")
            try:
                found = await work
            except StoreBusy as busy:
                say(f"waiting: {str(busy).split(': ', 1)[0]}")
                await asyncio.sleep(AGAIN)
            else:
                say("")
                return found

    def interrupt(self) -> None:
        """Stop the question that runs, if one does: it raises duckdb.InterruptException."""
        catalog = self._open
        if catalog is not None:
            catalog.interrupt()

    def stamp(self) -> tuple[int, int] | None:
        """Return what changes when the catalog's file does; None while there is none."""
        try:
            found = (self.root / FILE).stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size
