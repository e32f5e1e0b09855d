"""The forward pass over a corpus: sentences in, chunks of words out, in corpus order, in bounded memory.

A chunk is a few hundred sentences. Inside it windows are batched by length; outside nobody sees that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layeratlas.extract.encoder import Encoder
from layeratlas.extract.pooling import Pooler
from layeratlas.extract.windows import Window, Windowing, batches
from layeratlas.store.errors import LayeratlasError
from layeratlas.store.identity import Pooling, SpecialTokens

if TYPE_CHECKING:
    from layeratlas.extract.encoder import Hidden

LOOKAHEAD = 512  # sentences
CHUNK_BYTES = 128 * 2**20  # of what is stored; three chunks live at once: computed, waiting, written
ATTENTION_BYTES = 256 * 2**20  # of a batch's attention between tokens, all blocks; but at least one window


@dataclass(frozen=True)
class Chunk:
    """The words of consecutive sentences, in corpus order, with every layer asked for.

    attention: a block's weights, sentence by sentence; `attended` says which sentences, and which of their words;
    `uniform` counts rows that had nothing left beside special tokens.
    """

    sentences: int
    sentence: npt.NDArray[np.int32]  # [words]
    word: npt.NDArray[np.int32]  # [words]
    token: list[str] = field(repr=False)  # [words]
    layers: dict[int, npt.NDArray[Any]] = field(repr=False)  # each [words, neurons], float32
    attended: list[tuple[int, npt.NDArray[np.int32]]] = field(default_factory=list, repr=False)  # each of [words]
    attention: dict[int, list[npt.NDArray[np.float32]]] = field(default_factory=dict, repr=False)  # [heads, query, key]
    uniform: int = 0


@dataclass(frozen=True)
class Pass:
    """One model over one corpus. `tokens`: the most tokens of a batch, padding included.

    attention: the blocks whose attention is wanted.
    """

    encoder: Encoder
    windowing: Windowing
    layers: Sequence[int]
    pooling: Pooling
    tokens: int
    name: str
    attention: Sequence[int] = ()
    special_tokens: SpecialTokens = "drop"

    def chunks(self, sentences: Iterable[list[str]]) -> Iterator[Chunk]:
        """Stream a corpus through the model.

        Raises LayeratlasError for a sentence that does not fit, or a model that gives NaN or infinity.
        """
        for numbered in self._lookahead(sentences):
            yield self._chunk(numbered)

    def _lookahead(self, sentences: Iterable[list[str]]) -> Iterator[list[tuple[int, list[str]]]]:
        neurons = sum(self.encoder.shape.neurons[layer] for layer in self.layers)
        heads = self._heads()
        held: list[tuple[int, list[str]]] = []
        waiting = 0
        for number, sentence in enumerate(sentences):
            size = 4 * (len(sentence) * neurons + len(sentence) ** 2 * heads)
            if held and (len(held) == LOOKAHEAD or waiting + size > CHUNK_BYTES):
                yield held
                held, waiting = [], 0
            held.append((number, sentence))
            waiting += size
        if held:
            yield held

    def _heads(self) -> int:
        return sum(self.encoder.shape.heads[block - 1] for block in self.attention)

    def _chunk(self, numbered: list[tuple[int, list[str]]]) -> Chunk:
        windows = self.windowing.windows(numbered)
        starts = np.cumsum([0] + [len(window.words) for window in windows])
        places = {id(window): int(start) for window, start in zip(windows, starts[:-1], strict=True)}
        neurons = self.encoder.shape.neurons
        out = {layer: np.empty((int(starts[-1]), neurons[layer]), np.float32) for layer in self.layers}
        weights: dict[int, dict[int, npt.NDArray[np.float32]]] = {block: {} for block in self.attention}
        uniform = 0
        every = math.inf if not self.attention else ATTENTION_BYTES // (4 * sum(self.encoder.shape.heads))
        for batch in batches(windows, self.tokens, self.encoder.specials, every):
            hidden = self.encoder.run([window.pieces for window in batch], self.layers, self.attention)
            rows = [np.arange(len(w.words)) + places[id(w)] for w in batch]
            self._pool(batch, hidden, np.concatenate(rows), out)
            uniform += self._attend(batch, hidden, weights)
        texts = dict(numbered)
        attended = [w for w in windows if w.whole] if self.attention else []
        return Chunk(
            len(numbered),
            np.concatenate([np.full(len(w.words), w.sentence, np.int32) for w in windows] or [np.empty(0, np.int32)]),
            np.concatenate([np.asarray(w.words, np.int32) for w in windows] or [np.empty(0, np.int32)]),
            [texts[w.sentence][word] for w in windows for word in w.words],
            out,
            [(w.sentence, np.asarray(w.words, np.int32)) for w in attended],
            {block: [of_block[w.sentence] for w in attended] for block, of_block in weights.items()},
            uniform,
        )

    def _attend(self, batch: list[Window], hidden: Hidden, out: dict[int, dict[int, npt.NDArray[np.float32]]]) -> int:
        """Put the batch's attention between words into `out`, by block and sentence; split sentences have none.

        Returns how many rows had nothing left beside special tokens.
        """
        if not self.attention or not any(window.whole for window in batch):
            return 0
        from layeratlas.extract.attending import Attending, NotAttentionError

        example, causal = next(iter(hidden.attention.values())), self.encoder.shape.causal
        attend = Attending(
            batch, self.special_tokens, first=hidden.first, tokens=example.shape[-1], causal=causal,
            device=example.device,
        )  # fmt: skip
        for block in self.attention:
            try:
                found = attend(hidden.attention.pop(block))
            except NotAttentionError as error:
                raise LayeratlasError(
                    f"{self.name} gives in block {block}, in or near sentence {batch[0].sentence}, {error}"
                ) from None
            out[block].update((w.sentence, own) for w, own in zip(batch, found, strict=True) if w.whole)
        return attend.uniform

    def _pool(
        self, batch: list[Window], hidden: Hidden, rows: npt.NDArray[np.int64], out: dict[int, npt.NDArray[Any]]
    ) -> None:
        """Put the batch's words into `out`, by layer."""
        if not self.layers:
            return
        pool = Pooler(batch, self.pooling, first=hidden.first, tokens=hidden.layers[self.layers[0]].shape[1])
        for layer in self.layers:
            pooled = pool(hidden.layers.pop(layer))
            if not pooled.sum().isfinite():  # one NaN or infinity makes the sum one
                raise LayeratlasError(
                    f"{self.name} gives NaN or infinity in layer {layer}, in or near sentence {batch[0].sentence}: "
                    'its weights are damaged, or set precision = "float32"'
                )
            out[layer][rows] = pooled.cpu().numpy()
