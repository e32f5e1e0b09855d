"""How long work reports: a task that advances, and notes. The command line draws it; libraries stay silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """What a runner needs of whoever watches it."""

    def task(
        self, description: str, total: int | None, *, is_bytes: bool = False
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Open a task of `total` steps, or bytes; the callable advances it."""

    def note(self, message: str) -> None:
        """Say one line: a warning, or what was decided."""


class Silent:
    """A Progress that shows nothing and keeps its notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    @contextmanager
    def task(self, description: str, total: int | None, *, is_bytes: bool = False) -> Iterator[Callable[[int], None]]:
        yield lambda steps: None

    def note(self, message: str) -> None:
        self.notes.append(message)
