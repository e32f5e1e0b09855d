"""From sources to the store: check every row against the corpus, then write; what is wrong is found before a file is.

A layer's identity holds the hash of its numbers in place of settings of a forward pass, and a model's `weights` is the
hash of what was imported first under its name: later imports, of more layers or another corpus, join it by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from layeratlas.extract.corpora import CorpusFacts
from layeratlas.extract.importers.base import Block, Found, Source
from layeratlas.extract.plan import sound
from layeratlas.extract.takes.activations import Activations
from layeratlas.extract.windows import Words
from layeratlas.store.artifacts.activations import ActivationWriter
from layeratlas.store.errors import BadRequest, LayeratlasError
from layeratlas.store.files import make_room
from layeratlas.store.identity import ArtifactIdentity, ImportedSettings, artifact_path, fingerprint
from layeratlas.store.progress import Progress
from layeratlas.store.store import Store

ARCHITECTURE = "imported"  # by which a model that was imported is known
_LARGEST = {"float32": float(np.finfo(np.float32).max), "float16": 65_504.0}


@dataclass(frozen=True)
class Corpus:
    """The corpus, or the ids, whose rows are imported. `origin`: of its file, as it may be shown."""

    name: str
    content: CorpusFacts
    sentences: Callable[[], Iterator[list[str]]]
    origin: str | None = None


@dataclass(frozen=True)
class Imported:
    """What is said of the model. pooling: how its rows were made from tokens; only what agrees in it is compared."""

    name: str
    origin: str
    family: str | None = None
    finetuned_from: str | None = None
    objective: str | None = None
    pooling: str = "last"
    storage: str = "float32"


@dataclass
class Summary:
    """What one import did. `known` layers were there already."""

    model: str
    written: int = 0
    known: int = 0
    exit_code: int = field(default=0, init=False)

    def lines(self) -> list[str]:
        """What to tell the user."""
        known = f"; {self.known:,} were there already" if self.known else ""
        return [f"imported {self.written:,} layers of {self.model}{known}"]


@dataclass(frozen=True)
class _Layer:
    """A layer to import, and where it is."""

    number: int
    source: Source
    found: Found


def chosen(sources: Sequence[Source], layer: int | None) -> list[_Layer]:
    """Return the layers of some sources. layer: which one a single layer is, or the one to take of several.

    Raises BadRequest when a layer's number is not known, or is there twice.
    """
    every = [(source, found) for source in sources for found in source.found]
    if layer is not None and len(every) == 1:
        return [_Layer(layer, *every[0])]
    layers: dict[int, _Layer] = {}
    for source, found in every:
        if found.number is None:
            raise BadRequest(
                f"which layer is {source.title}? Say --layer K, or call the file or its arrays layer_0, layer_1 …"
            )
        if found.number in layers:
            other = layers[found.number].source.title
            raise BadRequest(f"layer {found.number} is there twice, in {other} and in {source.title}")
        layers[found.number] = _Layer(found.number, source, found)
    if layer is not None and layer not in layers:
        raise BadRequest(f"there is no layer {layer}: there are {', '.join(map(str, sorted(layers)))}")
    return [layers[number] for number in sorted(layers) if layer in (None, number)]


def import_layers(
    store: Store, layers: Sequence[_Layer], corpus: Corpus, about: Imported, *, run: str, progress: Progress
) -> Summary:
    """Check these layers, then write those that the store lacks, one after another, each registered as soon as it is.

    Raises LayeratlasError that names the row for counts and orders that are not the corpus's, for NaN, infinity and
    values that the storage cannot hold; BadRequest when the store has other numbers in a layer's place.
    """
    key = fingerprint(["import", about.name, corpus.content.corpus]).removeprefix("v1:")[:32]
    with store.lock(f"import-{key}"):
        return _Import(store, corpus, about, run, progress).all(layers)


class _Import:
    """One call of `import_layers`."""

    def __init__(self, store: Store, corpus: Corpus, about: Imported, run: str, progress: Progress) -> None:
        self._store, self._corpus, self._about, self._run, self._progress = store, corpus, about, run, progress
        self._title = f"{about.name} over {corpus.name}"

    def all(self, layers: Sequence[_Layer]) -> Summary:
        """Check all, then write what is missing."""
        contents = self._check(layers)
        weights, deepest = self._model(contents)
        places = {
            number: ArtifactIdentity(weights, self._corpus.content.corpus, number, self._settings(content))
            for number, content in contents.items()
        }
        missing = self._missing(places)
        if missing:
            self._register(weights, max(deepest, *contents), layers)
        for group in _groups([layer for layer in layers if layer.number in missing]):
            self._write(group, places)
        return Summary(self._about.name, len(missing), len(layers) - len(missing))

    def _settings(self, content: str) -> ImportedSettings:
        return ImportedSettings(content, self._about.pooling, self._about.storage)

    def _check(self, layers: Sequence[_Layer]) -> dict[int, str]:
        """Return the hash of every layer's numbers, as they are stored."""
        words = self._corpus.content.words
        for layer in layers:
            if layer.found.rows not in (None, words):
                raise LayeratlasError(_count(layer.source.title, layer.found.rows or 0, self._corpus))
        contents: dict[int, str] = {}
        for group in _groups(layers):
            digests = {layer.number: hashlib.sha256(f"{layer.found.neurons}\n".encode()) for layer in group}
            with self._progress.task(f"check {_titled(self._title, group)}", words) as advance:
                for rows, found in self._rows(group):
                    for number, matrix in found.items():
                        digests[number].update(matrix.astype(matrix.dtype.newbyteorder("<")).tobytes())
                    advance(len(rows.token))
            contents |= {number: digest.hexdigest() for number, digest in digests.items()}
        return contents

    def _model(self, contents: Mapping[int, str]) -> tuple[str, int]:
        """Return the weights of the model of this name, and its deepest layer. Raises BadRequest for a name in use."""
        name = self._about.name
        rows = self._store.rows("SELECT weights, name, architecture, layers FROM base.models WHERE source = 'own'")
        for weights, known, architecture, layers in rows:
            if known == name and architecture != ARCHITECTURE:
                raise BadRequest(f"the model '{name}' was extracted here: give what is imported another --model name")
            if known == name:
                return weights, layers
        own = fingerprint({"imported": {str(number): content for number, content in contents.items()}})
        for weights, known, _, _ in rows:
            if weights == own:
                raise BadRequest(f"'{name}' has the same numbers as '{known}': use that name for both")
        return own, 0

    def _missing(self, places: Mapping[int, ArtifactIdentity]) -> set[int]:
        """Return the layers that the store lacks. Raises BadRequest when it has other numbers in the place of one."""
        missing = set(places)
        for row in self._store.artifacts():
            place = places.get(row.layer) if row.kind == "activations" else None
            if place is None or (row.weights, row.corpus) != (place.weights, place.corpus):
                continue
            if row.artifact == place.artifact:
                missing -= {row.layer} if sound(self._store, row) else set()
            elif row.words_from_tokens == place.settings.words_from_tokens:
                raise BadRequest(
                    f"layer {row.layer} of {self._title} is there already with other numbers: give these another "
                    f"--model name, or `layeratlas forget model:{row.model}` first"
                )
        return missing

    def _register(self, weights: str, deepest: int, layers: Sequence[_Layer]) -> None:
        about, content = self._about, self._corpus.content
        known = [row.family for row in self._store.models() if row.weights == weights]
        neurons = {layer.number: layer.found.neurons for layer in layers}
        model = {
            "weights": weights, "name": about.name, "family": about.family or next(iter(known), "imported"),
            "architecture": ARCHITECTURE, "origin": about.origin, "finetuned_from": about.finetuned_from,
            "objective": about.objective, "layers": deepest, "source": "own", **Activations.model_columns(neurons),
        }  # fmt: skip
        self._store.write("models", [model])
        self._store.write("corpora", [{
            "corpus": content.corpus, "name": self._corpus.name, "origin": self._corpus.origin,
            "sentences": content.sentences, "words": content.words,
        }])  # fmt: skip

    def _write(self, group: Sequence[_Layer], places: Mapping[int, ArtifactIdentity]) -> None:
        root, name = self._store.root, self._about.name
        for layer in group:
            for kept in make_room(root / artifact_path(places[layer.number], name), root):
                self._progress.note(f"{self._title}: something else stood in layer {layer.number}'s place: {kept}")
        writers = {
            layer.number: ActivationWriter(root, places[layer.number], name, layer.found.neurons) for layer in group
        }
        title = f"import {_titled(self._title, group)}"
        with self._progress.task(title, self._corpus.content.words) as advance, ExitStack() as stack:
            for writer in writers.values():
                stack.enter_context(writer)
                writer.made = {"imported": self._about.origin}
            for rows, found in self._rows(group):
                for number, matrix in found.items():
                    writers[number].write(rows.sentence, rows.word, rows.token, matrix)
                advance(len(rows.token))
        for writer in writers.values():
            if writer.artifact is not None:
                self._store.write_artifact(writer.artifact, self._run)
        self._store.merge()

    def _rows(self, group: Sequence[_Layer]) -> Iterator[tuple[Words, dict[int, npt.NDArray[Any]]]]:
        """Stream some layers of one source, with the words that their rows are, checked and as they are stored."""
        source, numbers = group[0].source, {layer.found.key: layer.number for layer in group}
        cursor = _Cursor(self._corpus, source.title)
        for block in source.blocks(list(numbers), self._corpus.sentences()):
            start, words = cursor.done, cursor.take(len(next(iter(block.layers.values()))))
            _same_words(source.title, block, words, start)
            found = {}
            for key, number in numbers.items():
                where = _Where(f"{source.title}: layer {number}", words, start)
                found[number] = _storable(block.layers[key], self._about.storage, where)
            yield words, found
        cursor.end()


