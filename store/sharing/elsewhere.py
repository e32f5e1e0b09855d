"""A store whose files are elsewhere, as in a bucket: `--store s3://bucket/prefix`.

Artifacts and log are there. Here, below $XDG_CACHE_HOME, is a copy of the log, the catalog that is made of it, and the
artifacts that were needed: a cache, whose loss costs time. Whatever is written goes there at once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from layeratlas.store.errors import ArtifactDamaged, NothingYet
from layeratlas.store.files import whole_file
from layeratlas.store.log import FOLDER, Segment
from layeratlas.store.sharing.leases import Leases
from layeratlas.store.sharing.places import Folder, Shared, open_place
from layeratlas.store.sharing.side import AT_ONCE, cache_folder, fetch_segments, listed
from layeratlas.store.store import ArtifactRow, Store

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from layeratlas.store.artifacts.base import Artifact

_FRESH = 5.0  # seconds for which a listing counts


class StoreElsewhere(Store):
    """A store at another place, worked on through a cache here. Any number of machines may do so at once."""

    def __init__(self, address: str, versions: Mapping[str, int]) -> None:
        super().__init__(cache_folder(f"store {address}"), versions)
        self._address = address
        self.place: Shared = open_place(address)
        self._listed_at = -_FRESH
        self._sizes: dict[str, tuple[float, dict[str, int]]] = {}  # of the files of a kind, and when they were listed
        self.claims: Leases = Leases(self.place, self._forget_listing)

    @property
    def title(self) -> str:
        return self.place.title

    @property
    def is_here(self) -> bool:
        return isinstance(self.place, Folder)

    @property
    def address(self) -> str:
        return self._address

    @contextmanager
    def lock(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold a lock of this machine; what is extracted, among all machines."""
        with super().lock(name, wait=wait) as held:
            if not (held and name.startswith("extract-")):
                yield held
                return
            with self.claims.exclusive(name, wait=wait) as everywhere:
                self._forget_listing()
                yield everywhere

    def _forget_listing(self) -> None:
        """Look again at what there is when it is next needed."""
        self._listed_at = -_FRESH
        self._sizes.clear()

    def write(self, table: str, rows: Sequence[Mapping[str, Any]]) -> Segment | None:
        """Write rows to the log, here and there."""
        return self._send(super().write(table, rows))

    def write_table(self, table: str, data: pa.Table) -> Segment:
        """Write rows that are columns already to the log, here and there."""
        segment = super().write_table(table, data)
        self._send(segment)
        return segment

    def write_artifact(self, artifact: Artifact, run: str) -> None:
        """Copy an artifact there, then write to the log of it."""
        self.place.put(self.root / artifact.path, artifact.path)
        super().write_artifact(artifact, run)

    def merge(self) -> int:
        """Fetch what others have written, then merge."""
        self._exchange()
        return super().merge()

    @contextmanager
    def catalog(self) -> Iterator[DuckDBPyConnection]:
        """Open the catalog, after what others have written was merged."""
        if self._exchange():
            super().merge()
        try:
            with super().catalog() as connection:
                yield connection
        except NothingYet as error:
            if self.log.segments():
                raise
            raise NothingYet(f"there is nothing in {self.title} yet: run `layeratlas run STUDY.toml`") from error

    def has(self, artifact: ArtifactRow) -> bool:
        """Tell whether a file is here or there; what is there was listed a few seconds ago at most."""
        if super().has(artifact):
            return True
        listed_at, sizes = self._sizes.get(artifact.kind, (-_FRESH, {}))
        if time.monotonic() - listed_at >= _FRESH:
            sizes = self.place.sizes(artifact.kind)
            self._sizes[artifact.kind] = time.monotonic(), sizes
        return sizes.get(artifact.path) == artifact.bytes

    def keeps(self, artifact: ArtifactRow) -> bool:
        """Tell whether a copy is kept for measuring: of activations not where $LAYERATLAS_COPIES is `none`."""
        return artifact.kind != "activations" or os.environ.get("LAYERATLAS_COPIES") != "none"

    def opened(self, path: str) -> Path | BufferedIOBase:
        """Return the path of a file that is here, or else the file there, of which parts are read."""
        return self.root / path if (self.root / path).is_file() else self.place.open(path)

    def bring(self, artifacts: Collection[ArtifactRow]) -> None:
        """Fetch artifacts that are not here. One that is not whole there either is left to whoever reads it."""
        missing = [row for row in artifacts if not (self.root / row.path).is_file()]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._fetch, missing))

    def _fetch(self, row: ArtifactRow) -> None:
        try:
            if isinstance(self.place, Folder):
                _link(self.root / row.path, self.place.root / row.path)
                return
            with self.lock(f"fetch-{crc32(row.path.encode()) % AT_ONCE}"):  # for other processes that want it too
                if (self.root / row.path).is_file():
                    return
                with whole_file(self.root / row.path) as temporary:
                    if self.place.fetch(row.path, temporary) != row.sha256:
                        raise ArtifactDamaged(row.path)
        except (FileNotFoundError, ArtifactDamaged):
            return  # whoever checks it finds it missing

    def _send(self, segment: Segment | None) -> Segment | None:
        if segment is not None:
            self.place.put(segment.path, f"{FOLDER}/{segment.name}")
        return segment

    def _exchange(self) -> int:
        """Fetch segments that are not here, send those that are not there; return how many came."""
        if time.monotonic() - self._listed_at < _FRESH:
            return 0
        there = listed(self.place)
        here = {one.name: one for one in self.log.segments()}
        covered = frozenset[str]().union(*(one.covers for one in here.values()))
        missing = {name: size for name, size in there.items() if name not in covered and name not in here}
        fetch_segments(self.place, missing, self.log)
        for name, segment in here.items():  # of a process that was killed, or cut off, before it could
            if name not in there and not segment.covers <= there.keys():
                self._send(segment)
        self._listed_at = time.monotonic()
        return len(missing)


def _link(path: Path, target: Path) -> None:
    """Have a path stand for a file of a folder that this machine can read, so that nothing is copied."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        path.symlink_to(target.absolute())
