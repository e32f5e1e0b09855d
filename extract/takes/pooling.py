"""From tokens to words: which tokens of a batch stand for which word, and the gather that takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from layeratlas.extract.windows import Window
from layeratlas.store.identity import Pooling

if TYPE_CHECKING:
    import torch


class SentencePooler:
    """One batch's sentences, made once and used for every layer: one row a window.

    `sentence-mean` is the mean of all tokens of the sentence's words, special tokens left out; `cls` the special token
    that stands for it.
    """

    def __init__(
        self, windows: Sequence[Window], pooling: Pooling, *, first: int, specials: int, cls: int | None
    ) -> None:
        """`first`: the first token that is no special; `cls`: where its token is, below 0 from a window's end."""
        self._first, self._mean = first, pooling == "sentence-mean"
        self._lengths = [len(window.pieces) for window in windows]
        place = cls or 0
        self._places = [place if place >= 0 else length + specials + place for length in self._lengths]

    def __call__(
        self,
        hidden: torch.Tensor,  # [windows, tokens, neurons]
    ) -> torch.Tensor:  # [windows, neurons]
        """Return one float32 row a sentence. Means are taken in float32 whatever the forward pass ran in."""
        import torch

        if not self._mean:
            return torch.stack([states[place] for states, place in zip(hidden, self._places, strict=True)]).float()
        first, ends = self._first, [self._first + length for length in self._lengths]
        return torch.stack([states[first:end].float().mean(0) for states, end in zip(hidden, ends, strict=True)])


class Pooler:
    """One batch's words, made once and used for every layer. Words come window by window, in order."""

    def __init__(self, windows: Sequence[Window], pooling: Pooling, *, first: int, tokens: int) -> None:
        """`first`: the first token that is no special; `tokens`: the padded length of the batch."""
        lengths = [np.asarray(window.lengths, np.int64) for window in windows]
        ends = [np.cumsum(own) + row * tokens + first for row, own in enumerate(lengths)]
        self._lengths: npt.NDArray[np.int64] = np.concatenate(lengths)
        self._ends: npt.NDArray[np.int64] = np.concatenate(ends)  # one past each word's last token
        self._pooling = pooling

    def __call__(
        self,
        hidden: torch.Tensor,  # [windows, tokens, neurons]
    ) -> torch.Tensor:  # [words, neurons]
        """Return one float32 row a word. Means are taken in float32 whatever the forward pass ran in."""
        import torch

        flat = hidden.reshape(-1, hidden.shape[-1])
        if self._pooling == "mean":
            return self._mean(flat)
        places = self._ends - 1 if self._pooling == "last" else self._ends - self._lengths
        return flat.index_select(0, torch.from_numpy(places).to(flat.device)).float()

    def _mean(
        self,
        flat: torch.Tensor,  # [windows × tokens, neurons]
    ) -> torch.Tensor:  # [words, neurons]
        import torch

        starts = np.repeat(self._ends - self._lengths, self._lengths)
        within = np.arange(len(starts)) - np.repeat(np.cumsum(self._lengths) - self._lengths, self._lengths)
        tokens = torch.from_numpy(starts + within).to(flat.device)
        words = torch.from_numpy(np.repeat(np.arange(len(self._lengths)), self._lengths)).to(flat.device)
        total = flat.new_zeros((len(self._lengths), flat.shape[-1]), dtype=torch.float32)
        total.index_add_(0, words, flat.index_select(0, tokens).float())
        return total / torch.from_numpy(self._lengths).to(flat.device, torch.float32)[:, None]
