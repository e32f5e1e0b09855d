"""The measures of a sample of words: the draw, ties, whitening, Kendall, bias, refusals, memory, a store's float32."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import sample_oracles as oracle
import scipy.stats
import torch
from extract_tiny import save_model
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from test_laws import CONFIGURATIONS, title
from test_measures import KINDS, layers

import layeratlas
from layeratlas import measures
from layeratlas.measures.declaration import Measure
from layeratlas.measures.engine import How, compare_pairs, source_of, tiles_of
from layeratlas.measures.joined import statistics_of
from layeratlas.measures.registry import MEASURES, configure
from layeratlas.measures.score import ConstantLayer, MeasureError, TooFewWords
from layeratlas.measures.statistics.concordance import Ordered, kendall
from layeratlas.measures.statistics.cross_moments import CrossMoments
from layeratlas.measures.statistics.sample import AT_ONCE, Sample
from layeratlas.measures.statistics.sampled import Sampled, draw
from layeratlas.running import open_store
from layeratlas.store.errors import BadRequest

Matrix = npt.NDArray[Any]
NAMES = tuple(oracle.ORACLES)
SAMPLED = [measure for measure in CONFIGURATIONS if measure.name in NAMES]
DEFAULTS = [configure(name) for name in NAMES]
every = pytest.mark.parametrize("measure", DEFAULTS, ids=title)


def value(measure: Measure, a: Matrix, b: Matrix) -> float:
    return measures.compare_all({"a": a, "b": b}, [measure])[measure.name, "a", "b"].value


def independent(seed: int, words: int, width: int = 24) -> tuple[Matrix, Matrix]:
    rng = np.random.default_rng(seed)
    a, b = (rng.standard_normal((words, width)) for _ in range(2))
    return a, b


def test_all_of_them_are_here_and_none_is_computed_unasked() -> None:
    assert set(NAMES) == {name for name, declared in MEASURES.items() if isinstance(declared.needs, Sample)}
    assert not any(MEASURES[name].usual for name in NAMES)


# ---- the draw


def test_the_draw_is_written_down() -> None:
    assert draw(25_147, 1000, 0)[:6].tolist() == oracle.draw(25_147, 1000, 0)[:6]
    assert draw(25_147, 1000, 0).tolist() == oracle.draw(25_147, 1000, 0)
    assert draw(60, 12, 7).tolist() == oracle.draw(60, 12, 7)


@given(st.integers(1, 3000), st.integers(3, 400), st.integers(0, 2**63 - 1))
def test_a_draw_has_no_word_twice_and_a_larger_one_holds_it(total: int, wanted: int, seed: int) -> None:
    drawn = draw(total, wanted, seed)
    assert len(drawn) == min(total, wanted) and (np.diff(drawn) > 0).all() and 0 <= drawn.min() <= drawn.max() < total
    assert set(drawn) <= set(draw(total, wanted + 50, seed))


def test_a_draw_is_even_and_another_seed_draws_others() -> None:
    drawn = np.concatenate([draw(1000, 100, seed) for seed in range(200)])
    assert scipy.stats.chisquare(np.bincount(drawn, minlength=1000)).pvalue > 1e-3
    assert abs(len(set(draw(1000, 100, 1)) & set(draw(1000, 100, 2))) - 10) < 12


def test_words_are_the_same_in_whatever_tile_and_block_a_layer_is_read() -> None:
    rng = np.random.default_rng(3)
    rows = [rng.standard_normal((9000, 30)).astype("float32") + index for index in range(5)]
    sources = [source_of("activations").from_array(f"l{index}", x) for index, x in enumerate(rows)]
    pairs = list(itertools.combinations(range(5), 2))
    chosen = [configure(name, parameters={"words": 150, "seed": 4}) for name in NAMES]
    found: list[dict[Any, float]] = []
    for memory in (2**30, 1):
        assert len(tiles_of("activations", sources, pairs, chosen, memory)) == (1 if memory > 1 else len(pairs))
        scores = compare_pairs("activations", sources, pairs, chosen, How(torch.float64, memory=memory))
        found.append({
            (one.measure.name, *pair): score.value
            for outcomes in scores for one in outcomes for pair, score in one.single()
        })  # fmt: skip
    assert found[0] == pytest.approx(found[1], abs=1e-12)
    a, b = (x[oracle.draw(9000, 150, 4)] for x in rows[:2])
    for measure in chosen:
        assert found[0][measure.name, 0, 1] == pytest.approx(value(measure, a, b), abs=1e-9)


def test_fewer_words_than_asked_for_are_all_taken_and_counted() -> None:
    a, b = independent(0, 120)
    few = measures.compare(a, b, measure="rsa").diagnostics
    assert few["words"] == few["sampled_from"] == few["distinct_a"] == 120
    some = measures.compare(a, b, measure="rsa", words=50).diagnostics
    assert (some["words"], some["sampled_from"]) == (50, 120)


def test_one_sample_serves_all_measures_that_ask_for_the_same_words() -> None:
    chosen = [*DEFAULTS, configure("rsa", parameters={"words": 500}), configure("ckasim")]
    gathered = statistics_of(chosen)
    assert len({id(gathered[measure]) for measure in DEFAULTS}) == 1
    assert len(set(gathered.values())) == 3
    assert gathered[DEFAULTS[0]].views == frozenset(view for measure in DEFAULTS for view in measure.views)


def test_joined_samples_and_the_widest_moments_are_gathered_side_by_side() -> None:
    """`cka_debiased` needs all that `ckasim` needs, and more: one gathering of moments, one of the sample."""
    chosen = [configure("ckasim"), *DEFAULTS, configure("cka_debiased")]
    gathered = statistics_of(chosen)
    assert gathered[chosen[0]] == CrossMoments(norms=True) == gathered[chosen[-1]]
    assert len(set(gathered.values())) == 2
    a, b = layers("plain", "float64")
    found = measures.compare_all({"a": a, "b": b}, chosen)
    for measure in chosen:
        alone = value(measure, a, b)
        assert found[measure.name, "a", "b"].value == pytest.approx(alone, rel=1e-12, abs=1e-12)


# ---- the numbers


@pytest.mark.parametrize("kind", KINDS)
@every
def test_hard_layers_equal_slow_oracles(measure: Measure, kind: str) -> None:
    a, b = layers(kind, "float32")
    few = configure(measure.name, parameters={"words": 150})
    assert value(few, a, b) == pytest.approx(oracle.ORACLES[measure.name](a, b, words=150), rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stores_float32_changes_little(kind: str) -> None:
    rows = [np.concatenate([x] * 3) if len(x) < 100 else x for x in layers(kind, "float32")]
    rows[0] = rows[0] + np.float32(1e-3) * np.random.default_rng(0).standard_normal(rows[0].shape).astype("float32")
    sources = [source_of("activations").from_array(f"l{index}", x) for index, x in enumerate(rows)]
    chosen = [configure(name, parameters={"words": 170}) for name in NAMES]
    found = [
        {one.measure.name: one.scores[0].value for one in outcomes if one.pairs == [(0, 1)]}
        for dtype in (torch.float32, torch.float64)
        for outcomes in compare_pairs("activations", sources, [(0, 1)], chosen, How(dtype))
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-5, abs=1e-5)


@given(
    arrays.arrays(np.float64, st.integers(2, 80), elements=st.integers(0, 12)),
    st.integers(1, 10**6), st.integers(0, 1000),
)  # fmt: skip
def test_kendall_is_scipys(x: Matrix, different: int, seed: int) -> None:
    y = np.random.default_rng(seed).integers(0, different, len(x)).astype(float)
    if len(set(x)) < 2 or len(set(y)) < 2:
        return
    ordered = Ordered.of(x), Ordered.of(y)
    assert kendall(*ordered, tau_a=False) == pytest.approx(scipy.stats.kendalltau(x, y).statistic, abs=1e-12)
    agreement = [np.sign((x[i] - x[j]) * (y[i] - y[j])) for i in range(len(x)) for j in range(i)]
    assert kendall(*ordered, tau_a=True) == pytest.approx(np.mean(agreement), abs=1e-12)


@pytest.mark.parametrize("compare_by", ["spearman", "kendall"])
def test_repeated_words_share_their_ranks(compare_by: str) -> None:
    a, b = layers("plain", "float64")
    a, b = a[:90].copy(), b[:90].copy()
    a[40:70], b[10:30] = a[3], b[5]
    found = measures.compare(a, b, measure="rsa", compare_by=compare_by).value
    assert found == pytest.approx(oracle.rsa(a, b, compare_by=compare_by), abs=1e-12)


@pytest.mark.parametrize("compare_by", ["cosine_cov", "corr_cov"])
def test_whitening_is_by_the_covariance_of_dissimilarities(compare_by: str) -> None:
    """The covariance written out: of pairs (i, j) and (k, l), the square of their contrasts' product."""
    a, b = independent(1, 12, 5)
    x, y = (oracle.dissimilarities(layer, "sqeuclidean") for layer in (a, b))
    pairs = list(itertools.combinations(range(12), 2))
    contrasts = np.zeros((len(pairs), 12))
    for row, (i, j) in enumerate(pairs):
        contrasts[row, i], contrasts[row, j] = 1, -1
    covariance = (contrasts @ contrasts.T) ** 2
    if compare_by == "corr_cov":
        x, y = x - x.mean(), y - y.mean()
    inner = [u @ np.linalg.solve(covariance, v) for u, v in ((x, y), (x, x), (y, y))]
    found = measures.compare(a, b, measure="rsa", metric="sqeuclidean", compare_by=compare_by).value
    assert found == pytest.approx(inner[0] / np.sqrt(inner[1] * inner[2]), abs=1e-12)


