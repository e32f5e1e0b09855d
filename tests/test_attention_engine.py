"""All pairs of layers' attention at once: as pair by pair, whatever the chunks, the tiles and the order."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import attention_oracles as oracle
import numpy as np
import pytest
import torch

from layeratlas import measures
from layeratlas.measures.engine import How, compare_pairs, tiles_of
from layeratlas.measures.registry import usual_measures
from layeratlas.measures.sources import attention as attention_source
from layeratlas.measures.statistics.similarities import rectangles

LENGTHS = [5, 1, 12, 7, 7, 2, 20, 3, 9, 1, 4]
HEADS = [3, 4, 3, 2, 6]


class Source:
    """A layer in memory that gives `step` sentences at a time."""

    def __init__(self, name: str, sentences: list[oracle.Attention], step: int = 100) -> None:
        self.name, self._sentences, self._step = name, sentences, step
        self.units = len(sentences[0])
        self.longest = max(sentence.shape[1] for sentence in sentences)
        self.read = self.held = 0

    def chunks(self) -> Iterator[list[oracle.Attention]]:
        self.read += 1
        for start in range(0, len(self._sentences), self._step):
            yield self._sentences[start : start + self._step]


def layers() -> list[list[oracle.Attention]]:
    rng = np.random.default_rng(4)
    found = [oracle.attention(rng, heads, LENGTHS, zeros=0.3 if heads == 2 else 0) for heads in HEADS]
    for layer in found[1:]:
        for x, y in zip(found[0], layer, strict=True):
            y[1] = 0.6 * x[0] + 0.4 * y[1]
    return found


def chosen() -> list[measures.Measure]:
    """Every measure, its defaults, the preset, and the future hidden."""
    usual = [(measure.name, getattr(measure, "similarity", None)) for measure in usual_measures(["attention"])]
    return [
        measures.configure(name, preset, {**({"similarity": similarity} if similarity else {}), "causal": causal})
        for name, similarity in [*usual, ("attsim", "pearson_nonzero")]
        for preset in ("default", "wu2020")
        for causal in (False, True)
    ]


def run(sources: list[Any], pairs: list[tuple[int, int]], *how: Any, **settings: Any) -> dict[Any, Any]:
    return {
        (outcomes.measure, *pair): score
        for some in compare_pairs("attention", sources, pairs, chosen(), How(*how, **settings))
        for outcomes in some
        for pair, score in outcomes.single()
    }


ALL = [(a, b) for a in range(5) for b in range(a + 1, 5)]


def test_all_pairs_at_once_equal_pair_by_pair() -> None:
    attention = layers()
    together = run([Source(f"l{i}", layer) for i, layer in enumerate(attention)], ALL, dtype=torch.float64)
    assert len(together) == 2 * len(ALL) * len(chosen())
    for a, b in ALL:
        alone = measures.compare_all_attention({"a": attention[a], "b": attention[b]}, chosen())
        for (measure, left, _), expected in alone.items():
            score = together[(measure, a, b) if left == "a" else (measure, b, a)]
            if isinstance(score, Exception):
                raise score
            assert score.value == pytest.approx(expected.value, abs=1e-10), (measure, a, b)
            assert score.diagnostics == expected.diagnostics
            if expected.units is not None:
                np.testing.assert_allclose(score.units, expected.units, atol=1e-10)
                assert score.matches.tolist() == expected.matches.tolist()


@pytest.mark.parametrize("change", ["chunks", "stretches", "tiles", "fewer pairs"])
def test_chunks_stretches_tiles_and_other_pairs_change_nothing(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    attention = layers()
    expected = run([Source(f"l{i}", layer) for i, layer in enumerate(attention)], ALL, dtype=torch.float64)
    steps = [1, 4, 100, 3, 2] if change == "chunks" else [100] * 5
    sources = [Source(f"l{i}", layer, step) for i, (layer, step) in enumerate(zip(attention, steps, strict=True))]
    if change == "stretches":
        monkeypatch.setattr(attention_source, "STRETCH_BYTES", 10_000)
    pairs = [(0, 3), (1, 4), (2, 3)] if change == "fewer pairs" else ALL
    found = run(sources, pairs, dtype=torch.float64, memory=1 if change == "tiles" else 2**30)
    assert len(found) == 2 * len(pairs) * len(chosen())
    assert max(source.read for source in sources) == (4 if change == "tiles" else 1)
    for key, score in found.items():
        assert score.value == pytest.approx(expected[key].value, abs=1e-10), key


def test_float32_products_are_as_good_and_near_heads_keep_their_digits() -> None:
    attention = layers()
    rng = np.random.default_rng(0)
    tuned = []
    for layer in attention[0]:  # heads that have hardly moved: ‖A‖² + ‖B‖² - 2 A·B loses them in float32
        moved = layer * np.exp(1e-3 * rng.standard_normal(layer.shape))
        tuned.append(moved / moved.sum(axis=2, keepdims=True))
    attention[1] = tuned
    single = [Source(f"l{i}", [x.astype("float32") for x in layer]) for i, layer in enumerate(attention)]
    double = [
        Source(f"l{i}", [x.astype("float32").astype("float64") for x in layer]) for i, layer in enumerate(attention)
    ]
    expected, found = run(double, ALL, dtype=torch.float64), run(single, ALL)
    frobenius = next(m for m in chosen() if getattr(m, "similarity", "") == "frobenius")
    assert 1e-5 < 1 - expected[frobenius, 0, 1].value < 1e-3
    for key, score in found.items():
        assert score.value == pytest.approx(expected[key].value, abs=2e-6), key


def test_one_bad_layer_spoils_only_its_own_pairs() -> None:
    attention = [[x.copy() for x in layer] for layer in layers()]
    attention[1][6][2, 3, 4] = np.nan
    attention[3][0][1, 2] *= 1.5
    sources = [Source(f"l{i}", layer) for i, layer in enumerate(attention)]
    for (measure, a, b), score in run(sources, ALL).items():
        if {a, b} & {1, 3}:
            assert isinstance(score, measures.NotFinite | measures.NotAttention)
        else:
            first = (a, b) if a < b else (b, a)
            alone = measures.compare_all_attention({"x": attention[first[0]], "y": attention[first[1]]}, [measure])
            assert score.value == pytest.approx(alone[(measure, *("xy" if a < b else "yx"))].value, abs=2e-6)


def test_progress_counts_words_once_a_tile() -> None:
    words: list[int] = []
    sources = [Source(f"l{i}", layer) for i, layer in enumerate(layers())]
    list(compare_pairs("attention", sources, ALL, chosen()[:1], advance=words.append))
    assert sum(words) == sum(LENGTHS)


class Endless:
    """A layer whose sentences are made as they are read."""

    def __init__(self, name: str, count: int) -> None:
        self.name, self.units, self.longest, self.held, self._count = name, 8, 40, 0, count
        self._sentence = oracle.attention(np.random.default_rng(len(name)), 8, [40])[0].astype("float32")

    def chunks(self) -> Iterator[list[oracle.Attention]]:
        for _ in range(self._count):
            yield [self._sentence.copy()]


def test_memory_does_not_grow_with_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_source, "STRETCH_BYTES", 2**20)
    peaks = []
    for count in (40, 400):
        tracemalloc.start()
        list(compare_pairs("attention", [Endless("a", count), Endless("bb", count)], [(0, 1)], chosen()))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_rectangles_cover_what_is_wanted_and_little_else() -> None:
    triangle = [(a, b) for a in range(24) for b in range(a + 1, 24)]
    models = [(a, b) for a in range(12) for b in range(12, 24)]
    for pairs in (triangle, models, [(0, 9), (3, 4), (7, 8)], ALL):
        covered = [
            (a, b)
            for first_a, last_a, first_b, last_b in rectangles(pairs)
            for a in range(first_a, last_a)
            for b in range(first_b, last_b)
        ]
        assert set(pairs) <= set(covered) and 3 * len(covered) <= 4 * len(pairs)
    assert rectangles(models) == [(0, 12, 12, 24)]


def test_long_sentences_make_smaller_tiles() -> None:
    pairs = [(a, b) for a in range(24) for b in range(a + 1, 24)]
    assert tiles_of("attention", layers_of(longest=100), pairs, chosen()[:3], 2 * 2**30) == [pairs]
    for layers in (layers_of(longest=2000), layers_of(longest=100, held=2**28)):
        tiles = tiles_of("attention", layers, pairs, chosen()[:3], 4 * 2**30)
        assert sorted(pair for tile in tiles for pair in tile) == pairs and len(tiles) > 1
        for tile in tiles:
            used = {index for pair in tile for index in pair}
            assert sum(layers[i].held + 12 * layers[i].longest ** 2 * 4 for i in used) <= 4 * 2**30


def layers_of(*, longest: int, held: int = 0) -> list[Any]:
    return [SimpleNamespace(units=12, longest=longest, held=held) for _ in range(24)]
