"""Leases: how processes of any number of machines share the work of one store where no lock reaches all of them.

Each process has one file at the store's place, `leases/<process>.json`, which only it writes: what it has claimed, and
a beat that it raises every few seconds. Whoever sees the same beat for longer than the lease lasts, by its own clock,
takes the process for dead: clocks are never compared. What is claimed is written before it is begun, and what others
have claimed is read once more after that: who finds that another has claimed anything meanwhile, and be it done
already, withdraws, waits for a moment by chance, and looks again. A process that was cut off, and comes back, may do
what another has done meanwhile; that costs time, and changes nothing.

The interface is that of `claims.Claims`, which are locks of one machine.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from layeratlas.store.errors import BadRequest, LayeratlasError, StoreBusy
from layeratlas.store.files import is_of_this_host, process_name
from layeratlas.store.sharing.places import Shared

FOLDER = "leases"
_LASTS = 60.0  # seconds without a beat after which a process is taken for dead
_BEATS = 4  # in that time
_LARGEST = 2**24  # bytes of a file that is read
_AT_ONCE = 8
_RECENT = 2.0  # seconds: for how long it is known who is at work


@dataclass(frozen=True)
class _Lease:
    """What a process says, and when, by our clock, we first saw it say so."""

    beat: str
    claims: tuple[dict[str, Any], ...]
    works: bool
    begun: int  # claims that it ever made
    lasts: float
    since: float


class Leases:
    """The claims of this process and of others at a place. Safe to use from several threads.

    looked: called when others' claims were read, so that what they have finished is read after that.
    """

    def __init__(
        self, place: Shared, looked: Callable[[], None] = lambda: None, *, lasts: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._place, self._looked, self._clock = place, looked, clock
        self._lasts = lasts if lasts is not None else _lasts()
        self._name = f"{process_name()}-{secrets.token_hex(4)}"
        self._turn = threading.RLock()
        self._mine: dict[int, dict[str, Any]] = {}
        self._at_work, self._beat, self._number = 0, 0, 0
        self._seen: dict[str, _Lease] = {}
        self._depth = 0
        self._planned: dict[str, _Lease] | None = None  # what was seen in this `planning`
        self._known: dict[str, int] = {}  # how many claims others had ever made, when `taken` was last asked
        self._looked_at = -math.inf
        self._stop: threading.Event | None = None

    @contextmanager
    def planning(self) -> Iterator[None]:
        """Let one thread of this process decide at a time what is taken next, by one look at what others have claimed.

        Were there two, what another claims between them would be known, and yet not have been planned with.
        """
        with self._turn:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                self._planned = None

    def taken(self) -> list[dict[str, Any]]:
        """Return what living processes have claimed, this one included."""
        with self._turn:
            if self._planned is None:
                self._planned = dict(self._look())
                self._known = _begun(self._planned)
            others, self._planned = self._planned, self._planned if self._depth else None
            return [*self._mine.values(), *(claim for lease in others.values() for claim in lease.claims)]

    @contextmanager
    def claim(self, work: Mapping[str, Any]) -> Iterator[None]:
        """Claim a piece of work, described in JSON's types, until the block ends.

        Raises StoreBusy when this work is claimed, or another process has claimed anything since `taken` was asked.
        """
        plain = json.loads(json.dumps(dict(work)))
        with self._turn:
            if plain in self._mine.values() or any(plain in lease.claims for lease in self._seen.values()):
                raise StoreBusy(f"this work is claimed already: {json.dumps(plain)[:200]}")
            self._number += 1
            number = self._number
            self._mine[number] = plain
            self._tell()
            if _begun(self._look()) != self._known:
                self._drop(number)
                time.sleep(random.uniform(0, min(1.0, self._lasts / _BEATS)))
                raise StoreBusy("another process has claimed something at the same moment")
        try:
            yield
        finally:
            with self._turn:
                self._drop(number)

    @contextmanager
    def exclusive(self, name: str, *, wait: bool) -> Iterator[bool]:
        """Hold what goes by a name alone among all processes; without `wait`, yield False when another has it."""
        work = {"lock": name}
        while True:
            with ExitStack() as held:
                try:
                    is_free = work not in self.taken()
                    if is_free:
                        held.enter_context(self.claim(work))
                except StoreBusy:  # of the claim; what the block raises is its own matter
                    continue
                if is_free:
                    yield True
                    return
            if not wait:
                yield False
                return
            time.sleep(min(1.0, self._lasts / _BEATS))

    def workers(self, *, here: bool = False) -> int:
        """Return how many living processes are at work in this store, this one included while it is `at_work`.

        here: on this host only, where they share the cores.
        """
        with self._turn:
            recent = self._clock() - self._looked_at < _RECENT
            others = [name for name, lease in (self._seen if recent else self._look()).items() if lease.works]
        return bool(self._at_work) + sum(not here or is_of_this_host(name.rpartition("-")[0]) for name in others)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Mark this process as one that works here until the block ends."""
        with self._turn:
            self._at_work += 1
            self._tell()
        try:
            yield
        finally:
            with self._turn:
                self._at_work -= 1
                self._tell()

    def _drop(self, number: int) -> None:
        del self._mine[number]
        self._tell()

    def _tell(self) -> None:
        """Write our file; without anything to say, remove it."""
        self._beat += 1
        name = f"{FOLDER}/{self._name}.json"
        if not (self._mine or self._at_work):
            if self._stop is not None:
                self._stop.set()
                self._stop = None
            self._remove(name)
            return
        content = {
            "beat": self._beat, "claims": list(self._mine.values()), "begun": self._number,
            "works": bool(self._at_work), "lasts": self._lasts,
        }  # fmt: skip
        with TemporaryDirectory() as folder:
            file = Path(folder) / "lease"
            file.write_text(json.dumps(content), encoding="utf-8")
            self._place.put(file, name)
        if self._stop is None:
            self._stop = threading.Event()
            threading.Thread(target=self._go_on, args=(self._stop,), daemon=True).start()

    def _go_on(self, stop: threading.Event) -> None:
        """Raise the beat again and again. Where that fails, it is tried with the next beat."""
        while not stop.wait(self._lasts / _BEATS):
            with suppress(LayeratlasError, OSError), self._turn:
                if not stop.is_set():
                    self._tell()

    def _look(self) -> dict[str, _Lease]:
        """Read what all others say; return those that are alive, and remove the files of the dead."""
        own = f"{FOLDER}/{self._name}.json"
        names = [name for name in self._place.sizes(FOLDER) if name.endswith(".json") and name != own]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = dict(zip(names, pool.map(self._read, names), strict=True))
        now = self._clock()
        seen = {}
        for file, content in found.items():
            if content is not None:
                name = file.removeprefix(f"{FOLDER}/").removesuffix(".json")
                before = self._seen.get(name)
                lease = _lease(content, now)
                seen[name] = before if before is not None and before.beat == lease.beat else lease
        self._seen = {name: lease for name, lease in seen.items() if now - lease.since <= lease.lasts}
        for name in seen.keys() - self._seen.keys():
            self._remove(f"{FOLDER}/{name}.json")
        self._looked_at = now
        self._looked()
        return self._seen

    def _read(self, name: str) -> bytes | None:
        try:
            with self._place.open(name) as file:
                return file.read(_LARGEST)
        except FileNotFoundError:  # it has ended meanwhile
            return None

    def _remove(self, name: str) -> None:
        """Remove a file; where that may not be done, it lapses."""
        with suppress(LayeratlasError, OSError):
            self._place.remove(name)


def _lease(content: bytes, now: float) -> _Lease:
    """Read a lease; what cannot be read claims nothing, and lapses."""
    beat = hashlib.sha256(content).hexdigest()
    try:
        said = json.loads(content)
        claims = tuple(claim for claim in said["claims"] if isinstance(claim, dict))
        lasts = min(float(said["lasts"]), 24 * 3600.0)
        return _Lease(beat, claims, bool(said["works"]), int(said["begun"]), lasts, now)
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return _Lease(beat, (), False, 0, _LASTS, now)


def _begun(leases: Mapping[str, _Lease]) -> dict[str, int]:
    """Return how many claims each process ever made, where it made any: also one that has ended since counts."""
    return {name: lease.begun for name, lease in leases.items() if lease.begun}


def _lasts() -> float:
    """Return $LAYERATLAS_LEASE in seconds, or how long a lease lasts otherwise. Raises BadRequest."""
    given = os.environ.get("LAYERATLAS_LEASE")
    if given is None:
        return _LASTS
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0
    if not 0 < seconds < 24 * 3600:
        raise BadRequest(f"LAYERATLAS_LEASE must be seconds, more than 0 and less than a day, got '{given}'")
    return seconds
