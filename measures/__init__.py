"""Measures of similarity between layers, for plain arrays and for a whole store.

    import measures
    measures.compare(a, b, measure="ckasim")                      # a [words, neurons_a], b [words, neurons_b]
    measures.compare(a, b, measure="svsim", preset="wu2020")
    measures.compare_all({"x": a, "y": b}, measures=["svsim"])    # all ordered pairs, one pass

Importing this does not import torch; comparing does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from measures.ckasim import LinearCKA
from measures.mixedsim import MixedSim
from measures.neuronsim import NeuronSim
from measures.pwsim import PWSim
from measures.score import ConstantLayer, Measure, MeasureError, NotFinite, Score, TooFewWords, UnalignedWords
from measures.svsim import SVSim
from store.errors import BadRequest, unknown
from store.identity import Configuration

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

    Array = npt.NDArray[Any] | Tensor

#: Every measure, from single neurons to whole layers.
MEASURES: dict[str, type[Any]] = {kind.name: kind for kind in (NeuronSim, MixedSim, SVSim, PWSim, LinearCKA)}

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
        if isinstance(value, bool) or not isinstance(value, type(allowed[key])):
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


def compare_all(
    arrays: Mapping[str, Array], measures: Iterable[str | Measure] = tuple(MEASURES), *, preset: str = "default"
) -> dict[tuple[str, str, str], Score]:
    """Score all ordered pairs of arrays [words, neurons] in one pass, as {(measure, name, other name): Score}.

    Raises what `compare` raises, for the first pair that has no score.
    """
    from measures.arrays import score_all

    chosen = [configure(measure, preset) if isinstance(measure, str) else measure for measure in measures]
    return score_all(arrays, chosen)


__all__ = [
    "MEASURES", "PRESETS", "ConstantLayer", "Measure", "MeasureError", "NotFinite", "Score", "TooFewWords",
    "UnalignedWords", "compare", "compare_all", "configuration", "configure",
]  # fmt: skip
