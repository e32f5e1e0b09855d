"""What an import needs of a file: which layers it has, and their rows, streamed in the order of a corpus."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from layeratlas.extract.foreign import foreign
from layeratlas.store.errors import LayeratlasError

BLOCK_BYTES = 16 * 2**20  # of one layer, read at once


@dataclass(frozen=True)
class Found:
    """One layer of a file. `key`: how its source calls it; `number`: which layer it says it is, if it says so.

    rows: how many it has, None where only reading tells.
    """

    key: Hashable
    number: int | None
    neurons: int
    rows: int | None = None


@dataclass(frozen=True)
class Block:
    """The next rows of some layers, each [rows, neurons]. Of a file that says of which words its rows are, these.

    sentence, word: counted from 0. token: how the word is written. Each [rows], or None.
    """

    layers: Mapping[Hashable, npt.NDArray[Any]]
    sentence: npt.NDArray[Any] | None = None
    word: npt.NDArray[Any] | None = None
    token: Sequence[str] | None = None


class Source(ABC):
    """One file, or one array, of activations.

    title: how messages name it. apart: a layer can be read without reading the others.
    """

    title: str
    found: Sequence[Found]
    apart = True

    @abstractmethod
    def blocks(self, keys: Sequence[Hashable], sentences: Iterable[list[str]]) -> Iterator[Block]:
        """Stream the rows of some layers. `sentences`: the corpus; sources that know sentences check and follow it."""


class Matrices(Source):
    """Layers that are one matrix each, [rows, neurons], whose rows are in the order of the corpus.

    stream: returns a layer's rows in order, by its key and about so many at a time.
    """

    def __init__(
        self, title: str, found: Sequence[Found], stream: Callable[[Any, int], Iterator[npt.NDArray[Any]]]
    ) -> None:
        self.title, self.found, self._stream = title, found, stream

    def blocks(self, keys: Sequence[Hashable], sentences: Iterable[list[str]]) -> Iterator[Block]:
        """Stream one layer after another would do; they are read one at a time."""
        (key,) = keys
        neurons = next(each.neurons for each in self.found if each.key == key)
        with reading(self.title):
            for rows in self._stream(key, rows_at_once(neurons)):
                yield Block({key: rows})


def rows_at_once(neurons: int) -> int:
    """Return how many rows of so many neurons are read together."""
    return max(1, BLOCK_BYTES // (4 * max(1, neurons)))


def sliced(matrix: Any, rows: int, at_once: int) -> Iterator[npt.NDArray[Any]]:  # each [≤ at_once, neurons]
    """Stream a matrix that can be sliced."""
    for start in range(0, rows, at_once):
        yield np.asarray(matrix[start : min(start + at_once, rows)])


def number_in(label: str) -> int | None:
    """Return which layer a label says it is: `layer_3`, `encoder.layer.3.output`, `arr_3`, `3`; None if it does not."""
    found = re.search(r"layer\D?(\d{1,6})", label.lower()) or re.search(r"(?:^|\D)(\d{1,6})$", label)
    return int(found[1]) if found else None


def number_of_file(stem: str) -> int | None:
    """Return which layer a file says it is, by its name: `acts-layer3`, `3`. Other numbers are no layers."""
    return number_in(stem) if "layer" in stem.lower() or stem.isdecimal() else None


def shaped(title: str, label: str, shape: Sequence[int], dtype: Any) -> tuple[int, int, int | None]:
    """Return rows, neurons and, of a stack [layers, rows, neurons], layers. Raises LayeratlasError for other arrays."""
    if np.dtype(dtype).kind not in "fiu":
        raise LayeratlasError(f"{title}: {label} holds {dtype}, activations are numbers: floats, or whole numbers")
    if len(shape) not in (2, 3) or 0 in shape:
        raise LayeratlasError(f"{title}: {label} has the shape {list(shape)}, not [rows, neurons] or [layers, …]")
    return shape[-2], shape[-1], shape[0] if len(shape) == 3 else None


def stacked(title: str, label: str, number: int | None, shape: Sequence[int], dtype: Any) -> list[Found]:
    """Return the layers of an array: one of a matrix, several of a stack. Keys: (label, place in the stack or None)."""
    rows, neurons, layers = shaped(title, label, shape, dtype)
    if layers is None:
        return [Found((label, None), number, neurons, rows)]
    return [Found((label, place), place, neurons, rows) for place in range(layers)]


def reading(title: str) -> AbstractContextManager[None]:
    """Turn what a library says of a file that it cannot read into one line."""
    return foreign(lambda reason: f"{title} cannot be read: {reason}")
