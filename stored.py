"""What a store keeps of one layer, read when it is asked for: activations of words, attention of sentences.

No file stays open, so threads and forked workers may share one. Damage raises ArtifactDamaged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from layeratlas.store.artifacts.activations import read_chunks
from layeratlas.store.artifacts.base import own_metadata
from layeratlas.store.errors import ArtifactDamaged, BadRequest, NothingYet, unknown
from layeratlas.store.identity import SENTENCES
from layeratlas.store.store import ArtifactRow, Store

if TYPE_CHECKING:
    import polars as pl
    import torch


@dataclass(frozen=True)
class _File:
    """One artifact's file, read in row groups."""

    path: Path
    title: str

    @cached_property
    def metadata(self) -> pq.FileMetaData:
        with _readable(self), self._open() as file:
            return file.metadata

    @cached_property
    def ends(self) -> npt.NDArray[np.int64]:  # [row groups]: the row after the last of each
        sizes = [self.metadata.row_group(group).num_rows for group in range(self.metadata.num_row_groups)]
        return np.cumsum(sizes, dtype=np.int64)

    def read(self, groups: Sequence[int] | None, *columns: str) -> pa.Table:
        """Read columns of some row groups, or of all."""
        with _readable(self), self._open() as file:
            chosen = range(file.metadata.num_row_groups) if groups is None else groups
            return file.read_row_groups(chosen, columns=list(columns), use_threads=False)

    def with_sentence(self, sentence: int) -> list[int]:
        """Return the row groups that may hold a sentence, as the file's statistics say."""
        found = []
        for group in range(self.metadata.num_row_groups):
            said = self.metadata.row_group(group).column(self._place("sentence")).statistics
            if said is None or not said.has_min_max or said.min <= sentence <= said.max:
                found.append(group)
        return found

    def _place(self, column: str) -> int:
        return int(self.metadata.schema.to_arrow_schema().names.index(column))

    def _open(self) -> pq.ParquetFile:
        return pq.ParquetFile(self.path, page_checksum_verification=True, pre_buffer=False)


@contextmanager
def _readable(file: _File) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise ArtifactDamaged(f"{file.title}: {file.path.name} cannot be read: {error}") from error


