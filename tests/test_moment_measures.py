"""The measures beside the paper's five on layers that are hard: each gives the right number, or refuses by name."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import torch
from oracles import aligned_cosine
from test_measures import layers

from layeratlas import measures
from layeratlas.measures.assignment import best_transport
from layeratlas.measures.engine import How, compare_pairs
from layeratlas.measures.sources.activations import ArrayRows
from layeratlas.measures.statistics.cross_moments import CrossMoments

OTHERS = [
    name for name, declared in measures.MEASURES.items()
    if isinstance(declared.needs, CrossMoments) and not declared.usual and declared.kind == "activations"
]  # fmt: skip


@pytest.mark.parametrize("measure", OTHERS)
@pytest.mark.parametrize("kind", ["plain", "real", "dead neurons", "rank-deficient", "means of 1,000"])
def test_products_of_float32_are_near(measure: str, kind: str) -> None:
    """As over a store; of a count of directions, relative to it."""
    sources = [ArrayRows(name, rows) for name, rows in zip("ab", layers(kind, "float32"), strict=True)]
    found = []
    for dtype in (torch.float32, torch.float64):
        (some,) = compare_pairs("activations", sources, [(0, 1)], [measures.configure(measure)], How(dtype))
        found.append([score.value for outcomes in some for _, score in outcomes.single()])  # type: ignore[union-attr]
    np.testing.assert_allclose(found[0], found[1], atol=1e-5, rtol=1e-6)


@pytest.mark.parametrize("measure", ["cca", "pwcca", "regression", "eigenspace_overlap", "shape", "gulp"])
def test_what_algebra_forces_is_refused(measure: str) -> None:
    """50 words allow 49 directions: layers of 70 and 90 neurons agree in all of them."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((50, width)) for width in (70, 90))
    given = {"shape": {"alpha": 0.0}, "gulp": {"lambda": 0}}.get(measure, {})
    with pytest.raises(measures.TooFewWords, match=r"Extract more text"):
        measures.compare(a, b, measure=measure, **given)


def test_what_algebra_forces_in_part_is_said() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((50, width)) for width in (20, 35))
    assert measures.compare(a, b, measure="cca").diagnostics["forced"] == 20 + 35 - 49
    with pytest.raises(measures.TooFewWords, match=r"pwcca of a towards b is undetermined: their 20 and 35 directions"):
        measures.compare(a, b, measure="pwcca")


def test_repeated_correlations_are_counted() -> None:
    """Two layers that share some directions exactly: which of these weigh how much nobody can tell."""
    rng = np.random.default_rng(0)
    common = rng.standard_normal((300, 4))
    a, b = (np.hstack([common, rng.standard_normal((300, 5))]) for _ in range(2))
    assert measures.compare(a, b, measure="pwcca").diagnostics["repeated"] == 4
    assert measures.compare(a, a @ rng.standard_normal((9, 9)), measure="pwcca").diagnostics["repeated"] == 0
    found = measures.compare_all({"a": a, "b": b, "c": rng.standard_normal((300, 9))}, ["pwcca"])
    assert [found["pwcca", *pair].diagnostics["repeated"] for pair in ("ab", "ac", "bc")] == [4, 0, 0]


@pytest.mark.parametrize("words", [150, 500, 5000])
def test_unrelated_layers_have_no_debiased_cka(words: int) -> None:
    rng = np.random.default_rng(0)
    scale = np.arange(1, 41) ** -0.5
    values = []
    for _ in range(20):
        a, b = (rng.standard_normal((words, 40)) * scale for _ in range(2))
        values.append(measures.compare(a, b, measure="cka_debiased").value)
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(20)
    assert np.std(values) < 2 / words


def test_adjusted_regression_of_unrelated_layers_is_about_nothing() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((400, 100)) for _ in range(2))
    assert measures.compare(a, b, measure="regression").value == pytest.approx(0.25, abs=0.01)
    assert measures.compare(a, b, measure="regression", adjusted=True).value == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("measure", ["match_hard", "match_soft", "match_transport", "permutation_shape"])
