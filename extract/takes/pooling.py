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
