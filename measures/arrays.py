"""The measures over plain arrays: the same engine as over a store, with arrays in place of artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import torch

from layeratlas.measures.declaration import Measure
from layeratlas.measures.engine import How, compare_pairs, compare_tile, source_of
from layeratlas.measures.figure import Figure, Stated
from layeratlas.measures.score import MeasureError, Score


def score_all(
    kind: str, arrays: Mapping[str, Any], measures: Sequence[Measure], memory: int = 2 * 2**30
) -> dict[tuple[Measure, str, str], Score]:
    """Score all ordered pairs of arrays of one kind, in float64; see `measures.compare_all`."""
    layers = [source_of(kind).from_array(name, array) for name, array in arrays.items()]
    pairs = list(combinations(range(len(layers)), 2))
    scores: dict[tuple[Measure, str, str], Score] = {}
    for some in compare_pairs(kind, layers, pairs, measures, How(torch.float64, memory=memory)):
        for outcomes in some:
            for (a, b), score in outcomes.single():
                if isinstance(score, MeasureError):
                    raise score
                scores[outcomes.measure, layers[a].name, layers[b].name] = score
    return scores


def state_all(arrays: Mapping[str, Any], figures: Sequence[Figure]) -> dict[tuple[str, str], Stated]:
    """State figures of arrays [words, neurons], in float64; see `measures.figures_of`."""
    found: dict[tuple[str, str], Stated] = {}
    for name, array in arrays.items():  # one by one: they need not have the same words
        layer = source_of("activations").from_array(name, array)
        wanted = [(0, one) for one in figures]

        def tell(stated: list[Stated], name: str = name) -> None:
            found.update({(one.figure.name, name): one for one in stated})

        for _ in compare_tile("activations", [layer], [], [], How(torch.float64), figures=wanted, tell=tell):
            pass
    return found