@dataclass(frozen=True)
class _Where:
    """Where a block of rows is, for messages. start: the number of its first row."""

    title: str
    words: Words
    start: int


def _storable(matrix: npt.NDArray[Any], storage: str, where: _Where) -> npt.NDArray[Any]:  # both [rows, neurons]
    """Return rows in the type that is stored. Raises LayeratlasError, naming the row that it cannot hold."""
    with np.errstate(invalid="ignore"):
        fits = np.abs(matrix) <= _LARGEST[storage]  # NaN does not
    if not fits.all():
        row, neuron = map(int, np.argwhere(~fits)[0])
        value = matrix[row, neuron]
        why = f"over what {storage} holds" if np.isfinite(value) else "no number"
        raise LayeratlasError(
            f"{where.title}, {_row(where.words, row, where.start)}: neuron {neuron} is {value}, {why}"
        )
    return matrix.astype(storage)


class _Cursor:
    """Gives out the words of a corpus, in order, to rows that come without them."""

    def __init__(self, corpus: Corpus, title: str) -> None:
        self._corpus, self._title, self.done = corpus, title, 0
        self._words = (
            (number, place, word)
            for number, sentence in enumerate(corpus.sentences())
            for place, word in enumerate(sentence)
        )

    def take(self, rows: int) -> Words:
        """Return the next words. Raises LayeratlasError when there are not so many."""
        taken = list(islice(self._words, rows))
        self.done += len(taken)
        if len(taken) < rows:
            raise LayeratlasError(f"{self._title} goes on after row {self.done - 1}, {_ends(self._corpus)}")
        sentences, places, words = zip(*taken, strict=True)
        return Words(np.array(sentences, np.int32), np.array(places, np.int32), list(words))

    def end(self) -> None:
        """Raise LayeratlasError when there are words left."""
        if self.done != self._corpus.content.words:
            raise LayeratlasError(_count(self._title, self.done, self._corpus))


