"""Measures of similarity between layers, for plain arrays and for a whole store.

    import layeratlas

    layeratlas.compare(a, b, measure="ckasim")                     # a [words, neurons_a], b [words, neurons_b]
    layeratlas.compare(a, b, measure="svsim", preset="wu2020")
    layeratlas.compare_all({"x": a, "y": b}, measures=["svsim"])   # all ordered pairs, one pass
    layeratlas.compare_attention(a, b, similarity="pearson")       # a, b: of each sentence [heads, query, key]
    layeratlas.figures_of(a)                                       # of one layer alone

Follow one pair: `engine` reads both layers through `sources/`, a statistic of `statistics/` gathers what the measure
needs, the measure (`kernels/`) prepares each layer and compares them; `runner` does so for all that a store lacks.
Importing this does not import torch; comparing does.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from layeratlas.measures.declaration import PRESETS, Measure
from layeratlas.measures.figure import Stated, chosen_figures
from layeratlas.measures.registry import MEASURES, configuration, configure, usual_measures
from layeratlas.measures.score import (
    ConstantLayer,
    MeasureError,
    NotAttention,
    NotFinite,
    Score,
    TooFewWords,
    UnalignedWords,
    UnequalWidths,
)
from layeratlas.store.errors import BadRequest

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

    Array = npt.NDArray[Any] | Tensor


def compare(a: Array, b: Array, *, measure: str, preset: str = "default", **parameters: Any) -> Score:
    """Score a [words, neurons_a] towards b [words, neurons_b], numpy or torch.

    Everything is computed in float64, whatever the arrays hold.
    Raises MeasureError (by name: ConstantLayer, TooFewWords, NotFinite, UnalignedWords) and BadRequest.
    """
    return compare_all({"a": a, "b": b}, [configure(measure, preset, parameters)])[measure, "a", "b"]


def compare_all(
    arrays: Mapping[str, Array],
    measures: Iterable[str | Measure] | None = None,
    *,
    preset: str = "default",
) -> dict[tuple[str, str, str], Score]:
    """Score all ordered pairs of arrays [words, neurons] in one pass, as {(measure, name, other name): Score}.

    measures: by name or configured; the five of Wu et al. 2020 where none is named.
    Raises what `compare` raises, for the first pair that has no score; BadRequest for one measure in two ways.
    """
    named = usual_measures(("activations",), preset) if measures is None else measures
    chosen = [configure(measure, preset) if isinstance(measure, str) else measure for measure in named]
    for name, count in Counter(measure.name for measure in dict.fromkeys(chosen)).items():
        if count > 1:
            raise BadRequest(f"{name} is asked for with {count} sets of parameters: compare with one of them at a time")
    scores = _score_all("activations", arrays, chosen, "compare_attention")
    return {(measure.name, a, b): score for (measure, a, b), score in scores.items()}


def compare_attention(
    a: Sequence[Array], b: Sequence[Array], *, measure: str = "attsim", preset: str = "default", **parameters: Any
) -> Score:
    """Score the attention of layer a towards that of layer b, in float64.

    a [heads_a, query, key], b [heads_b, query, key] of each sentence, numpy or torch; rows sum to 1.
    parameters: of the measure: similarity (of attsim), causal, single_key, …
    Score's `units` and `matches` are a's heads and the heads of b that match them best.
    Raises MeasureError (by name: NotAttention, NotFinite, TooFewWords, UnalignedWords, ConstantLayer) and BadRequest.
    """
    chosen = configure(measure, preset, parameters)
    return compare_all_attention({"a": a, "b": b}, [chosen])[chosen, "a", "b"]


def compare_all_attention(
    layers: Mapping[str, Sequence[Array]], measures: Iterable[Measure], *, memory: int = 2 * 2**30
) -> dict[tuple[Measure, str, str], Score]:
    """Score all ordered pairs of layers' attention in one pass, as {(measure, name, other name): Score}.

    Raises what `compare_attention` raises, for the first pair that has no score.
    """
    return _score_all("attention", layers, list(measures), "compare", memory)


def figures_of(array: Array, figures: Sequence[str] = ("all",)) -> dict[str, Stated]:
    """State figures of one layer alone, an array [words, neurons], numpy or torch, by name; in float64.

    figures: names, or `usual`, `all`. A figure that there is none of has no value, and a reason in `refused`.
    Raises BadRequest for an unknown name, MeasureError for an array of another shape.
    """
    from layeratlas.measures.arrays import state_all

    return {figure: stated for (figure, _), stated in state_all({"a": array}, chosen_figures(figures)).items()}


def _score_all(
    kind: str, arrays: Mapping[str, Any], measures: Sequence[Measure], other: str, memory: int = 2 * 2**30
) -> dict[tuple[Measure, str, str], Score]:
    for measure in measures:
        if measure.kind != kind:
            raise BadRequest(f"{measure.name} compares {measure.kind}, not {kind}: use {other}")
    from layeratlas.measures.arrays import score_all

    return score_all(kind, arrays, measures, memory)


__all__ = [
    "MEASURES", "PRESETS", "ConstantLayer", "Measure", "MeasureError", "NotAttention", "NotFinite", "Score",
    "Stated", "TooFewWords", "UnalignedWords", "UnequalWidths", "compare", "compare_all", "compare_all_attention",
    "compare_attention", "configuration", "configure", "figures_of",
]  # fmt: skip


class _Room(ModuleType):
    """This package, which can also be called: `layeratlas.measures()` says what measures there are."""

    def __call__(self, group: str | None = None) -> Any:
        """Return what measures there are, as an answer (comparing.all_measures). Raises BadRequest."""
        return import_module("layeratlas.comparing").all_measures(group)  # above this room, which knows no answers


sys.modules[__name__].__class__ = _Room
