"""Activations: every word's neurons, pooled from its tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from layeratlas.extract.takes.base import Take
from layeratlas.store.errors import LayeratlasError
from layeratlas.store.identity import Pooling

if TYPE_CHECKING:
    from layeratlas.extract.encoders.base import Hidden
    from layeratlas.extract.windows import Window, Words
    from layeratlas.store.artifacts.activations import ActivationWriter


class Activations(Take):
    """float32 rows, one a word, of every layer from the embeddings on."""

    kind = "activations"

    @classmethod
    def model_columns(cls, units: Mapping[int, int]) -> dict[str, int]:
        """The width of the last layer."""
        return {"neurons": units[max(units)]}

    def bytes(self, words: int) -> int:
        """Rows of all layers."""
        return 4 * words * sum(self.units[layer] for layer in self.layers)

    def begin(self, windows: Sequence[Window]) -> ActivationPart:
        """Make room for the words of a chunk."""
        return ActivationPart(self, windows)

    @property
    def pooling(self) -> Pooling:
        """Which sub-word stands for a word, or their mean."""
        return self._study.settings.pooling


class ActivationPart:
    """`layers`: rows in corpus order, whatever the order of batches."""

    def __init__(self, take: Activations, windows: Sequence[Window]) -> None:
        self._take = take
        ends = np.cumsum([len(window.words) for window in windows], dtype=np.int64)
        self._ends = {id(window): int(end) for window, end in zip(windows, ends, strict=True)}
        words = int(ends[-1]) if windows else 0
        self.layers: dict[int, npt.NDArray[np.float32]] = {  # each [words, neurons]
            layer: np.empty((words, take.units[layer]), np.float32) for layer in take.layers
        }

    def add(self, batch: Sequence[Window], hidden: Hidden) -> None:
        """Pool the words of a batch into their rows. Raises LayeratlasError for NaN or infinity."""
        from layeratlas.extract.takes.pooling import Pooler

        states = hidden.states[self._take.kind]
        rows = np.concatenate([self._ends[id(window)] - np.arange(len(window.words), 0, -1) for window in batch])
        tokens = next(iter(states.values())).shape[1]
        pool = Pooler(batch, self._take.pooling, first=hidden.first, tokens=tokens)
        for layer, own in self.layers.items():
            pooled = pool(states.pop(layer))
            if not pooled.sum().isfinite():  # one NaN or infinity makes the sum one
                raise LayeratlasError(
                    f"{self._take.model} gives NaN or infinity in layer {layer}, in or near sentence "
                    f'{batch[0].sentence}: its weights are damaged, or set precision = "float32"'
                )
            own[rows] = pooled.cpu().numpy()

    def append(self, words: Words, writers: Mapping[int, ActivationWriter]) -> None:
        """Append every word to every layer."""
        for layer, writer in writers.items():
            writer.write(words.sentence, words.word, words.token, self.layers[layer])


TAKE = Activations
