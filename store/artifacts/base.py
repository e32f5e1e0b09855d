"""What all kinds of artifacts share: writing, describing, checking, and what the module of a kind offers.

`<kind>/model=<name>/layer=<k>/<artifact>.parquet`, uncompressed, no dictionaries, a checksum a page, its identity in
the file's own metadata. A file appears under its name only when it is whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from io import BufferedIOBase
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from layeratlas.store.errors import ArtifactDamaged
from layeratlas.store.files import HashedFile, sha256_file, whole_file
from layeratlas.store.identity import ArtifactIdentity, artifact_path, plain
from layeratlas.store.kinds import kind_of

METADATA = b"layeratlas"
_FORMER_METADATA = b"simcat"  # in files that were written under the program's former name
_FORMER_UNITS = "neurons"  # what the former description calls `units`, of attention too
pa.set_memory_pool(pa.system_memory_pool())  # gives memory back at once; Arrow's own kept a gigabyte over 26 files


@dataclass(frozen=True)
class Artifact:
    """What the catalog knows of a written artifact. `path`: below the store; `units`: its neurons, or its heads."""

    identity: ArtifactIdentity
    model: str
    path: str
    words: int
    units: int
    word_set: str  # fingerprint of the (sentence, word) pairs, in order: equal sets need no alignment
    bytes: int
    sha256: str

    @property
    def artifact(self) -> str:
        """The artifact's fingerprint."""
        return self.identity.artifact

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"{self.model} layer {self.identity.layer}"


