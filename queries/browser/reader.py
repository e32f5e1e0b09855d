"""How the browser reaches the catalog: one short-lived connection a question, one question at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import duckdb

from layeratlas.store.catalog import FILE
from layeratlas.store.errors import BadRequest, LayeratlasError, StoreBusy
from layeratlas.store.store import Store

T = TypeVar("T")
Question = Callable[[duckdb.DuckDBPyConnection], T]
QUICK = 0.4  # seconds after which a user is told that an answer takes a while
AGAIN = 0.3  # seconds between attempts while a writer holds the catalog
LONGEST = 15.0  # seconds for one question: while it runs nobody can write, and a writer waits for twenty
_TOO_LONG = "stopped after {:.0f} s, so that runs can write; `layeratlas sql` takes long statements"


class Stopped(LayeratlasError):  # noqa: N818 - named for what it is
    """A question was stopped before it had its answer."""


class Reader:
    """A catalog that other processes may write meanwhile. Safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self.root, self.title, self._store = store.root, store.title, store
        self._turn = threading.Lock()  # connections of one process share their settings, which reading locks
        self._open: duckdb.DuckDBPyConnection | None = None
        self._why = ""

    def ask(self, question: Question[T]) -> T:
        """Answer one question. Raises StoreBusy, NothingYet, CatalogDamaged, Stopped, and what the question raises."""
        with self._turn, self._store.catalog() as catalog:
            self._open, self._why = catalog, ""
            limit = threading.Timer(LONGEST, self.interrupt, [_TOO_LONG.format(LONGEST)])
            limit.start()
            try:
                return question(catalog)
            except (duckdb.InterruptException, BadRequest):
                if self._why:
                    raise Stopped(self._why) from None
                raise
            finally:
                limit.cancel()
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

    def interrupt(self, why: str = "stopped") -> None:
        """Stop the question that runs, if one does: it raises Stopped."""
        catalog = self._open
        if catalog is not None:
            self._why = why
            with suppress(duckdb.ConnectionException):  # it has just ended
                catalog.interrupt()

    def stamp(self) -> tuple[int, int] | None:
        """Return what changes when the catalog's file does; None while there is none."""
        try:
            found = (self.root / FILE).stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size
