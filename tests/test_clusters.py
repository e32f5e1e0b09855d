"""Groups that emerge, against what one computes by hand: the tree, the adjusted Rand index, the map, their refusals."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from math import comb, dist
from pathlib import Path
from statistics import fmean
from typing import Any

import catalogs
import duckdb
import numpy as np
import pytest
import toy

from layeratlas.queries.core.grouping import distances, grow, rand_by_chance, rand_index, scaled
from layeratlas.queries.core.scope import Asked
from layeratlas.queries.core.table import Table
from layeratlas.queries.figures.clusters import chart, elbows, tree
from layeratlas.queries.questions.clusters import clusters
from layeratlas.queries.terminal.render import as_text
from layeratlas.queries.terminal.tree import branches, draw
from layeratlas.store.catalog import reading
from layeratlas.store.errors import NothingYet
from layeratlas.store.store import Store

Catalog = duckdb.DuckDBPyConnection
Pairs = dict[frozenset[Any], float]


def average_linkage(apart: Pairs) -> Pairs:
    """The height at which each two leaves are joined, when the closest two groups are joined again and again."""
    groups = {frozenset([leaf]) for pair in apart for leaf in pair}
    heights: Pairs = {}

    def between(two: tuple[frozenset[Any], ...]) -> float:
        return fmean(apart[frozenset(pair)] for pair in itertools.product(*two))

    while len(groups) > 1:
        one, other = min(itertools.combinations(groups, 2), key=between)
        heights |= {frozenset(pair): between((one, other)) for pair in itertools.product(one, other)}
        groups = groups - {one, other} | {one | other}
    return heights


def joined(names: Sequence[Any], joins: Sequence[float | None]) -> Pairs:
    """The same, as rows say it: two leaves are joined at the largest height between them."""
    return {frozenset([names[i], names[j]]): max(each for each in joins[i + 1 : j + 1] if each is not None)
            for i, j in itertools.combinations(range(len(names)), 2)}  # fmt: skip


def rand(groups: Sequence[int], labels: Sequence[str]) -> float:
    """The adjusted Rand index, pair by pair."""
    pairs = list(itertools.combinations(range(len(groups)), 2))
    one, other = ([of[i] == of[j] for i, j in pairs] for of in (groups, labels))
    both, expected = sum(map(min, one, other)), sum(one) * sum(other) / comb(len(groups), 2)
    return (both - expected) / ((sum(one) + sum(other)) / 2 - expected)


def values(catalog: Catalog, measure: str, source: str, *, of: str) -> dict[tuple[Any, Any], list[float]]:
    found: dict[tuple[Any, Any], list[float]] = {}
    sql = "SELECT model_a, layer_a, model_b, layer_b, value FROM layer_pairs WHERE measure = ? AND source = ?"
    for a, i, b, j, value in catalog.execute(sql, [measure, source]).fetchall():
        if of == "layers" or a != b:
            found.setdefault(((a, i), (b, j)) if of == "layers" else (a, b), []).append(value)
    return found


@pytest.mark.parametrize("of", ["models", "layers"])
@pytest.mark.parametrize("measure", ["ckasim", "mixedsim"])
def test_the_tree_is_that_of_average_linkage(published: Catalog, measure: str, of: str) -> None:
    few = ("bert_base_cased", "elmo_original", "openai_transformer", "elmo_4x4096_512")
    answer = clusters(published, Asked((measure,), models=few), of=of)
    rows = answer.records()
    means = {pair: fmean(there) for pair, there in values(published, measure, "wu2020-ewt", of=of).items()
             if all((end if of == "models" else end[0]) in few for end in pair)}  # fmt: skip
    apart = {frozenset([a, b]): 1 - (value + means[b, a]) / 2 for (a, b), value in means.items()}
    names = [(row["model"], row["layer"]) if of == "layers" else row["model"] for row in rows]
    assert joined(names, answer.column("joins")) == pytest.approx(average_linkage(apart))
    assert rows[0]["joins"] is None and [row["place"] for row in rows] == list(range(1, len(rows) + 1))
    index = rand(answer.column("cluster"), answer.column("family"))
    assert f"adjusted Rand index of {index:.2f}" in answer.says and max(answer.column("cluster")) == 3


@pytest.mark.parametrize("groups", [2, 5, 7])
def test_the_tree_is_cut_where_it_is_told(published: Catalog, groups: int) -> None:
    rows = clusters(published, groups=groups).records()
    highest = sorted((row["joins"] for row in rows[1:]), reverse=True)[: groups - 1]
    begins = [place for place, row in enumerate(rows) if place == 0 or row["joins"] in highest]
    assert begins == [place for place, row in enumerate(rows) if place == 0 or
                      row["cluster"] != rows[place - 1]["cluster"]]  # fmt: skip


def test_the_matrix_has_the_scores_in_the_order_of_the_rows(published: Catalog) -> None:
    found = clusters(published, Asked(("pwsim",), families=("elmo",)), of="layers")
    assert found.ordered and found.first(4).ordered is None
    names = list(zip(found.column("model"), found.column("layer"), strict=True))
    assert [(each.model, each.layer) for each in found.ordered.rows] == names
    scores = values(published, "pwsim", "wu2020-ewt", of="layers")
    for (i, a), (j, b) in itertools.permutations(enumerate(names), 2):
        assert scores[a, b] == [found.ordered.values[i, j]]


def test_families_that_are_apart_come_out_by_themselves(tmp_path: Path) -> None:
    models: dict[str, tuple[str, int, str | None]] = {
        f"{family}{n}": (family, 2, None) for family in ("ox", "yak", "cow") for n in range(3)
    }

    def near(measure: str, a: str, i: int, b: str, j: int) -> float:
        return (0.9 if a[:-1] == b[:-1] else 0.1) - 0.01 * abs(i - j) - 0.001 * (int(a[-1]) + int(b[-1]))

    root = catalogs.build(tmp_path / "s", models=models, value=near, measures={"ckasim": True})
    with reading(root) as catalog:
        for of, leaves in (("models", 9), ("layers", 27)):
            answer = clusters(catalog, of=of)
            assert len(answer.rows) == leaves
            assert "an adjusted Rand index of 1.00 (p = 0.00" in answer.says
            assert "a group of their own: " in answer.says and "(3 of 3)" in answer.says


@pytest.mark.parametrize("seed", range(5))
def test_the_rand_index_is_that_of_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups, labels = rng.integers(0, 4, 20).tolist(), [f"f{n}" for n in rng.integers(0, 3, 20)]
    assert rand_index(groups, labels) == pytest.approx(rand(groups, labels))
    assert rand_index([1, 1, 2], ["x", "x", "y"]) == rand_index([1, 1], ["x", "x"]) == 1


def test_chance_deals_families_to_models_not_to_layers() -> None:
    groups, models = [1] * 6 + [2] * 6, [f"m{n}" for n in range(4) for _ in range(3)]
    families = ["x"] * 6 + ["y"] * 6
    assert rand_by_chance(groups, models, families, resamples=5999, seed=0) == pytest.approx(1 / 3, abs=0.02)


def test_a_map_of_places_in_a_plane_is_that_plane() -> None:
    places = np.random.default_rng(1).standard_normal((9, 2))
    apart = np.array([[dist(a, b) for b in places] for a in places])
    found, share = scaled(apart)
    assert share == pytest.approx(1)
    assert np.array([[dist(a, b) for b in found] for a in found]) == pytest.approx(apart)
    ball, lost = scaled(1 - np.eye(5))  # corners of a simplex: four equal dimensions
    assert lost == pytest.approx(0.5) and ball.shape == (5, 2)


def test_distances_are_averaged_and_turned_as_the_measure_points() -> None:
    scores = np.array([[np.nan, 0.2, 0.6], [0.4, np.nan, 0.9], [0.6, 0.7, np.nan]])
    similar = distances(scores, high=1.0, is_distance=False)
    assert similar == pytest.approx(np.array([[0, 0.7, 0.4], [0.7, 0, 0.2], [0.4, 0.2, 0]]))
    distant = distances(scores, high=None, is_distance=True)
    assert distant[0, 1] == pytest.approx(0.3) and distant[1, 2] == pytest.approx(0.8)
    unbounded = distances(scores, high=None, is_distance=False)
    assert unbounded[1, 2] == 0 and unbounded[0, 1] == pytest.approx(0.5)


def test_many_leaves_keep_the_tree_without_the_best_order() -> None:
    apart = np.abs(np.subtract.outer(*[np.random.default_rng(2).permutation(500) ** 1.5] * 2))
    found = grow(apart, linkage="single", groups=7)
    assert sorted(found.order) == list(range(500)) and max(found.groups) == 7
    assert list(found.groups) == sorted(found.groups)


def test_a_missing_pair_is_refused_and_says_what_to_do(own: Catalog, published: Catalog) -> None:
    with pytest.raises(NothingYet, match=r"svsim is missing for 2 of 12 pairs, as of bee towards cat: .*coverage"):
        clusters(own, Asked(("svsim",)))
    with pytest.raises(NothingYet, match=r"20 of 182 pairs, as of bee 0 towards cat 0"):
        clusters(own, Asked(("svsim",)), of="layers")
    assert len(clusters(own, Asked(("svsim",), models=("ant", "asp", "bee")), of="layers").rows) == 12
    with pytest.raises(NothingYet, match="three or more measured models"):
        clusters(own, Asked(families=("a-family",)))
    assert "all are of one family" in clusters(published, Asked(models=ELMOS)).says


ELMOS = ("elmo_original", "elmo_4x4096_512", "calypso_transformer_6_512_base")


def test_a_layer_that_is_always_refused_is_left_out(own: Catalog) -> None:
    rows = clusters(own, Asked(("pwsim",)), of="layers").records()
    assert ("cat", 0) not in {(row["model"], row["layer"]) for row in rows} and len(rows) == 13


def test_copies_are_left_out_unless_they_are_named(tmp_path: Path) -> None:
    root = catalogs.build(tmp_path / "s")
    with reading(root) as catalog:
        base = {name for name, (_, _, origin) in catalogs.MODELS.items() if origin is None}
        answer = clusters(catalog)
        assert set(answer.column("model")) == base and "without 1 copies and controls" in answer.notes
        assert set(clusters(catalog, copies=True).column("model")) == set(catalogs.MODELS)
        named = ("bert-a", "bert-a-tuned-on-tags", "gpt-a", "xlnet-a")
        assert set(clusters(catalog, Asked(models=named)).column("model")) == set(named)


def test_one_model_a_family_says_nothing_of_families(own: Catalog) -> None:
    says = clusters(own, Asked(models=("ant", "bee", "cat"))).says
    assert "nothing can be said of families" in says and "Rand" not in says


def test_a_distance_gives_the_tree_of_its_similarity(tmp_path: Path) -> None:
    """The mean of distances 1 - s is 1 - the mean: what is joined, and how high, is the same."""
    similar = catalogs.build(tmp_path / "a", measures={"ckasim": True})
    distant = catalogs.build(tmp_path / "b", measures={"ckasim": True}, value=lambda *of: 1 - catalogs.score(*of))
    store = Store(distant)
    with store.catalog() as catalog:
        row = catalog.execute("SELECT * FROM base.configurations").fetchall()[0]
        names = [each[0] for each in catalog.description or ()]
    declared = {**dict(zip(names, row, strict=True)), "configuration": "v1:apart", "measure": "apart"}
    declared |= {"direction": "distance", "low": 0.0, "high": None}
    store.write("configurations", [{name: value for name, value in declared.items() if name != "id"}])
    ends = store.rows(
        "SELECT a.artifact, b.artifact, s.value FROM base.scores s JOIN base.artifacts a ON a.id = s.artifact_a "
        "JOIN base.artifacts b ON b.id = s.artifact_b"
    )
    store.write("scores", [{"configuration": "v1:apart", "artifact_a": a, "artifact_b": b, "value": value, "words": 1,
                            "run": "r1"} for a, b, value in ends])  # fmt: skip
    store.merge()
    with reading(similar) as one, reading(distant) as other:
        rows = [clusters(one).rows, clusters(other, Asked(("apart",))).rows]
    for a, b in zip(*rows, strict=True):
        assert a[:4] == b[:4] and a[4:] == pytest.approx(b[4:])


def test_branches_of_the_terminal_meet_where_rows_say() -> None:
    assert branches([None, 0.5, 1.0], 9) == ["────┬───┐", "────┘   │", "────────┘"]
    assert branches([None, 1.0, 0.5, 1.0], 5)[1:3] == ["──┬─┤", "──┘ │"]
    assert branches([None], 5) == [""]


@pytest.mark.parametrize(("columns", "wide", "bin"), [(200, 2, 1), (80, 2, 1), (56, 1, 1), (46, 1, 2)])
def test_a_terminal_shows_the_scores_beside_the_tree(
    columns: int, wide: int, bin: int, own: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, lines = drawn(own, columns, monkeypatch)
    assert answer.ordered
    values, leaves = answer.ordered.values, len(answer.rows)
    parts = [values[:, start : start + bin] for start in range(0, leaves, bin)]
    means = [
        [np.nanmean(some) if np.isfinite(some).any() else None for some in line] for line in zip(*parts, strict=True)
    ]
    known = [mean for line in means for mean in line if mean is not None]
    for line, cells in zip(lines, means, strict=True):
        steps = [None if each is None else int((each - min(known)) / (max(known) - min(known)) * 5) for each in cells]
        assert "".join(("·" if step is None else " ░▒▓██"[step]) * wide for step in steps) in line


def test_a_terminal_too_narrow_for_scores_shows_the_tree(own: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any("░" in line for line in drawn(own, 20, monkeypatch)[1])


def drawn(catalog: Catalog, columns: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Table, list[str]]:
    """Groups of layers, and the line of each in a terminal without colours."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    answer = clusters(catalog, of="layers")
    text = as_text(partial(draw, answer)).splitlines()
    first = next(place for place, line in enumerate(text) if line.startswith(f"{answer.rows[0][1]} "))
    return answer, text[first : first + len(answer.rows)]


def test_elbows_are_one_fewer_than_leaves_and_end_at_the_top(own: Catalog) -> None:
    answer = clusters(own, of="layers")
    corners = elbows(answer.column("joins"))
    assert len(corners) == len(answer.rows) - 1
    assert corners[-1][1][1] == max(answer.column("joins")[1:]) == tree(answer).ends()[1]
    trails = chart(answer).trails
    assert [len(trail) for trail in trails] == [blocks + 1 for _, blocks in toy.MODELS.values()]
    places = {(spot.name, spot.x, spot.y) for trail in trails for spot in trail}
    assert places == {(f"{row['model']} {row['layer']}", row["x"], row["y"]) for row in answer.records()}
