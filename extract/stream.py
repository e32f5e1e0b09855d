"""The forward pass over a corpus: sentences in, chunks of words out, in corpus order, in bounded memory.

A chunk is a few hundred sentences. Inside it windows are batched by length; outside nobody sees that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from extract.encoder import Encoder
from extract.pooling import Pooler
from extract.windows import Window, Windowing, batches
from store.errors import SimcatError
from store.identity import Pooling

LOOKAHEAD = 512  # sentences
CHUNK_BYTES = 128 * 2**20  # of activations; three chunks live at once: computed, waiting, written


@dataclass(frozen=True)
class Chunk:
    """The words of consecutive sentences, in corpus order, with every layer asked for."""

    sentences: int
    sentence: npt.NDArray[np.int32]  # [words]
    word: npt.NDArray[np.int32]  # [words]
    token: list[str] = field(repr=False)  # [words]
    layers: dict[int, npt.NDArray[Any]] = field(repr=False)  # each [words, neurons], float32


@dataclass(frozen=True)
class Pass:
    """One model over one corpus. `tokens`: the most tokens of a batch, padding included."""

    encoder: Encoder
    windowing: Windowing
    layers: Sequence[int]
    pooling: Pooling
    tokens: int
    name: str

    def chunks(self, sentences: Iterable[list[str]]) -> Iterator[Chunk]:
        """Stream a corpus through the model.

        Raises SimcatError for a sentence that does not fit, or a model that gives NaN or infinity.
        """
        for numbered in self._lookahead(sentences):
            yield self._chunk(numbered)

    def _lookahead(self, sentences: Iterable[list[str]]) -> Iterator[list[tuple[int, list[str]]]]:
        neurons = sum(self.encoder.shape.neurons[layer] for layer in self.layers)
        most = max(1, CHUNK_BYTES // (4 * neurons))
        held: list[tuple[int, list[str]]] = []
        words = 0
        for number, sentence in enumerate(sentences):
            if held and (len(held) == LOOKAHEAD or words + len(sentence) > most):
                yield held
                held, words = [], 0
            held.append((number, sentence))
            words += len(sentence)
        if held:
            yield held

    def _chunk(self, numbered: list[tuple[int, list[str]]]) -> Chunk:
        windows = self.windowing.windows(numbered)
        starts = np.cumsum([0] + [len(window.words) for window in windows])
        places = {id(window): int(start) for window, start in zip(windows, starts[:-1], strict=True)}
        neurons = self.encoder.shape.neurons
        out = {layer: np.empty((int(starts[-1]), neurons[layer]), np.float32) for layer in self.layers}
        for batch in batches(windows, self.tokens, self.encoder.specials):
            rows = [np.arange(len(w.words)) + places[id(w)] for w in batch]
            self._batch(batch, np.concatenate(rows), out)
        texts = dict(numbered)
        return Chunk(
            len(numbered),
            np.concatenate([np.full(len(w.words), w.sentence, np.int32) for w in windows] or [np.empty(0, np.int32)]),
            np.concatenate([np.asarray(w.words, np.int32) for w in windows] or [np.empty(0, np.int32)]),
            [texts[w.sentence][word] for w in windows for word in w.words],
            out,
        )

    def _batch(self, batch: list[Window], rows: npt.NDArray[np.int64], out: dict[int, npt.NDArray[Any]]) -> None:
        hidden = self.encoder.run([window.pieces for window in batch], self.layers)
        shape = next(iter(hidden.layers.values())).shape
        pool = Pooler(batch, self.pooling, first=hidden.first, tokens=shape[1])
        for layer in self.layers:
            pooled = pool(hidden.layers.pop(layer))
            if not pooled.sum().isfinite():  # one NaN or infinity makes the sum one
                raise SimcatError(
                    f"{self.name} gives NaN or infinity in layer {layer}, in or near sentence {batch[0].sentence}: "
                    'its weights are damaged, or set precision = "float32"'
                )
            out[layer][rows] = pooled.cpu().numpy()
