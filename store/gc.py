"""Garbage: files that nothing refers to any more, each with its reason. Whatever else is unknown is kept, and said.

Of artifacts: what is of a model or a corpus that was forgotten after the file was written, and that the catalog does
not have anew. A file that the next run could take up is never garbage. Of the log: segments whose rows all stand in one
that the catalog has taken, and damaged ones that are known otherwise. And what dead processes left half-written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from layeratlas.store.errors import NothingYet
from layeratlas.store.files import orphans
from layeratlas.store.former import STAGING
from layeratlas.store.log import COLUMNS, Segment
from layeratlas.store.merge import BESIDE, KEYS
from layeratlas.store.store import DISCARDED, Store
from layeratlas.store.verify import artifact_files


@dataclass(frozen=True)
class Found:
    """A file, and why it is garbage, or why it is kept although the catalog does not know it."""

    path: str  # below the store
    bytes: int
    reason: str


@dataclass(frozen=True)
class Garbage:
    """What may go, and what else is unknown and stays."""

    files: list[Found]
    kept: list[Found]

    @property
    def bytes(self) -> int:
        """How much room the garbage takes."""
        return sum(file.bytes for file in self.files)


def find(store: Store) -> Garbage:
    """Return what nothing refers to. Raises NothingYet without a store."""
    if not store.root.exists():
        raise NothingYet(f"there is no store {store.root}")
    return _Look(store).all()


def remove(store: Store) -> Garbage:
    """Remove what nothing refers to; return it. Artifacts stay while another process is at work in the store.

    Nobody begins to work or merges before it ends. The locks are taken in the order in which workers take them.
    """
    find(store)  # brings the catalog up to date, which takes the same lock
    store.merge()
    with store.claims.planning(), store.lock("merge"):
        found = _Look(store).all(artifacts=not store.claims.workers())
        for file in found.files:
            path = store.root / file.path
            path.unlink(missing_ok=True)
            _remove_empty(path.parent, store.root)
    return found


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder of one layer or model, or of what was staged, when nothing is left in it."""
    with suppress(OSError):  # something is
        while folder.name.startswith(("layer=", "model=", STAGING)) and folder != root:
            folder.rmdir()
            folder = folder.parent


