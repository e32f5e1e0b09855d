"""The measures over plain arrays: the same engine as over a store, with arrays in place of artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from measures.engine import compare_pairs
from measures.score import Measure, MeasureError, Score, UnalignedWords


@dataclass(frozen=True)
class ArrayRows:
    """An array [words, neurons] as the engine reads layers."""

    name: str
    array: npt.NDArray[Any]

    @property
    def neurons(self) -> int:
        """The array's width."""
        return int(self.array.shape[1])

    def chunks(self, words: int) -> Iterator[npt.NDArray[Any]]:
        """Slices of the array."""
        for start in range(0, len(self.array), words):
            yield self.array[start : start + words]


def score_all(arrays: Mapping[str, Any], measures: Sequence[Measure]) -> dict[tuple[str, str, str], Score]:
    """Score all ordered pairs of arrays [words, neurons]; see `measures.compare_all`."""
    layers = [ArrayRows(name, _matrix(name, array)) for name, array in arrays.items()]
    lengths = {layer.name: len(layer.array) for layer in layers}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} has {count:,}" for name, count in lengths.items())
        raise UnalignedWords(f"a comparison needs the same words on all sides: {counts}")
    pairs = list(combinations(range(len(layers)), 2))
    scores: dict[tuple[str, str, str], Score] = {}
    for outcomes in compare_pairs(layers, pairs, measures, dtype=torch.float64):
        for outcome in outcomes:
            if isinstance(outcome.score, MeasureError):
                raise outcome.score
            scores[outcome.measure.name, layers[outcome.a].name, layers[outcome.b].name] = outcome.score
    return scores


def _matrix(name: str, array: Any) -> npt.NDArray[np.float64]:
    matrix = torch.as_tensor(array).detach().to("cpu", torch.float64).numpy()
    if matrix.ndim != 2 or not len(matrix):
        raise MeasureError(f"{name} must be [words, neurons], got {list(matrix.shape)}")
    return matrix
