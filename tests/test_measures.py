"""One table drives all measures: golden values, oracles, laws, and what each refuses."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import ORACLES, canonical

from layeratlas import measures
from layeratlas.measures.engine import How, compare_pairs, tiles_of
from layeratlas.measures.statistics.cross_moments import CrossMoments
from layeratlas.measures.statistics.strips import size, strips
from layeratlas.store.errors import BadRequest

#: The five of Wu et al. 2020; `test_moment_measures.py` has the others.
MEASURES = {
    name: declared for name, declared in measures.MEASURES.items()
    if declared.kind == "activations" and declared.usual
}  # fmt: skip
OF_MOMENTS = [
    name for name, declared in measures.MEASURES.items()
    if declared.kind == "activations" and isinstance(declared.needs, CrossMoments)
]  # fmt: skip
GOLDEN = Path(__file__).parent / "golden"
Matrix = npt.NDArray[Any]


def golden(name: str) -> tuple[dict[str, Matrix], dict[str, dict[str, Any]]]:
    arrays = np.load(GOLDEN / f"{name}.npz")
    return dict(arrays), json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.mark.parametrize("name", ["synthetic", "minilm"])
def test_golden_values_of_the_released_code(name: str) -> None:
    arrays, expected = golden(name)
    scores = measures.compare_all(arrays, preset="wu2020")
    for measure in MEASURES:
        # The released code keeps the rounding noise of a rank-deficient layer in mixedsim (tests/golden/README.md).
        tolerance = 3e-4 if (name, measure) == ("minilm", "mixedsim") else 1e-5 if name == "minilm" else 1e-9
        for pair, value in expected[measure].items():
            assert scores[measure, *pair.split("|")].value == pytest.approx(value, abs=tolerance), (measure, pair)
    for pair, neurons in expected["neuronsim.neurons"].items():
        score = scores["neuronsim", *pair.split("|")]
        np.testing.assert_allclose(score.units, neurons, atol=1e-6)
        assert score.matches.tolist() == expected["neuronsim.match"][pair]


def layers(kind: str, dtype: str) -> tuple[Matrix, Matrix]:
    """A pair of layers that share information, with one difficulty."""
    rng = np.random.default_rng(7)
    words = 60 if kind == "more neurons than words" else 900
    common = rng.standard_normal((words, 12))
    noise = 0.0 if kind == "more neurons than words" else 0.5
    a = common @ rng.standard_normal((12, 70)) + noise * rng.standard_normal((words, 70))
    b = common @ rng.standard_normal((12, 90)) + noise * rng.standard_normal((words, 90))
    if kind == "means of 1,000":
        a, b = a + 1000, b - 1000
    if kind == "scales from 1e-3 to 1e3":
        a, b = a * 10 ** rng.uniform(-3, 3, 70), b * 10 ** rng.uniform(-3, 3, 90)
    if kind == "dead neurons":
        a[:, [3, 9]], b[:, 5:10] = 1000.1, 0.0  # 68 live ones on 85: 340 shares for the slow oracle
    if kind == "duplicated neurons":
        a[:, 10:20], b[:, 0] = a[:, :10], 3 * b[:, 1]
    if kind == "rank-deficient":
        a, b = ((x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True) for x in (a, b))
    if kind == "real":
        arrays = golden("minilm")[0]
        a, b = arrays["minilm_0"], arrays["minilm_5"]
    return a.astype(dtype), b.astype(dtype)


KINDS = [
    "plain", "means of 1,000", "scales from 1e-3 to 1e3", "dead neurons", "duplicated neurons",
    "more neurons than words", "rank-deficient", "real",
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("measure", OF_MOMENTS)
def test_defaults_equal_slow_oracles(measure: str, kind: str, dtype: str) -> None:
    a, b = layers(kind, dtype)
    for left, right in ((a, b), (b, a)):
        value = measures.compare(left, right, measure=measure).value
        assert value == pytest.approx(ORACLES[measure](left, right), abs=1e-6)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_layer_is_fully_similar_to_itself(measure: str) -> None:
    a, _ = layers("plain", "float64")
    assert measures.compare(a, a, measure=measure).value == pytest.approx(1, abs=1e-9)


def rotation(size: int) -> Matrix:
    return np.linalg.qr(np.random.default_rng(1).standard_normal((size, size)))[0]


#: measure -> which changes of b leave "a towards b" as it is; every other change must move it.
INVARIANT = {
    "neuronsim": {"permutation", "neuron scales", "isotropic scale", "shift"},
    "mixedsim": {"permutation", "neuron scales", "isotropic scale", "shift", "rotation", "invertible map"},
    "svsim": {"permutation", "neuron scales", "isotropic scale", "shift"},
    "pwsim": {"permutation", "neuron scales", "isotropic scale", "shift"},
    "ckasim": {"permutation", "isotropic scale", "shift", "rotation"},
}


@pytest.mark.parametrize("measure", MEASURES)
def test_declared_invariances_hold_and_no_other(measure: str) -> None:
    a, b = layers("plain", "float64")
    rng = np.random.default_rng(3)
    changes = {
        "permutation": b[:, rng.permutation(90)],
        "neuron scales": b * rng.uniform(0.1, 10, 90),
        "isotropic scale": 1e-2 * b,
        "shift": b + rng.standard_normal(90),
        "rotation": b @ rotation(90),
        "invertible map": b @ (rotation(90) * rng.uniform(0.1, 10, 90)) @ rotation(90),
    }
    before = measures.compare(a, b, measure=measure).value
    for change, changed in changes.items():
        moved = abs(measures.compare(a, changed, measure=measure).value - before)
        assert (moved < 1e-8) == (change in INVARIANT[measure]), (change, moved)


@pytest.mark.parametrize("measure", MEASURES)
def test_declared_symmetry(measure: str) -> None:
    a, b = layers("plain", "float64")
    there, back = (measures.compare(*pair, measure=measure).value for pair in ((a, b), (b, a)))
    assert (abs(there - back) < 1e-12) == MEASURES[measure].symmetric


def test_no_neuron_is_matched_better_by_one_than_by_all() -> None:
    a, b = layers("real", "float32")
    single = measures.compare(a, b, measure="neuronsim").units
    mixed = measures.compare(a, b, measure="mixedsim").units
    assert (single <= mixed + 1e-6).all()


def test_dead_neurons_are_left_out_and_counted() -> None:
    a, b = layers("dead neurons", "float32")
    score = measures.compare(a, b, measure="neuronsim")
    assert score.diagnostics["dead_a"] == 2 and score.diagnostics["dead_b"] == 5
    assert np.isnan(score.units[[3, 9]]).all() and (score.matches[[3, 9]] == -1).all()
    assert not np.isnan(score.value)


def test_the_variance_cut_reaches_its_share_and_the_preset_stays_below() -> None:
    a, b = layers("plain", "float64")
    ours = measures.compare(a, b, measure="svsim").diagnostics
    theirs = measures.compare(a, b, measure="svsim", preset="wu2020").diagnostics
    assert ours["components_a"] == theirs["components_a"] + 1
    assert min(ours["components_a"], ours["components_b"]) == len(canonical(a, b)[0])


def refusing(change: str) -> tuple[Matrix, Matrix]:
    a, b = layers("plain", "float32")
    if change == "constant":
        b = np.full_like(b, 2.5)
    if change in ("nan", "inf"):
        b[17, 4] = float(change)
    if change == "few words":
        a, b = (np.random.default_rng(0).standard_normal((50, width)).astype("float32") for width in (70, 90))
    if change == "lengths":
        b = b[:-1]
    return a, b


@pytest.mark.parametrize(
    ("change", "measure", "error", "says"),
    [
        ("constant", "ckasim", measures.ConstantLayer, "b is constant"),
        ("nan", "neuronsim", measures.NotFinite, "b holds NaN or infinity .first: word 17, neuron 4"),
        ("inf", "svsim", measures.NotFinite, "b holds NaN or infinity"),
        ("few words", "mixedsim", measures.TooFewWords, "there are 50. Extract more text"),
        ("few words", "svsim", measures.TooFewWords, "svsim compares .* components"),
        ("few words", "pwsim", measures.TooFewWords, "pwsim compares .* components"),
        ("lengths", "ckasim", measures.UnalignedWords, "a has 900, b has 899"),
    ],
)
def test_refusals_name_the_layer_and_the_cause(change: str, measure: str, error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        measures.compare(*refusing(change), measure=measure)


def test_wrong_names_suggest_their_neighbours() -> None:
    a, b = layers("plain", "float32")
    with pytest.raises(BadRequest, match="did you mean ckasim"):
        measures.compare(a, b, measure="ckasm")
    with pytest.raises(BadRequest, match="unknown parameter 'varianc'; did you mean variance"):
        measures.compare(a, b, measure="svsim", varianc=0.9)
    with pytest.raises(BadRequest, match="variance must be between"):
        measures.compare(a, b, measure="svsim", variance=1.5)
    with pytest.raises(BadRequest, match="cut must be one of"):
        measures.compare(a, b, measure="svsim", cut="above")


def test_torch_and_numpy_give_the_same() -> None:
    a, b = layers("plain", "float32")
    for measure in MEASURES:
        theirs = measures.compare(torch.from_numpy(a), torch.from_numpy(b), measure=measure).value
        assert measures.compare(a, b, measure=measure).value == theirs


class _Layer:
    def __init__(self, name: str, array: Matrix) -> None:
        self.name, self._array, self.units, self.words = name, array, array.shape[1], len(array)

    def chunks(self, words: int) -> Any:
        return (self._array[start : start + words] for start in range(0, len(self._array), words))


@pytest.mark.parametrize(("memory", "count"), [(2**30, 1), (2_500_000, 5), (1, 14)])
def test_tiles_change_nothing(memory: int, count: int) -> None:
    rng = np.random.default_rng(5)
    common = rng.standard_normal((5000, 8))
    rows = [
        _Layer(f"l{i}", (common @ rng.standard_normal((8, w)) + rng.standard_normal((5000, w))).astype("float32"))
        for i, w in enumerate([20, 33, 20, 64, 20, 41])
    ]
    pairs = [(a, b) for a in range(6) for b in range(a + 1, 6) if (a, b) != (1, 3)]
    chosen = [measures.configure(name) for name in MEASURES]
    tiles = tiles_of("activations", rows, pairs, chosen, memory)
    assert sorted(pair for tile in tiles for pair in tile) == pairs
    assert len(tiles) == count
    found = {
        (outcomes.measure.name, *pair): score.value
        for some in compare_pairs("activations", rows, pairs, chosen, How(torch.float64, memory=memory))
        for outcomes in some
        for pair, score in outcomes.single()
    }
    assert len(found) == 2 * len(pairs) * len(MEASURES)
    for (name, a, b), value in found.items():
        alone = measures.compare(rows[a]._array, rows[b]._array, measure=name).value
        assert value == pytest.approx(alone, abs=1e-9), (name, a, b)


def test_one_bad_layer_spoils_only_its_own_pairs() -> None:
    rng = np.random.default_rng(5)
    arrays = [rng.standard_normal((400, 20)).astype("float32") for _ in range(4)]
    arrays[1][399, 3] = np.nan
    arrays[2][:] = 7
    rows = [_Layer(f"l{i}", array) for i, array in enumerate(arrays)]
    pairs = [(a, b) for a in range(4) for b in range(a + 1, 4)]
    for some in compare_pairs("activations", rows, pairs, [measures.configure("ckasim")]):
        for outcomes in some:
            for pair, score in outcomes.single():
                assert isinstance(score, measures.Score) == (set(pair) == {0, 3})


@given(
    st.lists(st.integers(1, 300), min_size=2, max_size=12),
    st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda pair: pair[0] < pair[1])),
)
def test_strips_cover_each_pair_once_and_little_else(units: list[int], pairs: set[tuple[int, int]]) -> None:
    asked = {pair for pair in pairs if pair[1] < len(units)}
    covered = [
        (a, b) for strip in strips(units, asked) for a in range(*strip.rows) for b in range(*strip.columns)
    ]  # fmt: skip
    assert asked <= set(covered)
    assert len([pair for pair in covered if pair in asked]) == len(asked)
    needed = sum(units[a] * units[b] for a, b in asked)
    assert needed <= size(units, asked) <= 1.1 * needed


def test_narrow_layers_share_a_product_and_wide_ones_do_not() -> None:
    every = list(itertools.combinations(range(200), 2))
    assert len(strips([64] * 200, every)) < 200 / 4
    assert len(strips([768] * 200, every)) == 199


def test_measures_that_are_asked_together_do_not_touch_what_they_share() -> None:
    """In float64 nothing is copied on the way: a measure that worked in place would change the next one's numbers."""
    rng = np.random.default_rng(0)
    common = rng.standard_normal((300, 4))
    a, b = (common @ rng.standard_normal((4, 6)) + rng.standard_normal((300, 6)) for _ in range(2))
    chosen = [name for name in measures.MEASURES if measures.MEASURES[name].kind == "activations"]
    together = measures.compare_all({"a": a, "b": b}, chosen)
    for name in chosen:
        alone = measures.compare(a, b, measure=name).value
        assert together[name, "a", "b"].value == pytest.approx(alone, rel=1e-9, abs=1e-10), name
