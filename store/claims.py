"""Which parts of the work living processes have claimed, so that any number of them share the work of one store.

A claim is `claims/<fingerprint>.json`, beside a lock that its process holds: the operating system gives the lock back
when the process dies, however it dies, and with it the claim. Claims come and go under one short lock, `planning`, so
that a free lock beside a claim means a dead process and nothing else, and its files can be removed.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from layeratlas.store.files import whole_file
from layeratlas.store.identity import fingerprint

_AT_WORK = "worker"


class Claims:
    """The claims on one store, below `root`."""

    def __init__(self, root: Path) -> None:
        self._folder = root / "claims"
        self._planning = root / "locks" / "planning.lock"

    @contextmanager
    def planning(self) -> Iterator[None]:
        """Hold the lock under which it is decided who takes what; other processes wait, so be quick."""
        self._planning.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._planning):
            yield

    def taken(self) -> list[dict[str, Any]]:
        """Return what living processes, this one included, have claimed. The caller holds `planning`."""
        return [json.loads(path.read_text(encoding="utf-8")) for path in self._living("claim")]

    @contextmanager
    def claim(self, work: Mapping[str, Any]) -> Iterator[None]:
        """Claim some work, as JSON has it, until the block ends. The caller holds `planning` when it begins."""
        name = f"claim-{fingerprint(dict(work)).removeprefix('v1:')}"
        with self._held(name, json.dumps(work)):
            yield

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Mark this process as one that works in the store, until the block ends."""
        with self.planning():
            entered = self._held(f"{_AT_WORK}-{os.getpid()}-{secrets.token_hex(4)}", "{}")
            entered.__enter__()
        try:
            yield
        finally:
            entered.__exit__(None, None, None)

    def workers(self) -> int:
        """Return how many living processes are at work. The caller holds `planning`."""
        return len(self._living(_AT_WORK))

    @contextmanager
    def _held(self, name: str, content: str) -> Iterator[None]:
        """Hold a claim's lock and show its content; at the end take both away."""
        path = self._folder / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_suffix(".lock"))
        lock.acquire(timeout=0)
        try:
            with whole_file(path) as temporary:
                temporary.write_text(content, encoding="utf-8")
            yield
        finally:
            with self.planning():
                self._remove(path)
                lock.release()

    def _living(self, kind: str) -> list[Path]:
        """Return the claims of a kind whose process lives, and remove those of the dead."""
        living = []
        for path in sorted(self._folder.glob(f"{kind}-*.json")):
            lock = FileLock(path.with_suffix(".lock"))
            try:
                lock.acquire(timeout=0)
            except Timeout:
                living.append(path)
                continue
            self._remove(path)
            lock.release()
        return living

    @staticmethod
    def _remove(path: Path) -> None:
        for file in (path, path.with_suffix(".lock")):
            with suppress(OSError):  # Windows keeps a file that is open; the next look removes it
                file.unlink(missing_ok=True)
