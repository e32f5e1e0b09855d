"""What chance gives of attention: sentences of one length are exchanged, whatever the similarity and the stretches."""

from __future__ import annotations

from typing import Any

import attention_oracles as oracle
import numpy as np
import pytest
import torch

from layeratlas import measures
from layeratlas.measures.engine import How, compare_pairs
from layeratlas.measures.nulls import Null
from layeratlas.measures.registry import configure
from layeratlas.measures.sources import attention as source
from layeratlas.measures.statistics.orders import of_positions
from layeratlas.store.uncertainty import Nulls, Uncertainty

LENGTHS = [5, 1, 12, 7, 7, 2, 5, 12, 2, 1, 5, 7]
WAYS: list[tuple[str, dict[str, Any]]] = [
    *(("attsim", {"similarity": similarity, "causal": causal})
      for similarity in ("pearson", "pearson_nonzero", "frobenius", "jensen_shannon") for causal in (False, True)),
    ("attsim", {"single_key": "count"}),
    *((name, {"causal": causal}) for name in ("attention_ckasim", "attention_svsim", "attention_pwsim")
      for causal in (False, True)),
]  # fmt: skip


def layers(lengths: list[int] = LENGTHS, count: int = 3) -> list[list[oracle.Attention]]:
    rng = np.random.default_rng(4)
    found = [oracle.attention(rng, 3, lengths) for _ in range(count)]
    for layer in found[1:]:
        for x, y in zip(found[0], layer, strict=True):
            y[1] = 0.6 * x[0] + 0.4 * y[1]
    return found


def nulls(found: list[list[oracle.Attention]], chosen: list[Any], asked: Nulls, **how: Any) -> Any:
    """Scores and what chance gives in their place, by measure and pair."""
    sources = [source.from_array(f"l{place}", layer) for place, layer in enumerate(found)]
    pairs = [(a, b) for a in range(len(found)) for b in range(a + 1, len(found))]
    means = How(**{"dtype": torch.float64, **how}, sure=Uncertainty(nulls=asked))
    return {
        (one.measure, pair): (score, beside)
        for some in compare_pairs("attention", sources, pairs, chosen, means) for one in some
        for (pair, score), beside in zip(one.single(), one.nulls or (), strict=True)
    }  # fmt: skip


def exchanged(asked: Nulls) -> list[list[int]]:
    """Return the sentences that are met by those of LENGTHS, of each permutation."""
    stretch, left_out = source.together(list(source.feed([source.from_array("l", layers()[0])], torch.float64,
                                                         torch.device("cpu")).blocks()))  # fmt: skip
    assert left_out == 0
    laid = sorted(range(len(LENGTHS)), key=lambda place: -LENGTHS[place])  # as they are laid out, stably
    starts = [start for run in stretch.runs for start in range(run.start, run.stop, run.words**2)]
    found = []
    for order in of_positions(asked, stretch.runs):
        met = [laid[starts.index(order[start])] for start in starts]
        found.append([met[laid.index(place)] for place in range(len(LENGTHS))])
    return found


@pytest.mark.parametrize(("name", "parameters"), WAYS)
def test_chance_is_the_measure_on_exchanged_sentences(name: str, parameters: dict[str, Any]) -> None:
    asked, attention, chosen = Nulls("sentences", 1, seed=4), layers(), configure(name, parameters=parameters)
    [met] = exchanged(asked)
    assert met != list(range(len(LENGTHS))) and [LENGTHS[one] for one in met] == LENGTHS
    for (measure, (a, b)), (_, found) in nulls(attention, [chosen], asked).items():
        first, second = min(a, b), max(a, b)
        layer = {first: attention[first], second: [attention[second][one] for one in met]}
        expected = measures.compare_attention(layer[a], layer[b], measure=name, **parameters)
        assert isinstance(found, Null) and found.mean == pytest.approx(expected.value, abs=1e-9), measure


def test_it_does_not_depend_on_stretches_tiles_or_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, chosen = Nulls("sentences", 4), [configure(name, parameters=parameters) for name, parameters in WAYS]
    whole, narrow = (nulls(layers(), chosen, asked, **how) for how in ({}, {"dtype": torch.float32}))
    monkeypatch.setattr(source, "STRETCH_BYTES", 4000)
    monkeypatch.setattr("layeratlas.measures.statistics.heads.STRETCH_BYTES", 4000)
    small = nulls(layers(), chosen, asked, memory=1)
    for key, (_, chance) in whole.items():
        assert small[key][1].mean == pytest.approx(chance.mean, rel=1e-9, abs=1e-11)
        assert narrow[key][1].mean == pytest.approx(chance.mean, abs=3e-5), key


def test_a_sentence_that_nothing_goes_with_is_left_out_of_both() -> None:
    """The score is of all sentences; where it stands is told by those that could meet another one."""
    chosen, asked = [configure("attsim"), configure("attention_ckasim")], Nulls("sentences", 5)
    lonely, without = layers([*LENGTHS, 20]), [layer[:-1] for layer in layers([*LENGTHS, 20])]
    one, other = nulls(lonely, chosen, asked), nulls(without, chosen, asked)
    for key, (score, chance) in one.items():
        assert score.value != other[key][0].value
        assert vars(chance) == pytest.approx(vars(other[key][1]), abs=1e-12)


def test_what_cannot_be_exchanged_is_refused_by_name() -> None:
    chosen = [configure("attsim"), configure("attention_ckasim", parameters={"zeros": "drop"})]
    found = nulls(layers(), chosen, Nulls("words", 2))
    assert found[chosen[0], (0, 1)][1].endswith("ask for --null permuted:sentences")
    found = nulls(layers(), chosen, Nulls("sentences", 2))
    assert isinstance(found[chosen[0], (0, 1)][1], Null) and "zeros = keep" in found[chosen[1], (0, 1)][1]
    for method in ("drawn", "rotated"):
        assert isinstance(nulls(layers(), chosen[:1], Nulls(permutations=2, method=method))[chosen[0], (0, 1)][1], str)
    alone = nulls(layers([3, 4, 5]), chosen[:1], Nulls("sentences", 2))
    assert "of a length that no other has" in alone[chosen[0], (0, 1)][1]


@pytest.mark.proof
def test_p_values_are_uniform() -> None:
    """500 draws of unrelated layers, 19 permutations each: ranks of the score among them are uniform."""
    from scipy import stats

    rng, chosen = np.random.default_rng(1), [configure("attsim"), configure("attention_ckasim")]
    found: dict[str, list[float]] = {one.name: [] for one in chosen}
    for seed in range(500):
        unrelated = [oracle.attention(rng, 2, [4, 4, 4, 6, 6, 6, 3, 3]) for _ in range(2)]
        for (measure, (a, b)), (_, chance) in nulls(unrelated, chosen, Nulls("sentences", 19, seed)).items():
            if a < b:
                found[measure.name].append(chance.p)
    for name, p in found.items():
        assert len(p) == 500
        assert stats.kstest(np.array(p) - rng.random(500) / 20, "uniform").pvalue > 1e-3, name