def test_whitened_rsa_of_squared_distances_is_linear_cka() -> None:
    a, b = layers("plain", "float64")
    whitened = measures.compare(a, b, measure="rsa", metric="sqeuclidean", compare_by="cosine_cov").value
    assert whitened == pytest.approx(measures.compare(a, b, measure="ckasim").value, abs=1e-12)


@pytest.mark.parametrize("measure", [one for one in SAMPLED if "k" in one.__dataclass_fields__], ids=title)
def test_equally_near_words_are_chosen_by_their_place_alone(measure: Measure) -> None:
    """However products are summed: neurons in another order, repeats among them, change no choice."""
    a, b = layers("plain", "float64")
    a, b = a[:150].copy(), b[:150].copy()
    a[20:60], b[50:80], a[100:103] = a[3], b[9], a[99]
    order = np.random.default_rng(0).permutation(a.shape[1])
    assert value(measure, a[:, order], b) == pytest.approx(value(measure, a, b), abs=1e-10)
    lists = oracle.nearest(a, 10)[0]
    assert lists[3] == [20, 21, 22, 23, 24, 25, 26, 27, 28, 29] and lists[25][:2] == [3, 20]


# ---- bias


@pytest.mark.parametrize(("words", "repeats"), [(150, 40), (500, 12)])
@pytest.mark.parametrize("name", ["distance_correlation", "cka_rbf"])
def test_debiased_measures_are_0_of_independent_layers(name: str, words: int, repeats: int) -> None:
    found = [value(configure(name), *independent(seed, words)) for seed in range(repeats)]
    assert abs(np.mean(found)) < 3.5 * np.std(found, ddof=1) / np.sqrt(repeats)
    assert np.std(found) < 0.02
    biased = configure(name, "resi" if name == "distance_correlation" else "google")
    assert value(biased, *independent(0, words)) > 0.05


