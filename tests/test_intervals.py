"""Intervals: blocks of whole sentences, what is left out is really left out, and the same whatever the means."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import attention_oracles
import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import stats

from layeratlas import measures
from layeratlas.measures import MEASURES
from layeratlas.measures.declaration import Measure
from layeratlas.measures.engine import How, compare_pairs, tiles_of
from layeratlas.measures.folds import cut, lengths_of
from layeratlas.measures.registry import configure
from layeratlas.measures.resampling import Interval, parts, weights
from layeratlas.measures.sources.activations import ArrayRows
from layeratlas.measures.sources.attention import ArraySentences
from layeratlas.store.errors import BadRequest
from layeratlas.store.spread import spread
from layeratlas.store.student import quantile, two_sided
from layeratlas.store.study import load_study
from layeratlas.store.uncertainty import Intervals, Nulls, Uncertainty, intervals_of, nulls_of

BLOCKS = 4
LENGTHS = np.random.default_rng(5).integers(1, 25, 40)  # words of sentences
SENTENCES = np.repeat(np.arange(40, dtype=np.int32) * 3, LENGTHS)  # numbers may have gaps
OF_ATTENTION = [7, 1, 9, 2, 7, 12, 3, 5, 4, 1, 1, 6]
SLOW = ("match_transport", "imd")  # a linear program, eigenvalues of a graph: elsewhere one block is enough


def activations(seed: int = 0) -> list[npt.NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((len(SENTENCES), 5))
    return [common @ rng.standard_normal((5, width)) + rng.standard_normal((len(SENTENCES), width)) + 3
            for width in (7, 6)]  # fmt: skip


def attention(seed: int = 0) -> list[list[npt.NDArray[Any]]]:
    rng = np.random.default_rng(seed)
    return [attention_oracles.attention(rng, heads, OF_ATTENTION, zeros=0.0) for heads in (3, 4)]


def outcomes(sources: list[Any], measure: Measure, asked: Intervals | None, **how: Any) -> dict[Any, Any]:
    """Scores and intervals of both directions."""
    found = {}
    means = How(**{"dtype": torch.float64, **how}, sure=Uncertainty(asked))
    for some in compare_pairs(measure.kind, sources, [(0, 1)], [measure], means):
        for one in some:
            for place, (pair, score) in enumerate(one.single()):
                found[pair] = score, one.intervals[place] if one.intervals else None
    return found


def test_the_curve_is_the_measure_over_parts_of_the_text() -> None:
    """Of 20 blocks: two parts of 2, of 5 and of 10; a mean is over what the measure says of their words."""
    layers, measure = activations(), configure("svsim")
    ends = np.r_[0, np.cumsum(LENGTHS)]
    edges = [int(ends[sentence]) for sentence in cut(LENGTHS, 20)]
    sources = [ArrayRows(str(place), layer, SENTENCES) for place, layer in enumerate(layers)]
    _, found = outcomes(sources, measure, Intervals())[0, 1]
    expected = []
    for size, starts in ((2, (0, 10)), (5, (0, 10)), (10, (0, 10))):
        spans = [slice(edges[start], edges[start + size]) for start in starts]
        values = [measures.compare(layers[0][one], layers[1][one], measure="svsim").value for one in spans]
        expected.append((round(np.mean([one.stop - one.start for one in spans])), np.mean(values)))
    words, curve = zip(*expected, strict=True)
    assert found.curve_words == list(words) and found.curve == pytest.approx(curve, abs=1e-9)
    assert [len(some) for some in parts(20)] == [2, 2, 2] and parts(4)[0][1] == [0, 0, 1, 0]


@pytest.mark.parametrize("name", list(MEASURES))
def test_a_replicate_is_the_measure_without_a_block(name: str) -> None:
    """Sums less a block's are the sums of the other words, whatever measure is made of them."""
    measure = configure(name)
    if measure.kind == "attention":
        layers: list[Any] = attention()
        sources = [ArraySentences(str(place), layer) for place, layer in enumerate(layers)]
        edges = cut(OF_ATTENTION, BLOCKS)
    else:
        layers = activations()
        sources = [ArrayRows(str(place), layer, SENTENCES) for place, layer in enumerate(layers)]
        ends = np.r_[0, np.cumsum(LENGTHS)]
        edges = [int(ends[sentence]) for sentence in cut(LENGTHS, BLOCKS)]
    found = outcomes(sources, measure, Intervals(blocks=BLOCKS))
    plain = outcomes(sources, measure, None)
    for pair, (score, interval) in found.items():
        assert isinstance(interval, Interval), interval
        assert score.value == pytest.approx(plain[pair][0].value, rel=1e-11, abs=1e-11)
        for block in range(1 if name in SLOW else BLOCKS):
            kept = [place for place in range(edges[-1]) if not edges[block] <= place < edges[block + 1]]
            left, right = ([layer[place] for place in kept] if isinstance(layer, list) else layer[kept]
                           for layer in (layers[end] for end in pair))  # fmt: skip
            compare: Any = measures.compare_attention if measure.kind == "attention" else measures.compare
            expected = compare(left, right, measure=name).value
            assert interval.replicates[block] == pytest.approx(expected, rel=1e-8, abs=1e-9)


