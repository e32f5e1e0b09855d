"""What every measure declares holds, and nothing beyond it: one table over the registry, its presets and variants.

A measure that is added is tested by being there; it needs an oracle in `tests/oracles.py`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import attention_oracles
import numpy as np
import numpy.typing as npt
import pytest
from oracles import ORACLES

from layeratlas import measures
from layeratlas.measures import MEASURES, PRESETS, MeasureError
from layeratlas.measures.declaration import INVARIANCES, Measure
from layeratlas.measures.registry import configure

Layer = Any  # an array [words, neurons], or sentences of arrays [heads, query, key]


def configurations() -> list[Measure]:
    """Every measure as its defaults, presets, usual parameters and variants have it, once each."""
    found: dict[Measure, None] = {}
    for name, declared in MEASURES.items():
        for preset in PRESETS:
            if preset not in ("default", *declared.presets):
                continue
            further = (*declared.usual, *declared.variants) if preset in PRESETS[:2] else ()
            for parameters in ({}, *further):
                found[configure(name, preset, parameters)] = None
    return list(found)


def title(measure: Measure) -> str:
    changed = (
        f"{key}={value}" for key, value in dataclasses.asdict(measure).items() if value != getattr(type(measure), key)
    )
    return ",".join([measure.name, *changed])


CONFIGURATIONS = configurations()
every = pytest.mark.parametrize("measure", CONFIGURATIONS, ids=title)


def score(measure: Measure, a: Layer, b: Layer) -> measures.Score:
    compare_all: Callable[..., Any] = {
        "activations": measures.compare_all, "attention": measures.compare_all_attention,
    }[measure.kind]  # fmt: skip
    found: dict[tuple[Any, str, str], measures.Score] = compare_all({"a": a, "b": b}, [measure])
    return found[measure.name if measure.kind == "activations" else measure, "a", "b"]


def layers(kind: str, seed: int = 0, units: tuple[int, int] = (24, 30), alike: float = 0.6) -> tuple[Layer, Layer]:
    """Two layers that share information."""
    rng = np.random.default_rng(seed)
    if kind == "attention":
        lengths = [7, 1, 9, 2, 7, 12, 3]
        a, b = (attention_oracles.attention(rng, heads, lengths, zeros=0.1) for heads in (4, 5))
        for x, y in zip(a, b, strict=True):
            y[[4, 2, 0]] = alike * x[:3] + (1 - alike) * y[[4, 2, 0]]
        return a, b
    common = rng.standard_normal((700, 9))
    a, b = (
        alike * common @ rng.standard_normal((9, width))
        + rng.standard_normal((700, width))
        + rng.standard_normal(width)
        for width in units
    )
    return a, b


def of_size_for(measure: Measure, *some: Layer) -> tuple[Layer, ...]:
    """Layers with rows so short that a measure tells them apart: uniformity of long ones is log(1 / words), of any."""
    is_blunt = measure.name == "uniformity_difference" and not getattr(measure, "unit_rows", True)
    return tuple(0.05 * layer for layer in some) if is_blunt else some


def unrelated(kind: str, seed: int) -> tuple[Layer, Layer]:
    return layers(kind, seed, alike=0.0)


def nearly(kind: str, layer: Layer) -> Layer:
    """A copy with a little noise."""
    rng = np.random.default_rng(9)
    if kind != "attention":
        return layer + 0.05 * layer.std(axis=0) * rng.standard_normal(layer.shape)
    moved = [x * np.exp(0.05 * rng.standard_normal(x.shape)) for x in layer]
    return [x / x.sum(axis=2, keepdims=True) for x in moved]


def test_every_measure_has_an_oracle() -> None:
    assert set(ORACLES) >= set(MEASURES), "write the measure the slow, obvious way in tests/oracles.py"


@every
def test_oracle(measure: Measure) -> None:
    a, b = layers(measure.kind)
    for left, right in ((a, b), (b, a)):
        expected = ORACLES[measure.name](left, right, **dataclasses.asdict(measure))  # type: ignore[call-overload]
        assert score(measure, left, right).value == pytest.approx(expected, abs=1e-8)


@every
def test_range(measure: Measure) -> None:
    low, high = (end if end is not None else sign * math.inf for end, sign in zip(measure.bounds, (-1, 1), strict=True))
    for seed in range(3):
        for a, b in (layers(measure.kind, seed), unrelated(measure.kind, seed)):
            for left, right in ((a, b), (b, a), (a, a), (a, nearly(measure.kind, a))):
                found = score(measure, left, right)
                assert low <= found.value <= high
                if found.units is not None:
                    assert len(found.units) == (left.shape[1] if measure.kind == "activations" else len(left[0]))


@every
def test_a_layer_with_itself(measure: Measure) -> None:
    a, _ = layers(measure.kind)
    if measure.self_value is not None:
        # the root of what rounding leaves of a square, or its arc cosine, has half the digits
        near = 1e-7 if measure.sense == "similarity" else 2e-6
        assert score(measure, a, a).value == pytest.approx(measure.self_value, abs=near)
    elif measure.range.high is not None:
        less = np.hstack([a, a[:, :1]]) if measure.kind == "activations" else a  # a neuron that is there twice
        assert score(measure, less, less).value < measure.range.high, "then it can say what a layer with itself is"


@every
def test_direction(measure: Measure) -> None:
    """A noisy copy is closer than a layer that shares something, and that is closer than one that shares nothing."""
    sign = 1 if measure.sense == "similarity" else -1
    a, b = layers(measure.kind)
    nothing = unrelated(measure.kind, 5)[1]
    if measure.equal_widths and measure.kind == "activations":
        b, nothing = b[:, :24], nothing[:, :24]
    if measure.kind == "activations":  # of the same size, which some measures see
        nothing = nothing * np.linalg.norm(b - b.mean(axis=0)) / np.linalg.norm(nothing - nothing.mean(axis=0))
    a, b, nothing = of_size_for(measure, a, b, nothing)
    copy, some, none = (sign * score(measure, a, other).value for other in (nearly(measure.kind, a), b, nothing))
    assert copy > some > none or (copy > none and not measure.of_words)


@every
def test_words_count_one_by_one_where_they_should(measure: Measure) -> None:
    """Another order of b's words changes the value, unless only shapes are compared."""
    if measure.kind == "attention":
        return
    a, b = layers(measure.kind)
    moved = abs(score(measure, a, np.random.default_rng(2).permutation(b)).value - score(measure, a, b).value)
    assert (moved > 1e-8) == measure.of_words


