"""What stands beside scores in a store: measured once, asked, shared, made anew, forgotten."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import layeratlas
from layeratlas import running
from layeratlas.cli import cli
from layeratlas.queries.figures import localization
from layeratlas.queries.questions import QUESTIONS
from layeratlas.store.forget import forget
from layeratlas.store.spread import spread
from layeratlas.store.store import Store
from layeratlas.store.uncertainty import Intervals, Uncertainty

SURE = Uncertainty(Intervals(blocks=6))
BOOTSTRAP = Uncertainty(Intervals("bootstrap", 6, 1, 20))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models of two layers over 60 sentences; b is a with noise, c is something else."""
    root, rng = tmp_path_factory.mktemp("sure") / "store", np.random.default_rng(0)
    text = root.parent / "text.txt"
    text.write_text("".join(f"{' '.join(['word'] * int(n))}\n" for n in rng.integers(3, 12, 60)))
    words = len(text.read_text().split())
    base = rng.standard_normal((words, 6)).astype(np.float32)
    for model, noise in (("a", 0.0), ("b", 0.3), ("c", 2.0)):
        for layer in (0, 1):
            rows = base + (noise + 0.2 * layer) * rng.standard_normal((words, 6)).astype(np.float32)
            running.add_activations(root, model, layer, rows, corpus=text)
    running.measure(Store(root), running.Means("cpu"), names=["ckasim", "svsim"], figures=["none"])
    return root


def of(store: Store) -> list[tuple[Any, ...]]:
    return store.rows("SELECT * EXCLUDE (measured, run, origin) FROM intervals ORDER BY ALL")


def run(root: Path, *command: str) -> Any:
    result = CliRunner().invoke(cli, [*command, "--store", str(root)])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def asked(made: Path) -> Path:
    """The store with the intervals of the first test, whether that ran here or not."""
    for sure in (SURE, BOOTSTRAP):
        running.measure(Store(made), running.Means("cpu", sure=sure), names=["ckasim", "svsim"], figures=["none"])
    return made


def test_intervals_are_measured_once_beside_scores_that_are_known(made: Path) -> None:
    store = Store(made)
    means = running.Means("cpu", sure=SURE)
    lines = running.measure(store, means, names=["ckasim", "svsim"], figures=["none"]).lines()
    assert lines[0] == "measured 60 scores, 30 of them with an interval" and "no interval of 30 scores" in lines[1]
    assert "nothing to do" in running.measure(store, means, names=["ckasim"], figures=["none"]).lines()[0]
    assert (
        "nothing to do" in running.measure(store, running.Means("cpu"), names=["ckasim"], figures=["none"]).lines()[0]
    )
    logged = sum(pq.read_metadata(one.path).num_rows for one in store.log.segments() if one.table == "scores")
    assert logged == 60  # what is known is not written again
    other = running.Means("cpu", sure=BOOTSTRAP)
    assert "30 of them" in running.measure(store, other, names=["ckasim"], figures=["none"]).lines()[0]
    known = store.rows("SELECT count(*), count(DISTINCT settings) FROM base.intervals")
    assert known == [(90, 2)] and len(of(store)) == 60  # the view has the newest
    assert {row[0] for row in store.rows("SELECT method FROM intervals WHERE measure = 'ckasim'")} == {"bootstrap"}
    for low, value, high, corrected in store.rows(
        "SELECT low, value, high, corrected FROM intervals WHERE refused IS NULL"
    ):
        assert low < corrected < high and high - low < 0.6 and abs(value - corrected) < 0.2
    before = of(store)
    store.rebuild()
    assert of(store) == before
    (made / "catalog.duckdb").unlink()
    store.rebuild()
    assert of(store) == before


def test_answers_show_intervals_and_what_they_tell_apart(asked: Path) -> None:
    rows = json.loads(run(asked, "query", "top-pairs", "--measure", "ckasim", "--format", "json"))
    assert rows[0]["low"] < rows[0]["corrected"] < rows[0]["high"] and rows[0]["apart"] is None
    assert {row["apart"] for row in rows[1:]} <= {"yes", "no"}
    shown = run(asked, "query", "top-pairs", "--measure", "ckasim")
    assert " ± " in shown and "told apart" in shown and " low " not in shown
    assert " ± " in run(asked, "query", "nearest", "a:0", "--measure", "ckasim")
    [row] = json.loads(
        run(asked, "query", "compare-pairs", "a:0", "b:0", "a:0", "c:0", "--measure", "ckasim", "--format", "json")
    )
    assert row["difference"] > 0 and row["low"] > 0 and row["p"] == row["holm"] == row["fdr"] < 0.01
    [row] = json.loads(
        run(asked, "query", "compare-pairs", "a:0", "b:0", "b:0", "a:0", "--measure", "ckasim", "--format", "json")
    )
    assert row["difference"] == pytest.approx(0, abs=1e-7) and row["p"] > 0.05
    failed = CliRunner().invoke(cli, ["query", "compare-pairs", "a:0", "b:0", "--store", str(asked)])
    assert failed.exit_code == 1 or "name four layers" in str(failed.exception)


def test_methods_answer_as_commands_and_sql_is_explained(asked: Path) -> None:
    store = layeratlas.open(asked)
    for command, ends in (("power", ["a:0", "c:0"]), ("compare-pairs", ["a:0", "b:0", "a:0", "c:0"])):
        said = json.loads(run(asked, "query", command, *ends, "--measure", "ckasim", "--format", "json"))
        found = getattr(store, command.replace("-", "_"))(*ends, measure="ckasim").records()
        assert said == found
        explained = run(asked, "query", command, *ends, "--measure", "ckasim", "--explain")
        assert explained.startswith("-- The rows that") and "$" not in explained
        rows = json.loads(run(asked, "sql", explained, "--format", "json"))
        assert len(rows) == len(ends) // 2 and len(rows[0]["replicates"]) == 20
    wrong = CliRunner().invoke(cli, ["query", "compare-pairs", *ends, "--measure", "svsim", "--store", str(asked)])
    assert "svsim has no interval" in str(wrong.exception)


