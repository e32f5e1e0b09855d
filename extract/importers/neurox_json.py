"""NeuroX's JSON: a sentence a line, of each word its layers, of each layer its values.

`{"linex_index": 0, "features": [{"token": "The", "layers": [{"index": 0, "values": [0.1, …]}]}]}`
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from layeratlas.extract.importers.base import Block, Found, Source, number_of_file, reading
from layeratlas.store.errors import LayeratlasError

SUFFIXES = (".json", ".jsonl")


def open_file(path: Path) -> Source:
    """Look at a file's first line; the others are read when they are wanted."""
    return _Lines(path)


class _Lines(Source):
    apart = False  # a line holds all layers, as text

    def __init__(self, path: Path) -> None:
        self.title, self._path = path.name, path
        first = next(self._sentences(), None)
        if first is None:
            raise LayeratlasError(f"{self.title} is empty")
        layers = first[1]
        number = number_of_file(path.stem)
        only = number if len(layers) == 1 and number is not None else None
        self.found = [Found(key, key if only is None else only, rows.shape[1]) for key, rows in layers.items()]
        self._shapes = {key: rows.shape[1] for key, rows in layers.items()}

    def blocks(self, keys: Sequence[Hashable], sentences: Iterable[list[str]]) -> Iterator[Block]:
        """Stream some layers, a sentence a block. Raises LayeratlasError, naming the sentence."""
        with reading(self.title):
            for number, (own, sentence) in enumerate(zip_longest(self._sentences(), sentences)):
                if own is None or sentence is None:
                    more, fewer = ("corpus", self.title) if own is None else (self.title, "corpus")
                    raise LayeratlasError(f"the {fewer} ends after {number} sentences, the {more} has more")
                tokens, layers = own
                if {key: rows.shape[1] for key, rows in layers.items()} != self._shapes:
                    raise LayeratlasError(f"{self.title}: sentence {number} has other layers than the first")
                if len(tokens) != len(sentence):
                    raise LayeratlasError(
                        f"{self.title}: sentence {number} has {len(tokens)} words, in the corpus it has {len(sentence)}"
                    )
                yield Block({key: layers[key] for key in keys if isinstance(key, int)}, token=tokens)

    def _sentences(self) -> Iterator[tuple[list[str], dict[int, npt.NDArray[Any]]]]:
        """Stream each line's tokens, and its layers by their index, each [words, neurons]."""
        with self._path.open(encoding="utf-8") as file:
            for number, line in enumerate(file):
                if line.strip():
                    try:
                        yield _parsed(json.loads(line))
                    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
                        raise LayeratlasError(
                            f"{self.title}:{number + 1}: not as NeuroX writes it: {str(error)[:200]}"
                        ) from None


def _parsed(line: Any) -> tuple[list[str], dict[int, npt.NDArray[Any]]]:
    tokens = [feature["token"] for feature in line["features"]]
    indices = [layer["index"] for layer in line["features"][0]["layers"]]
    if any(type(index) is not int or not 0 <= index < 2**31 for index in indices):
        raise ValueError(f"layers are numbered from 0, got {indices[:5]}")
    layers = {
        index: np.array([_values(feature, place, index) for feature in line["features"]], np.float64)
        for place, index in enumerate(indices)
    }
    if any(rows.ndim != 2 for rows in layers.values()):
        raise ValueError("values are no list of numbers")
    return tokens, layers


def _values(feature: Any, place: int, index: int) -> Any:
    layer = feature["layers"][place]
    if layer["index"] != index:
        raise ValueError(f"the words of a sentence have layers in different orders ({layer['index']}, {index})")
    return layer["values"]