@every
def test_symmetry(measure: Measure) -> None:
    """Of zeros = "drop", as Wu et al.'s code has it, the layer that is named first decides for both directions."""
    if getattr(measure, "zeros", "") == "drop":
        pytest.skip("depends on which layer is named first")
    a, b = layers(measure.kind, units=(24, 24) if measure.equal_widths else (24, 30))
    there, back = (score(measure, *pair).value for pair in ((a, b), (b, a)))
    assert (abs(there - back) < 1e-12 * max(1, abs(there))) == measure.symmetric


@every
def test_triangle_inequality(measure: Measure) -> None:
    """Over layers that share much, little and nothing, and over paths that touch."""
    if not measure.is_metric:
        return
    a, b = layers(measure.kind)
    c, d = nearly(measure.kind, b), unrelated(measure.kind, 5)[0]
    between = 0.5 * (a - a.mean(axis=0)) + 0.5 * nearly(measure.kind, a)
    every_layer = dict(enumerate((a, b, c, d, between)))
    found: Any = measures.compare_all({str(key): one for key, one in every_layer.items()}, [measure])
    distance = {(x, y): score.value for (_, x, y), score in found.items()}
    for (x, y), far in distance.items():
        for z in map(str, every_layer):
            if z not in (x, y):
                assert far <= distance[x, z] + distance[z, y] + 1e-9, (x, y, z)


def rotation(size: int) -> npt.NDArray[np.float64]:
    return np.linalg.qr(np.random.default_rng(1).standard_normal((size, size)))[0]


def changes(b: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.float64]]:
    """What may be done to a layer of activations, by the name of the invariance."""
    rng, width = np.random.default_rng(3), b.shape[1]
    return {
        "permutation": b[:, rng.permutation(width)],
        "neuron scales": b * rng.uniform(0.1, 10, width),
        "scale": 1e-2 * b,
        "translation": b + rng.standard_normal(width),
        "rotation": b @ rotation(width),
        "invertible map": b @ (rotation(width) * rng.uniform(0.1, 10, width)) @ rotation(width),
    }


@every
def test_declared_invariances_hold_and_no_other(measure: Measure) -> None:
    a, b = layers(measure.kind, units=(24, 24) if measure.equal_widths else (24, 30))
    a, b = of_size_for(measure, a, b)
    before = score(measure, a, b).value
    if measure.kind == "attention":  # weights that sum to one can only be reordered
        moved = abs(score(measure, a, [y[[3, 1, 4, 0, 2]] for y in b]).value - before)
        assert (moved < 1e-8) == ("permutation" in measure.blind_to)
        return
    assert set(changes(b)) == set(INVARIANCES)
    for change, changed in changes(b).items():
        moved = abs(score(measure, a, changed).value - before)
        near = 1e-8 if measure.bounds.high is not None else 1e-7  # sizes and counts of directions are larger numbers
        assert (moved < near) == (change in measure.blind_to), (change, moved)


@every
def test_a_batch_says_what_each_pair_says(measure: Measure) -> None:
    """Pairs of one shape are compared at once, and none hears of the others."""
    some = {f"l{seed}": layers(measure.kind, seed)[seed % 2 if not measure.equal_widths else 0] for seed in range(5)}
    compare_all: Any = measures.compare_all if measure.kind == "activations" else measures.compare_all_attention
    for (_, left, right), found in compare_all(some, [measure]).items():
        alone = score(measure, some[left], some[right]) if left < right else None
        if alone is not None:
            assert found.value == pytest.approx(alone.value, rel=1e-12, abs=1e-12)
            assert found.diagnostics == alone.diagnostics


@every
def test_a_layer_that_is_not_finite_is_refused(measure: Measure) -> None:
    a, b = layers(measure.kind)
    if measure.kind == "activations":
        b[3, 1] = np.nan
    else:
        b[2][0, 1, 1] = np.nan
    with pytest.raises(MeasureError, match="b holds NaN or infinity"):
        score(measure, a, b)