def test_a_bootstrap_counts_blocks_as_often_as_it_drew_them() -> None:
    layers, asked = activations(), Intervals("bootstrap", blocks=BLOCKS, seed=3, draws=20)
    ends = np.r_[0, np.cumsum(LENGTHS)]
    edges = [int(ends[sentence]) for sentence in cut(LENGTHS, BLOCKS)]
    for name in ("ckasim", "cka_debiased", "aligned_cosine"):
        sources = [ArrayRows(str(place), layer, SENTENCES) for place, layer in enumerate(layers)]
        _, interval = outcomes(sources, configure(name), asked)[0, 1]
        for number, often in list(enumerate(weights(asked)))[:3]:
            kept = np.concatenate([np.tile(np.arange(edges[b], edges[b + 1]), often[b]) for b in range(BLOCKS)])
            expected = measures.compare(layers[0][kept], layers[1][kept], measure=name).value
            assert interval.replicates[number] == pytest.approx(expected, rel=1e-9)
    _, refused = outcomes(sources, configure("rsa", parameters={"words": 100}), asked)[0, 1]
    assert "takes words twice" in refused


def test_blocks_are_of_whole_sentences_and_about_even() -> None:
    assert cut([1] * 6, 3) == [0, 2, 4, 6]
    assert cut([100, 1, 1, 1], 4) == [0, 1, 2, 3, 4]  # none is empty
    assert cut([1, 1, 1, 100], 2) == [0, 3, 4]
    edges = cut(LENGTHS, 5)
    sizes = [int(LENGTHS[a:b].sum()) for a, b in pairwise(edges)]
    assert sum(sizes) == LENGTHS.sum() and max(abs(size - LENGTHS.sum() / 5) for size in sizes) <= LENGTHS.max()
    assert lengths_of(SENTENCES).tolist() == LENGTHS.tolist()
    with pytest.raises(measures.TooFewWords, match="ask for fewer blocks"):
        cut([5, 5], 3)


def test_too_few_sentences_leave_scores_as_they_are() -> None:
    sources = [ArrayRows(str(place), layer, SENTENCES) for place, layer in enumerate(activations())]
    score, interval = outcomes(sources, configure("ckasim"), Intervals(blocks=41))[0, 1]
    assert 0 < score.value < 1 and "ask for fewer blocks" in interval


