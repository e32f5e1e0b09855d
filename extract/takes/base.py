"""What extraction asks of a kind: a Take for one model over one corpus, and of each chunk of sentences a Part.

Planning asks the class which layers a model has of its kind. In the pass, a take begins a part for every chunk; the
part gets the batches of the forward pass one by one, and is then appended to the files, in another thread. Importing
takes imports no torch.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from layeratlas.store.kinds import kind_of
from layeratlas.store.study import Study

if TYPE_CHECKING:
    from layeratlas.extract.encoders.base import Encoder, Hidden
    from layeratlas.extract.windows import Window, Windowing, Words
    from layeratlas.store.artifacts.base import ArtifactWriter
    from layeratlas.store.store import ModelRow

Writer_contra = TypeVar("Writer_contra", bound="ArtifactWriter", contravariant=True)


class Part(Protocol[Writer_contra]):
    """What a take has of one chunk."""

    def add(self, batch: Sequence[Window], hidden: Hidden) -> None:
        """Take what is wanted of one batch, and drop its states. Raises LayeratlasError for states that are damaged."""

    def append(self, words: Words, writers: Mapping[int, Writer_contra]) -> None:  # by layer
        """Append the chunk, whose words these are, to the files of all layers."""


class Take(ABC):
    """One kind, of the layers wanted of one model, over one corpus."""

    kind: ClassVar[str]

    @classmethod
    def layers_of(cls, model: ModelRow) -> Sequence[int] | None:
        """Return which layers a model that the catalog knows has of this kind, None when only loading it tells.

        All from the kind's first one, if nothing else is known; a model that then shows none is asked again next time.
        """
        return range(kind_of(cls.kind).first_layer, model.layers + 1)

    @classmethod
    def model_columns(cls, units: Mapping[int, int]) -> dict[str, int]:
        """Return what the catalog keeps of a model (columns of `models`), from how many units its layers have."""
        return {}

    def __init__(self, model: str, encoder: Encoder, layers: Sequence[int], study: Study) -> None:
        """`model`: its name, for messages. Raises BadRequest when the model has not what the settings ask for."""
        self.model, self.layers, self._study, self._encoder = model, layers, study, encoder
        self._shape, self.units = encoder.shape, encoder.shape.units[self.kind]  # units by layer

    @abstractmethod
    def bytes(self, words: int) -> int:
        """Return how much a sentence of so many words takes, all layers together."""

    @property
    def most_pairs(self) -> float:
        """The most (query, key) pairs of tokens that a batch may have, for what its states take in memory."""
        return math.inf

    @abstractmethod
    def begin(self, windows: Sequence[Window]) -> Part[Any]:
        """Begin a chunk, whose windows these are, in corpus order."""

    def notes(self, windowing: Windowing, sentences: int) -> list[str]:
        """Return what to tell the user at the end of a corpus of so many sentences."""
        return []
