"""What chance gives: text is really shuffled, sentences stay whole, and a score is never less likely than it can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import stats

from layeratlas import measures
from layeratlas.measures import MEASURES, TooFewWords
from layeratlas.measures.declaration import Measure
from layeratlas.measures.engine import How, compare_pairs, compare_tile
from layeratlas.measures.nulls import Null, null
from layeratlas.measures.registry import configure
from layeratlas.measures.sources.activations import ArrayRows
from layeratlas.measures.statistics import dealt, haar
from layeratlas.measures.statistics import orders as orders_of
from layeratlas.measures.statistics.orders import deals
from layeratlas.measures.statistics.sampled import draw
from layeratlas.store.errors import BadRequest
from layeratlas.store.uncertainty import Intervals, Nulls, Uncertainty, Untrained, nulls_of

OF_SAMPLES = [
    ("rsa", {}), ("rsa", {"compare_by": "kendall"}), ("cka_rbf", {}), ("distance_correlation", {}), ("mutual_knn", {}),
    ("jaccard_knn", {}), ("rank_similarity", {}), ("cknna", {}), ("second_order_cosine", {}), ("rsm_difference", {}),
]  # fmt: skip
OF_SAMPLED = list(dict.fromkeys(name for name, _ in OF_SAMPLES))
OF_NEURONS = ("neuronsim", "match_hard", "match_soft", "match_transport", "permutation_shape")
LENGTHS = np.random.default_rng(3).integers(2, 9, 60)
SENTENCES = np.repeat(np.arange(60, dtype=np.int32), LENGTHS)
WORDS = len(SENTENCES)
SHUFFLED = [
    name for name in MEASURES if MEASURES[name].kind == "activations"
    and type(configure(name).statistic).__name__ == "CrossMoments"
]  # fmt: skip


def orders(asked: Nulls, sentences: Any) -> list[Any]:
    """The orders that are asked for."""
    return [one.order(k) for one in deals(asked, sentences) for k in one.numbers]


def layers(count: int = 3, seed: int = 0, words: int = WORDS) -> list[npt.NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((words, 4))
    return [common @ rng.standard_normal((4, 6)) + rng.standard_normal((words, 6)) + 2 for _ in range(count)]


def skewed(count: int, words: int) -> list[npt.NDArray[np.float64]]:
    """Layers whose words have heavy tails, to one side."""
    return [np.exp(one / 3) + one for one in layers(count, seed=7, words=words)]


def nulls(arrays: list[Any], chosen: list[Measure], asked: Nulls, sentences: Any = SENTENCES, **how: Any) -> Any:
    """Scores and what chance gives in their place, by measure and pair."""
    rows = [ArrayRows(str(place), array, sentences) for place, array in enumerate(arrays)]
    means, found = How(**{"dtype": torch.float64, **how}, sure=Uncertainty(nulls=asked)), {}
    for some in compare_pairs("activations", rows, list(combinations(range(len(rows)), 2)), chosen, means):
        for one in some:
            assert one.nulls is not None
            for (pair, score), beside in zip(one.single(), one.nulls, strict=True):
                found[one.measure.name, pair] = score, beside
    return found


@pytest.mark.parametrize(("name", "parameters"), [*((name, {}) for name in SHUFFLED), *OF_SAMPLES])
def test_chance_is_the_measure_on_shuffled_text(name: str, parameters: dict[str, Any]) -> None:
    """One permutation: what the measure says of a and of b with its words in that order."""
    asked, arrays = Nulls("sentences", 1, seed=4), layers()
    [order] = orders(asked, SENTENCES)
    for (_, (a, b)), (_, found) in nulls(arrays, [configure(name, parameters=parameters)], asked).items():
        first, second = min(a, b), max(a, b)
        met = {first: arrays[first], second: arrays[second][order]}
        expected = measures.compare(met[a], met[b], measure=name, **parameters).value
        assert found.mean == pytest.approx(expected, rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("unit", ["sentences", "words"])
def test_many_orders_at_once_are_what_each_gives(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 120 orders, dealt out twice, with stacks of many sizes: all at once, some at a time, and one by one."""
    asked, arrays, names = Nulls(unit, 120, seed=2), layers(2), ("neuronsim", "cka_debiased", "aligned_cosine")
    chosen = [configure(name) for name in names]
    found = nulls(arrays, chosen, asked)
    for name in names:
        each = [measures.compare(arrays[0], arrays[1][order], measure=name).value for order in orders(asked, SENTENCES)]
        chance = found[name, (0, 1)][1]
        assert chance.deviation == pytest.approx(np.std(each, ddof=1), rel=1e-8)
        assert (chance.low, chance.median) == pytest.approx(tuple(np.quantile(each, (0.025, 0.5))), abs=1e-10)
    for room, bytes_at_once in (("_ROOM", 1), ("_AT_ONCE", 4 * 36 * 20), ("_AT_ONCE", 1), ("_CACHED", 1)):
        monkeypatch.setattr(dealt, room, bytes_at_once)
        again = nulls(arrays, chosen, asked)
        for key, (_, chance) in found.items():
            assert again[key][1].deviation == pytest.approx(chance.deviation, rel=1e-9)


