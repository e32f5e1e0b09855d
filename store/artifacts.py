"""Activation artifacts: one Parquet file a model × corpus × layer, a row a word, its identity inside.

What all kinds of artifacts share stands here too: writing, describing, checking. Attention: `store/attention.py`.

`activations/model=<name>/layer=<k>/<artifact>.parquet`, columns
`sentence int32, word int32, token string, activation FixedSizeList<float32>[neurons], model string, layer int32`.
Uncompressed, no dictionaries, a checksum a page. A file appears under its name only when it is whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from layeratlas.store.errors import ArtifactDamaged, LayeratlasError
from layeratlas.store.files import HashedFile, sha256_file, whole_file
from layeratlas.store.identity import ArtifactIdentity, AttentionSettings, Settings, artifact_path

METADATA = b"layeratlas"
_FORMER_METADATA = b"simcat"  # in files that were written under the program's former name
pa.set_memory_pool(pa.system_memory_pool())  # gives memory back at once; Arrow's own kept a gigabyte over 26 files
_FLOAT16_MAX = 65_504.0


@dataclass(frozen=True)
class Artifact:
    """What the catalog knows of a written artifact. `path`: below the store; `neurons`: of attention the heads."""

    identity: ArtifactIdentity
    model: str
    path: str
    words: int
    neurons: int
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

    def __init__(self, root: Path, identity: ArtifactIdentity, model: str, neurons: int, schema: pa.Schema) -> None:
        self._root, self._identity, self._model, self._neurons = root, identity, model, neurons
        self._path, self._schema = artifact_path(identity, model), schema
        self._word_set = hashlib.sha256()
        self.words = 0
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
            "artifact": self._identity.artifact, "identity": asdict(self._identity), "model": self._model,
            "words": self.words, "neurons": self._neurons, "word_set": self._word_set.hexdigest(), **self._more(),
        }  # fmt: skip
        self._writer.add_key_value_metadata({METADATA: json.dumps(description)})
        self._writer.close()
        self._sink.close()
        self.artifact = Artifact(
            self._identity, self._model, str(self._path), self.words, self._neurons, self._word_set.hexdigest(),
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


class ActivationWriter(ArtifactWriter):
    """Streams one layer's words, in corpus order. Memory: one row group.

    Raises LayeratlasError when float16 storage cannot hold a value.
    """

    def __init__(self, root: Path, identity: ArtifactIdentity, model: str, neurons: int) -> None:
        storage = identity.settings.storage if isinstance(identity.settings, Settings) else "float32"
        self._dtype = np.dtype(storage)
        super().__init__(root, identity, model, neurons, _schema(neurons, self._dtype))
        self._group = 1024 if neurons >= 4096 else 2048
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0

    def write(
        self,
        sentence: npt.NDArray[np.int32],  # [words]
        word: npt.NDArray[np.int32],  # [words]
        token: Sequence[str],  # [words]
        activation: npt.NDArray[Any],  # [words, neurons]
    ) -> None:
        """Append words, in corpus order."""
        if activation.shape != (len(token), self._neurons):
            raise ValueError(f"expected activations [{len(token)}, {self._neurons}], got {list(activation.shape)}")
        rows = len(token)
        if not rows:
            return
        flat = self._storable(activation).reshape(-1)
        self._pending.append(
            pa.record_batch(
                [
                    pa.array(sentence, pa.int32()),
                    pa.array(word, pa.int32()),
                    pa.array(token, pa.string()),
                    pa.FixedSizeListArray.from_arrays(pa.array(flat), type=self._schema.field("activation").type),
                    pa.array([self._model] * rows, pa.string()),
                    pa.array(np.full(rows, self._identity.layer, np.int32)),
                ],
                schema=self._schema,
            )
        )
        self._count(sentence, word)
        self._pending_rows += rows
        if self._pending_rows >= self._group:
            self._flush(final=False)

    def _storable(self, activation: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self._dtype == np.float16:
            largest = np.abs(activation, dtype=np.float32).max()
            if largest > _FLOAT16_MAX:
                raise LayeratlasError(
                    f"{self._model} layer {self._identity.layer} has a value of {largest:.6g}, over float16's "
                    f'{_FLOAT16_MAX:.0f}: set storage = "float32"'
                )
        return np.ascontiguousarray(activation, dtype=self._dtype)

    def _flush(self, *, final: bool) -> None:
        if not self._pending:
            return
        table = pa.Table.from_batches(self._pending)
        whole = table.num_rows if final else table.num_rows - table.num_rows % self._group
        if whole:
            self._writer.write_table(table.slice(0, whole), row_group_size=self._group)
        rest = table.slice(whole).combine_chunks()
        self._pending = rest.to_batches() if rest.num_rows else []
        self._pending_rows = rest.num_rows


def _schema(neurons: int, dtype: np.dtype[Any]) -> pa.Schema:
    value = pa.field("item", pa.from_numpy_dtype(dtype), nullable=False)
    return pa.schema(
        [
            pa.field("sentence", pa.int32(), nullable=False),
            pa.field("word", pa.int32(), nullable=False),
            pa.field("token", pa.string(), nullable=False),
            pa.field("activation", pa.list_(value, neurons), nullable=False),
            pa.field("model", pa.string(), nullable=False),
            pa.field("layer", pa.int32(), nullable=False),
        ]
    )


def describe(root: Path, path: Path) -> Artifact:
    """Read an artifact's identity from the file alone, with its size and hash. Raises ArtifactDamaged."""
    try:
        metadata = pq.read_metadata(path)
        found = own_metadata(metadata)
        kind = Settings if found["identity"]["kind"] == "activations" else AttentionSettings
        identity = ArtifactIdentity(settings=kind(**found["identity"].pop("settings")), **found["identity"])
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise ArtifactDamaged(f"{path} is no readable artifact: {error}") from error
    if identity.artifact != found["artifact"] or metadata.num_rows != found.get("rows", found["words"]):
        raise ArtifactDamaged(f"{path} does not hold what its own description says")
    return Artifact(
        identity, found["model"], str(path.relative_to(root)), found["words"], found["neurons"], found["word_set"],
        path.stat().st_size, sha256_file(path),
    )  # fmt: skip