def test_narrow_kernels_that_keep_the_diagonal_call_everything_alike() -> None:
    biased = configure("cka_rbf", "google", {"sigma": 0.2})
    assert value(biased, *independent(0, 150)) > 0.99


def test_chance_of_common_neighbours_is_known() -> None:
    found = [value(configure("mutual_knn"), *independent(seed, 200)) for seed in range(20)]
    assert np.mean(found) == pytest.approx(10 / 199, abs=0.005)


# ---- what is refused


def odd(kind: str, words: int = 40) -> Matrix:
    rng = np.random.default_rng(2)
    layer = rng.standard_normal((words, 8))
    changed: dict[str, Any] = {
        "constant": lambda: np.full_like(layer, 2.5), "zeros": lambda: np.zeros_like(layer),
        "two kinds of words": lambda: layer[rng.integers(0, 2, words)], "three words": lambda: layer[:3],
        "mostly repeated": lambda: np.where(np.arange(words)[:, None] < words - 5, layer[:1], layer),
        "one direction": lambda: np.abs(layer[:, :1]) * layer[0], "equally far": lambda: np.eye(words),
        "a zero word": lambda: np.where(np.arange(words)[:, None] == 4, 0, layer), "one neuron": lambda: layer[:, :1],
        "one other word": lambda: np.where(np.arange(words)[:, None] == 4, layer[:1], layer[1:2]),
        "huge": lambda: 1e30 * layer, "tiny": lambda: 1e-30 * layer, "far": lambda: layer + 1e8,
        "one word": lambda: layer[:1], "four words": lambda: layer[:4],
    }  # fmt: skip
    found: Matrix = changed[kind]()
    return found


