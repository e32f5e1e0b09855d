"""Progress where Python is used: bars in a notebook, the terminal's where stderr is one, else none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from layeratlas.queries.core.visible import visible
from layeratlas.store.files import readable_size
from layeratlas.store.progress import Progress, Silent

_EVERY = 0.2  # seconds between two drawings of a bar


def progress_here() -> Progress:
    """Return what suits where this runs. Nothing is ever printed to stdout."""
    if (display := _display()) is not None:
        return NotebookProgress(display)
    if sys.stderr is not None and sys.stderr.isatty():
        from layeratlas.queries.terminal.progress import TerminalProgress

        return TerminalProgress()
    return Silent()


def _display() -> Callable[..., Any] | None:
    """IPython's `display`, where a notebook runs; None elsewhere."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    found: Callable[..., Any] = display
    return found


class _Html:
    """HTML that a notebook shows, and the text that others do."""

    def __init__(self, html: str, text: str) -> None:
        self._html, self._text = html, text

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text


class NotebookProgress:
    """A store.progress.Progress that draws a bar a task below the cell; notes stay there as lines."""

    def __init__(self, display: Callable[..., Any]) -> None:
        self._show = display

    @contextmanager
    def task(self, description: str, total: int | None, *, is_bytes: bool = False) -> Iterator[Callable[[int], None]]:
        """Show a task while it runs, and afterwards that it is done."""
        said_as = readable_size if is_bytes else "{:,}".format
        name, begun = visible(description), time.monotonic()
        done, drawn = 0, begun
        handle = self._show(_bar(name, 0, total, ""), display_id=True)

        def advance(steps: int) -> None:
            nonlocal done, drawn
            done += steps
            if time.monotonic() - drawn > _EVERY:
                drawn = time.monotonic()
                handle.update(_bar(name, done, total, f"{said_as(done)}{f' of {said_as(total)}' if total else ''}"))

        yield advance
        handle.update(_bar(name, done, done, f"{said_as(done)} in {time.monotonic() - begun:.1f} s"))

    def note(self, message: str) -> None:
        """Say one line."""
        text = visible(message)
        self._show(_Html(f"<div>{escape(text)}</div>", text))


def _bar(name: str, done: int, total: int | None, said: str) -> _Html:
    value = f' value="{done}" max="{max(total, 1)}"' if total is not None else ""
    return _Html(f"<div><progress{value}></progress> {escape(name)} {escape(said)}</div>", f"{name}: {said}")
