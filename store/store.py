"""The store: one folder with artifacts, the log of results, locks and the catalog, and what a runner does with them."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import BufferedIOBase
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from layeratlas.store import catalog, former, merge, provenance
from layeratlas.store.claims import Claiming, Claims
from layeratlas.store.errors import (
    BadRequest,
    CatalogDamaged,
    CatalogNewer,
    LayeratlasError,
    NothingYet,
    StoreBusy,
    unknown,
)
from layeratlas.store.files import Remembered, remove_orphans
from layeratlas.store.identity import canonical_json
from layeratlas.store.log import Log, Segment
from layeratlas.store.settings import StoreSettings

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from layeratlas.store.artifacts.base import Artifact


#: Why an artifact is not there that nobody misses.
DISCARDED = "discarded when its study was finished"


@dataclass(frozen=True)
class ModelRow:
    """A model that the catalog knows. `layers` counts the blocks, so that layers run from 0 to it.

    heads: of a block; 0 when it has no attention, None when nobody asked for attention yet.
    """

    weights: str
    name: str
    family: str
    layers: int
    heads: int | None = None


@dataclass(frozen=True)
class CorpusRow:
    """A corpus that the catalog knows. `stated` is what it was called, `name` tells it from others that were called so.

    extracted: there is something extracted from it.
    """

    corpus: str  # fingerprint
    name: str
    stated: str
    extracted: bool


@dataclass(frozen=True)
class ArtifactRow:
    """An artifact that the catalog knows."""

    artifact: str
    weights: str
    model: str
    corpus: str  # fingerprint
    kind: str
    layer: int
    words_from_tokens: str
    words: int
    units: int  # neurons, or heads
    word_set: str
    path: str
    bytes: int
    sha256: str
    damaged: str | None

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"{self.model} layer {self.layer}"


class Store:
    """A store below `root`; nothing is created before something is written.

    versions: the newest version of each measure: scores of older ones are no answer any more. It may be a mapping that
    finds a version only when asked for it.
    """

    def __init__(self, root: Path, versions: Mapping[str, int] = MappingProxyType({})) -> None:
        self.root = root
        self.claims: Claiming = Claims(root)  # what the processes that share the work of this store have taken on
        self.versions = versions
        self.log = Log(root)
        self.settings = StoreSettings(root)
        self.lost: list[Path] = []  # segments that were found damaged, and set aside
        self._writes = False  # who writes mends a damaged catalog; who reads says so

    @cached_property
    def remembered(self) -> Remembered:
        """Hashes of files that have not changed since they were computed."""
        return Remembered(self.root / "remembered.json")

    @contextmanager
    def lock(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold an inter-process lock; without `wait`, yield False when another process has it.

        The operating system releases it when its holder dies.
        """
        from filelock import FileLock, Timeout

        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{name.replace(':', '-')}.lock")
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    @property
    def title(self) -> str:
        """How messages name it."""
        return str(self.root)

    @property
    def is_here(self) -> bool:
        """Whether reading its files fetches nothing."""
        return True

    @property
    def address(self) -> str:
        """By what another process opens it (`store_at`)."""
        return str(self.root.absolute())

    def write(self, table: str, rows: Sequence[Mapping[str, Any]]) -> Segment | None:
        """Write finished rows to the log (tables and columns: log.COLUMNS); None when there are none."""
        return self.log.write(table, rows, store=self.settings.store)

    def write_table(self, table: str, data: pa.Table) -> Segment:
        """Write finished rows that are columns already to the log."""
        return self.log.write_table(table, data, store=self.settings.store)

    def write_artifact(self, artifact: Artifact, run: str) -> None:
        """Write to the log of an artifact whose file is in place."""
        identity = artifact.identity
        row = {
            "artifact": artifact.artifact, "weights": identity.weights, "corpus": identity.corpus,
            "kind": identity.kind, "layer": identity.layer, "words_from_tokens": identity.settings.words_from_tokens,
            "settings": canonical_json(identity.settings), "words": artifact.words, "units": artifact.units,
            "word_set": artifact.word_set, "path": artifact.path, "bytes": artifact.bytes,
            "sha256": artifact.sha256, "run": run,
        }  # fmt: skip
        self.write("artifacts", [row])

    def has(self, artifact: ArtifactRow) -> bool:
        """Tell whether an artifact's file is there, with as many bytes as were written; they are not read."""
        try:
            found = (self.root / artifact.path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == artifact.bytes

    def keeps(self, artifact: ArtifactRow) -> bool:
        """Tell whether who measures reads a file of this machine, which `bring` provides, and not `opened`."""
        return True

    def opened(self, path: str) -> Path | BufferedIOBase:
        """Return from where an artifact's file is read: in a store of this machine its path."""
        return self.root / path

    def bring(self, artifacts: Collection[ArtifactRow]) -> None:
        """Make sure that these artifacts' files can be read here: they are, in a store of this machine."""

    def merge(self) -> int:
        """Take into the catalog what is new in the log; return how many segments. Left for later while readers hold it.

        A catalog that is missing or damaged is made anew.
        """
        self._writes = True
        if not self.waiting():
            return 0
        with self.lock("merge"):
            try:
                return self._merge()
            except StoreBusy:
                return 0

    def check_log(self) -> list[Path]:
        """Re-hash every segment; return those that were set aside. Of small tables the catalog's rows go to the log."""
        if not self.log.segments():
            return []
        with self.lock("merge"):
            before = len(self.lost)
            self._merge()
            self.lost += [self.log.set_aside(one) for one in self.log.segments(["scores"]) if not one.is_whole()]
            return self.lost[before:]

    def rebuild(self) -> int:
        """Make the catalog anew from the log; return how many segments it was made of."""
        with self.lock("merge"):
            return self._merge(anew=True)

    def _merge(self, *, anew: bool = False) -> int:
        former.take_staged(self.root, self.log, store=self.settings.store)
        try:
            if anew:
                taken, aside = merge.rebuild(self.root, self.log)
            else:
                taken, aside = merge.merge(self.root, self.log, store=self.settings.store)
        except CatalogNewer:
            raise
        except CatalogDamaged:
            if anew:
                raise
            return self._merge(anew=True)
        self.lost += aside
        if self.log.is_scattered():
            self._compact()
        return taken

    def _compact(self) -> None:
        """Keep the number of segments small."""
        with catalog.writing(self.root) as connection:
            taken = {name for (name,) in connection.execute("SELECT segment FROM base.segments").fetchall()}
            merge.note_compacted(connection, self.log.compact(taken, store=self.settings.store))

    @contextmanager
    def catalog(self) -> Iterator[DuckDBPyConnection]:
        """Open the catalog read-only for the length of the block, brought up to date first where it is behind.

        Raises NothingYet, StoreBusy, CatalogDamaged, and LayeratlasError where an older catalog cannot be written.
        """
        with catalog.reading(self.root) as connection:
            if catalog.is_current(connection, self.versions):
                yield connection
                return
        self._refuse_read_only()
        with self.lock("merge"):
            catalog.bring_up_to_date(self.root, self.versions)
            self._merge()
        with catalog.reading(self.root) as connection:
            yield connection

    def _refuse_read_only(self) -> None:
        file = self.root / catalog.FILE
        if not (os.access(file, os.W_OK) and os.access(self.root, os.W_OK)):
            raise LayeratlasError(
                f"{file} was written by an older layeratlas and may not be written here: open it once where it may be"
            )

    def waiting(self) -> int:
        """Return how many segments of the log no merger has taken yet."""
        staged = len(list((self.root / former.STAGING).glob("*-*.parquet")))
        return staged + len(self._not_taken())

    def _not_taken(self) -> list[Segment]:
        try:
            with catalog.reading(self.root) as connection:
                return merge.not_taken(connection, self.log)
        except (NothingYet, CatalogDamaged):
            return self.log.segments()

    def clean(self) -> int:
        """Remove what dead processes left half-written; return how many files."""
        return remove_orphans(self.root) if self.root.exists() else 0

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one read-only query; empty when there is no catalog yet."""
        try:
            with self.catalog() as connection:
                return connection.execute(sql, list(parameters)).fetchall()
        except NothingYet:
            return []
        except CatalogDamaged as error:
            if not self._writes or isinstance(error, CatalogNewer):
                raise
        self.rebuild()
        with self.catalog() as connection:
            return connection.execute(sql, list(parameters)).fetchall()

    def models(self) -> list[ModelRow]:
        """The models that the catalog knows, of our own making."""
        sql = "SELECT weights, name, family, layers, heads FROM base.models WHERE source = 'own'"
        return [ModelRow(*row) for row in self.rows(sql)]

    def corpora(self) -> list[CorpusRow]:
        """The corpora that the catalog knows, of our own making."""
        sql = (
            "SELECT corpus, c.name, stated, count(a.artifact) > 0 "
            "FROM base.corpora c LEFT JOIN base.artifacts a USING (corpus) LEFT JOIN base.models m USING (weights) "
            "WHERE coalesce(m.source, 'own') = 'own' GROUP BY ALL"
        )
        return [CorpusRow(*row) for row in self.rows(sql)]

    def artifacts(self, models: Collection[str] = ()) -> list[ArtifactRow]:
        """The artifacts of which this store has or should have the files; of these models only. Raises BadRequest."""
        here = "a.path IS NOT NULL AND a.damaged IS DISTINCT FROM $1"
        rows = [ArtifactRow(*row) for row in self.rows(_ARTIFACTS.format(here), DISCARDED)]
        known = {row.model for row in rows}
        for model in models:
            if model not in known and model in {row.name for row in self.models()}:
                raise BadRequest(f"there are no files of {model} here: `layeratlas extract` with its id makes some")
            if model not in known:
                raise BadRequest(unknown("model", model, known))
        return [row for row in rows if not models or row.model in models]

    def without_files(self, artifacts: Collection[str]) -> list[ArtifactRow]:
        """Return those of these artifacts (fingerprints) that are known, but discarded, or never were here."""
        where = "a.artifact IN (SELECT unnest($1)) AND (a.path IS NULL OR a.damaged = $2)"
        return [ArtifactRow(*row) for row in self.rows(_ARTIFACTS.format(where), list(artifacts), DISCARDED)]

    def waiting_pairs(self) -> set[tuple[str, str, str]]:
        """Return (configuration, artifact_a, artifact_b) of what waits in the log, finished but not merged yet.

        Asked before `missing_pairs`, the two together know of everything that is finished, whoever merges meanwhile.
        """
        return self.log.pairs(segment for segment in self._not_taken() if segment.table == "scores")

    def waiting_beside(self, asked: Sequence[tuple[str, str]]) -> set[tuple[str, str, str]]:
        """Return the same of those for which all that was asked beside scores, (table, settings), waits."""
        new = self._not_taken()
        found = [
            {row[:3] for row in self.log.beside(one for one in new if one.table == table) if row[3] == settings}
            for table, settings in asked
        ]
        return set.intersection(*found) if found else set()

    def known_figures(self) -> set[tuple[str, str, int, str]]:
        """Return (artifact, figure, version, parameters) of all that is known, or waits in the log."""
        waiting = self.log.figures(segment for segment in self._not_taken() if segment.table == "figures")
        known = self.rows("SELECT artifact, figure, version, parameters FROM base.figures")
        return waiting | {(artifact, figure, version, parameters) for artifact, figure, version, parameters in known}

    def missing_pairs(
        self, artifacts: Sequence[str], configurations: Sequence[str], *, known_too: bool = False,
        beside: Sequence[tuple[str, str]] = (),
    ) -> dict[tuple[str, ...], list[tuple[int, int]]]:  # fmt: skip
        """Return unordered pairs of places in `artifacts` that could be compared, by the configurations not yet scored.

        Comparable are artifacts of one corpus and kind, whose words were made from tokens in one way. `known_too` takes
        scored pairs as well. beside: tables, and settings in them, that a scored pair lacks if it is not there.
        """
        known = "".join(_HAS_BESIDE.format(table=table, number=4 + place) for place, (table, _) in enumerate(beside))
        sql, settings = _MISSING_PAIRS.replace("{beside}", known), [settings for _, settings in beside]
        rows = self.rows(sql, list(artifacts), list(configurations), known_too, *settings)
        return {tuple(missing): list(zip(a, b, strict=True)) for missing, a, b in rows}

    def scores_of_others(self, run: str) -> int:
        """Return how many scores the catalog has that one run did not compute."""
        found = self.rows("SELECT count(*) FROM base.scores WHERE run <> $1", run)
        return int(found[0][0]) if found else 0

    @contextmanager
    def run(self, *, device: str, threads: int) -> Iterator[str]:
        """Record one command that writes: what ran, where, with which versions, and how it ended."""
        begun = provenance.begun(device=device, threads=threads)
        self._writes = True
        self.write("runs", [begun])
        outcome = "failed"
        try:
            yield begun["run"]
            outcome = "finished"
        except KeyboardInterrupt:
            outcome = "interrupted"
            raise
        finally:
            self.write("runs", [{**begun, "finished": provenance.now(), "outcome": outcome}])
            self.merge()


_ARTIFACTS = (
    "SELECT a.artifact, a.weights, m.name, a.corpus, a.kind, a.layer, a.words_from_tokens, a.words, a.units, "
    "a.word_set, a.path, a.bytes, a.sha256, a.damaged FROM base.artifacts a JOIN base.models m USING (weights) "
    "WHERE {} ORDER BY m.id, a.layer"
)

_MISSING_PAIRS = """
WITH chosen AS (
    SELECT id, place - 1 AS place, corpus, kind, words_from_tokens
    FROM base.artifacts JOIN (SELECT unnest($1) AS artifact, generate_subscripts($1, 1) AS place) USING (artifact)),
asked AS (
    SELECT c.configuration, k.id
    FROM (SELECT unnest($2) AS configuration) c LEFT JOIN base.configurations k USING (configuration)),
known AS (
    SELECT configuration, artifact_a, artifact_b FROM base.scores
    WHERE NOT $3 AND artifact_a IN (SELECT id FROM chosen) AND artifact_b IN (SELECT id FROM chosen){beside}),
pairs AS (
    SELECT a.place AS a, b.place AS b, a.id AS a_id, b.id AS b_id
    FROM chosen a JOIN chosen b USING (corpus, kind, words_from_tokens) WHERE a.id < b.id),
lacking AS (
    SELECT a, b, list(configuration ORDER BY configuration) AS missing
    FROM pairs CROSS JOIN asked
    WHERE NOT EXISTS (
            SELECT 1 FROM known WHERE known.configuration = asked.id AND artifact_a = a_id AND artifact_b = b_id)
       OR NOT EXISTS (
            SELECT 1 FROM known WHERE known.configuration = asked.id AND artifact_a = b_id AND artifact_b = a_id)
    GROUP BY ALL)
SELECT missing, list(a ORDER BY a, b), list(b ORDER BY a, b) FROM lacking GROUP BY missing ORDER BY missing
"""


_HAS_BESIDE = """ AND (refused IS NOT NULL OR EXISTS (
        SELECT 1 FROM base.{table} i JOIN base.configurations k USING (configuration)
        JOIN base.artifacts x ON x.artifact = i.artifact_a JOIN base.artifacts y ON y.artifact = i.artifact_b
        WHERE k.id = scores.configuration AND x.id = scores.artifact_a AND y.id = scores.artifact_b
        AND i.settings = ${number}))"""


def default_root() -> str:
    """Return the store that is meant when none is named: $LAYERATLAS_STORE, or ./layeratlas-data."""
    return os.environ.get("LAYERATLAS_STORE") or "layeratlas-data"


def store_at(address: str | os.PathLike[str], versions: Mapping[str, int] = MappingProxyType({})) -> Store:
    """Return the store in a folder, or at an address such as s3://bucket/prefix. Nothing is created yet."""
    if "://" in os.fspath(address):
        from layeratlas.store.sharing.elsewhere import StoreElsewhere

        return StoreElsewhere(os.fspath(address), versions)
    return Store(Path(address), versions)


def former_store() -> Path | None:
    """Return the store that stands where the program, under its former name, kept one; None when nothing is lost."""
    former = Path(os.environ.get("SIMCAT_STORE") or "simcat-data")
    in_use = "LAYERATLAS_STORE" in os.environ or Path(default_root()).exists()
    return former if not in_use and (former / catalog.FILE).exists() else None
