"""From tokens to words for attention: what a word gives to a word, in rows that sum to one.

Attention to a word is the sum over its sub-words (keys), from a word the mean over them (queries). What is left of a
row goes to special tokens; `drop` scales the rest up to one, `keep-mass` adds it to what the word keeps to itself.

Axes: windows · heads · query and key, tokens or words, padded to the longest of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from layeratlas.extract.windows import Window
from layeratlas.store.errors import LayeratlasError
from layeratlas.store.identity import SpecialTokens

_ROUNDING = {torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 5e-2}  # of a row's sum, by precision


class NotAttentionError(LayeratlasError):
    """Weights that are NaN, negative, or more than one in sum."""


class Attending:
    """One batch's words, made once and used for every layer. `uniform` counts the rows that had nothing left."""

    def __init__(
        self, windows: Sequence[Window], special_tokens: SpecialTokens, *, first: int, tokens: int, causal: bool,
        device: torch.device,
    ) -> None:  # fmt: skip
        """`first`: the first token that is no special; `tokens`: the padded length of the batch."""
        self._words = [len(window.words) for window in windows]
        membership = np.zeros((len(windows), tokens, max(self._words)), np.float32)
        for row, window in enumerate(windows):
            word = np.repeat(np.arange(len(window.lengths)), window.lengths)
            membership[row, first + np.arange(len(word)), word] = 1
        self._to = torch.from_numpy(membership).to(device)  # [windows, tokens, words]
        lengths = self._to.sum(dim=1, keepdim=True).clamp(min=1)  # [windows, 1, words]: of sub-words; of padding 1
        self._from = (self._to / lengths).transpose(1, 2)[:, None]  # [windows, 1, words, tokens]
        self._special_tokens, self._causal = special_tokens, causal
        self.uniform = 0

    def __call__(
        self,
        attention: torch.Tensor,  # [windows, heads, query tokens, key tokens]
    ) -> list[npt.NDArray[np.float32]]:  # each window [heads, query words, key words]
        """Return each window's weights among its words. Raises NotAttentionError."""
        windows, heads, tokens, _ = attention.shape
        to_words = attention.float().reshape(windows, heads * tokens, tokens) @ self._to
        by_word = self._from @ to_words.view(windows, heads, tokens, -1)
        if self._special_tokens == "keep-mass":
            by_word.diagonal(dim1=2, dim2=3).add_(self._elsewhere(attention, by_word))
        return [
            self._rows(own[:, :words, :words], attention.dtype).cpu().numpy()
            for own, words in zip(by_word, self._words, strict=True)
        ]

    def _elsewhere(
        self,
        attention: torch.Tensor,  # [windows, heads, query tokens, key tokens]
        by_word: torch.Tensor,  # [windows, heads, query words, key words]
    ) -> torch.Tensor:  # [windows, heads, query words]
        """What words give to special tokens, and to nothing at all where that is more than rounding."""
        total = (self._from @ attention.float().sum(dim=-1, keepdim=True))[..., 0]
        total = torch.where(1 - total > _ROUNDING[attention.dtype], 1, total)
        return (total - by_word.sum(dim=-1)).clamp(min=0)

    def _rows(
        self,
        weights: torch.Tensor,  # [heads, query words, key words]
        precision: torch.dtype,
    ) -> torch.Tensor:  # the same
        """Scale rows to one; those with nothing left to scale up become uniform over what the word may see."""
        sums = weights.sum(dim=-1, keepdim=True)
        if not (weights.min() >= 0 and sums.max() <= 1 + _ROUNDING[precision]):  # NaN is neither
            raise NotAttentionError(
                f"attention whose rows sum to as much as {float(sums.max()):.4g}, with a least weight of "
                f'{float(weights.min()):.4g}: its weights are damaged, or set precision = "float32"'
            )
        empty = sums[..., 0] < torch.finfo(precision).tiny  # [heads, query words]
        self.uniform += int(empty.sum())
        seen = torch.ones_like(weights[0])
        seen = seen.tril() if self._causal else seen
        uniform = (seen / seen.sum(dim=-1, keepdim=True)).expand_as(weights)
        return torch.where(empty[..., None], uniform, weights / sums.clamp(min=torch.finfo(torch.float32).tiny))