def test_partners_are_kept_of_either_layer(measure: str) -> None:
    """A layer whose neurons are another's in another order, and some more: who is whose partner is known."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((500, 12)) + 3
    order = rng.permutation(12)
    b = np.hstack([a[:, order], 0.1 * rng.standard_normal((500, 5))])
    a[:, 4], b[:, list(order).index(4)] = 2.5, 2.5  # dead in both
    found = measures.compare_all({"a": a, "b": b}, [measure])
    there, back = found[measure, "a", "b"], found[measure, "b", "a"]
    assert there.value == pytest.approx(back.value, abs=1e-12)
    living = [neuron for neuron in range(12) if neuron != 4]
    if measure != "match_transport":  # there, each shares its weight with the five
        assert [order[there.matches[neuron]] for neuron in living] == living
        assert [back.matches[list(order).index(neuron)] for neuron in living] == living
        np.testing.assert_allclose(there.units[living], 1, atol=1e-12)
    assert math.isnan(there.units[4]) and len(back.units) == 17
    assert (there.matches[4] == -1) or measure == "permutation_shape"


def test_a_transport_plan_gives_and_takes_all() -> None:
    rng = np.random.default_rng(0)
    gains = torch.from_numpy(rng.uniform(size=(2, 7, 11)))
    alive = torch.ones(2, 7, dtype=torch.bool), torch.ones(2, 11, dtype=torch.bool)
    alive[0][0, 3] = False
    plan = best_transport(gains, *alive)
    np.testing.assert_allclose(plan[0].sum(dim=1), np.where(np.arange(7) == 3, 0, 1 / 6), atol=1e-15)
    np.testing.assert_allclose(plan[1].sum(dim=0), 1 / 11, atol=1e-15)


def test_forms_say_the_same() -> None:
    a, b = layers("plain", "float64")
    for name in ("procrustes", "shape", "ckasim", "permutation_shape"):
        s = measures.compare(a, b, measure=name, form="similarity").value
        assert measures.compare(a, b, measure=name, form="angular").value == pytest.approx(math.acos(s), abs=1e-12)
        assert measures.compare(a, b, measure=name, form="complement").value == pytest.approx(1 - s, abs=1e-12)
    size = measures.compare(a, b, measure="procrustes", form="size").value
    assert measures.compare(a, b, measure="procrustes", form="size-of-all").value == pytest.approx(
        size * math.sqrt(len(a)), rel=1e-12
    )


def test_ends_of_parameters_are_other_measures() -> None:
    a, b = layers("plain", "float64")

    def value(name: str, **given: Any) -> float:
        return measures.compare(a, b, measure=name, **given).value

    assert value("shape", alpha=1.0) == pytest.approx(value("procrustes", form="angular"), abs=1e-10)
    assert value("ridge", lambda_=1e-12) == pytest.approx(value("regression"), abs=1e-8)
    r2 = value("cca", summary="r2") * 70
    assert value("gulp", lambda_=0) == pytest.approx(70 + 90 - 2 * r2, abs=1e-9)
    assert value("svcca", variance=1.0) == pytest.approx(value("cca"), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("shape", {"alpha": 1.5}, "alpha must be from 0 to 1"), ("gulp", {"lambda": -1}, "lambda must be 0 or more"),
        ("ridge", {"lambda": 0}, "lambda must be above 0"), ("svcca", {"components": -1}, "components must be"),
        ("procrustes", {"form": "round"}, "form must be one of"), ("cca", {"form": "angular"}, "form must be one of"),
        ("cca", {"summary": "median"}, "summary must be one of"), ("gulp", {"lambda": "x"}, "lambda must be like 0.01"),
        ("gulp", {"lamda": 1}, "unknown parameter 'lamda'; did you mean lambda"),
    ],
)  # fmt: skip
def test_wrong_parameters_are_said(name: str, given: dict[str, Any], says: str) -> None:
    from layeratlas.store.errors import BadRequest

    with pytest.raises(BadRequest, match=says):
        measures.configure(name, "default", given)


def test_aligned_cosine_refuses_words_without_a_direction() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((50, 6)), rng.standard_normal((50, 8))
    b[[3, 7]] = 0
    with pytest.raises(measures.MeasureError, match="b: 2 of 50 words have rows of zeros"):
        measures.compare(a, b, measure="aligned_cosine")


def test_aligned_cosine_of_large_means_and_many_blocks() -> None:
    """One layer next to a measure of lengths, more words than a block has, a mean that hides the spread."""
    rng = np.random.default_rng(1)
    a = rng.standard_normal((9000, 5)) + 3
    b = a @ rng.standard_normal((5, 7)) + rng.standard_normal((9000, 7)) + 1e3 * np.eye(7)[2]
    asked = [measures.configure(name) for name in ("aligned_cosine", "cka_debiased", "procrustes")]
    found = measures.compare_all({"a": a, "b": b}, asked)
    assert found["aligned_cosine", "a", "b"].value == pytest.approx(aligned_cosine(a, b), abs=1e-10)
    alone = measures.compare(a, b, measure="cka_debiased").value
    assert found["cka_debiased", "a", "b"].value == pytest.approx(alone, abs=1e-14)


@pytest.mark.parametrize(("rows", "columns"), [(90, 91), (91, 90), (40, 90), (1, 7)])
def test_a_transport_of_few_arcs_is_the_best_of_all(rows: int, columns: int) -> None:
    gains = np.random.default_rng(3).random((1, rows, columns)).round(2)  # many are equal
    alive = torch.ones(1, rows, dtype=torch.bool), torch.ones(1, columns, dtype=torch.bool)
    plan = best_transport(torch.from_numpy(gains), *alive)[0].numpy()
    ends = np.vstack([np.kron(np.eye(rows), np.ones(columns)), np.kron(np.ones(rows), np.eye(columns))])
    weights = np.concatenate([np.full(rows, 1 / rows), np.full(columns, 1 / columns)])
    best = -scipy.optimize.linprog(-gains.ravel(), A_eq=ends, b_eq=weights).fun
    assert (plan * gains[0]).sum() == pytest.approx(best, abs=1e-9)
    assert ends @ plan.ravel() == pytest.approx(weights, abs=1e-12)


@pytest.mark.parametrize("name", ["regression", "ridge"])
def test_held_out_r2_is_of_sentences_that_the_fit_has_not_seen(name: str) -> None:
    """Words of a sentence are nearly one: a fit that has seen some of them knows the others."""
    rng, sentences = np.random.default_rng(1), np.repeat(np.arange(60, dtype=np.int32), 10)
    a, b = (np.repeat(rng.standard_normal((60, width)), 10, axis=0) + 0.01 * rng.standard_normal((600, width))
            for width in (6, 8))  # fmt: skip
    measure = measures.configure(name, parameters={"folds": 5})

    def value(of_sentences: Any, dtype: torch.dtype = torch.float64) -> float:
        sources = [ArrayRows("a", a, of_sentences), ArrayRows("b", b, of_sentences)]
        [score] = [one.scores[0] for some in compare_pairs("activations", sources, [(0, 1)], [measure], How(dtype))
                   for one in some if one.pairs == [(0, 1)]]  # fmt: skip
        assert isinstance(score, measures.Score) and score.diagnostics["folds"] == 5
        return score.value

    shuffled = rng.permutation(600)
    in_sample = measures.compare(a, b, measure=name).value
    assert value(sentences) < 0.05 < in_sample  # unrelated layers
    assert value(sentences, torch.float32) == pytest.approx(value(sentences), abs=1e-5)
    a, b = a[shuffled], b[shuffled]  # now each fold has words of every sentence
    assert value(None) == pytest.approx(in_sample, abs=0.05)
    with pytest.raises(measures.TooFewWords, match="ask for fewer blocks"):
        measures.compare(a[:4], b[:4], measure=name, folds=5)
    with pytest.raises(measures.BadRequest, match="folds must be"):
        measures.configure(name, parameters={"folds": 1})