def test_what_layers_have_in_common_is_not_in_what_chance_gives() -> None:
    """No word stays where it is, and no two orders of one deal have a word in common."""
    found = np.array(orders(Nulls("words", 200), np.arange(256, dtype=np.int32)))
    assert (found != np.arange(256)).all() and (np.sort(found, axis=1) == np.arange(256)).all()
    assert all((a != b).all() for deal in (found[:127], found[127:]) for a, b in combinations(deal, 2))


def test_sentences_are_cut_into_few_sizes() -> None:
    for count in range(2, 2000):
        found = orders_of._parts(count)
        assert sum(found) == count and (min(found) >= 8 or count < 8)
    assert len({size for count in range(2000) for size in orders_of._parts(count)}) <= 22


def test_sentences_go_with_sentences_of_their_length() -> None:
    alone = np.flatnonzero(np.bincount(LENGTHS)[LENGTHS] == 1)
    for order in orders(Nulls("sentences", 5), SENTENCES):
        assert sorted(order.tolist()) == list(range(WORDS))
        for number, words in enumerate(np.split(order, np.cumsum(LENGTHS)[:-1])):
            if number not in alone:
                assert (np.diff(words) == 1).all() and len(set(SENTENCES[words])) == 1
                assert LENGTHS[SENTENCES[words[0]]] == LENGTHS[number]
    for order in orders(Nulls("words", 5), SENTENCES):
        assert sorted(order.tolist()) == list(range(WORDS)) and (np.diff(order) == 1).mean() < 0.1
    first, second = (list(orders(Nulls("words", 2, seed), SENTENCES)) for seed in (1, 2))
    assert any((a != b).any() for a, b in zip(first, second, strict=True))
    with pytest.raises(TooFewWords, match="permuted:words"):
        list(orders(Nulls("sentences", 1), np.array([0, 0, 1, 1, 1, 1, 1], np.int32)[2:]))


def test_a_score_against_chance() -> None:
    chance = np.array([0.1, 0.2, 0.3, 0.2])
    found = null(configure("ckasim"), 0.6, chance)
    assert found.p == 1 / 5 and found.calibrated == pytest.approx(0.5) and found.deviation == chance.std(ddof=1)
    assert null(configure("ckasim"), 0.2, chance).p == 4 / 5
    distance = null(configure("gulp"), 0.05, chance)
    assert distance.p == 1 / 5 and distance.calibrated == pytest.approx((0.05 - 0.2) / (0 - 0.2))
    assert null(configure("ridge"), 0.6, chance).calibrated is None  # of a layer towards itself it is not 1


EXACT = (
    ("ckasim", {}), ("ckasim", {"form": "complement"}), ("cka_debiased", {}), ("cka_debiased", {"diagonal": "dropped"}),
    ("regression", {}), ("regression", {"adjusted": True}), ("ridge", {}), ("cca", {"summary": "r2"}),
    ("cca", {"summary": "yanai", "form": "complement"}), ("gulp", {"form": "squared"}), ("eigenspace_overlap", {}),
    ("eigenspace_overlap", {"over": "larger-width"}),
)  # fmt: skip