class ArtifactWriter:
    """Streams one layer to a file that appears, whole, when the block ends well; used as a context manager.

    A kind of artifact gives the schema, appends rows, keeps count of `words` and of their keys, and may describe more.
    """

    def __init__(self, root: Path, identity: ArtifactIdentity, model: str, units: int, schema: pa.Schema) -> None:
        self._root, self._identity, self._model, self._units = root, identity, model, units
        self._path, self._schema = artifact_path(identity, model), schema
        self._word_set = hashlib.sha256()
        self.words = 0
        self.made: dict[str, Any] = {}  # how, where that is worth knowing and no identity
        self.artifact: Artifact | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._temporary = stack.enter_context(whole_file(self._root / self._path))
            self._sink = stack.enter_context(HashedFile(self._temporary))
            self._writer = pq.ParquetWriter(
                self._sink, self._schema, compression="none", use_dictionary=False, write_page_checksum=True
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if error is not None:
                with suppress(OSError):  # of a full disk, which is what `error` says already
                    self._writer.close()
                raise error
            self._finish()

    def _finish(self) -> None:
        self._flush(final=True)
        description = {
            "artifact": self._identity.artifact, "identity": plain(self._identity), "model": self._model,
            "words": self.words, "units": self._units, "word_set": self._word_set.hexdigest(), **self._more(),
            **({"made": self.made} if self.made else {}),
        }  # fmt: skip
        self._writer.add_key_value_metadata({METADATA: json.dumps(description)})
        self._writer.close()
        self._sink.close()
        self.artifact = Artifact(
            self._identity, self._model, str(self._path), self.words, self._units, self._word_set.hexdigest(),
            self._temporary.stat().st_size, self._sink.sha256,
        )  # fmt: skip

    def _count(self, sentence: npt.NDArray[np.int32], word: npt.NDArray[np.int32]) -> None:  # both [words]
        """Take note of which words are stored."""
        self._word_set.update(np.stack([sentence, word], axis=1).astype("<i4").tobytes())
        self.words += len(word)

    def _flush(self, *, final: bool) -> None:
        """Write what waits: whole row groups, and at the end the rest."""
        raise NotImplementedError

    def _more(self) -> dict[str, Any]:
        """What the description says beyond what all kinds have."""
        return {}


class Files(Protocol):
    """What the module of a kind offers: how its files are written and read. `store.kinds` knows the module."""

    TEXT: tuple[str, ...]  # the columns that hold the corpus's own words

    def columns(self, units: int) -> dict[str, tuple[str, ...]]:
        """Return the columns of a file of so many neurons or heads, and the types that each may have."""

    def writer(self, root: Path, identity: ArtifactIdentity, model: str, units: int) -> ArtifactWriter:
        """Return what streams one layer of `units` neurons or heads to its file; each kind appends in its own way."""

    def read_keys(self, path: Path) -> npt.NDArray[np.int32]:  # [words, 2]: sentence, word
        """Return which words an artifact holds, in order."""

    def read_chunks(self, path: Path, *, rows: int = 0) -> Iterator[Any]:
        """Stream an artifact in order, about `rows` of the file's rows at a time: whole row groups, but at least one.

        Memory: one chunk, and none of it is kept. Pages whose checksum is wrong raise an OSError.
        """


def recode(path: Path, to: Path, *, text: bool) -> None:
    """Write an artifact anew, compressed for travelling: the same rows under the same identity, in other bytes.

    text: whether the corpus's own words go along; without it their column holds empty strings.
    Memory: one row group.
    """
    with pq.ParquetFile(path, page_checksum_verification=True) as source:
        found = own_metadata(source.metadata)
        kind = kind_of(found["identity"]["kind"]).files
        schema = source.schema_arrow.remove_metadata()
        leaves = [source.schema.column(index) for index in range(len(source.schema))]
        floats = [leaf.path for leaf in leaves if leaf.physical_type == "FLOAT"]  # DuckDB reads no float16 so
        with pq.ParquetWriter(
            to, schema, compression="zstd", use_dictionary=False, use_byte_stream_split=floats, write_page_checksum=True
        ) as writer:
            for group in range(source.num_row_groups):
                table = source.read_row_group(group, use_threads=False)
                for name in () if text else kind.TEXT:
                    nothing = pa.repeat(pa.scalar(""), len(table))
                    table = table.set_column(table.column_names.index(name), schema.field(name), nothing)
                writer.write_table(table, row_group_size=max(1, len(table)))
            if not text and kind.TEXT:
                found["text"] = False
            writer.add_key_value_metadata({METADATA: json.dumps(found)})


def describe(root: Path, path: Path) -> Artifact:
    """Read an artifact's identity from the file alone, with its size and hash. Raises ArtifactDamaged."""
    try:
        metadata = pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise ArtifactDamaged(f"{path} is no readable artifact: {error}") from error
    found = described(metadata, str(path))
    return replace(
        found, path=str(path.relative_to(root)), bytes=path.stat().st_size, sha256=sha256_file(path)
    )  # fmt: skip


def described(metadata: pq.FileMetaData, title: str) -> Artifact:
    """Return what a file's footer says of it; its place, size and hash are left empty. Raises ArtifactDamaged."""
    try:
        found = own_metadata(metadata)
        settings = kind_of(found["identity"]["kind"]).settings_from(found["identity"].pop("settings"))
        identity = ArtifactIdentity(settings=settings, **found["identity"])
        said = (found["artifact"], found.get("rows", found["words"]))
        artifact = Artifact(identity, found["model"], "", found["words"], found["units"], found["word_set"], 0, "")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ArtifactDamaged(f"{title} is no readable artifact: {error}") from error
    if said != (identity.artifact, metadata.num_rows):
        raise ArtifactDamaged(f"{title} does not hold what its own description says")
    return artifact


def own_metadata(metadata: pq.FileMetaData) -> dict[str, Any]:
    """Return what an artifact's file says of itself. Raises KeyError or ValueError when it says nothing."""
    pairs = metadata.metadata or {}
    found = json.loads(pairs[METADATA] if METADATA in pairs else pairs[_FORMER_METADATA])
    if not isinstance(found, dict):
        raise ValueError("its description is no JSON object")
    if _FORMER_UNITS in found:
        found["units"] = found.pop(_FORMER_UNITS)
    return found


def check(root: Path, path: str, *, size: int, sha256: str) -> None:
    """Re-read and re-hash one artifact. Raises ArtifactDamaged when a byte differs from what was written."""
    file = root / path
    if not file.exists():
        raise ArtifactDamaged(f"{path} is missing")
    if not file.is_file():
        raise ArtifactDamaged(f"{path} is a folder: the file that was written is gone")
    if file.stat().st_size != size:
        raise ArtifactDamaged(f"{path} has {file.stat().st_size:,} bytes, {size:,} were written")
    if sha256_file(file) != sha256:
        raise ArtifactDamaged(f"{path} has changed since it was written (SHA-256 differs)")


def read_groups(path: Path | BufferedIOBase, columns: list[str], *, rows: int) -> Iterator[pa.Table]:
    """Stream some columns of a file, about `rows` rows at a time: whole row groups, but at least one.

    Memory: one chunk, and none of it is kept here. Pages whose checksum is wrong raise an OSError.
    """
    with pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False) as file:
        count = file.metadata.num_row_groups
        together = max(1, rows // max(1, file.metadata.row_group(0).num_rows)) if count else 1
        for first in range(0, count, together):
            groups = range(first, min(first + together, count))
            yield file.read_row_groups(groups, columns=columns, use_threads=False)