class Activations:
    """A layer's activations over a corpus, [words, neurons]; slices read only the rows that they need.

    `layer[100:200]`, `layer[:, [3, 17]]` and `layer[-1]` are numpy arrays, of the type that is stored (float32, or
    float16). It is an array to numpy, and to `compare`.
    """

    def __init__(self, path: Path, row: ArtifactRow, corpus: str) -> None:
        self.model, self.layer, self.corpus, self.pooling = row.model, row.layer, corpus, row.words_from_tokens
        self.path = path
        self.shape = (row.words, row.units)  # [words, neurons]
        self._file = _File(path, row.title)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""
        kind = self._file.metadata.schema.to_arrow_schema().field("activation").type.value_type
        found: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
        return found

    @cached_property
    def words(self) -> list[str]:
        """The words, in order. Raises NothingYet where they were left out when the layer was shared."""
        if not own_metadata(self._file.metadata).get("text", True):
            raise NothingYet(f"{self._file.title} came without the corpus's words: its owner left them out")
        found: list[str] = self._file.read(None, "token").column(0).to_pylist()
        return found

    @cached_property
    def sentences(self) -> npt.NDArray[np.int32]:  # [words]
        """Of each word, the number of its sentence in the corpus, from 0."""
        return self._integers("sentence")

    @cached_property
    def places(self) -> npt.NDArray[np.int32]:  # [words]
        """Of each word, its place in its sentence, from 0."""
        return self._integers("word")

    def numpy(self) -> npt.NDArray[Any]:
        """All of it, [words, neurons], in memory."""
        found: npt.NDArray[Any] = self[:]
        return found

    def torch(self) -> torch.Tensor:
        """All of it, a tensor [words, neurons] on the CPU."""
        import torch

        return torch.from_numpy(self.numpy())

    def polars(self) -> pl.DataFrame:
        """All of it as a frame: sentence, word, token, activation."""
        import polars as pl

        found = pl.from_arrow(self._file.read(None, "sentence", "word", "token", "activation"))
        return found if isinstance(found, pl.DataFrame) else found.to_frame()

    def chunks(self, words: int = 4096) -> Iterator[npt.NDArray[Any]]:
        """Stream it, [≤ words, neurons] at a time: whole row groups, so at least one."""
        with _readable(self._file):
            yield from read_chunks(self.path, rows=words)

    def __len__(self) -> int:
        """How many words there are."""
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """Rows, or rows and neurons, as numpy takes them. Raises IndexError."""
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        chosen = np.arange(self.shape[0])[rows]
        return self._rows(np.atleast_1d(chosen))[:, columns].reshape((*chosen.shape, *self._width(columns)))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """What numpy takes it by."""
        if copy is False:
            raise ValueError("a layer is read from a file: it cannot be had without a copy")
        return self.numpy() if dtype is None else self.numpy().astype(dtype)

    def __repr__(self) -> str:
        words, neurons = self.shape
        return f"<{self.model} layer {self.layer} over {self.corpus}: {words:,} words × {neurons:,} neurons>"

    def _width(self, columns: Any) -> tuple[int, ...]:
        width: tuple[int, ...] = np.empty(self.shape[1], np.bool_)[columns].shape
        return width

    def _rows(self, chosen: npt.NDArray[np.int64]) -> npt.NDArray[Any]:  # [chosen, neurons]
        ends = self._file.ends
        groups = np.unique(np.searchsorted(ends, chosen, side="right"))
        found = np.empty((len(chosen), self.shape[1]), self.dtype)
        for group in groups.tolist():
            start = int(ends[group - 1]) if group else 0
            mine = (chosen >= start) & (chosen < ends[group])
            values = self._file.read([group], "activation").column(0).combine_chunks().flatten()
            matrix = values.to_numpy(zero_copy_only=True).reshape(-1, self.shape[1])
            found[mine] = matrix[chosen[mine] - start]
        return found

    def _integers(self, column: str) -> npt.NDArray[np.int32]:
        found: npt.NDArray[np.int32] = self._file.read(None, column).column(0).to_numpy()
        return found


class Attention:
    """A layer's attention over a corpus, sentence by sentence: `attention[17]` reads one."""

    def __init__(self, path: Path, row: ArtifactRow, corpus: str, words: Activations | None) -> None:
        self.model, self.layer, self.corpus, self.heads = row.model, row.layer, corpus, row.units
        self.path = path
        self._file, self._words = _File(path, row.title), words

    @cached_property
    def sentences(self) -> npt.NDArray[np.int32]:
        """The numbers of the sentences that there are, as the corpus has them, from 0."""
        return np.unique(self._file.read(None, "sentence").column(0).to_numpy())

    def __getitem__(self, sentence: int) -> SentenceAttention:
        """One sentence. Raises BadRequest where it is not there."""
        table = self._file.read(self._file.with_sentence(sentence), "sentence", "head", "words", "weights", "word")
        rows = table.filter(pc.equal(table["sentence"], int(sentence))).sort_by("head")
        if not len(rows):
            raise BadRequest(
                f"{self._file.title} has no sentence {sentence}; there are {len(self.sentences):,}, "
                f"{self.sentences.min()} to {self.sentences.max()}"
            )
        length = int(rows["words"][0].as_py())
        weights = rows["weights"].combine_chunks().flatten().to_numpy(zero_copy_only=True)
        kept = rows["word"][0].as_py()
        places = tuple(range(length)) if kept is None else tuple(kept)
        matrices = weights.reshape(len(rows), length, length).copy()
        return SentenceAttention(self.model, self.layer, self.corpus, int(sentence), places, matrices, self._words)

    def __iter__(self) -> Iterator[SentenceAttention]:
        """Every sentence, in order."""
        return (self[sentence] for sentence in self.sentences.tolist())

    def __len__(self) -> int:
        """How many sentences there are."""
        return len(self.sentences)

    def __repr__(self) -> str:
        return f"<attention of {self.model} layer {self.layer} over {self.corpus}: {self.heads} heads>"


