"""One side of a copy: a store here, or another place, of whose log a copy is kept in this machine's cache.

Only what is new is fetched into the cache. Losing it costs time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from layeratlas.store.catalog import FILE
from layeratlas.store.errors import LayeratlasError
from layeratlas.store.files import together, whole_file
from layeratlas.store.log import COLUMNS, FOLDER, Log, Segment, covers, is_name
from layeratlas.store.progress import Progress
from layeratlas.store.sharing.arrivals import Expected, inspect
from layeratlas.store.sharing.places import Folder, Place
from layeratlas.store.sharing.selection import Holdings
from layeratlas.store.store import Store

SMALL = tuple(table for table in COLUMNS if table != "scores")
AT_ONCE = min(8, 2 * max(2, os.cpu_count() or 1))  # transfers: each hashes what it copies
_TOGETHER = 2**28  # bytes of segments that are checked together


class _Mirror(Store):
    """What another place's log says, segment for segment."""

    def _compact(self) -> None:
        """Leave its segments as they are there."""


class Side:
    """One side of a copy: where the files are, and a store whose catalog knows the small tables of its log."""

    def __init__(self, place: Place, store: Store, scores: Log) -> None:
        self.place, self.store = place, store
        self._log_of_scores = scores  # where its segments with scores are on this machine, as far as they are

    @classmethod
    def of_store(cls, store: Store) -> Side:
        """A store of this machine, brought up to date."""
        store.merge()
        return cls(Folder(store.root), store, store.log)

    @classmethod
    def of_place(cls, place: Place, folder: Path) -> Side:
        """Another place; what its log says is kept in a folder of this machine."""
        side = cls(place, _Mirror(folder), Log(folder / "scores"))
        small = {name: size for name, size in side.listed.items() if not name.startswith("scores/")}
        with side.store.lock("mirror"):
            have = {one.name: one for one in side.store.log.segments()}
            gone = have.keys() - small.keys()
            for name in gone:
                have[name].path.unlink()
            if gone:
                (folder / FILE).unlink(missing_ok=True)
            fetch_segments(place, {name: size for name, size in small.items() if name not in have}, side.store.log)
            side.store.merge()
        return side

    @cached_property
    def is_here(self) -> bool:
        """Whether the place is the store itself."""
        return isinstance(self.place, Folder) and self.place.root == self.store.root

    @cached_property
    def holdings(self) -> Holdings:
        """What it knows."""
        return Holdings(self.store)

    @cached_property
    def listed(self) -> dict[str, int]:
        """The segments of its log, as `<table>/<file>`, with their bytes."""
        return listed(self.place)

    @cached_property
    def scores(self) -> dict[str, int]:
        """Those of them that hold scores."""
        return {name: size for name, size in self.listed.items() if name.startswith("scores/")}

    def covers(self, names: Collection[str]) -> dict[str, frozenset[str]]:
        """Return of segments, from their footers alone, whose rows they hold."""
        import pyarrow.parquet as pq

        def footer(name: str) -> frozenset[str]:
            with self.place.open(f"{FOLDER}/{name}") as file:
                return covers(pq.read_metadata(file), name)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(zip(names, pool.map(footer, names), strict=True))

    def segments(self, progress: Progress) -> list[Segment]:
        """Return all its segments with scores, on this machine."""
        if self.is_here:
            return [Segment("scores", self.store.log.folder / name) for name in self.scores]
        have = {one.name for one in self._log_of_scores.segments(["scores"])}
        missing = {name: size for name, size in self.scores.items() if name not in have}
        with progress.task(
            f"reading the scores of {self.place.title}", sum(missing.values()), is_bytes=True
        ) as advance:
            fetch_segments(self.place, missing, self._log_of_scores, advance)
        return [one for one in self._log_of_scores.segments(["scores"]) if one.name in self.scores]


def cache_folder(address: str) -> Path:
    """Return where this machine keeps what it knows of a place: below $XDG_CACHE_HOME, or ~/.cache."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "layeratlas" / hashlib.sha256(address.encode()).hexdigest()[:32]


def listed(place: Place) -> dict[str, int]:
    """Return the segments of a place's log, as `<table>/<file>`, with their bytes."""
    found = {name.removeprefix(f"{FOLDER}/"): size for name, size in place.sizes(FOLDER).items()}
    return {name: size for name, size in found.items() if is_name(*name.split("/", 1))}


def fetch_segments(
    place: Place, sizes: Mapping[str, int], log: Log, advance: Callable[[int], None] = lambda size: None
) -> list[Segment]:
    """Copy segments of a place, with their bytes, into a log, once they are what their names promise and can be read.

    Raises LayeratlasError for one that is damaged there, ArrivalRefused for what is no segment.
    """
    found = []
    for names in together(sizes, lambda name: sizes[name], _TOGETHER):
        found += _fetch(place, names, log)
        advance(sum(sizes[name] for name in names))
    return found


def _fetch(place: Place, names: Sequence[str], log: Log) -> list[Segment]:
    segments = [Segment(name.partition("/")[0], log.folder / name) for name in names]
    titles = [f"{place.title}: {FOLDER}/{name}" for name in names]
    with ExitStack() as stack, ThreadPoolExecutor(AT_ONCE) as pool:
        temporary = [stack.enter_context(whole_file(one.path)) for one in segments]
        hashes = pool.map(place.fetch, [f"{FOLDER}/{name}" for name in names], temporary)
        for one, found, title in zip(segments, hashes, titles, strict=True):
            if found != one.path.stem.rpartition("-")[2]:
                raise LayeratlasError(
                    f"{title} has changed since it was written, and is not taken. Whoever keeps it there mends it with "
                    "`layeratlas verify`"
                )
        if not place.is_checked:
            inspect([
                Expected(title, str(file), table=one.table)
                for one, file, title in zip(segments, temporary, titles, strict=True)
            ])  # fmt: skip
    return segments
