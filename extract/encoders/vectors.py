"""Static word vectors as a baseline: word2vec (text and binary), GloVe, fastText's .vec. One layer, layer 0.

A word's vector is what stands in the file under exactly this word; words that have none are left out, and counted. The
file is looked through once for where its words stand, and a vector is read when a corpus first has its word.
"""

from __future__ import annotations

import mmap
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from layeratlas.extract.encoders.base import Hidden, Piece, Shape
from layeratlas.extract.locate import VECTORS, Located
from layeratlas.store.errors import BadRequest, LayeratlasError
from layeratlas.store.identity import Settings

FAMILIES = {VECTORS: "static vectors"}
_WIDEST = 2**16  # neurons


class Vectors:
    """The words of a file and where their vectors stand. Of a word that is there twice, the first counts.

    Raises LayeratlasError for a file that is none of the known formats.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            if not path.stat().st_size:
                raise self._strange("it is empty")
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.width, start, self._binary = self._format()
        self._places: dict[str, int] = {}
        for word, place in self._binary_words(start) if self._binary else self._text_words(start):
            self._places.setdefault(word, place)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, word: str) -> bool:
        return word in self._places

    def __getitem__(self, word: str) -> npt.NDArray[np.float32]:  # [neurons]
        place = self._places[word]
        if self._binary:
            return np.frombuffer(self._bytes, "<f4", self.width, place).astype(np.float32)
        return self._numbers(self._line(place)[0][-self.width :], place)

    def _format(self) -> tuple[int, int, bool]:
        """Return how many neurons there are, where the first word stands, and whether vectors are binary."""
        first, second = self._line(0)
        if len(first) == 2 and all(part.isdigit() and len(part) < 12 for part in first):
            width = int(first[1])
            fields = self._line(second)[0]
            is_text = len(fields) > width and _are_numbers(fields[-width:])
            found = width, second, not is_text
        else:
            found = len(first) - 1, 0, False
            if found[0] < 1 or not _are_numbers(first[1:]):
                raise self._strange("its first line is neither `words neurons` nor a word and its numbers")
        if not 1 <= found[0] <= _WIDEST:
            raise self._strange(f"it has {found[0]:,} neurons")
        return found

    def _line(self, place: int) -> tuple[list[bytes], int]:
        """Return the fields of the line that begins at a place, and where the next one does."""
        end = self._bytes.find(b"\n", place)
        end = len(self._bytes) if end < 0 else end
        return self._bytes[place:end].rstrip(b" \r").split(b" "), end + 1

    def _text_words(self, place: int) -> Iterator[tuple[str, int]]:
        while place < len(self._bytes):
            fields, following = self._line(place)
            if len(fields) > self.width:  # a word of GloVe's may hold spaces
                yield _text(b" ".join(fields[: -self.width])), place
            elif fields != [b""]:
                raise self._strange(f"at byte {place:,} it has {len(fields)} fields, expected a word and {self.width}")
            place = following

    def _binary_words(self, place: int) -> Iterator[tuple[str, int]]:
        count = int(self._line(0)[0][0])
        for _ in range(count):
            space = self._bytes.find(b" ", place)
            after = space + 1 + 4 * self.width
            if space < 0 or after > len(self._bytes):
                raise self._strange(f"it ends before the last of its {count:,} words")
            yield _text(self._bytes[place:space].lstrip(b"\n")), space + 1
            place = after

    def _numbers(self, fields: list[bytes], place: int) -> npt.NDArray[np.float32]:
        try:
            return np.array([float(field) for field in fields], np.float32)
        except ValueError:
            raise self._strange(f"at byte {place:,} something is no number") from None

    def _strange(self, why: str) -> LayeratlasError:
        return LayeratlasError(
            f"{self._path} is no file of word vectors: {why}; expected word2vec (text or binary), GloVe or fastText's "
            ".vec, unpacked"
        )


class VectorEncoder:
    """Vectors as extraction takes them: a word that has one is one piece, the number under which it was first met."""

    window: int | None = None
    specials = 0
    lacking = "it has no vector for them"

    def __init__(self, vectors: Vectors, device: str) -> None:
        self._vectors, self._device = vectors, device
        self._words: dict[str, Piece] = {}
        self._rows: list[npt.NDArray[np.float32]] = []
        parameters = len(vectors) * vectors.width
        self.shape = Shape("WordVectors", 0, parameters, {"activations": {0: vectors.width}})

    def pieces(self, sentences: Sequence[Sequence[str]]) -> list[list[list[Piece]]]:
        """Number the words that have a vector; memory grows with how many different ones a corpus has."""
        return [[self._piece(word) for word in sentence] for sentence in sentences]

    def run(self, windows: Sequence[Sequence[Piece]], wanted: Mapping[str, Sequence[int]]) -> Hidden:
        """Look the words up."""
        rows = np.zeros((len(windows), max(map(len, windows)), self._vectors.width), np.float32)
        for row, window in zip(rows, windows, strict=True):
            row[: len(window)] = [self._rows[piece] for piece in window]
        looked_up = torch.from_numpy(rows).to(self._device)
        return Hidden({"activations": dict.fromkeys(wanted["activations"], looked_up)}, first=0)

    def _piece(self, word: str) -> list[Piece]:
        if word not in self._words:
            if word not in self._vectors:
                return []
            self._words[word] = len(self._rows)
            self._rows.append(self._vectors[word])
        return [self._words[word]]


def load(located: Located, settings: Settings, device: str, kinds: Collection[str]) -> VectorEncoder:
    """Open a file of word vectors. Raises BadRequest, LayeratlasError."""
    if settings.precision != "float32":
        raise BadRequest(f"{located.spec.name} is read in float32 only, not {settings.precision}")
    return VectorEncoder(Vectors(located.folder), device)


def _text(word: bytes) -> str:
    return word.decode("utf-8", errors="replace")


def _are_numbers(fields: list[bytes]) -> bool:
    try:
        return bool([float(field) for field in fields])
    except ValueError:
        return False