ODD = (
    "constant", "zeros", "two kinds of words", "three words", "mostly repeated", "one direction", "equally far",
    "a zero word", "one neuron", "one other word", "huge", "tiny", "far", "one word", "four words",
)  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("measure", SAMPLED, ids=title)
def test_a_number_or_a_reason(measure: Measure, kind: str) -> None:
    a = odd(kind)
    b = np.random.default_rng(5).standard_normal((len(a), 9))
    for left, right in ((a, b), (b, a), (a, a), (a, odd(kind)[::-1])):
        try:
            found = value(measure, left, right)
        except MeasureError as refusal:
            assert len(str(refusal)) > 30 and "nan" not in str(refusal)
        else:
            assert np.isfinite(found)


@pytest.mark.parametrize(
    ("name", "kind", "error", "says"),
    [
        ("rsa", "constant", ConstantLayer, "a is constant: the 40 words of the sample are all the same"),
        ("rsa", "equally far", MeasureError, "a: all pairs of sampled words are equally far apart"),
        ("distance_correlation", "equally far", MeasureError, "a: all pairs of sampled words are equally far apart"),
        ("mutual_knn", "a zero word", MeasureError, "a: 1 of 40 sampled words have no direction"),
        ("mutual_knn", "four words", TooFewWords, "a choice of 10 nearest words takes at least 12 words; a has 4"),
        ("distance_correlation", "three words", TooFewWords, "takes at least 4 words; a has 3"),
        ("imd", "four words", TooFewWords, "a choice of 5 nearest words takes at least 7 words"),
        ("cka_rbf", "mostly repeated", MeasureError, "more than half of all pairs of words are equal"),
        ("second_order_cosine", "one direction", ConstantLayer, "all sampled words point the same way"),
        ("rsm_difference", "one word", TooFewWords, "a has 1 words here"),
    ],
)
def test_refusals_say_why(name: str, kind: str, error: type[MeasureError], says: str) -> None:
    a = odd(kind)
    b = np.random.default_rng(5).standard_normal((len(a), 9))
    with pytest.raises(error, match=says):
        value(configure(name), a, b)


def test_what_speaks_against_one_measure_leaves_the_others() -> None:
    a = odd("a zero word")
    b = np.random.default_rng(5).standard_normal((len(a), 9))
    sources = [source_of("activations").from_array(name, x) for name, x in (("a", a), ("b", b))]
    outcomes = [one for some in compare_pairs("activations", sources, [(0, 1)], DEFAULTS) for one in some]
    refused = {one.measure.name for one in outcomes if one.reasons()}
    by_angle = {"mutual_knn", "jaccard_knn", "rank_similarity", "cknna", "second_order_cosine", "uniformity_difference"}
    assert refused == by_angle


