"""Progress on stderr: bars where there is a terminal, a line at the start and end of a task where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from layeratlas.queries.core.visible import visible
from layeratlas.store.files import readable_size

_EVERY = 15.0  # seconds between lines of one task where there is no terminal


class TerminalProgress:
    """A store.progress.Progress for people."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bars: Progress | None = None

    @contextmanager
    def task(self, description: str, total: int | None, *, is_bytes: bool = False) -> Iterator[Callable[[int], None]]:
        """Show a task while it runs."""
        shown = self._bar if self._console.is_terminal else self._lines
        with shown(visible(description), total, is_bytes) as advance:
            yield advance

    def note(self, message: str) -> None:
        """Say one line."""
        self._console.print(visible(message), markup=False)

    @contextmanager
    def _bar(self, description: str, total: int | None, is_bytes: bool) -> Iterator[Callable[[int], None]]:
        outermost = self._bars is None
        if self._bars is None:
            columns = (
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                DownloadColumn() if is_bytes else MofNCompleteColumn(),
            )
            self._bars = Progress(*columns, TimeRemainingColumn(), console=self._console)
            self._bars.start()
        bars = self._bars
        task = bars.add_task(description, total=total)
        try:
            yield lambda steps: bars.advance(task, steps)
        finally:
            if outermost:
                bars.stop()
                self._bars = None

    @contextmanager
    def _lines(self, description: str, total: int | None, is_bytes: bool) -> Iterator[Callable[[int], None]]:
        said_as = readable_size if is_bytes else "{:,}".format
        done, begun = 0, time.monotonic()
        said = begun

        def advance(steps: int) -> None:
            nonlocal done, said
            done += steps
            if time.monotonic() - said > _EVERY:
                said = time.monotonic()
                print(f"{description}: {said_as(done)}{f' of {said_as(total)}' if total else ''}", file=sys.stderr)

        yield advance
        print(f"{description}: {said_as(done)} in {time.monotonic() - begun:.1f} s", file=sys.stderr)