@dataclass(frozen=True, repr=False, eq=False)
class SentenceAttention:
    """What every head of a layer attends to in one sentence. places: of its words in the sentence, from 0."""

    model: str
    layer: int
    corpus: str
    sentence: int
    places: tuple[int, ...]
    weights: npt.NDArray[np.float32]  # [heads, query, key], rows sum to one
    _words: Activations | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Heads, query words, key words."""
        return self.weights.shape

    @cached_property
    def words(self) -> list[str]:
        """The words, in order. Raises NothingYet where the store has no activations over this corpus, to name them."""
        if self._words is None:
            raise NothingYet(f"nothing in the store says the words of {self.corpus}: extract activations over it too")
        mine = np.flatnonzero(self._words.sentences == self.sentence)
        said = dict(zip(self._words.places[mine].tolist(), (self._words.words[row] for row in mine), strict=True))
        return [said.get(place, f"word {place}") for place in self.places]

    def numpy(self) -> npt.NDArray[np.float32]:
        """The weights, [heads, query, key]."""
        return self.weights

    def torch(self) -> torch.Tensor:
        """The weights, a tensor [heads, query, key] on the CPU."""
        import torch

        return torch.from_numpy(self.weights)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """What numpy takes it by."""
        return np.array(self.weights, dtype, copy=copy)

    def __repr__(self) -> str:
        heads, words, _ = self.shape
        where = f"{self.model} layer {self.layer}, sentence {self.sentence}"
        return f"<{where}: {heads} heads × {words} words × {words} words>"


def activations_of(
    store: Store, model: str, layer: int, *, corpus: str | None = None, pooling: str | None = None
) -> Activations:
    """Find a layer's activations. Raises BadRequest for an unknown name, or where several fit; NothingYet."""
    row, named = _find(store, "activations", model, layer, corpus=corpus, pooling=pooling)
    return Activations(store.root / row.path, row, named)


def attention_of(
    store: Store, model: str, layer: int, *, corpus: str | None = None, pooling: str | None = None
) -> Attention:
    """Find a layer's attention. Raises as `activations_of` does."""
    row, named = _find(store, "attention", model, layer, corpus=corpus, pooling=pooling)
    return Attention(store.root / row.path, row, named, _words_of(store, row, named))


def _find(
    store: Store, kind: str, model: str, layer: int, *, corpus: str | None, pooling: str | None
) -> tuple[ArtifactRow, str]:
    """Return the one artifact that is meant, on this machine, and the name of its corpus."""
    rows = [row for row in store.artifacts([model]) if row.kind == kind]
    if not rows:
        raise NothingYet(f"{model} has no {kind} here: `layeratlas extract` with its id takes some")
    layers = sorted({row.layer for row in rows})
    if layer not in layers:
        raise BadRequest(f"{model} has no {kind} of layer {layer}; there is: {', '.join(map(str, layers))}")
    called = {row.corpus: row.name for row in store.corpora()}
    rows = [row for row in rows if row.layer == layer]
    for what, wanted, of in (
        ("corpus", corpus, lambda row: called[row.corpus]), ("pooling", pooling, lambda row: row.words_from_tokens)
    ):  # fmt: skip
        if wanted is not None:
            known = {of(row) for row in rows}
            if wanted not in known:
                raise BadRequest(unknown(what, wanted, known))
            rows = [row for row in rows if of(row) == wanted]
    if len(rows) > 1:
        there = ", ".join(sorted(f"corpus={called[row.corpus]!r} pooling={row.words_from_tokens!r}" for row in rows))
        raise BadRequest(f"{model} layer {layer} is there {len(rows)} times: say which one is meant: {there}")
    store.bring(rows)
    return rows[0], called[rows[0].corpus]


def _words_of(store: Store, row: ArtifactRow, corpus: str) -> Activations | None:
    """Return what says the words of an artifact's corpus: its model's activations, or else another's."""
    there = [
        other for other in store.artifacts()
        if other.kind == "activations" and other.corpus == row.corpus
        and not other.words_from_tokens.startswith(tuple(SENTENCES))
    ]  # fmt: skip
    there.sort(key=lambda other: (other.model != row.model, other.words_from_tokens != "last", other.bytes))
    if not there:
        return None
    store.bring(there[:1])
    return Activations(store.root / there[0].path, there[0], corpus)
