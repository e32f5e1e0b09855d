"""Attention: what each head of a block gives from word to word, of every sentence that fits one window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from layeratlas.extract.takes.base import Take
from layeratlas.store.errors import LayeratlasError

if TYPE_CHECKING:
    import torch

    from layeratlas.extract.encoders.base import Hidden
    from layeratlas.extract.takes.attending import Attending
    from layeratlas.extract.windows import Window, Windowing, Words
    from layeratlas.store.artifacts.attention import AttentionWriter
    from layeratlas.store.store import ModelRow

BATCH_BYTES = 256 * 2**20  # of a batch's attention between tokens, all blocks; but at least one window


class Attention(Take):
    """Weights among the words of a sentence. `uniform` counts rows that special tokens left nothing of."""

    kind = "attention"
    uniform = 0

    @classmethod
    def layers_of(cls, model: ModelRow) -> Sequence[int] | None:
        """Every block, or none where there are no heads; unknown while nobody asked the model for attention."""
        if model.heads is None:
            return None
        return (super().layers_of(model) or ()) if model.heads else ()

    @classmethod
    def model_columns(cls, units: Mapping[int, int]) -> dict[str, int]:
        """The heads of a block; 0 says that there is no attention."""
        return {"heads": max(units.values(), default=0)}

    def bytes(self, words: int) -> int:
        """Squares of all heads."""
        return 4 * words**2 * sum(self.units[layer] for layer in self.layers)

    @property
    def most_pairs(self) -> float:
        """A forward pass makes the weights of all blocks, wanted or not."""
        return BATCH_BYTES // (4 * sum(self.units.values()))

    def begin(self, windows: Sequence[Window]) -> AttentionPart:
        """Begin with the sentences that are whole."""
        return AttentionPart(self, windows)

    def notes(self, windowing: Windowing, sentences: int) -> list[str]:
        """Sentences that have no attention, rows that none was left for."""
        found = windowing.split.notes(f"of {sentences:,} sentences have no attention, each is longer than the window")
        if self.uniform:
            found.append(f"{self.uniform:,} rows of attention went to special tokens alone: they are stored as uniform")
        return found

    def attending(self, batch: Sequence[Window], example: torch.Tensor, first: int) -> Attending:
        """Return what makes words of a batch's tokens; `example`: one layer's states, `first`: the first token."""
        from layeratlas.extract.takes.attending import Attending

        return Attending(
            batch, self._study.special_tokens, first=first, tokens=example.shape[-1], causal=self._shape.causal,
            device=example.device,
        )  # fmt: skip


class AttentionPart:
    """`words`: which words of which sentences, in order. `weights`: by layer and sentence, each [heads, query, key]."""

    def __init__(self, take: Attention, windows: Sequence[Window]) -> None:
        self._take = take
        self.words = {w.sentence: np.asarray(w.words, np.int32) for w in windows if w.whole}
        self.weights: dict[int, dict[int, npt.NDArray[np.float32]]] = {layer: {} for layer in take.layers}

    def add(self, batch: Sequence[Window], hidden: Hidden) -> None:
        """Take the weights among words; split sentences have none. Raises LayeratlasError for what is no attention."""
        from layeratlas.extract.takes.attending import NotAttentionError

        if not any(window.whole for window in batch):
            return
        states = hidden.states[self._take.kind]
        attend = self._take.attending(batch, next(iter(states.values())), hidden.first)
        for layer, own in self.weights.items():
            try:
                found = attend(states.pop(layer))
            except NotAttentionError as error:
                raise LayeratlasError(
                    f"{self._take.model} gives in block {layer}, in or near sentence {batch[0].sentence}, {error}"
                ) from None
            own.update((w.sentence, weights) for w, weights in zip(batch, found, strict=True) if w.whole)
        self._take.uniform += attend.uniform

    def append(self, words: Words, writers: Mapping[int, AttentionWriter]) -> None:
        """Append every whole sentence to every layer."""
        for layer, writer in writers.items():
            for sentence, own in self.words.items():
                writer.write(sentence, own, self.weights[layer][sentence])


TAKE = Attention
