"""What extraction needs of a model, whatever library runs it.

An architecture that transformers does not have is one file with a `load` like `extract.transformer.load`, and one
line in LOADERS, keyed by the model_type of its config.json.

Axis names: windows (sequences of one batch), tokens (the longest window's, special tokens included), words, neurons,
heads; of attention query and key, each tokens or words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from layeratlas.extract.models import Located
from layeratlas.store.identity import Settings

if TYPE_CHECKING:
    import torch

#: One piece of a word as a model takes it: a token id, or whatever else its own encoder understands.
Piece = int


@dataclass(frozen=True)
class Hidden:
    """One forward pass. `layers[k]` is [windows, tokens, neurons of k]; `first` is the first token that is no special.

    `attention[k]` is what block k's heads give from each token (query) to each (key): none of it to padding.
    """

    layers: dict[int, torch.Tensor] = field(repr=False)  # each [windows, tokens, neurons]
    first: int
    attention: dict[int, torch.Tensor] = field(default_factory=dict, repr=False)  # each [windows, heads, query, key]


@dataclass(frozen=True)
class Shape:
    """What the catalog says of a model. `neurons` has an entry a layer: the embeddings, then every block.

    `heads` has an entry a block when attention was asked for, and none where the architecture has no attention;
    causal: no token attends to a later one.
    """

    architecture: str
    neurons: tuple[int, ...]
    parameters: int
    heads: tuple[int, ...] = ()
    causal: bool = False

    @property
    def layers(self) -> int:
        """The number of blocks: layers run from 0 to it."""
        return len(self.neurons) - 1


class Encoder(Protocol):
    """A loaded model with its tokenizer."""

    shape: Shape
    window: int | None  # the most tokens it sees at once, special tokens included; None when there is no limit
    specials: int  # how many special tokens it adds to every window

    def pieces(self, sentences: Sequence[Sequence[str]]) -> list[list[list[Piece]]]:
        """Cut words into pieces: a list a sentence, of a list a word; a word that gets no piece has an empty one."""

    def run(self, windows: Sequence[Sequence[Piece]], layers: Sequence[int], attention: Sequence[int] = ()) -> Hidden:
        """Run one batch of windows (pieces without special tokens); return the layers and the attention asked for.

        A window's numbers do not depend on the others in its batch. Token `first + i` is piece i.
        """


#: The module whose `load(located, settings, device, attention)` makes an Encoder, by model_type; transformers runs all
#: others.
LOADERS: dict[str, str] = {"simcat-elmo": "layeratlas.extract.elmo"}


def load(located: Located, settings: Settings, device: str, *, attention: bool = False) -> Encoder:
    """Load a model; for `attention` in a way that gives it, which is slower.

    Raises LayeratlasError when it cannot be loaded, BadRequest when the settings do not fit it.
    """
    module = import_module(LOADERS.get(located.model_type, "layeratlas.extract.transformer"))
    encoder: Encoder = module.load(located, settings, device, attention)
    return encoder