@pytest.mark.parametrize(("name", "parameters"), EXACT)
def test_means_by_theory_are_those_of_shuffled_words(name: str, parameters: dict[str, Any]) -> None:
    """Sentences of one word are shuffled as words are, but their mean is that of the shuffles that were made."""
    a, b = skewed(2, words=80)
    b[:, 0] = b[:, 1] + 3  # one direction fewer
    one = configure(name, parameters=parameters)
    tried = nulls([a, b], [one], Nulls("sentences", 1000), sentences=np.arange(80, dtype=np.int32))
    by_theory = nulls([a, b], [one], Nulls("words", 1), sentences=None)
    for pair in ((0, 1), (1, 0)):
        chance, exact = tried[name, pair][1], by_theory[name, pair][1]
        assert 0 < abs(chance.mean - exact.mean) < 4 * chance.deviation / np.sqrt(1000)


def test_means_by_theory_in_numbers() -> None:
    """ckasim: tr A tr B / ((n - 1) ‖A‖ ‖B‖); R²: rank / (n - 1); debiased CKA: 0."""
    a, b = layers(2, seed=7, words=80)
    chosen = [configure(name) for name in ("ckasim", "regression", "cka_debiased")]
    found = nulls([a, b], chosen, Nulls("words", 2), sentences=None)
    covariances = [np.cov(x.T, bias=True) for x in (a, b)]
    traces, norms = (np.prod([f(c) for c in covariances]) for f in (np.trace, np.linalg.norm))
    for name, expected in (("ckasim", traces / norms / 79), ("regression", 6 / 79), ("cka_debiased", 0.0)):
        assert found[name, (0, 1)][1].mean == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("words", [150, 500, pytest.param(5000, marks=pytest.mark.proof)])
def test_calibrated_values_are_0_of_noise_and_1_of_the_same(words: int) -> None:
    rng = np.random.default_rng(0)
    chosen = [configure(name) for name in ("neuronsim", "mixedsim", "svsim", "pwsim", "ckasim", "cka_debiased")]
    a, b = rng.standard_normal((2, words, 8))
    found = nulls([a, b, a.copy()], chosen, Nulls("words", 50), sentences=None)
    for measure in chosen:
        score, chance = found[measure.name, (0, 1)]
        assert abs(score.value - chance.mean) < 4 * chance.deviation
        assert found[measure.name, (0, 2)][1].calibrated == pytest.approx(1, abs=1e-6)
        assert found[measure.name, (0, 2)][1].p == 1 / 51


@pytest.mark.parametrize("method", ["permuted", "drawn"])
def test_whoever_watches_sees_every_time(method: str) -> None:
    seen: list[tuple[str, int]] = []

    @contextmanager
    def follow(title: str, times: int) -> Iterator[Callable[[int], None]]:
        done: list[int] = []
        yield done.append
        assert sum(done) == times
        seen.append((title, times))

    sure = Uncertainty(Intervals(blocks=4), Nulls("words", 3, method=method))
    rows = [ArrayRows(str(place), array, SENTENCES) for place, array in enumerate(layers(2))]
    chosen = [configure(name) for name in ("ckasim", "rsa", "imd")]
    list(compare_tile("activations", rows, [(0, 1)], chosen, How(sure=sure), follow=follow))
    assert [times for _, times in seen] == [4 + 2 + 2, 3]  # blocks left out, quarters, halves; orders


def test_others_say_by_name_that_they_have_none() -> None:
    chosen = [configure(name) for name in ("magnitude_difference", "imd", "ckasim")]
    found = nulls(layers(2), chosen, Nulls("words", 2))
    assert found["magnitude_difference", (0, 1)][1].startswith("what magnitude_difference needs is not kept")
    assert found["imd", (0, 1)][1].startswith("imd: it says the same whichever word")
    assert isinstance(found["ckasim", (0, 1)][1], Null)
    chosen = [configure(name) for name in ("rsa", "aligned_cosine", "ckasim")]
    drawn = nulls(layers(2), chosen, Nulls(permutations=2, method="drawn"))
    for name in ("rsa", "aligned_cosine"):
        assert drawn[name, (0, 1)][1].endswith("cannot be drawn: ask for --null permuted")
    assert isinstance(drawn["ckasim", (0, 1)][1], Null)


def test_chance_is_the_same_in_any_tiles_and_in_float32() -> None:
    chosen = [configure(name) for name in ("ckasim", "svsim", "cka_debiased", "aligned_cosine")]
    whole, tiled, narrow = (
        nulls(layers(4), chosen, Nulls("sentences", 5), **how)
        for how in ({}, {"memory": 30_000}, {"dtype": torch.float32})
    )
    for key, (_, chance) in whole.items():
        assert tiled[key][1].mean == pytest.approx(chance.mean, rel=1e-9, abs=1e-11)
        assert narrow[key][1].mean == pytest.approx(chance.mean, abs=2e-5)


