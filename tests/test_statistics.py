"""The statistical questions: against slow computations, known published facts, planted effects and the null."""

from __future__ import annotations

import itertools
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
import scipy.stats
import toy
from duckdb import DuckDBPyConnection

from layeratlas.queries.core import permutation
from layeratlas.queries.core.models import Model
from layeratlas.queries.core.scope import Asked
from layeratlas.queries.core.table import Table
from layeratlas.queries.questions.correspondence import correspondence
from layeratlas.queries.questions.factors import factors, sizes
from layeratlas.queries.questions.families import families
from layeratlas.queries.questions.finetuning import finetuning, sets_in
from layeratlas.queries.questions.localization import localization
from layeratlas.store.catalog import reading
from layeratlas.store.errors import BadRequest, NothingYet
from layeratlas.store.store import Store

PUBLISHED = Path(__file__).resolve().parent.parent / "studies" / "published"
EWT = Asked(source="wu2020-ewt")
OTHERS = pl.col("model_a") != pl.col("model_b")
SAME = pl.col("family_a") == pl.col("family_b")
Catalog = DuckDBPyConnection


def figures() -> pl.DataFrame:
    """The published file, with families by hand."""
    family = {"bert_base_cased": "bert", "bert_large_cased": "bert", "elmo_original": "elmo", "elmo_4x4096_512": "elmo",
              "calypso_transformer_6_512_base": "elmo", "openai_transformer": "gpt",
              "xlnet_large_cased": "xlnet"}  # fmt: skip
    return pl.read_parquet(PUBLISHED / "wu2020_ewt.parquet").with_columns(
        family_a=pl.col("model_a").replace(family), family_b=pl.col("model_b").replace(family)
    )


def scores(catalog: Catalog) -> pl.DataFrame:
    """Every score of the toy catalog, as plain rows."""
    return catalog.sql(
        "SELECT measure, model_a, layer_a, family_a, model_b, layer_b, family_b, value FROM layer_pairs"
    ).pl()


def by(table: Table, column: str) -> dict[object, dict[str, float]]:
    return {row[column]: row for row in table.records()}


def check_families(found: Table, rows: pl.DataFrame) -> None:
    """Hold means and p against slow ones: all ways to deal out families, without those that have no difference."""
    for (measure,), pairs in rows.group_by("measure"):
        row = by(found, "measure")[measure]
        others = pairs.filter(OTHERS)
        expected = [part["value"].mean() for part in (pairs.filter(~OTHERS), others.filter(SAME), others.filter(~SAME))]
        assert [row["same_model"], row["same_family"], row["across"]] == pytest.approx(expected, abs=1e-9)
        sums = {key: (frame["value"].sum(), len(frame)) for key, frame in others.group_by("model_a", "model_b")}
        family = dict(others.select("model_a", "family_a").unique().sort("model_a").iter_rows())
        seen = difference(sums, tuple(family), tuple(family.values()))
        assert row["difference"] == pytest.approx(seen) and row["low"] <= row["difference"] <= row["high"]
        orders = itertools.permutations(family.values())
        chance = [difference(sums, tuple(family), order) for order in sorted(orders)[:: 1 if len(family) < 5 else 7]]
        defined = [each for each in chance if each is not None]
        exact = np.mean([each >= seen - 1e-12 for each in defined])
        assert row["p"] == pytest.approx(exact, abs=0.04)  # 1,999 draws: more than three standard errors
        assert (f"{measure} " in found.says.partition("not counted")[2]) == (len(defined) < len(chance))


def difference(sums: dict[Any, tuple[float, int]], models: tuple[str, ...], labels: tuple[str, ...]) -> float | None:
    label = dict(zip(models, labels, strict=True))
    parts = [[v for (a, b), v in sums.items() if (label[a] == label[b]) == same] for same in (True, False)]
    if not all(parts):
        return None
    inside, outside = (sum(total for total, _ in part) / sum(count for _, count in part) for part in parts)
    return inside - outside


def test_families_are_means_over_layer_pairs_and_p_is_that_of_all_labellings(published: Catalog, own: Catalog) -> None:
    check_families(families(published, EWT), figures())
    check_families(families(own), scores(own))


def test_deals_without_a_difference_count_neither_for_nor_against(own: Catalog) -> None:
    answer = families(own, Asked(("svsim",)))  # bee and cat have no score: a family of these two has no mean
    assert "not counted: svsim 3" in answer.says and " of 1,999" in answer.says


def test_statistics_repeat_with_their_seed_and_move_with_another(published: DuckDBPyConnection) -> None:
    one, again, other = (families(published, EWT, resamples=199, seed=seed).rows for seed in (1, 1, 2))
    assert one == again != other