@pytest.mark.parametrize(
    ("name", "parameters", "says"),
    [
        ("rsa", {"words": 2}, "words must be at least 3"), ("rsa", {"seed": -1}, "seed must be"),
        ("rsa", {"metric": "manhattan"}, "metric must be one of"), ("rsa", {"compare_by": "tau"}, "compare_by must be"),
        ("mutual_knn", {"k": 0}, "k must be at least 1"), ("mutual_knn", {"clip": 0.0}, "clip must be more than 0"),
        ("jaccard_knn", {"near": "far"}, "near must be one of"), ("cka_rbf", {"sigma": 0.0}, "sigma must be more"),
        ("cka_rbf", {"bandwidth": "mean"}, "bandwidth must be"), ("rsm_difference", {"norm": "l1"}, "norm must be"),
        ("second_order_cosine", {"of": "ranks"}, "of must be one of"), ("imd", {"k": 0}, "k must be at least 1"),
    ],
)  # fmt: skip
def test_wrong_parameters_are_named(name: str, parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        configure(name, parameters=parameters)


# ---- memory


def test_what_is_kept_is_what_is_said() -> None:
    """Rows, views and products of a store's layers take no more than `bytes` says."""
    rng = np.random.default_rng(0)
    chosen = [configure(one.name, parameters={"words": 200, **_changed(one)}) for one in SAMPLED]
    sample = next(iter({statistics_of(chosen)[measure] for measure in chosen}))
    assert isinstance(sample, Sample)
    rows = [rng.standard_normal((500, 30)).astype("float32") for _ in range(3)]
    sources = [source_of("activations").from_array(f"l{index}", x) for index, x in enumerate(rows)]
    gathered = sample.begin(sources, [(0, 1), (0, 2), (1, 2)], How())
    for block in source_of("activations").feed(sources, torch.float32, torch.device("cpu")).blocks():
        gathered.add(block)
    for index in range(3):
        gathered.prepare(index)
    said = sample.bytes([30] * 3, []) - AT_ONCE * sample.working()
    assert 0.8 * said < _kept(gathered) <= said


def _changed(measure: Measure) -> dict[str, Any]:
    fields = {name: getattr(measure, name) for name in measure.__dataclass_fields__}
    return {name: given for name, given in fields.items() if name != "words" and given != getattr(type(measure), name)}


def _kept(gathered: Sampled) -> int:
    def size(thing: Any) -> int:
        if isinstance(thing, np.ndarray):
            return int(thing.nbytes)
        return sum(size(getattr(thing, name)) for name in getattr(thing, "__dataclass_fields__", ()))

    return sum(size(view) for index in range(3) for view in gathered.made(index).views.values())


# ---- a store


def test_a_study_asks_for_them_and_the_catalog_knows_their_direction(tmp_path: Path) -> None:
    for name, family in (("bert-a", "bert"), ("gpt2-a", "gpt2")):
        save_model(family, tmp_path / name)
    (tmp_path / "text.txt").write_text("The cats saw two dogs .\nNobody saw them , they say .\n" * 30)
    asked = 'name = "rsa"\nwords = 100\n[[measures]]\nname = "imd"\n[[measures]]\nname = "mutual_knn"\nk = 5\n'
    models = '[[models]]\nid = "./bert-a"\n[[models]]\nid = "./gpt2-a"\n'
    study = f'{models}[[corpora]]\npath = "text.txt"\n[[measures]]\n{asked}'
    (tmp_path / "study.toml").write_text(study)
    done = layeratlas.run(tmp_path / "study.toml", store=tmp_path / "s")
    assert done.lines()[-1].startswith("measured 90 scores and ")
    rows = open_store(tmp_path / "s").rows(
        "SELECT measure, min(words), max(words), any_value(direction), min(value), max(value), "
        "min(CAST(diagnostics->>'sampled_from' AS INTEGER)) FROM all_layer_pairs GROUP BY measure ORDER BY measure"
    )
    assert [row[:4] for row in rows] == [
        ("imd", 390, 390, "distance"), ("mutual_knn", 390, 390, "similarity"), ("rsa", 100, 100, "similarity"),
    ]  # fmt: skip
    assert all(np.isfinite(row[4:6]).all() and row[6] == 390 for row in rows)