def own_metadata(metadata: pq.FileMetaData) -> dict[str, Any]:
    """Return what an artifact's file says of itself. Raises KeyError or ValueError when it says nothing."""
    pairs = metadata.metadata or {}
    found = json.loads(pairs[METADATA] if METADATA in pairs else pairs[_FORMER_METADATA])
    if not isinstance(found, dict):
        raise ValueError("its description is no JSON object")
    return found


def check(root: Path, path: str, *, size: int, sha256: str) -> None:
    """Re-read and re-hash one artifact. Raises ArtifactDamaged when a byte differs from what was written."""
    file = root / path
    if not file.exists():
        raise ArtifactDamaged(f"{path} is missing")
    if file.stat().st_size != size:
        raise ArtifactDamaged(f"{path} has {file.stat().st_size:,} bytes, {size:,} were written")
    if sha256_file(file) != sha256:
        raise ArtifactDamaged(f"{path} has changed since it was written (SHA-256 differs)")


def read_keys(path: Path) -> npt.NDArray[np.int32]:  # [words, 2]: sentence, word
    """Return which words an artifact holds, in order."""
    table = pq.read_table(path, columns=["sentence", "word"], partitioning=None)
    return np.stack([table["sentence"].to_numpy(), table["word"].to_numpy()], axis=1)


def read_chunks(path: Path, *, rows: int) -> Iterator[npt.NDArray[Any]]:  # each [≤ rows, neurons]
    """Stream an artifact's activations, in order, about `rows` words at a time: whole row groups, but at least one.

    Memory: one chunk, and none of it is kept here. Pages whose checksum is wrong raise an OSError.
    """
    with pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False) as file:
        together = max(1, rows // max(1, file.metadata.row_group(0).num_rows)) if file.metadata.num_row_groups else 1
        for first in range(0, file.metadata.num_row_groups, together):
            groups = range(first, min(first + together, file.metadata.num_row_groups))
            yield _matrix(file.read_row_groups(groups, columns=["activation"], use_threads=False))


def _matrix(table: pa.Table) -> npt.NDArray[Any]:  # [rows, neurons]
    column = table.column(0).combine_chunks()
    values: npt.NDArray[Any] = column.flatten().to_numpy(zero_copy_only=True)
    return values.reshape(len(column), -1)
