"""Every question against the slow obvious answer, on a toy catalog and on what Wu et al. published."""

from __future__ import annotations

import itertools
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import duckdb
import pytest
import toy
from scipy.stats import spearmanr

from layeratlas.queries.core.ask import written_out
from layeratlas.queries.core.scope import Asked
from layeratlas.queries.questions.consistency import consistency
from layeratlas.queries.questions.coverage import coverage
from layeratlas.queries.questions.heatmap import heatmap, matrix
from layeratlas.queries.questions.matched import OF_UNITS
from layeratlas.queries.questions.measures import measures
from layeratlas.queries.questions.models import NEARNESS, models, nearness
from layeratlas.queries.questions.nearest import nearest
from layeratlas.queries.questions.top_pairs import top_pairs
from layeratlas.queries.terminal.render import title
from layeratlas.store.catalog import reading
from layeratlas.store.errors import BadRequest, NothingYet
from layeratlas.store.results import ensure_results
from layeratlas.store.store import Store
from layeratlas.store.study import load_study

SYMMETRIC = toy.SYMMETRIC
MEASURES = tuple(SYMMETRIC)
Rows = list[dict[str, Any]]
Catalog = duckdb.DuckDBPyConnection
neurons = OF_UNITS["activations"]


@pytest.fixture(params=["own", "wu2020-ewt"])
def asked(request: pytest.FixtureRequest, stores: dict[str, Path]) -> Iterator[tuple[Catalog, Rows, str, str]]:
    """A catalog, all its scores of one source as plain rows, and two of its models."""
    with reading(stores[request.param]) as catalog:
        cursor = catalog.execute("SELECT * FROM layer_pairs WHERE source = ?", [request.param])
        names = [column[0] for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        two = ("ant", "bee") if request.param == "own" else ("bert_base_cased", "xlnet_large_cased")
        yield catalog, rows, *two


def ends(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["model_a"], row["layer_a"], row["model_b"], row["layer_b"]


def of(rows: Rows, measure: str, keep: Callable[[dict[str, Any]], bool] = lambda row: True) -> Rows:
    return [row for row in rows if row["measure"] == measure and keep(row)]


@pytest.mark.parametrize("least", [False, True])
@pytest.mark.parametrize("across", [None, "models", "families"])
@pytest.mark.parametrize("measure", ["ckasim", "neuronsim"])
def test_top_pairs(asked: tuple[Catalog, Rows, str, str], measure: str, across: str | None, least: bool) -> None:
    catalog, rows, *_ = asked
    kept = of(rows, measure, lambda r: not SYMMETRIC[measure] or ends(r)[:2] < ends(r)[2:])
    if across:
        side = {"models": "model", "families": "family"}[across]
        kept = [row for row in kept if row[f"{side}_a"] != row[f"{side}_b"]]
    kept.sort(key=lambda row: (row["value"] if least else -row["value"], *ends(row)))
    found = top_pairs(catalog, Asked((measure,), limit=15), across=across, least=least).records()
    assert [(ends(row), row["value"]) for row in found] == [(ends(row), row["value"]) for row in kept[:15]]


def test_top_pairs_of_a_model_a_family_and_a_layer(asked: tuple[Catalog, Rows, str, str]) -> None:
    catalog, rows, model, other = asked
    family = next(row["family_a"] for row in rows if row["model_a"] == other)
    chosen = Asked(("pwsim",), models=(model,), families=(family,), limit=100_000)
    found = {ends(row) for row in top_pairs(catalog, chosen, layer=1).records()}
    assert found == {
        ends(row) for row in of(rows, "pwsim")
        if (model, 1) in (ends(row)[:2], ends(row)[2:]) and family in (row["family_a"], row["family_b"])
    }  # fmt: skip


def test_nearest(asked: tuple[Catalog, Rows, str, str]) -> None:
    catalog, rows, model, other = asked
    found = nearest(catalog, Asked(limit=3), layer=f"{model}:1").records()
    assert {row["measure"] for row in found} == set(MEASURES)
    for measure in MEASURES:
        kept = of(rows, measure, lambda r: ends(r)[:2] == (model, 1) and r["model_b"] != model)
        kept.sort(key=lambda row: (-row["value"], row["model_b"], row["layer_b"]))
        expected = [(i, row["model_b"], row["layer_b"], row["value"]) for i, row in enumerate(kept[:3], start=1)]
        assert [(r["rank"], r["model"], r["layer"], r["value"]) for r in found if r["measure"] == measure] == expected
    only = nearest(catalog, Asked(models=(other,)), layer=f"{model}:1").records()
    assert {row["model"] for row in only} == {other}


def test_heatmap_of_two_models(asked: tuple[Catalog, Rows, str, str]) -> None:
    catalog, rows, model, other = asked
    found = heatmap(catalog, Asked(("mixedsim",)), pair=(model, other)).records()
    kept = of(rows, "mixedsim", lambda row: (row["model_a"], row["model_b"]) == (model, other))
    assert {ends(row): row["value"] for row in found} == {ends(row): row["value"] for row in kept}
    assert [ends(row) for row in found] == sorted(ends(row) for row in kept)


@pytest.mark.parametrize("size", [1, 2])
def test_heatmap_of_all_models(asked: tuple[Catalog, Rows, str, str], size: int) -> None:
    catalog, rows, *_ = asked
    found = heatmap(catalog, Asked(("svsim",)), bin=size).records()
    cells: dict[tuple[Any, ...], list[float]] = {}
    for row in of(rows, "svsim"):
        place = (row["model_a"], row["layer_a"] // size * size, row["model_b"], row["layer_b"] // size * size)
        cells.setdefault(place, []).append(row["value"])
    assert {ends(row) for row in found} == set(cells)
    assert all(row["value"] == pytest.approx(fmean(cells[ends(row)])) for row in found)


@pytest.mark.parametrize("pair", [False, True])
def test_the_matrix_has_the_rows_of_the_heatmap(asked: tuple[Catalog, Rows, str, str], pair: bool) -> None:
    catalog, _, model, other = asked
    names = (model, other) if pair else ()
    rows = heatmap(catalog, Asked(("pwsim",)), pair=names).records()
    found = matrix(catalog, Asked(("pwsim",)), pair=names)
    cells = {(a.model, a.layer, b.model, b.layer): found.values[i, j]
             for i, a in enumerate(found.rows) for j, b in enumerate(found.columns)
             if not math.isnan(found.values[i, j])}  # fmt: skip
    assert cells == {ends(row): row["value"] for row in rows}
    assert list(found.rows) == sorted(found.rows) and found.is_square != pair


@pytest.mark.parametrize("measure", MEASURES)
def test_models(asked: tuple[Catalog, Rows, str, str], measure: str) -> None:
    catalog, rows, *_ = asked
    blocks = dict(catalog.execute("SELECT model, layers FROM models WHERE source <> 'wu2020-finetuned'").fetchall())
    found = models(catalog, Asked((measure,))).records()
    grouped: dict[tuple[str, str], Rows] = {}
    for row in of(rows, measure):
        grouped.setdefault((row["model_a"], row["model_b"]), []).append(row)
    assert {(row["model_a"], row["model_b"]) for row in found} == set(grouped)
    for row in found:
        a, b = row["model_a"], row["model_b"]
        by_layer = itertools.groupby(sorted(grouped[a, b], key=ends), key=lambda each: each["layer_a"])
        best, same = [], []
        for layer, there in by_layer:
            values = {each["layer_b"]: each["value"] for each in there}
            best.append(max(values.values()))
            depth = layer / blocks[a]
            same.append(values[min(values, key=lambda other: (round(abs(depth - other / blocks[b]), 9), other))])
        assert row["mean"] == pytest.approx(fmean(each["value"] for each in grouped[a, b]))
        assert row["best_layer"] == pytest.approx(fmean(best)) and row["layer_pairs"] == len(grouped[a, b])
        assert row["same_depth"] == (None if a == b else pytest.approx(fmean(same)))


def test_measures_agree_as_scipy_says(asked: tuple[Catalog, Rows, str, str]) -> None:
    catalog, rows, *_ = asked
    for across in (None, "families"):
        found = measures(catalog, across=across).records()
        assert len(found) == 10
        scores = {name: {ends(row): row["value"] for row in of(rows, name)
                         if not across or row["family_a"] != row["family_b"]} for name in MEASURES}  # fmt: skip
        common = set.intersection(*(set(each) for each in scores.values()))
        for row in found:
            a, b = ([scores[row[side]][pair] for pair in common] for side in ("measure", "other"))
            assert row["spearman"] == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
            assert row["layer_pairs"] == len(common)


def test_attention_meets_activations_layer_by_layer(stores: dict[str, Path], tmp_path: Path) -> None:
    store = Store(shutil.copytree(stores["own"], tmp_path / "s"))
    toy.add_attention(store)
    with reading(store.root) as catalog:
        (row,) = measures(catalog, Asked(("ckasim", "looksim"))).records()
        layers = sum(blocks for _, blocks in toy.MODELS.values())
        assert row["spearman"] == pytest.approx(-1) and row["layer_pairs"] == layers * (layers - 1)
        assert {row["measure"] for row in nearest(catalog, Asked(), layer="bee:0").records()} == set(MEASURES)
        assert "looksim" in {row["measure"] for row in nearest(catalog, Asked(), layer="bee:1").records()}
        with pytest.raises(BadRequest, match="bee has no layer 0; there is: 1 to 4"):
            nearest(catalog, Asked(("looksim",)), layer="bee:0")
        found = [row for row in coverage(catalog).records() if row["measure"] == "looksim"]
        assert sum(row["layer_pairs"] for row in found) == layers * (layers - 1)
        assert not any(row["missing"] for row in found)


def test_coverage_counts_what_is_scored_refused_and_missing(own: Catalog, published: Catalog) -> None:
    found = coverage(own).records()
    gaps = {(row["measure"], row["model_a"], row["model_b"]): (row["missing"], row["refused"]) for row in found}
    assert gaps["svsim", "bee", "cat"] == gaps["svsim", "cat", "bee"] == (5 * 2, 0)
    assert gaps["pwsim", "ant", "cat"] == (0, 4) and gaps["pwsim", "cat", "cat"] == (0, 2)
    assert gaps["ckasim", "ant", "ant"] == (0, 0)
    layers = sum(blocks + 1 for _, blocks in toy.MODELS.values())
    for measure in MEASURES:
        rows = [row for row in found if row["measure"] == measure]
        assert sum(row["layer_pairs"] for row in rows) == layers * (layers - 1)
        assert all(row["scored"] + row["refused"] + row["missing"] == row["layer_pairs"] for row in rows)
    assert [row["missing"] for row in found[:3]] == [10, 10, 0]
    assert coverage(published).says == "40,950 of 40,950 ordered layer pairs are scored, 0 refused, 0 missing"


@pytest.mark.parametrize("least", [False, True])
def test_neurons(own: Catalog, least: bool) -> None:
    details = own.execute(
        "SELECT neuron, value, model_b, layer_b, matched_by FROM neurons "
        "WHERE model_a = 'bee' AND layer_a = 2 AND model_b <> 'bee'"
    ).fetchall()
    found = neurons(own, Asked(), layer="bee:2", least=least).records()
    assert len(found) == toy.NEURONS
    for row in found:
        mine = [each for each in details if each[0] == row["neuron"]]
        best = max(mine, key=lambda each: each[1])
        assert (row["value"], row["model"], row["layer"], row["matched_by"]) == (pytest.approx(best[1]), *best[2:])
        each_model = [max(e[1] for e in mine if e[2] == model) for model in ("ant", "asp", "cat")]
        assert row["models"] == 3 and row["mean"] == pytest.approx(fmean(each_model))
    values = [row["value"] for row in found]
    assert values == sorted(values, reverse=not least)


def test_no_score_of_ours_breaks_a_law_and_made_up_ones_do(own: Catalog, tmp_path: Path) -> None:
    answer = consistency(own)
    assert answer.rows == [] and answer.says == "no score breaks a law"
    header = "corpus,measure,model_a,layer_a,model_b,layer_b,value\n"
    (tmp_path / "r.csv").write_text(header + "".join(f"c,{line}\n" for line in (
        "ckasim,m,0,m,1,0.5", "ckasim,m,1,m,0,0.6", "svsim,m,0,m,1,1.25", "pwsim,m,0,m,1,-0.5",
        "neuronsim,m,0,m,1,0.5", "mixedsim,m,0,m,1,0.25", "neuronsim,m,1,m,0,0.5", "mixedsim,m,1,m,0,0.5",
    )))  # fmt: skip
    (tmp_path / "r.toml").write_text('[[models]]\nname = "m"\nfamily = "f"\nlayers = 1\n')
    spec = load_study(_study(tmp_path, '[[results]]\nfile = "r.csv"\nname = "bad"\n')).results[0]
    ensure_results(Store(tmp_path / "s"), spec, symmetric=SYMMETRIC)
    with reading(tmp_path / "s") as catalog:
        found = {(row["law"], row["measure"], *ends(row)[1::2]): row["excess"]
                 for row in consistency(catalog).records()}  # fmt: skip
    assert found == {
        ("value ≥ 0", "pwsim", 0, 1): pytest.approx(0.5), ("value ≤ 1", "svsim", 0, 1): pytest.approx(0.25),
        ("value ≤ 1", "svsim", 1, 0): pytest.approx(0.25), ("a, b = b, a", "ckasim", 0, 1): pytest.approx(0.1),
        ("neuronsim ≤ mixedsim", "neuronsim", 0, 1): pytest.approx(0.25),
    }  # fmt: skip


def _study(folder: Path, text: str) -> Path:
    (folder / "study.toml").write_text(text)
    return folder / "study.toml"


# What is known of the published figures.


def test_the_published_pair_that_cannot_be_is_the_only_one(published: Catalog) -> None:
    (row,) = consistency(published).records()
    assert ends(row) == ("calypso_transformer_6_512_base", 0, "xlnet_large_cased", 0)
    assert row["law"] == "neuronsim ≤ mixedsim" and (round(row["value"], 2), round(row["bound"], 2)) == (0.97, 0.84)
    assert consistency(published, Asked(source="wu2020-finetuned")).rows == []


def test_the_most_similar_published_layers_are_embeddings(published: Catalog) -> None:
    first = top_pairs(published, across="models").records()[0]
    assert ends(first) == ("bert_base_cased", 0, "bert_large_cased", 0) and round(first["value"], 2) == 0.93
    first = top_pairs(published, across="families").records()[0]
    assert ends(first) == ("bert_base_cased", 0, "xlnet_large_cased", 0) and round(first["value"], 2) == 0.80


@pytest.mark.parametrize("measure", MEASURES)
def test_published_models_are_closest_to_themselves_then_to_their_family(published: Catalog, measure: str) -> None:
    means = nearness(models(published, Asked((measure,))).records())
    assert list(means) == list(NEARNESS)
    within, family, across = means.values()
    assert within > family > across
    if measure in ("neuronsim", "ckasim"):
        expected = {"neuronsim": (0.50, 0.18, 0.16), "ckasim": (0.61, 0.58, 0.41)}[measure]
        assert (within, family, across) == pytest.approx(expected, abs=0.01)


# Which scores are meant.


def test_sources_are_never_mixed_and_the_title_says_which(stores: dict[str, Path]) -> None:
    with reading(stores["both"]) as catalog:
        ours = top_pairs(catalog, Asked(limit=10_000))
        assert {row["source"] for row in ours.records()} == {"own"}
        assert title(ours) == "Most similar layer pairs, ckasim (default) · toy · 100 words · source own"
        theirs = models(catalog, Asked(source="wu2020-ewt"))
        assert len(theirs.rows) == 49 and title(theirs).endswith("words not stated · source wu2020-ewt")
        named = nearest(catalog, Asked(), layer="bert_base_cased+mnli:3")
        assert title(named).endswith("source wu2020-finetuned"), "a model names the source that has it"
        assert len(coverage(catalog).rows) == 5 * 16


@pytest.mark.parametrize(
    ("chosen", "error", "says"),
    [
        (Asked(source="wu2021-ewt"), BadRequest, "unknown source 'wu2021-ewt'; did you mean wu2020-ewt"),
        (Asked(("cka",)), BadRequest, "unknown measure 'cka'; did you mean ckasim"),
        (Asked(models=("ants",)), BadRequest, "unknown model 'ants'; did you mean ant"),
        (Asked(families=("d",)), BadRequest, "unknown family 'd'; there is: a-family, b-family, c-family"),
        (Asked(corpus="toys"), BadRequest, "unknown corpus 'toys'; did you mean toy"),
        (Asked(configuration="wu2021"), BadRequest, "unknown configuration 'wu2021'"),
        (Asked(pooling="first"), BadRequest, "unknown pooling 'first'; there is: last"),
    ],
)
def test_unknown_names_say_what_there_is(
    stores: dict[str, Path], chosen: Asked, error: type[Exception], says: str
) -> None:
    with reading(stores["both"]) as catalog, pytest.raises(error) as raised:
        top_pairs(catalog, chosen)
    assert says in str(raised.value) and "\n" not in str(raised.value)


def test_what_cannot_be_answered_says_so_in_one_line(own: Catalog, published: Catalog) -> None:
    for question, error, says in (
        (lambda: nearest(own, Asked(), layer="ant"), BadRequest, "expected MODEL:LAYER"),
        (lambda: nearest(own, Asked(), layer="ant:9"), BadRequest, "ant has no layer 9; there is: 0 to 3"),
        (
            lambda: OF_UNITS["activations"](published, Asked(), layer="elmo_original:0"),
            NothingYet,
            "no neuronsim of single neurons",
        ),
        (lambda: measures(own, Asked(("ckasim",))), BadRequest, "agreement takes two measures"),
        (lambda: models(own, Asked(("ckasim", "pwsim"))), BadRequest, "name one measure"),
    ):
        with pytest.raises(error, match=says):
            question()


def test_values_are_written_into_sql_as_literals() -> None:
    sql = "-- $a in a comment\nSELECT $a, $b, $c, $d, $e -- $a"
    values = {"a": "it's", "b": None, "c": [1, "x"], "d": [], "e": True}
    assert written_out(sql, values) == "SELECT 'it''s', NULL, [1, 'x'], []::VARCHAR[], True -- $a"
    assert (duckdb.sql(written_out("SELECT $x", {"x": 1.0})).fetchall()[0]) == (1.0,)
