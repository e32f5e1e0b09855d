"""Measures of similarity between layers, for plain arrays and for a whole store.

    from layeratlas import measures
    measures.compare(a, b, measure="ckasim")                      # a [words, neurons_a], b [words, neurons_b]
    measures.compare(a, b, measure="svsim", preset="wu2020")
    measures.compare_all({"x": a, "y": b}, measures=["svsim"])    # all ordered pairs, one pass
    measures.compare_attention(a, b, similarity="pearson")        # a, b: of each sentence [heads, query, key]

Importing this does not import torch; comparing does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from layeratlas.measures.attention import AttentionCKA, AttentionPWSim, AttentionSVSim
from layeratlas.measures.attsim import AttSim
from layeratlas.measures.ckasim import LinearCKA
from layeratlas.measures.mixedsim import MixedSim
from layeratlas.measures.neuronsim import NeuronSim
from layeratlas.measures.pwsim import PWSim
from layeratlas.measures.score import (
    ConstantLayer,
    Measure,
    MeasureError,
    NotAttention,
    NotFinite,
    Score,
    TooFewWords,
    UnalignedWords,
)
from layeratlas.measures.svsim import SVSim
from layeratlas.store.errors import BadRequest, unknown
from layeratlas.store.identity import Configuration

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

    Array = npt.NDArray[Any] | Tensor

#: Every measure: of activations, from single neurons to whole layers; of attention, head by head and as a whole.
MEASURES: dict[str, type[Any]] = {
    kind.name: kind
    for kind in (
        NeuronSim, MixedSim, SVSim, PWSim, LinearCKA,
        AttSim, AttentionCKA, AttentionSVSim, AttentionPWSim,
    )
}  # fmt: skip

_OF_ACTIVATIONS = ("neuronsim", "mixedsim", "svsim", "pwsim", "ckasim")

#: What is computed of each kind of artifact when nothing is asked for: measures, with parameters that tell them apart.
DEFAULT: dict[str, tuple[tuple[str, Mapping[str, Any]], ...]] = {
    "activations": tuple((name, {}) for name in _OF_ACTIVATIONS),
    "attention": (
        *(("attsim", {"similarity": similarity}) for similarity in ("pearson", "frobenius", "jensen_shannon")),
        *((name, {}) for name in ("attention_ckasim", "attention_svsim", "attention_pwsim")),
    ),
}

#: Names for sets of parameters: ours, and those that follow the conventions of a paper's released code.
PRESETS = ("default", "wu2020")


def configure(name: str, preset: str = "default", parameters: Mapping[str, Any] | None = None) -> Measure:
    """Return a measure by name, with a preset's parameters and then the given ones. Raises BadRequest."""
    if name not in MEASURES:
        raise BadRequest(unknown("measure", name, MEASURES))
    if preset not in PRESETS:
        raise BadRequest(unknown("preset", preset, PRESETS))
    kind = MEASURES[name]
    chosen = {**kind.presets.get(preset, {}), **(parameters or {})}
    allowed = {field.name: getattr(kind, field.name) for field in dataclasses.fields(kind)}
    for key, value in chosen.items():
        if key not in allowed:
            raise BadRequest(f"{name}: {unknown('parameter', key, allowed)}")
        if type(value) is not type(allowed[key]):
            raise BadRequest(f"{name}: {key} must be like {allowed[key]!r}, got {value!r}")
    try:
        measure: Measure = kind(**chosen)
    except ValueError as error:
        raise BadRequest(f"{name}: {error}") from None
    return measure


def configuration(measure: Measure) -> Configuration:
    """Return a measure's identity, with the names of the presets that it equals."""
    kind = type(measure)
    presets = tuple(preset for preset in PRESETS if kind(**kind.presets.get(preset, {})) == measure)
    parameters = dataclasses.asdict(measure)  # type: ignore[call-overload]
    return Configuration(measure.name, measure.version, parameters, measure.symmetric, presets)


def compare(a: Array, b: Array, *, measure: str, preset: str = "default", **parameters: Any) -> Score:
    """Score a [words, neurons_a] towards b [words, neurons_b], numpy or torch.

    Everything is computed in float64, whatever the arrays hold.
    Raises MeasureError (by name: ConstantLayer, TooFewWords, NotFinite, UnalignedWords) and BadRequest.
    """
    return compare_all({"a": a, "b": b}, [configure(measure, preset, parameters)])[measure, "a", "b"]


def compare_attention(
    a: Sequence[Array], b: Sequence[Array], *, measure: str = "attsim", preset: str = "default", **parameters: Any
) -> Score:
    """Score the attention of layer a towards that of layer b, in float64.

    a [heads_a, query, key], b [heads_b, query, key] of each sentence, numpy or torch; rows sum to 1.
    parameters: of the measure: similarity (of attsim), causal, single_key, …
    Score's `neurons` and `matches` are a's heads and the heads of b that match them best.
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
    from layeratlas.measures.arrays import score_all_attention

    return score_all_attention(layers, list(measures), memory)


def compare_all(
    arrays: Mapping[str, Array],
    measures: Iterable[str | Measure] = _OF_ACTIVATIONS,
    *,
    preset: str = "default",
) -> dict[tuple[str, str, str], Score]:
    """Score all ordered pairs of arrays [words, neurons] in one pass, as {(measure, name, other name): Score}.

    Raises what `compare` raises, for the first pair that has no score.
    """
    from layeratlas.measures.arrays import score_all

    chosen = [configure(measure, preset) if isinstance(measure, str) else measure for measure in measures]
    for measure in chosen:
        if measure.kind != "activations":
            raise BadRequest(f"{measure.name} compares attention, not activations: use compare_attention")
    return score_all(arrays, chosen)


__all__ = [
    "DEFAULT", "MEASURES", "PRESETS", "ConstantLayer", "Measure", "MeasureError", "NotAttention", "NotFinite", "Score",
    "TooFewWords", "UnalignedWords", "compare", "compare_all", "compare_all_attention", "compare_attention",
    "configuration", "configure",
]  # fmt: skip
