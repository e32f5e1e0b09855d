"""The statistical questions: against slow computations, known published facts, planted effects and the null."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import scipy.stats
from duckdb import DuckDBPyConnection
from toy import NEURONS, make

from measures import MEASURES
from queries import depth, inference
from queries.ask import Table
from queries.scope import Asked
from store.catalog import reading
from store.errors import BadRequest, NothingYet
from store.results import ensure_results
from store.store import Store
from store.study import load_study

ROOT = Path(__file__).resolve().parent.parent
PUBLISHED = ROOT / "studies" / "published"
EWT = Asked(source="wu2020-ewt")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBPyConnection]:
    store = Store(tmp_path_factory.mktemp("published"))
    for spec in load_study(ROOT / "studies" / "wu2020-published.toml").results:
        ensure_results(store, spec, symmetric={name: kind.symmetric for name, kind in MEASURES.items()})
    with reading(store.root) as catalog:
        yield catalog


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBPyConnection]:
    store = make(tmp_path_factory.mktemp("toy"))
    store.declare({name: kind.version for name, kind in MEASURES.items()})
    with reading(store.root) as catalog:
        yield catalog


def figures() -> pl.DataFrame:
    """The published file, with families by hand."""
    family = {"bert_base_cased": "bert", "bert_large_cased": "bert", "elmo_original": "elmo", "elmo_4x4096_512": "elmo",
              "calypso_transformer_6_512_base": "elmo", "openai_transformer": "gpt",
              "xlnet_large_cased": "xlnet"}  # fmt: skip
    return pl.read_parquet(PUBLISHED / "wu2020_ewt.parquet").with_columns(
        family_a=pl.col("model_a").replace(family), family_b=pl.col("model_b").replace(family)
    )


def by(table: Table, column: str) -> dict[object, dict[str, float]]:
    return {row[column]: row for row in table.records()}


def test_families_are_the_means_over_published_layer_pairs(published: DuckDBPyConnection) -> None:
    found = by(inference.families(published, EWT), "measure")
    for (measure,), pairs in figures().group_by("measure"):
        own = pairs.filter(pl.col("model_a") == pl.col("model_b"))
        others = pairs.filter(pl.col("model_a") != pl.col("model_b"))
        same = pl.col("family_a") == pl.col("family_b")
        expected = [part["value"].mean() for part in (own, others.filter(same), others.filter(~same))]
        row = found[measure]
        assert [row["same_model"], row["same_family"], row["across"]] == pytest.approx(expected, abs=1e-9)
        assert row["same_model"] > row["same_family"] > row["across"]
        assert row["difference"] == pytest.approx(row["same_family"] - row["across"])
    levels = {
        name: [round(found[name][level], 2) for level in ("same_model", "same_family", "across")] for name in found
    }
    assert levels["neuronsim"] == [0.50, 0.18, 0.16]
    assert levels["ckasim"] == [0.60, 0.58, 0.41] or levels["ckasim"] == [0.61, 0.58, 0.41]


def test_the_p_value_of_families_is_that_of_all_labellings(published: DuckDBPyConnection) -> None:
    row = by(inference.families(published, Asked(source="wu2020-ewt", measures=("neuronsim",))), "measure")["neuronsim"]
    pairs = figures().filter((pl.col("measure") == "neuronsim") & (pl.col("model_a") != pl.col("model_b")))
    sums = {key: (frame["value"].sum(), len(frame)) for key, frame in pairs.group_by("model_a", "model_b")}
    models = sorted({a for a, _ in sums})
    family = dict(pairs.select("model_a", "family_a").unique().iter_rows())

    def difference(labels: tuple[str, ...]) -> float:
        label = dict(zip(models, labels, strict=True))
        parts = [[v for (a, b), v in sums.items() if (label[a] == label[b]) == same] for same in (True, False)]
        means = [sum(total for total, _ in part) / sum(count for _, count in part) for part in parts]
        return float(means[0] - means[1])

    seen = difference(tuple(family[model] for model in models))
    orders = set(itertools.permutations([family[model] for model in models]))
    exact = np.mean([difference(order) >= seen - 1e-12 for order in orders])
    assert row["difference"] == pytest.approx(seen)
    assert row["p"] == pytest.approx(exact, abs=0.03)  # 1,999 draws: three standard errors
    assert row["low"] < row["difference"] < row["high"]


def test_statistics_repeat_with_their_seed_and_move_with_another(published: DuckDBPyConnection) -> None:
    one, again, other = (inference.families(published, EWT, resamples=199, seed=seed).rows for seed in (1, 1, 2))
    assert one == again != other


def test_finetuning_leaves_the_lower_layers_of_bert(published: DuckDBPyConnection) -> None:
    answer = depth.finetuning(published, base="bert_base_cased")
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
        depth.finetuning(published, base="bert_base")
    with pytest.raises(NothingYet, match="copies of: bert_base_cased"):
        depth.finetuning(published, Asked(source="wu2020-finetuned"), base="bert_base_cased+mnli")


def test_correspondence_is_the_best_monotone_path(published: DuckDBPyConnection) -> None:
    a, b = "openai_transformer", "elmo_4x4096_512"
    answer = depth.correspondence(published, EWT, left=a, right=b)
    pairs = figures().filter((pl.col("measure") == "ckasim") & (pl.col("model_a") == a) & (pl.col("model_b") == b))
    grid = pairs.pivot("layer_b", index="layer_a", values="value").sort("layer_a")
    values = grid.select(sorted((c for c in grid.columns if c != "layer_a"), key=int)).to_numpy()
    best = [int(row.argmax()) for row in values]
    assert [row["best"] for row in answer.records()] == best
    aligned = [row["aligned"] for row in answer.records()]
    assert aligned == sorted(aligned)
    paths = itertools.combinations_with_replacement(range(values.shape[1]), len(values))
    most = max(sum(values[i, j] for i, j in enumerate(path)) for path in paths)
    assert sum(values[i, j] for i, j in enumerate(aligned)) == pytest.approx(most)
    rank = scipy.stats.spearmanr(range(len(best)), best).statistic
    assert f"rank correlation {rank:.2f}" in answer.says


def test_localization_is_the_difference_of_z_scores(published: DuckDBPyConnection) -> None:
    answer = depth.localization(published, EWT)
    pairs = figures().filter(pl.col("model_a") != pl.col("model_b"))
    z = pairs.with_columns(z=(pl.col("value") - pl.col("value").mean().over("measure"))
                           / pl.col("value").std(ddof=0).over("measure"))  # fmt: skip
    means = {key: frame["z"].mean() for key, frame in z.group_by("measure", "model_a", "layer_a")}
    assert len(answer.rows) == 91
    for row in answer.records():
        expected = means["neuronsim", row["model"], row["layer"]] - means["svsim", row["model"], row["layer"]]
        assert row["localization"] == pytest.approx(expected, abs=1e-9)
    assert "top_10" not in answer.columns
    assert "no curve" in answer.says


def test_the_curve_over_neurons_is_the_mean_of_the_best(toy: DuckDBPyConnection) -> None:
    top = by(depth.localization(toy), "layer")
    rows = toy.execute(
        "SELECT model_a, layer_a, model_b, layer_b, list(value) FROM neurons "
        "WHERE measure = 'neuronsim' AND model_a <> model_b GROUP BY ALL"
    ).fetchall()
    for row in depth.localization(toy).records():
        own = [
            sorted(values)[::-1]
            for model, layer, _, _, values in rows
            if (model, layer) == (row["model"], row["layer"])
        ]
        for share in (1, 10, 50):
            kept = int(np.ceil(NEURONS * share / 100))
            assert row[f"top_{share}"] == pytest.approx(np.mean([np.mean(values[:kept]) for values in own]), abs=1e-6)
    assert top


def test_factors_of_the_published_models_are_ordinary_least_squares(published: DuckDBPyConnection) -> None:
    answer = inference.factors(published, EWT)
    assert answer.records()[0]["factor"] == "same family"
    assert "same objective" in answer.says  # named, since it follows from family and architecture here
    assert all(0 < row["p"] <= 1 and 0 <= row["r_squared"] <= 1 for row in answer.records())


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
    rows = {row[0]: row for row in inference.regress(outcome, designs, resamples=499)}
    assert [rows["same"][1], rows["other"][1]] == pytest.approx(solved[1:])
    found = [inference.regress(*simulated(seed, effect=3.0), resamples=199)[0][3] <= 0.05 for seed in range(40)]
    assert np.mean(found) > 0.8


def test_regress_finds_nothing_where_there_is_nothing_as_often_as_it_says() -> None:
    p = [inference.regress(*simulated(seed, effect=0.0), resamples=199)[0][3] for seed in range(400)]
    for level in (0.05, 0.2):
        wrong = int((np.array(p) <= level).sum())
        assert scipy.stats.binomtest(wrong, len(p), level).pvalue > 0.001