def test_sampled_words_stay_with_those_of_their_sentence() -> None:
    """Of 100 of the words: those of one sentence meet those of another that has as many in the sample."""
    asked, arrays, chosen = Nulls("sentences", 1, seed=2), layers(2), configure("cka_rbf", parameters={"words": 100})
    sampled = draw(WORDS, 100, 0)
    [order] = orders(asked, SENTENCES[sampled])
    expected = measures.compare(arrays[0][sampled], arrays[1][sampled][order], measure="cka_rbf", words=100).value
    assert nulls(arrays, [chosen], asked)["cka_rbf", (0, 1)][1].mean == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("name", [name for name in SHUFFLED if name != "aligned_cosine"])
def test_draws_are_what_shuffled_words_give(name: str) -> None:
    """Means, deviations and the ends of the middle 95 %, of layers of unlike widths, within four times their error."""
    rng, times, words = np.random.default_rng(0), 400, 300
    common = rng.standard_normal((words, 4))
    arrays = [common @ rng.standard_normal((4, n)) + rng.standard_normal((words, n)) + 2 for n in (6, 6, 9)]
    pairs = [arrays[:2], arrays[1:]] if configure(name).equal_widths is False else [arrays[:2]]
    for pair in pairs:
        permuted, drawn = (
            nulls(pair, [configure(name)], Nulls("words", times, method=method), sentences=None)
            for method in ("permuted", "drawn")
        )
        for key, (_, chance) in permuted.items():
            other, deviation = drawn[key][1], chance.deviation
            assert abs(chance.mean - other.mean) < 4 * deviation * (2 / times) ** 0.5, key
            assert abs(np.log(other.deviation / deviation)) < 4.5 * (1 / times) ** 0.5, key
            for end in ("low", "high"):  # quantiles of tails are off by 2.7 times what means are, and more
                assert abs(getattr(chance, end) - getattr(other, end)) < 12 * deviation * (2 / times) ** 0.5, (key, end)


def turn(array: Any, draw: int, seed: int) -> Any:
    """The neurons of an array that vary, about their means, as the draw-th rotation turns them."""
    turned, alive = array.copy(), array.std(axis=0) > 0
    count = int(alive.sum())
    turned[:, alive] = (array - array.mean(axis=0))[:, alive] @ haar.rotation(
        haar.stream(seed, draw, 3, count), count, count
    )
    return turned


@pytest.mark.parametrize("name", OF_NEURONS)
def test_chance_is_the_measure_on_turned_neurons(name: str) -> None:
    """Of x towards y it is y that is turned, whichever comes first; what does not vary stays as it is."""
    asked, arrays = Nulls(permutations=1, seed=4, method="rotated"), layers()
    arrays[1][:, 2] = 3.5
    arrays[2] *= np.geomspace(0.01, 100, 6)
    for (_, (a, b)), (_, found) in nulls(arrays, [configure(name)], asked).items():
        expected = measures.compare(arrays[a], turn(arrays[b], 0, 4), measure=name).value
        assert found.mean == pytest.approx(expected, rel=1e-8, abs=1e-10)


