"""The measures of attention: golden values, slow oracles, laws, sentences at the edges, and refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attention_oracles as oracle
import numpy as np
import pytest
import torch

from layeratlas import measures
from layeratlas.measures.registry import configuration_row, usual_measures
from layeratlas.store.errors import BadRequest

GOLDEN = Path(__file__).parent / "golden"
SIMILARITIES = tuple(oracle.ORACLES)
REPRESENTED = ("ckasim", "svsim", "pwsim")
LENGTHS = [6, 1, 9, 2, 6, 14, 3, 3]
Sentences = list[oracle.Attention]


def layers(heads_a: int = 4, heads_b: int = 5, zeros: float = 0.0, seed: int = 0) -> tuple[Sentences, Sentences]:
    """Two layers whose first three heads resemble one another."""
    rng = np.random.default_rng(seed)
    a, b = (oracle.attention(rng, heads, LENGTHS, zeros=zeros) for heads in (heads_a, heads_b))
    for x, y in zip(a, b, strict=True):
        y[[4, 2, 0]] = 0.7 * x[:3] + 0.3 * y[[4, 2, 0]]
    return a, b


def golden() -> tuple[dict[str, Sentences], dict[str, dict[str, Any]]]:
    arrays = np.load(GOLDEN / "synthetic_attention.npz")
    names = dict.fromkeys(key.rsplit(".", 1)[0] for key in arrays)
    count = len(arrays.files) // len(names)
    expected = json.loads((GOLDEN / "synthetic_attention.json").read_text())
    return {name: [arrays[f"{name}.{i}"] for i in range(count)] for name in names}, expected


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_golden_values_of_the_released_code_head_by_head(similarity: str) -> None:
    attention, expected = golden()
    measure = measures.configure("attsim", "wu2020", {"similarity": similarity})
    scores = measures.compare_all_attention(attention, [measure])
    for pair, value in expected[similarity].items():
        score = scores[measure, *pair.split("|")]
        assert score.value == pytest.approx(value, abs=1e-6), pair
        np.testing.assert_allclose(score.units, expected[f"{similarity}.heads"][pair], atol=1e-6)


@pytest.mark.parametrize("name", REPRESENTED)
def test_golden_values_of_the_released_code_as_a_representation(name: str) -> None:
    attention, expected = golden()
    measure = measures.configure(f"attention_{name}", "wu2020")
    scores = measures.compare_all_attention(attention, [measure])
    for pair, value in expected[f"attention_{name}"].items():
        assert scores[measure, *pair.split("|")].value == pytest.approx(value, abs=1e-6), pair


def test_every_golden_value_of_attention_is_tested() -> None:
    _, expected = golden()
    assert {key.removesuffix(".heads") for key in expected} == {*SIMILARITIES, *(f"attention_{m}" for m in REPRESENTED)}


@pytest.mark.parametrize("single_key", ["leave-out", "count"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("zeros", [0.0, 0.4])
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_defaults_equal_slow_oracles(similarity: str, zeros: float, causal: bool, single_key: str) -> None:
    a, b = layers(zeros=zeros)
    a[0][1, 3] = 1 / 6  # a uniform row
    parameters = {"similarity": similarity, "causal": causal, "single_key": single_key}
    for left, right in ((a, b), (b, a)):
        value, heads = oracle.attsim(left, right, similarity, causal, single_key)
        score = measures.compare_attention(left, right, **parameters)
        assert score.value == pytest.approx(value, abs=1e-9)
        np.testing.assert_allclose(score.units, heads.max(axis=1), atol=1e-9)
        assert score.matches.tolist() == heads.argmax(axis=1).tolist()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", REPRESENTED)
def test_as_a_representation_equals_the_measure_over_positions(name: str, causal: bool) -> None:
    a, b = layers(zeros=0.2)
    rows = [oracle.positions(layer, causal) for layer in (a, b)]
    score = measures.compare_attention(a, b, measure=f"attention_{name}", causal=causal)
    assert score.value == pytest.approx(measures.compare(*rows, measure=name).value, abs=1e-9)
    assert score.diagnostics["positions"] == len(rows[0])


CHOSEN = [
    *(("attsim", {"similarity": name, "causal": causal}) for name in SIMILARITIES for causal in (False, True)),
    *((f"attention_{name}", {}) for name in REPRESENTED),
]


@pytest.mark.parametrize(("name", "parameters"), CHOSEN)
def test_a_layer_is_fully_similar_to_itself_and_heads_may_be_reordered(name: str, parameters: dict[str, Any]) -> None:
    a, b = layers()
    assert measures.compare_attention(a, a, measure=name, **parameters).value == pytest.approx(1, abs=1e-7)
    order, other = [2, 0, 3, 1], [4, 1, 0, 3, 2]
    before = measures.compare_attention(a, b, measure=name, **parameters)
    after = measures.compare_attention(
        [x[order] for x in a], [y[other] for y in b], measure=name, **parameters
    )  # fmt: skip
    assert after.value == pytest.approx(before.value, abs=1e-12)
    if before.units is not None:
        np.testing.assert_allclose(after.units, before.units[order])
        assert [other[match] for match in after.matches] == before.matches[order].tolist()
    assert abs(before.value - 1) > 0.01


@pytest.mark.parametrize(("name", "parameters"), CHOSEN)
def test_the_future_never_enters_where_it_is_hidden(name: str, parameters: dict[str, Any]) -> None:
    """Move weight from the past to the future and about in it: only what was renormalised may count."""
    a, b = layers()
    rng = np.random.default_rng(5)
    moved = []
    for attention in a:
        words = attention.shape[1]
        future = np.triu(rng.random(attention.shape), 1)
        share = np.where(np.arange(words) < words - 1, rng.uniform(0.1, 0.9, words), 0)[:, None]
        past = np.tril(attention)
        future /= np.maximum(future.sum(axis=2, keepdims=True), 1e-300)
        moved.append((1 - share) * past / past.sum(axis=2, keepdims=True) + share * future)
    settings = {**parameters, "causal": True}
    before = measures.compare_attention(a, b, measure=name, **settings).value
    assert measures.compare_attention(moved, b, measure=name, **settings).value == pytest.approx(before, abs=1e-9)
    seen = {**parameters, "causal": False}
    difference = measures.compare_attention(a, b, measure=name, **seen).value
    difference -= measures.compare_attention(moved, b, measure=name, **seen).value
    assert abs(difference) > 1e-3


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_head_that_looks_only_ahead_becomes_uniform_over_the_past(similarity: str) -> None:
    ahead = np.roll(np.eye(6), 1, axis=1)[None]
    uniform = np.full((1, 6, 6), 1 / 6)
    other = oracle.attention(np.random.default_rng(1), 3, [6])
    scores = [
        measures.compare_attention(other, [x], similarity=similarity, causal=True).value for x in (ahead, uniform)
    ]
    # the last query of `ahead` looks back, at the first word
    changed = uniform.copy()
    changed[0, 5] = ahead[0, 5]
    assert scores[0] == measures.compare_attention(other, [changed], similarity=similarity, causal=True).value
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_uniform_attention_is_defined(similarity: str) -> None:
    rng = np.random.default_rng(0)
    uniform = [  # as a softmax leaves it: float32's last digit must not be correlated
        np.full((2, words, words), 1 / words, "float32")
        * (1 + np.float32(1.2e-7) * rng.integers(-1, 2, (2, words, words)).astype("float32"))
        for words in (7, 13)
    ]
    score = measures.compare_attention(uniform, uniform, similarity=similarity)
    assert score.value == pytest.approx(0 if similarity.startswith("pearson") else 1, abs=1e-7)
    if similarity == "pearson":
        assert score.diagnostics["constant_rows_a"] == 2 * 20


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_one_word_sentences_are_left_out_or_counted(similarity: str) -> None:
    a, b = layers()
    alone = [np.ones((4, 1, 1))] * 20, [np.ones((5, 1, 1))] * 20
    before = measures.compare_attention(a, b, similarity=similarity)
    after = measures.compare_attention(a + alone[0], b + alone[1], similarity=similarity)
    assert after.value == pytest.approx(before.value, abs=1e-12)
    assert after.diagnostics == before.diagnostics
    counted = measures.compare_attention(a + alone[0], b + alone[1], similarity=similarity, single_key="count")
    agree = 0 if similarity.startswith("pearson") else 1  # one weight has no correlation
    queries = before.diagnostics["queries"]
    np.testing.assert_allclose(counted.units, (before.units * queries + agree * 21) / (queries + 21), atol=1e-9)


@pytest.mark.parametrize("name", ["attsim", "attention_ckasim"])
def test_no_query_left_is_refused(name: str) -> None:
    alone = [np.ones((3, 1, 1))] * 4
    with pytest.raises(measures.TooFewWords, match="no query that sees two keys"):
        measures.compare_attention(alone, alone, measure=name)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("similarity", ["frobenius", "pearson", "jensen_shannon"])
def test_a_sentence_of_two_thousand_words(similarity: str, causal: bool) -> None:
    rng = np.random.default_rng(2)
    weights = rng.random((3, 2000, 2000), dtype=np.float32) ** 8
    long = [weights / weights.sum(axis=2, keepdims=True)]
    score = measures.compare_attention([long[0][:2]], [long[0][1:]], similarity=similarity, causal=causal)
    assert score.matches.tolist()[1] == 0 and score.units[1] == pytest.approx(1, abs=1e-6)
    assert score.units[0] < 0.97


@pytest.mark.parametrize(("name", "parameters"), CHOSEN)
def test_scores_stay_in_range_for_opposite_heads(name: str, parameters: dict[str, Any]) -> None:
    rng = np.random.default_rng(3)
    one_hot = [np.eye(w)[rng.integers(0, w, (4, w))] for w in (5, 9, 30)]
    other = [np.eye(w)[rng.integers(0, w, (4, w))] for w in (5, 9, 30)]
    value = measures.compare_attention(one_hot, other, measure=name, **parameters).value
    assert (-1 if "pearson" in str(parameters.get("similarity")) else 0) <= value <= 1


def test_disjoint_heads_have_no_similarity_and_length_does_not_matter() -> None:
    for words in (2, 10, 100):
        here, there = np.eye(words)[None], np.roll(np.eye(words), 1, axis=1)[None]
        for similarity in ("frobenius", "jensen_shannon"):
            score = measures.compare_attention([here], [there], similarity=similarity)
            assert score.value == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("name", "parameters"), CHOSEN)
def test_torch_and_numpy_give_the_same(name: str, parameters: dict[str, Any]) -> None:
    a, b = ([x.astype("float32") for x in layer] for layer in layers())
    tensors = [[torch.from_numpy(x) for x in layer] for layer in (a, b)]
    there = measures.compare_attention(*tensors, measure=name, **parameters).value
    assert there == measures.compare_attention(a, b, measure=name, **parameters).value


def refusing(change: str) -> tuple[Sentences, Sentences]:
    a, b = layers()
    if change in ("nan", "inf"):
        b[2][1, 3, 4] = float(change)
    if change == "sum":
        b[2][1, 3] *= 0.9
    if change == "negative":
        b[2][1, 3, :2] += (-2, 2)
    if change == "lengths":
        b[2] = b[2][:, :-1, :-1]
    if change == "sentences":
        b = b[:-1]
    if change == "heads":
        b[3] = b[3][:-1]
    if change == "square":
        b[3] = b[3][:, :-1]
    return a, b


@pytest.mark.parametrize("name", ["attsim", "attention_ckasim"])
@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ("nan", measures.NotFinite, "b holds NaN or infinity .first: head 1 of a sentence with 9 words"),
        ("inf", measures.NotFinite, "b holds NaN or infinity"),
        ("sum", measures.NotAttention, "b is not attention: .* one sums to 0.9 .first: head 1"),
        ("negative", measures.NotAttention, "b is not attention: .* one is negative .first: head 1"),
        ("lengths", measures.UnalignedWords, "sentence 2 has a: 9, b: 8"),
        ("sentences", measures.UnalignedWords, "sentence 7 has a: 3, b: no such sentence"),
        ("heads", measures.MeasureError, r"b: sentence 3 must be \[5 heads, query, key\].* got \[4, 2, 2\]"),
        ("square", measures.MeasureError, "b: sentence 3 must be"),
    ],
)
def test_refusals_name_the_layer_and_the_cause(name: str, change: str, error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        measures.compare_attention(*refusing(change), measure=name)


def test_wrong_requests_say_what_to_do() -> None:
    a, b = layers()
    with pytest.raises(BadRequest, match="similarity must be one of frobenius, pearson"):
        measures.compare_attention(a, b, similarity="cosine")
    with pytest.raises(BadRequest, match="causal must be like False, got 1"):
        measures.compare_attention(a, b, causal=1)
    with pytest.raises(BadRequest, match="ckasim compares activations, not attention: use compare"):
        measures.compare_attention(a, b, measure="ckasim")
    with pytest.raises(BadRequest, match="attsim compares attention, not activations: use compare_attention"):
        measures.compare(a[0][0], b[0][0], measure="attsim")
    with pytest.raises(measures.MeasureError, match=r"a: sentence 0 must be \[heads, query, key\], got \[6, 6\]"):
        measures.compare_attention([a[0][0]], b)
    with pytest.raises(measures.MeasureError, match="a has no sentences"):
        measures.compare_attention([], [])


def test_what_is_usual_of_a_kind_compares_it() -> None:
    for kind in ("activations", "attention"):
        assert {measure.kind for measure in usual_measures([kind])} == {kind}
    usual = {name for name, declared in measures.MEASURES.items() if declared.usual}
    assert {measure.name for measure in usual_measures(["activations", "attention"])} == usual


@pytest.mark.parametrize(
    ("preset", "parameters", "label"),
    [
        ("default", {}, "default"),
        ("wu2020", {}, "wu2020"),
        ("default", {"similarity": "frobenius"}, "similarity=frobenius"),
        ("wu2020", {"similarity": "frobenius"}, "wu2020, similarity=frobenius"),
        ("default", {"single_key": "count"}, "single_key=count"),
    ],
)
def test_configurations_are_named_after_the_nearest_preset(preset: str, parameters: dict[str, Any], label: str) -> None:
    chosen = measures.configure("attsim", preset, parameters)
    assert configuration_row(chosen)["label"] == label