def test_intervals_are_the_same_on_any_threads_and_in_any_tiles() -> None:
    rng = np.random.default_rng(2)
    common = rng.standard_normal((900, 6))
    layers = [common @ rng.standard_normal((6, 9)) + rng.standard_normal((900, 9)) for _ in range(4)]
    rows = [ArrayRows(str(place), layer, np.arange(900, dtype=np.int32) // 7) for place, layer in enumerate(layers)]
    pairs = [(a, b) for a in range(4) for b in range(a + 1, 4)]
    chosen = [configure(name) for name in ("neuronsim", "mixedsim", "svsim", "pwsim", "ckasim")]
    sure = Uncertainty(Intervals("bootstrap", blocks=8, seed=4, draws=20))
    before, found = torch.get_num_threads(), []
    assert len(tiles_of("activations", rows, pairs, chosen, 40_000, sure=sure)) > 1
    try:
        for threads, memory in ((1, 2**31), (2, 2**31), (4, 40_000)):
            torch.set_num_threads(threads)
            said = {}
            for some in compare_pairs("activations", rows, pairs, chosen, How(torch.float64, memory=memory, sure=sure)):
                for one in some:
                    assert one.intervals is not None
                    for (pair, _), interval in zip(one.single(), one.intervals, strict=True):
                        assert isinstance(interval, Interval)
                        said[one.measure.name, pair] = [interval.error, *interval.replicates]
            found.append(said)
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        for key, values in other.items():
            assert values == pytest.approx(found[0][key], rel=1e-9, abs=1e-11)


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(1).standard_normal(12)
    without = [(values.sum() - value) / 11 for value in values]
    found = spread("jackknife", float(values.mean()), without, [1] * 12)
    assert found.corrected == pytest.approx(values.mean()) and found.error == pytest.approx(stats.sem(values))
    low, high = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
    assert found.corrected - found.reach == pytest.approx(low) and found.corrected + found.reach == pytest.approx(high)
    assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_the_jackknife_takes_a_bias_of_one_over_words_off() -> None:
    """The variance over n, blocks of unequal length: it is too small by 1/n, and less its bias it is not."""
    sizes, found = [3, 5, 2, 4, 6], []
    edges = np.cumsum([0, *sizes])
    for values in np.random.default_rng(1).standard_normal((3000, 20)):
        without = [float(np.delete(values, np.arange(a, b)).var()) for a, b in pairwise(edges)]
        found.append((values.var(), spread("jackknife", float(values.var()), without, sizes).corrected))
    plain, corrected = np.mean(found, axis=0)
    assert plain == pytest.approx(0.95, abs=0.02) and corrected == pytest.approx(1, abs=0.02)


def test_students_t_is_scipys() -> None:
    for freedom in (1, 3, 19, 99):
        for t in (0.0, 0.3, 1.0, 2.0, 5.0, 30.0):
            assert two_sided(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), rel=1e-10)
        assert quantile(0.05, freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-9)


@pytest.mark.parametrize(
    ("text", "said"),
    [("jacknife", "jackknife or bootstrap"), ("jackknife:blocks=2", "blocks must be from 4"),
     ("bootstrap:blocks=x", "expected whole numbers"), ("bootstrap:size=3", "expected whole numbers")],
)  # fmt: skip
def test_what_is_asked_wrongly_is_said(text: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        intervals_of(text)


def test_what_is_asked_is_known_by_its_settings() -> None:
    assert intervals_of("jackknife").settings == Intervals(seed=7).settings  # nothing is drawn
    assert intervals_of("bootstrap:seed=1").settings != intervals_of("bootstrap:seed=2").settings
    assert nulls_of("permuted:words,permutations=20") == Nulls("words", 20)
    assert nulls_of("permuted:permutations=20") == Nulls("sentences", 20)


def test_a_study_says_it_and_errors_name_the_line(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("a b c\n")
    rest = '[[models]]\nid = "hub:x"\n[[corpora]]\npath = "text.txt"\n'
    study = tmp_path / "study.toml"
    study.write_text(f'uncertainty = {{ method = "bootstrap", blocks = 10, seed = 3 }}\n{rest}')
    assert load_study(study).sure == Uncertainty(Intervals("bootstrap", 10, 3))
    for wrong, said in (
        ("{ blocks = 1 }", "study.toml:1: blocks must be from 4"), ('{ blocks = "x" }', "whole number"),
        ("{ block = 10 }", "blocks"), ("3", "write uncertainty as"),
    ):  # fmt: skip
        study.write_text(f"uncertainty = {wrong}\n{rest}")
        with pytest.raises(BadRequest, match=said):
            load_study(study)
