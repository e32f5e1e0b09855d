"""The forward pass over a corpus: sentences in, chunks of words out, in corpus order, in bounded memory.

A chunk is a few hundred sentences. Inside it windows are batched by length; outside nobody sees that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from layeratlas.extract.encoders.base import Encoder
from layeratlas.extract.takes.base import Part, Take
from layeratlas.extract.windows import Windowing, Words, batches

LOOKAHEAD = 512  # sentences
CHUNK_BYTES = 128 * 2**20  # of what is stored; three chunks live at once: computed, waiting, written


@dataclass(frozen=True)
class Chunk:
    """The words of consecutive sentences, in corpus order, and what every kind has of them."""

    sentences: int
    words: Words
    parts: Mapping[str, Part[Any]]


@dataclass(frozen=True)
class Pass:
    """One model over one corpus. `tokens`: the most tokens of a batch, padding included."""

    encoder: Encoder
    windowing: Windowing
    takes: Sequence[Take]
    tokens: int

    def chunks(self, sentences: Iterable[list[str]]) -> Iterator[Chunk]:
        """Stream a corpus through the model.

        Raises LayeratlasError for a sentence that does not fit, or a model that gives NaN or infinity.
        """
        getattr(self.encoder, "begin", lambda: None)()
        for numbered in self._lookahead(sentences):
            yield self._chunk(numbered)

    def _lookahead(self, sentences: Iterable[list[str]]) -> Iterator[list[tuple[int, list[str]]]]:
        held: list[tuple[int, list[str]]] = []
        waiting = 0
        for number, sentence in enumerate(sentences):
            size = sum(take.bytes(len(sentence)) for take in self.takes)
            if held and (len(held) == LOOKAHEAD or waiting + size > CHUNK_BYTES):
                yield held
                held, waiting = [], 0
            held.append((number, sentence))
            waiting += size
        if held:
            yield held

    def _chunk(self, numbered: list[tuple[int, list[str]]]) -> Chunk:
        windows = self.windowing.windows(numbered)
        parts = {take.kind: take.begin(windows) for take in self.takes}
        wanted: dict[str, Sequence[int]] = {take.kind: take.layers for take in self.takes}
        pairs = min((take.most_pairs for take in self.takes), default=math.inf)
        shape, specials = self.encoder.shape, self.encoder.specials
        for batch in batches(windows, self.tokens, specials, pairs, shape.batching):
            hidden = self.encoder.run([window.pieces for window in batch], wanted)
            for part in parts.values():
                part.add(batch, hidden)
        return Chunk(len(numbered), Words.of(windows, dict(numbered)), parts)
