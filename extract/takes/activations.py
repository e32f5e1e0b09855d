"""Activations: every word's neurons, pooled from its tokens; or every sentence's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from layeratlas.extract.takes.base import Take
from layeratlas.extract.windows import Words
from layeratlas.store.errors import BadRequest, LayeratlasError

if TYPE_CHECKING:
    import torch

    from layeratlas.extract.encoders.base import Encoder, Hidden
    from layeratlas.extract.windows import Window, Windowing
    from layeratlas.store.artifacts.activations import ActivationWriter
    from layeratlas.store.study import Study


class Activations(Take):
    """float32 rows, one a word or, by its pooling, one a sentence, of every layer from the embeddings on."""

    kind = "activations"

    def __init__(self, model: str, encoder: Encoder, layers: Sequence[int], study: Study) -> None:
        super().__init__(model, encoder, layers, study)
        self.by_sentence = study.settings.by_sentence
        self._cls: int | None = getattr(encoder, "cls", None)
        if study.settings.pooling == "cls" and self._cls is None:
            raise BadRequest(f'{model} has no token that stands for a sentence: set pooling = "sentence-mean"')

    @classmethod
    def model_columns(cls, units: Mapping[int, int]) -> dict[str, int]:
        """The width of the last layer."""
        return {"neurons": units[max(units)]}

    def bytes(self, words: int) -> int:
        """Rows of all layers."""
        return 4 * words * sum(self.units[layer] for layer in self.layers)

    def begin(self, windows: Sequence[Window]) -> ActivationPart:
        """Make room for the words of a chunk, or its sentences."""
        return ActivationPart(self, windows)

    def rows(self, window: Window) -> int:
        """Return how many rows a window has: its words, or the sentence that it is, if it is a whole one."""
        return int(window.whole) if self.by_sentence else len(window.words)

    def pooler(self, batch: Sequence[Window], hidden: Hidden, tokens: int) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return what makes rows of one layer's states, padded to so many tokens."""
        from layeratlas.extract.takes.pooling import Pooler, SentencePooler

        pooling = self._study.settings.pooling
        if self.by_sentence:
            return SentencePooler(batch, pooling, first=hidden.first, specials=self._encoder.specials, cls=self._cls)
        return Pooler(batch, pooling, first=hidden.first, tokens=tokens)

    def notes(self, windowing: Windowing, sentences: int) -> list[str]:
        """Sentences that have no row."""
        left_out = f"of {sentences:,} sentences left out, each is longer than the window"
        return windowing.split.notes(left_out) if self.by_sentence else []


class ActivationPart:
    """`layers`: rows in corpus order, whatever the order of batches."""

    def __init__(self, take: Activations, windows: Sequence[Window]) -> None:
        self._take = take
        self._whole = {window.sentence for window in windows if window.whole}
        ends = np.cumsum([take.rows(window) for window in windows], dtype=np.int64)
        self._ends = {id(window): int(end) for window, end in zip(windows, ends, strict=True)}
        rows = int(ends[-1]) if windows else 0
        self.layers: dict[int, npt.NDArray[np.float32]] = {  # each [words, neurons], or [sentences, neurons]
            layer: np.empty((rows, take.units[layer]), np.float32) for layer in take.layers
        }

    def add(self, batch: Sequence[Window], hidden: Hidden) -> None:
        """Pool the words of a batch into their rows. Raises LayeratlasError for NaN or infinity."""
        states = hidden.states[self._take.kind]
        counts = [self._take.rows(window) for window in batch]
        ends = [self._ends[id(window)] for window in batch]
        rows = np.concatenate([end - np.arange(count, 0, -1) for end, count in zip(ends, counts, strict=True)])
        tokens = next(iter(states.values())).shape[1]
        pool = self._take.pooler(batch, hidden, tokens)
        kept = [place for place, count in enumerate(counts) if count]  # split sentences have no row of their own
        for layer, own in self.layers.items():
            pooled = pool(states.pop(layer))
            pooled = pooled[kept] if self._take.by_sentence else pooled
            if not pooled.sum().isfinite():  # one NaN or infinity makes the sum one
                raise LayeratlasError(
                    f"{self._take.model} gives NaN or infinity in layer {layer}, in or near sentence "
                    f'{batch[0].sentence}: its weights are damaged, or set precision = "float32"'
                )
            own[rows] = pooled.cpu().numpy()

    def append(self, words: Words, writers: Mapping[int, ActivationWriter]) -> None:
        """Append every word, or every whole sentence, to every layer."""
        if self._take.by_sentence:
            words = _sentences(words, self._whole)
        for layer, writer in writers.items():
            writer.write(words.sentence, words.word, words.token, self.layers[layer])


def _sentences(words: Words, whole: Collection[int]) -> Words:
    """Return one row a sentence instead of its words: place 0, and its text."""
    texts: dict[int, list[str]] = {}
    for number, token in zip(words.sentence.tolist(), words.token, strict=True):
        texts.setdefault(number, []).append(token)
    kept = {number: " ".join(own) for number, own in texts.items() if number in whole}
    return Words(np.array(list(kept), np.int32), np.zeros(len(kept), np.int32), list(kept.values()))


TAKE = Activations
