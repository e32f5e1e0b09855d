"""How much memory a forward pass takes, foreseen from three short ones.

Whether a model ever makes the squares of its attention depends on the model and its kernels: T5 makes three of them
where BERT makes none. So the tensors that live after each operation are counted at three lengths, and each operation's
sum is continued as a parabola.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

LENGTHS = (24, 48, 72)  # tokens
_MARGIN = 1.6  # for what kernels make inside an operation, and allocators keep


class Footprint:
    """What one sequence takes in a forward pass, weights not counted."""

    def __init__(self, model: Any, run: Callable[[int], object]) -> None:
        """`run`: runs one sequence of so many tokens."""
        traces = [_trace(model, run, length) for length in LENGTHS]
        if len(set(map(len, traces))) > 1:  # a loop over tokens: its operations have no counterparts
            traces = [trace.max(keepdims=True) for trace in traces]
        points = np.array(LENGTHS, np.float64)
        self._parabolas = np.linalg.solve(np.stack([points**2, points, points**0], axis=1), np.array(traces))
        self._parabolas[0] = self._parabolas[0].clip(min=0)

    def bytes(self, tokens: int) -> int:
        """Return how many bytes a sequence of so many tokens takes at the worst moment."""
        powers = np.array([tokens**2, tokens, 1], np.float64)
        return int(_MARGIN * (powers @ self._parabolas).max(initial=0))


def _trace(model: Any, run: Callable[[int], object], length: int) -> npt.NDArray[np.float64]:  # [operations]
    live = _Live([*model.parameters(), *model.buffers()])
    with torch.no_grad(), live:
        kept = run(length)
    del kept
    return np.array(live.trace, np.float64)


class _Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps count of the bytes of tensors that are alive, after each operation; `known` ones do not count."""

    def __init__(self, known: list[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._known = {tensor.untyped_storage()._cdata for tensor in known}
        self._now = 0
        self.trace: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, torch.Tensor):
                self._see(leaf.untyped_storage())
        self.trace.append(self._now)
        return made

    def _see(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self._now += size
        weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._now -= size