def test_finetuning_leaves_the_lower_layers_of_bert(published: DuckDBPyConnection) -> None:
    answer = finetuning(published, base="bert_base_cased")
    mnli = [row["value"] for row in answer.records() if row["model"] == "bert_base_cased+mnli"]
    assert min(mnli[:4]) > 0.92
    assert max(mnli[-4:]) <= 0.06
    steps = {row["model"]: row["sets_in"] for row in answer.records()}
    for model, step in steps.items():
        values = [row["value"] for row in answer.records() if row["model"] == model]
        costs = {
            place: sum((v - np.mean(part)) ** 2 for part in (values[:place], values[place:]) for v in part)
            for place in range(1, len(values))
        }
        assert step == min(costs, key=lambda place: costs[place])
    with pytest.raises(BadRequest, match="did you mean"):
        finetuning(published, base="bert_base")
    with pytest.raises(NothingYet, match="copies of: bert_base_cased"):
        finetuning(published, Asked(source="wu2020-finetuned"), base="bert_base_cased+mnli")


@pytest.fixture(scope="module")
def tuned(stores: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = shutil.copytree(stores["own"], tmp_path_factory.mktemp("tuned"), dirs_exist_ok=True)
    toy.add_tuned(Store(root))
    return root


def test_change_sets_in_at_a_layer_or_nowhere(tuned: Path) -> None:
    with reading(tuned) as catalog:
        answer = finetuning(catalog, base="bee")
    assert answer.rows == [
        ("bee-late", 0, 0.99, 3), ("bee-late", 2, 0.95, 3), ("bee-late", 3, 0.3, 3),
        ("bee-same", 0, 0.9, None), ("bee-same", 2, 0.9, None), ("bee-same", 3, 0.9, None),
    ]  # fmt: skip
    assert answer.says == "change sets in: bee-late from layer 3; no change sets in: bee-same"
    assert sets_in([0, 3, 6, 9], [0.5, 0.5, 0.9, 0.9], least=0) is None, "a rise is no change that sets in"
    assert sets_in([5], [0.5], least=0) is None
    assert sets_in([0, 1, 2, 3], [0.4551, 0.4551, 0.4547, 0.4547], least=0.05) is None, "too small to be worth saying"
    assert sets_in([0, 1, 2, 3], [0.50, 0.50, 0.44, 0.44], least=0.05) == 2


@pytest.mark.parametrize("zero", [1.0, 100.0, 10_000.0])
def test_change_of_a_distance_without_bounds_sets_in_wherever_zero_lies(
    tuned: Path, tmp_path: Path, zero: float
) -> None:
    root = shutil.copytree(tuned, tmp_path / "s")
    with duckdb.connect(str(root / "catalog.duckdb")) as catalog:
        catalog.execute("UPDATE base.configurations SET direction = 'distance', low = NULL, high = NULL")
        catalog.execute("UPDATE base.scores SET value = ? - value", [zero])
    with reading(root) as catalog:
        steps = {row["model"]: row["sets_in"] for row in finetuning(catalog, base="bee").records()}
    assert steps == {"bee-late": 3, "bee-same": None}


def test_depths_are_of_the_whole_model_where_only_some_layers_are_measured(tuned: Path) -> None:
    with reading(tuned) as catalog:
        rows = correspondence(catalog, model_a="bee-late", model_b="bee").records()
    assert [(row["layer"], row["depth"]) for row in rows] == [(0, 0), (2, 0.5), (3, 0.75)]
    assert [(row["best"], row["best_depth"]) for row in rows] == [(0, 0), (2, 0.5), (3, 0.75)]


def check_correspondence(answer: Table, pairs: pl.DataFrame, a: str, b: str) -> None:
    """Hold a correspondence against every path that never goes back."""
    pairs = pairs.filter((pl.col("measure") == "ckasim") & (pl.col("model_a") == a) & (pl.col("model_b") == b))
    grid = pairs.pivot("layer_b", index="layer_a", values="value").sort("layer_a")
    values = grid.select(sorted((c for c in grid.columns if c != "layer_a"), key=int)).to_numpy()
    best = [int(row.argmax()) for row in values]
    assert [row["best"] for row in answer.records()] == best
    assert [row["value"] for row in answer.records()] == pytest.approx(values.max(axis=1))
    aligned = [row["aligned"] for row in answer.records()]
    assert aligned == sorted(aligned)
    paths = itertools.combinations_with_replacement(range(values.shape[1]), len(values))
    most = max(sum(values[i, j] for i, j in enumerate(path)) for path in paths)
    assert sum(values[i, j] for i, j in enumerate(aligned)) == pytest.approx(most)
    if len(set(best)) > 1:
        rank = scipy.stats.spearmanr(range(len(best)), best).statistic
        assert f"rank correlation {rank:.2f}" in answer.says


def test_correspondence_is_the_best_monotone_path(published: Catalog, own: Catalog) -> None:
    a, b = "openai_transformer", "elmo_4x4096_512"
    check_correspondence(correspondence(published, EWT, model_a=a, model_b=b), figures(), a, b)
    for a, b in itertools.permutations(toy.MODELS, 2):
        check_correspondence(correspondence(own, model_a=a, model_b=b), scores(own), a, b)


def check_localization(answer: Table, rows: pl.DataFrame) -> None:
    """Hold a localization against z-scores over the pairs that both measures have."""
    pairs = rows.filter(OTHERS & pl.col("measure").is_in(["neuronsim", "svsim"]))
    ends = ["model_a", "layer_a", "model_b", "layer_b"]
    pairs = pairs.filter(pl.len().over(ends) == 2)
    z = pairs.with_columns(z=(pl.col("value") - pl.col("value").mean().over("measure"))
                           / pl.col("value").std(ddof=0).over("measure"))  # fmt: skip
    means = {key: frame["z"].mean() for key, frame in z.group_by("measure", "model_a", "layer_a")}
    assert len(answer.rows) == len(means) / 2
    for row in answer.records():
        expected = [means[name, row["model"], row["layer"]] for name in ("neuronsim", "svsim")]
        assert [row["z_neuronsim"], row["z_svsim"]] == pytest.approx(expected, abs=1e-9)
        assert row["localization"] == pytest.approx(expected[0] - expected[1], abs=1e-9)


def test_localization_is_the_difference_of_z_scores_over_the_same_pairs(published: Catalog, own: Catalog) -> None:
    answer = localization(published, EWT)
    check_localization(answer, figures())
    assert "top_10" not in answer.columns and "no curve" in answer.says
    check_localization(localization(own), scores(own))  # svsim lacks pairs that neuronsim has


def test_naming_a_model_chooses_rows_of_localization_and_changes_none(own: Catalog) -> None:
    every = [row for row in localization(own).rows if row[0] == "bee"]
    assert localization(own, Asked(models=("bee",))).rows == every and len(every) == 5


def test_the_curve_over_neurons_is_the_mean_of_the_best(own: Catalog) -> None:
    rows = own.execute(
        "SELECT model_a, layer_a, model_b, layer_b, list(n.value) FROM neurons n "
        "JOIN layer_pairs p USING (model_a, layer_a, model_b, layer_b) "
        "WHERE n.measure = 'neuronsim' AND p.measure = 'svsim' AND model_a <> model_b GROUP BY ALL"
    ).fetchall()
    for row in localization(own).records():
        mine = [
            sorted(values)[::-1] for model, layer, *_, values in rows if (model, layer) == (row["model"], row["layer"])
        ]
        for share in (1, 10, 50):
            kept = int(np.ceil(toy.NEURONS * share / 100))
            assert row[f"top_{share}"] == pytest.approx(np.mean([np.mean(values[:kept]) for values in mine]), abs=1e-6)
    first = localization(own, Asked(limit=3))
    assert [row["top_10"] is None for row in first.records()] == [False] * 3 + [True] * (len(first.rows) - 3)
    assert [row[:8] for row in first.rows] == [row[:8] for row in localization(own).rows]


def check_factors(answer: Table, rows: pl.DataFrame, designs: dict[str, Callable[[str, str], float]]) -> None:
    """Hold coefficients, t and r² against least squares, and p against all exchanges of models (or a part of them)."""
    pairs = rows.filter((pl.col("measure") == "ckasim") & OTHERS)
    mean = {key: frame["value"].mean() for key, frame in pairs.group_by("model_a", "model_b")}
    models = sorted({a for a, _ in mean})
    ends = list(itertools.combinations(range(len(models)), 2))
    y = np.array([(mean[models[i], models[j]] + mean[models[j], models[i]]) / 2 for i, j in ends])
    x = np.array([[1.0, *(of(models[i], models[j]) for of in designs.values())] for i, j in ends])
    assert [row["factor"] for row in answer.records()] == list(designs)
    for place, row in enumerate(answer.records(), start=1):
        coefficient, t, explained = least_squares(x, y, place)
        assert [row["coefficient"], row["t"], row["r_squared"]] == pytest.approx([coefficient, t, explained])
        others = np.delete(x, place, axis=1)
        own = x[:, place] - others @ np.linalg.lstsq(others, x[:, place], rcond=None)[0]
        of = dict(zip(ends, own, strict=True))
        orders = list(itertools.permutations(range(len(models))))[:: 1 if len(models) < 5 else 7]
        chance = [
            least_squares(np.column_stack([others, [of[min(o[i], o[j]), max(o[i], o[j])] for i, j in ends]]), y, -1)[1]
            for o in orders
        ]
        assert row["p"] == pytest.approx(np.mean(np.abs(chance) >= abs(t) - 1e-9), abs=0.04)


def least_squares(x: np.ndarray, y: np.ndarray, place: int) -> tuple[float, float, float]:
    """Coefficient and t of one column, and r² of all, by the normal equations."""
    solved = np.linalg.solve(x.T @ x, x.T @ y)
    rest = y - x @ solved
    error = np.sqrt(rest @ rest / (len(y) - x.shape[1]) * np.linalg.inv(x.T @ x)[place, place])
    return solved[place], solved[place] / error, 1 - rest @ rest / ((y - y.mean()) ** 2).sum()


def test_factors_are_least_squares_over_pairs_of_models(published: Catalog, own: Catalog) -> None:
    known = {each["name"]: each for each in tomllib.loads((PUBLISHED / "wu2020_ewt.toml").read_text())["models"]}

    def same(name: str) -> Callable[[str, str], float]:
        return lambda a, b: float(known[a][name] == known[b][name])

    def size(model: str) -> float:
        return float(np.log(known[model]["layers"] * known[model]["neurons"] ** 2))

    answer = factors(published, EWT)
    check_factors(answer, figures(), {
        "same family": same("family"), "same architecture": same("architecture"),
        "size ratio (log)": lambda a, b: abs(size(a) - size(b)),
        "depth difference": lambda a, b: abs(known[a]["layers"] - known[b]["layers"]),
    })  # fmt: skip
    assert "same objective" in answer.says  # named, since it follows from family and architecture here
    assert answer.says.endswith("size: blocks × neurons², as not every model states its parameters")
    check_factors(factors(own), scores(own), {
        "same family": lambda a, b: float(toy.MODELS[a][0] == toy.MODELS[b][0]),
        "depth difference": lambda a, b: abs(toy.MODELS[a][1] - toy.MODELS[b][1]),
    })  # fmt: skip


def test_sizes_are_on_one_scale() -> None:
    stated = Model("a", "f", None, None, 24, 1024, 340_000_000, None, is_untrained=False)
    unstated = replace(stated, parameters=None)
    assert sizes([stated, stated])[0] == [340_000_000] * 2
    assert sizes([stated, unstated])[0] == [24 * 1024**2] * 2
    assert sizes([stated, replace(unstated, neurons=None)])[0] == [1, 1]


def test_what_is_not_known_of_models_is_not_the_same() -> None:
    assert permutation.same(["x", None, "x", None]).astype(int).tolist() == [
        [1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1],
    ]  # fmt: skip


def simulated(seed: int, effect: float, size: int = 12) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Similarities with a part of each model's own, so that pairs depend on each other, and a planted effect."""
    rng = np.random.default_rng(seed)
    labels, other = rng.integers(0, 3, size), rng.normal(size=size)
    designs = {"same": (labels[:, None] == labels).astype(float), "other": np.abs(other[:, None] - other)}
    own, noise = rng.normal(size=size), rng.normal(size=(size, size))
    outcome = own[:, None] + own + (noise + noise.T) / 2 + effect * designs["same"] + 0.5 * designs["other"]
    return outcome, designs


def test_regress_gives_least_squares_and_finds_planted_effects() -> None:
    outcome, designs = simulated(3, effect=3.0)
    upper = np.triu_indices(len(outcome), 1)
    x = np.column_stack([np.ones(len(upper[0])), *(matrix[upper] for matrix in designs.values())])
    solved = np.linalg.lstsq(x, outcome[upper], rcond=None)[0]
    rows = {row[0]: row for row in permutation.regress(outcome, designs, resamples=499)}
    assert [rows["same"][1], rows["other"][1]] == pytest.approx(solved[1:])
    found = [permutation.regress(*simulated(seed, effect=3.0), resamples=199)[0][3] <= 0.05 for seed in range(40)]
    assert np.mean(found) > 0.8


def test_regress_finds_nothing_where_there_is_nothing_as_often_as_it_says() -> None:
    p = [permutation.regress(*simulated(seed, effect=0.0), resamples=199)[0][3] for seed in range(400)]
    for level in (0.05, 0.2):
        wrong = int((np.array(p) <= level).sum())
        assert scipy.stats.binomtest(wrong, len(p), level).pvalue > 0.001