class _Look:
    """One look at a store: what the catalog knows, against what there is."""

    def __init__(self, store: Store) -> None:
        self._store, self._root, self._log = store, store.root, store.log
        self._taken = {name for (name,) in store.rows("SELECT segment FROM base.segments")}
        self._covers = {one: covers for one in self._log.segments() if (covers := _covers(one))}
        self._whole: dict[str, bool] = {}  # by name, of those that were asked about

    def all(self, *, artifacts: bool = True) -> Garbage:
        """Look everywhere; without `artifacts`, those stay whatever they are."""
        garbage, kept = self._artifacts()
        if not artifacts:
            busy = "another process is at work in this store"
            garbage, kept = [], [*kept, *(Found(one.path, one.bytes, f"{one.reason}; {busy}") for one in garbage)]
        asides, unknown = self._set_aside()
        garbage = [*garbage, *self._covered(), *asides, *self._staged(), *self._orphans()]
        return Garbage(garbage, [*kept, *unknown])

    def _found(self, path: Path, reason: str) -> Found:
        size = path.stat().st_size if path.exists() else 0  # gone meanwhile
        return Found(str(path.relative_to(self._root)), size, reason)

    # --- artifacts ---

    def _artifacts(self) -> tuple[list[Found], list[Found]]:
        """Return files of artifacts that the catalog does not have: of what was forgotten, and others."""
        sql = "SELECT path FROM base.artifacts WHERE path IS NOT NULL AND damaged IS DISTINCT FROM $1"
        known = {path for (path,) in self._store.rows(sql, DISCARDED)}
        forgotten = {(what, key): before for what, key, before in self._store.rows(_FORGOTTEN)}
        garbage, kept = [], []
        for path in (self._root / name for name in artifact_files(self._root) if name not in known):
            identity = _identity(path)
            before = max((forgotten[key] for key in identity if key in forgotten), default=None)
            if not identity:
                kept.append(self._found(path, "it is not in the catalog, and no readable artifact"))
            elif before and _written(path) <= before:
                garbage.append(self._found(path, "its model or its corpus was forgotten"))
            else:
                kept.append(self._found(path, "it is not in the catalog yet: the next run takes it up"))
        return garbage, kept

    # --- the log ---

    def _vouches(self, segment: Segment) -> bool:
        """Tell whether the catalog has taken a segment that holds what its name promises."""
        if segment.name not in self._whole:
            self._whole[segment.name] = segment.name in self._taken and segment.is_whole()
        return self._whole[segment.name]

    def _covered(self) -> Iterator[Found]:
        """Segments whose rows all stand in another one, as when a process dies between compacting and removing."""
        joined = [one for one, covers in self._covers.items() if len(covers) > 1]
        for segment in self._covers if joined else ():
            larger = (other for other in joined if self._is_more(other, segment) and self._vouches(other))
            if any(_holds(other, segment) for other in larger):
                yield self._found(segment.path, "another file of the log holds all its rows")

    def _is_more(self, segment: Segment, other: Segment) -> bool:
        """Tell whether a segment says that it holds another one; of two that say the same, the newer does."""
        own, others = self._covers[segment], self._covers[other]
        return own > others or (own == others and segment.name > other.name)

    def _set_aside(self) -> tuple[list[Found], list[Found]]:
        """Return damaged segments that are known otherwise, and others."""
        garbage, kept = [], []
        for path in sorted(self._log.folder.glob("*/*.parquet.damaged")):
            segment = Segment(path.parent.name, path.with_suffix(""))
            holding = [one for one, covers in self._covers.items() if segment.name in covers]
            if any(map(self._vouches, holding)):
                garbage.append(self._found(path, "it was damaged, and what it held has come back"))
            elif self._has_rows_of(segment.table, path):
                garbage.append(self._found(path, "it was damaged, and the catalog has every row of it"))
            else:
                kept.append(self._found(path, "it was damaged, and what it held may be known nowhere else"))
        return garbage, kept

    def _has_rows_of(self, table: str, path: Path) -> bool:
        """Tell whether the catalog has a row of every key in a damaged segment; no, where it cannot be read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        keys = ("configuration", "artifact_a", "artifact_b") if table == "scores" else KEYS.get(table)
        if table in BESIDE:
            keys = ("configuration", "artifact_a", "artifact_b", "settings")
        if keys is None:
            return False
        try:
            columns = pq.read_table(path, columns=list(keys), partitioning=None).to_pydict()
        except (pa.ArrowException, OSError, ValueError):
            return False
        rows = set(zip(*(columns[key] for key in keys), strict=True))
        known = _SCORED if table == "scores" else f"SELECT {', '.join(keys)} FROM base.{table}"  # noqa: S608 - our names
        return rows <= set(self._store.rows(known))

    # --- leftovers ---

    def _staged(self) -> Iterator[Found]:
        """What an older release staged, and no merger takes: not the rows of any table."""
        for path in sorted((self._root / STAGING).glob("*.parquet")):
            if path.name.split("-", 1)[0] not in COLUMNS:
                yield self._found(path, "an older release left it, and it belongs to no table")

    def _orphans(self) -> Iterable[Found]:
        return [self._found(path, "a process that died left it half-written") for path in sorted(orphans(self._root))]


def _covers(segment: Segment) -> frozenset[str]:
    """Return what a segment says that it holds; nothing where it cannot be read, or has been compacted meanwhile."""
    try:
        return segment.covers
    except (OSError, ValueError):
        return frozenset()


def _holds(segment: Segment, other: Segment) -> bool:
    """Tell whether a segment has every row of another one: it may come from anybody, and is not believed."""
    import duckdb
    import pyarrow.parquet as pq

    columns = ", ".join(name for name in pq.read_schema(other.path).names if name in COLUMNS[other.table])
    sql = f"SELECT {columns} FROM read_parquet(?) EXCEPT SELECT {columns} FROM read_parquet(?) LIMIT 1"  # noqa: S608
    with duckdb.connect().cursor() as connection:  # a cursor draws no bar at a prompt
        try:
            return not connection.execute(sql, [str(other.path), str(segment.path)]).fetchall()
        except duckdb.Error:  # it has other columns, or is damaged
            return False


def _identity(path: Path) -> tuple[tuple[str, str], ...]:
    """Return the model and the corpus that an artifact's file says it is of; nothing where it says nothing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from layeratlas.store.artifacts.base import own_metadata

    try:
        identity = own_metadata(pq.read_metadata(path))["identity"]
        return ("model", identity["weights"]), ("corpus", identity["corpus"])
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):
        return ()


def _written(path: Path) -> datetime:
    """When a file was written, UTC, as the catalog keeps times."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)


_FORGOTTEN = "SELECT what, key, before FROM base.forgotten WHERE what IN ('model', 'corpus')"
_SCORED = """
SELECT k.configuration, a.artifact, b.artifact FROM base.scores s JOIN base.configurations k ON k.id = s.configuration
JOIN base.artifacts a ON a.id = s.artifact_a JOIN base.artifacts b ON b.id = s.artifact_b
"""
