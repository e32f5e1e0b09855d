"""How transformers models show what each kind is taken from: one hook a kind, in HOOKS.

A hook says what to ask for when the model is loaded and in a forward pass, finds the kind's states in what the pass
returns, and learns from a small window what a model has of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from layeratlas.extract.encoders.base import Piece
from layeratlas.store.errors import AttentionMissing, LayeratlasError

States = tuple[torch.Tensor, ...]  # of the kind's layers, its first layer first


@dataclass(frozen=True)
class Probe:
    """A small window to learn from, of at least two pieces, and `show`, which runs windows and returns their states.

    first: special tokens before the window. tokens: all of them, special ones included. blocks: as far as known.
    long: a window long enough to show what models do that cut sequences into chunks.
    """

    window: list[Piece]
    long: list[Piece]
    first: int
    tokens: int
    blocks: int | None
    show: Callable[[list[list[Piece]]], States]


class Hook(ABC):
    """One kind, shown by one model. `loading`: for from_pretrained; `switches`: set to true in a forward pass."""

    loading: ClassVar[dict[str, str]] = {}
    switches: ClassVar[tuple[str, ...]] = ()
    first_layer: ClassVar[int | None] = None  # that it shows; None: the first that has the kind
    causal = False  # whether no token saw a later one; only attention tells

    def __init__(self, model: Any, title: str) -> None:
        """`title`: how messages name the model."""
        self._model, self._title = model, title

    @classmethod
    def fits(cls, config: Any) -> bool:
        """Whether an architecture has this kind at all."""
        return True

    @abstractmethod
    def states(self, inputs: dict[str, torch.Tensor], output: Any) -> States:
        """Return the kind's states from what a forward pass was given and what it returned."""

    @abstractmethod
    def learn(self, probe: Probe) -> tuple[int, ...]:
        """Return how many units each layer has. Raises LayeratlasError when the states are not what they should be."""


class HiddenStates(Hook):
    """Activations: [windows, tokens, neurons] of the embeddings and every block."""

    switches = ("output_hidden_states",)
    _embeds_apart = False

    def states(self, inputs: dict[str, torch.Tensor], output: Any) -> States:
        """Return every layer, the embeddings first; the last is what the model gives as its last hidden state."""
        states = getattr(output, "hidden_states", None)
        if not states:
            raise LayeratlasError(f"{self._title} gives no hidden states in transformers")
        if self._embeds_apart:  # [block 1, …, block L, final norm]: the normed one is the last block's, as elsewhere
            states = (self._model.get_input_embeddings()(inputs["input_ids"]), *states[:-2], states[-1])
        last = getattr(output, "last_hidden_state", None)
        return (*states[:-1], states[-1] if last is None else last)  # Reformer's final norm is in the latter alone

    def learn(self, probe: Probe) -> tuple[int, ...]:
        """Learn the layers from two small windows, and whether the first of them is the embeddings.

        Embeddings do not depend on other tokens. A first hidden state that does is the first block's output (Mamba in
        transformers): the embeddings are then taken from the embedding table.
        """
        _, second, *rest = probe.window
        states = probe.show([probe.window, [second, second, *rest]])
        if probe.blocks is not None and len(states) != probe.blocks + 1:
            raise LayeratlasError(
                f"{self._title} gives {len(states)} hidden states for {probe.blocks} blocks: "
                f"expected {probe.blocks + 1}, the embeddings and one a block"
            )
        for layer, state in enumerate(states):
            if state.ndim != 3 or state.shape[:2] != (2, probe.tokens):
                raise LayeratlasError(
                    f"{self._title} gives a hidden state {list(state.shape)} in layer {layer}: expected one a token, "
                    f"[2, {probe.tokens}, neurons]"
                )
        last = probe.first + len(rest) + 1
        self._embeds_apart = not torch.equal(states[0][0, last], states[0][1, last])
        if self._embeds_apart:
            states = probe.show([probe.window])
        return tuple(state.shape[-1] for state in states)


class Attentions(Hook):
    """Attention: [windows, heads, query, key] of every block."""

    loading: ClassVar[dict[str, str]] = {"attn_implementation": "eager"}  # sdpa and flash never make the weights
    switches = ("output_attentions",)

    @classmethod
    def fits(cls, config: Any) -> bool:
        """Whether there are heads: Mamba, for one, has none."""
        return bool(getattr(text_config(config), "num_attention_heads", None))

    def states(self, inputs: dict[str, torch.Tensor], output: Any) -> States:
        """Return every block's attention, if the model shows it. Raises AttentionMissing for what is none."""
        weights = tuple(_one_stream(block) for block in getattr(output, "attentions", None) or ())
        tokens = inputs["input_ids"].shape[1]
        for block, own in enumerate(weights, start=1):
            shape = list(own.shape) if isinstance(own, torch.Tensor) else None
            if shape is None or len(shape) != 4 or shape[2:] != [tokens, tokens]:
                raise AttentionMissing(
                    f"{self._title} gives no attention [windows, heads, {tokens}, {tokens}] in block {block}, but "
                    f"{shape or 'none'}"
                )
        return weights

    def learn(self, probe: Probe) -> tuple[int, ...]:
        """Learn the heads of every block, and whether a token sees later ones, from a small window and a long one."""
        probe.show([probe.long])  # of which some show no attention, although they do of a small one
        weights = probe.show([probe.window])
        if len(weights) != probe.blocks:
            raise AttentionMissing(f"{self._title} gives attention of {len(weights)} blocks, expected {probe.blocks}")
        _require_shares(self._title, weights)
        self.causal = not any(own.triu(diagonal=1).any() for own in weights)
        return tuple(own.shape[1] for own in weights)


def _require_shares(title: str, weights: States) -> None:
    """Raise AttentionMissing for what is no share of one (SqueezeBERT's scores); NaN is refused when stored."""
    for block, own in enumerate(weights, start=1):
        least, most = float(own.min()), float(own.float().sum(dim=-1).max())
        if least < 0 or most > 1 + torch.finfo(own.dtype).eps ** 0.5:
            raise AttentionMissing(
                f"{title} gives in block {block} no attention: its rows sum to as much as {most:.4g}, with a least "
                f"weight of {least:.4g}"
            )


def text_config(config: Any) -> Any:
    """Return what a configuration says of the model that runs on text: of one for images too, a part of it."""
    return getattr(config, "text_config", None) or config


def _one_stream(block: Any) -> Any:
    """XLNet with two streams gives a pair a block: the content's comes first."""
    return block[0] if isinstance(block, tuple | list) else block


HOOKS: dict[str, type[Hook]] = {"activations": HiddenStates, "attention": Attentions}
