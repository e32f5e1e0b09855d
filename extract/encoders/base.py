"""What extraction needs of a model, whatever library runs it.

Axis names: windows (sequences of one batch), tokens (the longest window's, special tokens included), words, neurons,
heads; of attention query and key, each tokens or words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import torch

#: One piece of a word as a model takes it: a token id, or whatever else its own encoder understands.
Piece = int

#: Which windows may share a batch without changing one another's numbers: any, those of equal length, or none; or none,
#: and they are run in the corpus's order.
Batching = Literal["padded", "equal", "alone", "ordered"]


@dataclass(frozen=True)
class Hidden:
    """What one forward pass shows, by kind and layer; `first` is the first token that is no special.

    activations: each [windows, tokens, neurons].
    attention: each [windows, heads, query, key], what heads give from each token to each; none of it to padding.
    """

    states: dict[str, dict[int, torch.Tensor]] = field(repr=False)
    first: int


@dataclass(frozen=True)
class Shape:
    """What the catalog says of a model. `layers` counts the blocks: layers run from 0, the embeddings, to it.

    units: how many neurons, heads, … each layer has, by kind; no entry for a kind that the architecture has not, or
    that it was not loaded for. Activations are always there.
    causal: no token attends to a later one, as far as attention was asked for.
    absent: why it shows none of a kind that its architecture has, by kind.
    remarks: how it is run, where that is not as most models are.
    """

    architecture: str
    layers: int
    parameters: int
    units: Mapping[str, Mapping[int, int]]
    causal: bool = False
    batching: Batching = "padded"
    absent: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


class Encoder(Protocol):
    """A loaded model with its tokenizer.

    It may have `unknown`, the piece that stands for what its vocabulary lacks: such pieces are then counted; and `cls`,
    `begin`, called before the first sentence of a corpus; and `cls`,
    the special token that stands for a sentence: its place before the words, or, below 0, counted from a window's end.
    """

    shape: Shape
    window: int | None  # the most tokens it sees at once, special tokens included; None when there is no limit
    specials: int  # how many special tokens it adds to every window

    def pieces(self, sentences: Sequence[Sequence[str]]) -> list[list[list[Piece]]]:
        """Cut words into pieces: a list a sentence, of a list a word; a word that gets no piece has an empty one."""

    def run(self, windows: Sequence[Sequence[Piece]], wanted: Mapping[str, Sequence[int]]) -> Hidden:
        """Run one batch of windows (pieces without special tokens); return the layers that are wanted of each kind.

        A window's numbers do not depend on the others in its batch. Token `first + i` is piece i.
        """
