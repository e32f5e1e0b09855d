"""HDF5 as contextual-corr-analysis and NeuroX have it: a dataset a sentence.

It is [layers, words, neurons], or of one layer [words, neurons], and is called `0`, `1`, … The dataset
`sentence_to_index` holds one JSON object, from each sentence's words with a space between them to its dataset. A
sentence that occurs again has lost its entry there (contextual-corr-analysis) or ends in ` (Occurrence 2)` (NeuroX).
Links to other files are not followed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from layeratlas.extract.importers.base import Block, Found, Source, number_of_file, reading
from layeratlas.store.errors import LayeratlasError, MissingPackage

SUFFIXES = (".hdf5", ".h5")
_INDEX = "sentence_to_index"
_AGAIN = re.compile(r" \(Occurrence \d+\)$")


def open_file(path: Path) -> Source:
    """Look at a file; sentences are read when they are wanted. Raises MissingPackage without h5py."""
    try:
        import h5py  # noqa: F401 - only asked for
    except ImportError:
        raise MissingPackage(f'{path.name} is HDF5, which needs h5py: pip install "layeratlas[hdf5]"') from None
    return _Sentences(path)


class _Sentences(Source):
    def __init__(self, path: Path) -> None:
        self.title, self._path = path.name, path
        with self._open() as file:
            self._stored = {name for name in file if name.isdecimal()}
            if not self._stored:
                raise LayeratlasError(f"{self.title} has no dataset 0, 1, … of a sentence each")
            self._index = self._read_index(file)
            shape = self._dataset(file, min(self._stored, key=int)).shape
        self._layers = None if len(shape) == 2 else shape[0]
        if self._layers in (None, 1):
            self.found = [Found(0, number_of_file(path.stem), shape[-1])]
        else:
            self.found = [Found(layer, layer, shape[-1]) for layer in range(shape[0])]
        self._neurons = shape[-1]
        self._claimed = {place: text for text, place in self._index.items()}

    def _open(self) -> Any:
        import h5py

        return h5py.File(self._path, "r")

    def _read_index(self, file: Any) -> dict[str, str]:
        """Return which dataset each sentence has; empty in a file that does not say."""
        if _INDEX not in file:
            return {}
        content = self._plain(file, _INDEX)[()]
        while isinstance(content, np.ndarray):
            content = content.flat[0]
        found = json.loads(content)
        if not isinstance(found, dict):
            raise LayeratlasError(f"{self.title}: {_INDEX} is no JSON object of sentences")
        return {str(text): str(place) for text, place in found.items()}

    def _plain(self, file: Any, name: str) -> Any:
        """Return a dataset whose bytes are in this file."""
        import h5py

        link = file.get(name, getlink=True)
        found = file[name] if isinstance(link, h5py.HardLink) else None
        if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
            raise LayeratlasError(f"{self.title}: {name} is no dataset of this file")
        return found

    def _dataset(self, file: Any, name: str) -> Any:
        found = self._plain(file, name)
        if len(found.shape) not in (2, 3) or found.dtype.kind not in "fiu" or 0 in found.shape:
            raise LayeratlasError(
                f"{self.title}: dataset {name} is {found.dtype} of the shape {list(found.shape)}, not numbers "
                "[layers, words, neurons]"
            )
        return found

    def blocks(self, keys: Sequence[Hashable], sentences: Iterable[list[str]]) -> Iterator[Block]:
        """Stream some layers in the corpus's order, a sentence a block. Raises LayeratlasError, naming the sentence."""
        used: set[str] = set()
        with reading(self.title), self._open() as file:
            for number, sentence in enumerate(sentences):
                name = self._place(number, sentence)
                used.add(name)
                dataset = self._dataset(file, name)
                self._check(dataset, number, sentence)
                yield Block({key: dataset[()] if dataset.ndim == 2 else dataset[key] for key in keys})
            if self._stored - used:
                self._refuse_more(sorted(self._stored - used, key=int))

    def _place(self, number: int, sentence: list[str]) -> str:
        """Return a sentence's dataset: the one of its number, unless that is another sentence's."""
        text, own = " ".join(sentence), str(number)
        if own in self._stored and text == _AGAIN.sub("", self._claimed.get(own, text)):
            return own
        found = self._index.get(text)
        if found is None or found not in self._stored:
            raise LayeratlasError(f'{self.title} has no dataset for sentence {number} of the corpus, "{text[:80]}"')
        return found

    def _check(self, dataset: Any, number: int, sentence: list[str]) -> None:
        layers, words = None if dataset.ndim == 2 else dataset.shape[0], dataset.shape[-2]
        said = f'{self.title}: sentence {number} ("{" ".join(sentence)[:60]}")'
        if words != len(sentence):
            raise LayeratlasError(f"{said} has {words} words, in the corpus it has {len(sentence)}")
        if (layers, dataset.shape[-1]) != (self._layers, self._neurons):
            raise LayeratlasError(
                f"{said} has the shape {list(dataset.shape)}, the first has {self._layers or 1} layers of "
                f"{self._neurons} neurons"
            )

    def _refuse_more(self, left: Sequence[str]) -> None:
        """Refuse sentences that the corpus lacks."""
        text = self._claimed.get(left[0], "")
        raise LayeratlasError(
            f'{self.title} has {len(left):,} sentences more than the corpus: {left[0]} ("{text[:60]}")'
        )