def test_turning_tells_single_neurons_from_what_is_spread_over_many() -> None:
    """The same neurons in another order: no turn comes near. The same layer turned: as near as any."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((400, 8))
    near = a[:, rng.permutation(8)] + 0.3 * rng.standard_normal((400, 8))
    asked, chosen = Nulls(permutations=50, method="rotated"), [configure(name) for name in OF_NEURONS]
    aligned, spread = nulls([a, near], chosen, asked), nulls([a, turn(near, 99, 1)], chosen, asked)
    for name in OF_NEURONS:
        assert aligned[name, (0, 1)][1].p == 1 / 51 and aligned[name, (0, 1)][1].calibrated > 0.4
        assert spread[name, (0, 1)][1].p > 0.05 and abs(spread[name, (0, 1)][1].calibrated) < 0.3


def test_turns_do_not_depend_on_tiles_or_dtype() -> None:
    chosen = [configure(name) for name in ("neuronsim", "match_soft")]
    asked, arrays = Nulls(permutations=5, method="rotated"), layers(4)
    whole, tiled, narrow = (
        nulls(arrays, chosen, asked, **how) for how in ({}, {"memory": 1}, {"dtype": torch.float32})
    )
    for key, (_, chance) in whole.items():
        assert tiled[key][1].mean == pytest.approx(chance.mean, rel=1e-9, abs=1e-11)
        assert narrow[key][1].mean == pytest.approx(chance.mean, abs=2e-6)


def test_measures_of_whole_layers_say_that_turning_is_nothing_to_them() -> None:
    chosen = [configure(name) for name in ("ckasim", "mixedsim", "rsa", "neuronsim")]
    found = nulls(layers(2), chosen, Nulls(permutations=2, method="rotated"))
    for name in ("ckasim", "mixedsim", "rsa"):
        assert found[name, (0, 1)][1].startswith(f"{name} does not ask which neuron holds what")
    assert isinstance(found["neuronsim", (0, 1)][1], Null)


def test_draws_do_not_depend_on_tiles_on_how_many_are_made_at_once_or_on_dtype(monkeypatch: Any) -> None:
    chosen = [configure(name) for name in ("neuronsim", "mixedsim", "svsim", "pwsim", "ckasim", "cka_debiased")]
    asked, arrays = Nulls(permutations=7, method="drawn"), layers(4)
    whole, tiled, narrow = (
        nulls(arrays, chosen, asked, **how) for how in ({}, {"memory": 30_000}, {"dtype": torch.float32})
    )
    monkeypatch.setattr("layeratlas.measures.statistics.drawn.at_once", lambda widths: 3)
    threes = nulls(arrays, chosen, asked)
    for key, (_, chance) in whole.items():
        for other in (tiled, threes):
            assert other[key][1].mean == pytest.approx(chance.mean, rel=1e-9, abs=1e-11)
        assert narrow[key][1].mean == pytest.approx(chance.mean, abs=2e-6)


def test_draws_are_refused_where_they_would_mislead() -> None:
    rng, asked, chosen = np.random.default_rng(0), Nulls(permutations=2, method="drawn"), [configure("ckasim")]
    few = nulls(list(rng.standard_normal((2, 119, 6))), chosen, asked, sentences=None)
    assert few["ckasim", (0, 1)][1].startswith("draws take 20 words a neuron, 120 for 0, there are 119: ask for")
    tails = rng.standard_normal((2, 2000, 6)) * np.exp(rng.standard_normal((2, 2000, 1)))
    found = nulls(list(tails), chosen, asked, sentences=None)["ckasim", (0, 1)][1]
    assert found.startswith("words' lengths in 0 and 1 differ so much") and found.endswith(
        "ask for --null permuted:words"
    )


@pytest.mark.parametrize(("rows", "columns", "size"), [(3, 5, 20), (5, 3, 20), (5, 5, 7), (1, 4, 9), (3, 7, 7)])
def test_singular_values_are_those_of_blocks_of_rotations(rows: int, columns: int, size: int) -> None:
    def of_blocks(random: np.random.RandomState) -> Any:
        return np.linalg.svd(haar.block(random, rows, columns, size), compute_uv=False)

    def of_rotations(random: np.random.RandomState) -> Any:
        return np.linalg.svd(haar.rotation(random, size, columns)[:rows], compute_uv=False)

    def directly(random: np.random.RandomState) -> Any:
        return haar.correlations(random, rows, columns, size)

    values, *others = (
        np.array([make(haar.stream(which, k)) for k in range(800)]).round(9)
        for which, make in enumerate((directly, of_blocks, of_rotations))
    )
    for place in range(min(rows, columns)):
        for other in others:
            assert stats.ks_2samp(values[:, place], other[:, place]).pvalue > 1e-4, place


def test_asking_for_draws() -> None:
    assert nulls_of("drawn:permutations=200,seed=1") == Nulls("words", 200, 1, "drawn")
    assert Nulls("words").settings == '{"permutations":100,"permuted":"words","seed":0}'  # as before there were draws
    assert '"method":"drawn"' in Nulls(method="drawn").settings
    assert nulls_of("rotated") == Nulls("neurons", 100, 0, "rotated") and nulls_of("untrained:seeds=2") == Untrained(2)
    for wrong, said in (("guessed", "permuted, drawn"), ("rotated:words", "neurons of rotated"), ("untrained:9", "9"),
                        ("untrained:seeds=0", "from 1 to 100"), ("drawn:sentences", "words of drawn")):  # fmt: skip
        with pytest.raises(BadRequest, match=said):
            nulls_of(wrong)


@pytest.mark.proof
@pytest.mark.parametrize("method", ["permuted", "drawn"])
def test_unrelated_layers_are_0_within_the_error_at_any_number_of_words(method: str) -> None:
    """The mean of 60 calibrated values is less than four standard errors from 0; at 150, 500 and 5,000 words."""
    names = [name for name in SHUFFLED if name != "match_transport"] + (OF_SAMPLED if method == "permuted" else [])
    chosen = [
        measure for name in names if (measure := configure(name)).self_value is not None
        and (method == "permuted" or name != "aligned_cosine")
    ]  # fmt: skip
    for words in (150, 500, 5000):
        rng, values = np.random.default_rng(words), {}
        for seed in range(60):  # what is drawn depends on the seed alone
            asked = Nulls("words", 20, seed, method)
            for key, (_, chance) in nulls(
                list(rng.standard_normal((2, words, 6))), chosen, asked, sentences=None
            ).items():
                values.setdefault(key, []).append(chance.calibrated)
        for key, of_key in values.items():
            assert abs(np.mean(of_key)) < 4 * np.std(of_key, ddof=1) / 60**0.5, (words, key)


@pytest.mark.proof
@pytest.mark.parametrize(("method", "unit"), [("permuted", "words"), ("permuted", "sentences"), ("drawn", "words")])
def test_under_the_null_p_values_are_uniform(method: str, unit: str) -> None:
    """1,000 draws of unrelated layers, 19 permutations each: ranks of the score among them are uniform.

    Pairs of the same widths share what is drawn, so that each has a seed of its own here.
    """
    names = [*SHUFFLED, *OF_SAMPLED] if method == "permuted" else [one for one in SHUFFLED if one != "aligned_cosine"]
    chosen = [configure(name) for name in names if name != "match_transport"]
    rng, at_once = np.random.default_rng(5), 100 if method == "permuted" else 1
    sentences = np.repeat(np.arange(60, dtype=np.int32), np.tile([1, 2, 3, 2], 15))[:100]
    found: dict[str, list[float]] = {measure.name: [] for measure in chosen}
    for seed in range(1000 // at_once):
        asked = Nulls(unit, 19, seed, method)
        rows = [ArrayRows(str(place), rng.standard_normal((100, 4)), sentences) for place in range(2 * at_once)]
        pairs = [(2 * place, 2 * place + 1) for place in range(at_once)]
        for some in compare_pairs(
            "activations", rows, pairs, chosen, How(torch.float64, sure=Uncertainty(nulls=asked))
        ):
            for one in some:
                assert one.nulls is not None
                found[one.measure.name] += [
                    beside.p for (a, b), beside in zip(one.pairs, one.nulls, strict=True)
                    if a < b and isinstance(beside, Null)
                ]  # fmt: skip
    for name, p in found.items():
        assert len(p) == 1000
        counts = np.bincount(np.rint(np.array(p) * 20).astype(int) - 1, minlength=20)
        assert stats.chisquare(counts).pvalue > 1e-3, (name, counts)
        assert stats.kstest(np.array(p) - rng.random(1000) / 20, "uniform").pvalue > 1e-3, name


@pytest.mark.proof
def test_under_the_null_of_turning_p_values_are_uniform() -> None:
    """1,000 draws of a layer and the same turned at random, 19 turns each: ranks are uniform."""
    rng, chosen = np.random.default_rng(6), [configure(name) for name in ("neuronsim", "match_hard", "match_soft")]
    found: dict[str, list[float]] = {measure.name: [] for measure in chosen}
    for seed in range(1000):
        a = rng.standard_normal((60, 4)) * (1, 2, 3, 4)
        b = turn(a + rng.standard_normal((60, 4)), seed, 12345)
        asked = Nulls(permutations=19, seed=seed, method="rotated")
        for (name, (first, _)), (_, chance) in nulls([a, b], chosen, asked).items():
            if first == 0:
                found[name].append(chance.p)
    for name, p in found.items():
        assert stats.kstest(np.array(p) - rng.random(1000) / 20, "uniform").pvalue > 1e-3, name
