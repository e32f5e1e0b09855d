"""Claims: how any number of processes share the work of one store without doing anything twice.

Who plans holds a short lock, looks at what is claimed, what waits in the log and what is merged, in this order (what
leaves one of them stands in the next), and claims what it takes on:

    with ExitStack() as mine:
        with store.claims.planning():
            taken, waiting = store.claims.taken(), store.waiting_pairs()
            work = ...  # of what store.missing_pairs(...) gives, less these
            mine.enter_context(store.claims.claim(work))
        ...  # compute, and log what was computed

A claim is a description, `claims/<hash>.json`, and a lock, `locks/claim-<hash>.lock`, which the operating
system releases when its holder dies. A claim whose lock is free is a dead process's, and is removed. Lock files are
made and removed only by who plans: else a process could come to hold the lock of a file that another has just removed.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from layeratlas.store.errors import StoreBusy
from layeratlas.store.files import is_of_this_host, process_name

if TYPE_CHECKING:
    from filelock import FileLock

_CLAIM, _WORKER = "claim-", "worker-"

#: The locks that this process holds. Asked before the system is: some file systems grant a process its own lock again.
_HELD: dict[Path, FileLock] = {}
_AT_WORK: Counter[Path] = Counter()


class Claiming(Protocol):
    """How processes agree on who does what: by locks of one machine (`Claims`), or by leases (`sharing/leases.py`)."""

    def planning(self) -> AbstractContextManager[None]:
        """Decide alone, as far as that can be had, what is taken next."""

    def taken(self) -> list[dict[str, Any]]:
        """Return what living processes have claimed, this one included."""

    def claim(self, work: Mapping[str, Any]) -> AbstractContextManager[None]:
        """Claim a piece of work until the block ends. Raises StoreBusy."""

    def workers(self, *, here: bool = False) -> int:
        """Return how many living processes are at work in this store, or on this host only."""

    def at_work(self) -> AbstractContextManager[None]:
        """Mark this process as one that works here until the block ends."""


class Claims:
    """The claims on the work of one store. Safe to use from several threads."""

    def __init__(self, root: Path) -> None:
        self._folder, self._locks = root.absolute() / "claims", root.absolute() / "locks"
        self._turn = threading.RLock()
        self._depth = 0

    @contextmanager
    def planning(self) -> Iterator[None]:
        """Hold the lock of who decides what is taken next; short, and may be held again by who holds it."""
        with self._turn, ExitStack() as stack:
            if not self._depth:
                self._locks.mkdir(parents=True, exist_ok=True)
                stack.enter_context(_lock(self._locks / "planning.lock"))
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1

    def taken(self) -> list[dict[str, Any]]:
        """Return what living processes have claimed, this one included; the claims of dead ones are removed."""
        with self.planning():
            return [json.loads(self._description(name).read_text("utf-8")) for name in self._living(_CLAIM)]

    @contextmanager
    def claim(self, work: Mapping[str, Any]) -> Iterator[None]:
        """Claim a piece of work, described in JSON's types, until the block ends.

        Raises StoreBusy when a living process, or another thread of this one, has claimed the same already.
        """
        description = json.dumps(dict(work), sort_keys=True)
        name = hashlib.sha256(description.encode()).hexdigest()
        lock = self._locks / f"{_CLAIM}{name}.lock"
        with ExitStack() as stack:
            with self.planning():
                if not _hold(lock):
                    raise StoreBusy(f"another process has claimed this work already: {description[:200]}")
                stack.callback(self._remove, lock)
                self._folder.mkdir(exist_ok=True)
                self._description(name).write_text(description, "utf-8")
            yield

    def workers(self, *, here: bool = False) -> int:
        """Return how many living processes are at work in this store, this one included while it is `at_work`.

        here: on this host only, where they share the cores.
        """
        with self.planning():
            return sum(not here or is_of_this_host(name) for name in self._living(_WORKER))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Mark this process as one that works here until the block ends; it counts once, however often it is marked."""
        lock = self._locks / f"{_WORKER}{process_name()}.lock"
        with self.planning():
            _hold(lock)
            _AT_WORK[lock] += 1
        try:
            yield
        finally:
            with self.planning():
                _AT_WORK[lock] -= 1
                if not _AT_WORK[lock]:
                    self._remove(lock)

    def _living(self, what: str) -> list[str]:
        """Return the names under which living processes hold locks of one sort, and remove those of the dead."""
        living = []
        for lock in sorted(self._locks.glob(f"{what}*.lock")):
            if lock in _HELD or not _hold(lock):
                living.append(lock.stem.removeprefix(what))
            else:
                self._remove(lock)
        return living

    def _remove(self, lock: Path) -> None:
        """Remove a lock that this process holds, after what it stood for."""
        with self.planning():
            try:
                self._description(lock.stem.removeprefix(_CLAIM)).unlink(missing_ok=True)
            finally:
                _HELD.pop(lock).release()
            lock.unlink(missing_ok=True)

    def _description(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def _hold(path: Path) -> bool:
    """Take a lock; False when it is held already, by whomever."""
    from filelock import Timeout

    if path in _HELD:
        return False
    lock = _lock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    _HELD[path] = lock
    return True


def _lock(path: Path) -> FileLock:
    from filelock import FileLock

    return FileLock(path, thread_local=False)  # a claim may end in another thread than it began
