"""The measures over plain arrays: the same engine as over a store, with arrays in place of artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from layeratlas.measures.attention_engine import compare_attention_pairs
from layeratlas.measures.engine import compare_pairs
from layeratlas.measures.score import Measure, MeasureError, Score, UnalignedWords
from layeratlas.store.errors import BadRequest


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


@dataclass(frozen=True)
class ArrayAttention:
    """Sentences' attention [heads, query, key] as the engine reads layers."""

    name: str
    sentences: Sequence[npt.NDArray[Any]]
    held: int = 0  # beyond what the caller holds

    @property
    def heads(self) -> int:
        """The first sentence's heads, which all others must have."""
        return len(self.sentences[0])

    @property
    def longest(self) -> int:
        """The most words a sentence has."""
        return max(int(sentence.shape[-1]) for sentence in self.sentences)

    def chunks(self) -> Iterator[list[npt.NDArray[Any]]]:
        """All of it."""
        yield list(self.sentences)


def score_all_attention(
    layers: Mapping[str, Sequence[Any]], measures: Sequence[Measure], memory: int
) -> dict[tuple[Measure, str, str], Score]:
    """Score all ordered pairs of layers' attention; see `measures.compare_all_attention`."""
    for measure in measures:
        if measure.kind != "attention":
            raise BadRequest(f"{measure.name} compares activations, not attention: use compare")
    sources = [ArrayAttention(name, _sentences(name, sentences)) for name, sentences in layers.items()]
    pairs = list(combinations(range(len(sources)), 2))
    scores: dict[tuple[Measure, str, str], Score] = {}
    for outcomes in compare_attention_pairs(sources, pairs, measures, dtype=np.float64, memory=memory):
        for outcome in outcomes:
            if isinstance(outcome.score, MeasureError):
                raise outcome.score
            scores[outcome.measure, sources[outcome.a].name, sources[outcome.b].name] = outcome.score
    return scores


def _sentences(name: str, sentences: Sequence[Any]) -> list[npt.NDArray[np.float64]]:
    found = [_float64(sentence) for sentence in sentences]
    for number, sentence in enumerate(found):
        if sentence.ndim != 3:
            raise MeasureError(f"{name}: sentence {number} must be [heads, query, key], got {list(sentence.shape)}")
    if not found:
        raise MeasureError(f"{name} has no sentences: give a list of arrays [heads, query, key], one a sentence")
    return found


def _matrix(name: str, array: Any) -> npt.NDArray[np.float64]:
    matrix = _float64(array)
    if matrix.ndim != 2 or not len(matrix):
        raise MeasureError(f"{name} must be [words, neurons], got {list(matrix.shape)}")
    return matrix


def _float64(array: Any) -> npt.NDArray[np.float64]:
    return np.asarray(array.detach().to("cpu", torch.float64) if isinstance(array, torch.Tensor) else array, np.float64)