def _groups(layers: Sequence[_Layer]) -> list[list[_Layer]]:
    """Group layers that are read together: those of a source that cannot give them one by one."""
    together: dict[tuple[int, int], list[_Layer]] = {}
    for layer in layers:
        together.setdefault((id(layer.source), layer.number if layer.source.apart else -1), []).append(layer)
    return list(together.values())


def _titled(title: str, group: Sequence[_Layer]) -> str:
    return f"{title}, layer {group[0].number}" if len(group) == 1 else title


def _same_words(title: str, block: Block, words: Words, start: int) -> None:
    """Compare what a file says of its rows with the corpus. Raises LayeratlasError, naming the first that differs."""
    for what, told, wanted in (
        ("sentence", block.sentence, words.sentence), ("word", block.word, words.word),
        ("token", block.token, words.token),
    ):  # fmt: skip
        if told is None:
            continue
        differ = [row for row, (one, other) in enumerate(zip(told, wanted, strict=True)) if one != other]
        if differ:
            row = differ[0]
            raise LayeratlasError(
                f"{title}: row {start + row} is of {what} {told[row]!r}, in the corpus it is {_row(words, row, start)}"
            )


def _row(words: Words, row: int, start: int) -> str:
    return f'row {start + row} (sentence {words.sentence[row]}, word {words.word[row]}, "{words.token[row][:40]}")'


def _ends(corpus: Corpus) -> str:
    return f"where {corpus.name} ends: it has {corpus.content.words:,} words in {corpus.content.sentences:,} sentences"


def _count(title: str, rows: int, corpus: Corpus) -> str:
    missing = ""
    if rows < corpus.content.words:
        cursor = _Cursor(corpus, title)
        cursor.take(rows) if rows else None
        missing = f": {_row(cursor.take(1), 0, rows)} is the first without one"
    return (
        f"{title} has {rows:,} rows, {corpus.name} has {corpus.content.words:,} words in "
        f"{corpus.content.sentences:,} sentences{missing}"
    )