def test_power_says_what_more_words_would_give(asked: Path) -> None:
    rows = json.loads(run(asked, "query", "power", "a:0", "c:0", "--measure", "ckasim", "--format", "json"))
    widths = [row["high"] - row["low"] for row in rows]
    words = [row["words"] for row in rows]
    assert words == sorted(words) and len(rows) == 6  # 6 blocks: a quarter of them is one, a half three
    measured = [row["measured"] for row in rows]
    assert None not in measured[:3] and measured[3:] == [None] * 3
    of_svsim = json.loads(run(asked, "query", "power", "a:0", "c:0", "--measure", "svsim", "--format", "json"))
    assert [row["words"] for row in of_svsim] == words[:3] and {row["expected"] for row in of_svsim} == {None}
    assert of_svsim[0]["measured"] > of_svsim[-1]["measured"] == pytest.approx(
        layeratlas.open(asked).sql("SELECT value FROM layer_pairs WHERE measure = 'svsim' AND model_a = 'a' "
                                   "AND layer_a = 0 AND model_b = 'c' AND layer_b = 0").records()[0]["value"]
    )  # fmt: skip
    assert "not settled" in run(asked, "query", "power", "a:0", "c:0", "--measure", "svsim", "--within", "0.00001")
    assert all(wide * many**0.5 == pytest.approx(widths[0] * words[0] ** 0.5, rel=0.02)
               for wide, many in zip(widths, words, strict=True))  # fmt: skip
    assert abs(rows[0]["bias"]) > abs(rows[-1]["bias"])
    assert "words on" in " ".join(run(asked, "query", "power", "a:0", "c:0", "--measure", "ckasim").split())
    for wrong, said in ((["a:0"], "name two layers"), (["a:0", "b:0", "--within", "-1"], "above 0")):
        failed = CliRunner().invoke(cli, ["query", "power", *wrong, "--store", str(asked)])
        assert failed.exit_code and said in str(failed.exception)


def test_localization_has_a_standard_error_over_text(asked: Path, tmp_path: Path) -> None:
    """What it would be of each replicate, worked out here from the replicates of both measures."""
    root = tmp_path / "copy"
    shutil.copytree(asked, root)
    means = running.Means("cpu", sure=SURE)
    running.measure(Store(root), means, names=["neuronsim", "svsim"], figures=["none"])
    answered = json.loads(run(root, "query", "localization", "--format", "json"))
    rows = {(row["model"], row["layer"]): row for row in answered}
    told = Store(root).rows(
        "SELECT k.measure, m.name, a.layer, i.replicates, i.sizes FROM base.intervals i "
        "JOIN base.configurations k USING (configuration) JOIN base.artifacts a ON a.artifact = i.artifact_a "
        "JOIN base.models m USING (weights) JOIN base.artifacts b ON b.artifact = i.artifact_b "
        "WHERE i.method = 'jackknife' AND a.weights <> b.weights AND k.measure IN ('neuronsim', 'svsim')"
    )
    sizes, found = told[0][4], {}
    for measure in ("neuronsim", "svsim"):
        values = np.array([row[3] for row in told if row[0] == measure])
        scaled = (values - values.mean(axis=0)) / values.std(axis=0)
        names = [row[1:3] for row in told if row[0] == measure]
        found[measure] = {name: scaled[[one == name for one in names]].mean(axis=0) for name in set(names)}
    assert len(rows) == 6
    for name, row in rows.items():
        replicates = (found["neuronsim"][name] - found["svsim"][name]).tolist()
        expected = spread("jackknife", row["localization"], replicates, sizes).error
        assert row["error"] == pytest.approx(expected, rel=1e-9)
    with Store(root).catalog() as catalog:
        chart = localization.chart(QUESTIONS["localization"].ask(catalog))
    assert sum(len(line.band) for panel in chart.panels for line in panel.lines) == 6


def test_intervals_travel_and_are_forgotten(asked: Path, tmp_path: Path) -> None:
    store = Store(asked)
    bundle = tmp_path / "some.atlas.zip"
    run(asked, "export", str(bundle), "--scores-only")
    other = tmp_path / "other"
    run(other, "import", str(bundle))
    assert [row[:9] for row in of(Store(other))] == [row[:9] for row in of(store)]
    some = tmp_path / "two.atlas.zip"
    run(asked, "export", str(some), "--scores-only", "--model", "a", "--model", "b", "--measure", "ckasim")
    run(tmp_path / "two", "import", str(some))
    arrived = Store(tmp_path / "two").rows("SELECT DISTINCT measure, model_a FROM intervals ORDER BY 2")
    assert arrived == [("ckasim", "a"), ("ckasim", "b")]
    copy = Store(other)
    forget(copy, "model:c")
    copy.merge()
    kept = copy.rows("SELECT DISTINCT model_a FROM intervals ORDER BY 1")
    assert kept == [("a",), ("b",)]
    with duckdb.connect(str(other / "catalog.duckdb"), read_only=True) as plain:
        assert plain.execute("SELECT count(*) FROM base.intervals").fetchone() is not None


def test_what_is_asked_wrongly_is_a_usage_error(asked: Path) -> None:
    wrong = CliRunner().invoke(cli, ["measure", "--intervals", "jack", "--store", str(asked)])
    assert wrong.exit_code == 2 and "jackknife or bootstrap" in wrong.output
