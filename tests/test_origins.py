"""Who measured what: questions of ours alone, of another store alone, of all; and where others say something else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import catalogs
import pytest
from click.testing import CliRunner

from layeratlas.cli import cli
from layeratlas.queries.core.scope import Asked
from layeratlas.queries.questions import QUESTIONS
from layeratlas.queries.questions.disagreements import disagreements
from layeratlas.queries.questions.findings import findings
from layeratlas.queries.questions.heatmap import matrix
from layeratlas.queries.report import gather
from layeratlas.store.errors import BadRequest, NothingYet
from layeratlas.store.store import Store

ROOT = Path(__file__).resolve().parent.parent
OURS = {name: catalogs.MODELS[name] for name in ("bert-a", "bert-a-tuned-on-tags", "gpt-a", "xlnet-a")}
THEIRS = "lab.atlas.zip"
ASKED: dict[str, dict[str, Any]] = {
    "top-pairs": {}, "nearest": {"layer": "bert-a:2"}, "heatmap": {}, "models": {}, "families": {}, "localization": {},
    "finetuning": {}, "correspondence": {}, "measures": {}, "consistency": {}, "factors": {},
}  # fmt: skip


def theirs(measure: str, *ends: Any) -> float:
    return catalogs.score(measure, *ends) * 0.97 + 0.01 * ends[1]


def units(store: Store, value: float) -> None:
    """Write the scores of single neurons of one pair."""
    store.write("scores", [
        {"configuration": "v1:neuronsim", "artifact_a": f"tiny-corpus-own-{a}-1", "value": value, "words": 1,
         "artifact_b": f"tiny-corpus-own-{b}-1", "run": "r1", "units": [value] * 3, "matches": [0, 1, 2]}
        for a, b in (("bert-a", "gpt-a"), ("bert-b", "gpt-a")) if store.rows("FROM models WHERE model = $1", a)
    ])  # fmt: skip
    store.merge()


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Ours alone, theirs alone, and ours that has theirs as well: they measured more models, and other numbers."""
    folder = tmp_path_factory.mktemp("origins")
    for name in ("alone", "both"):
        units(Store(catalogs.build(folder / name, models=OURS)), 0.25)
    units(Store(catalogs.build(folder / "other", value=theirs)), 0.75)
    other, both = Store(folder / "other"), Store(folder / "both")
    for segment in other.log.segments():
        shutil.copyfile(segment.path, both.root / "results" / segment.name)
    both.write("origins", [{"store": other.settings.store, "origin": THEIRS}])
    both.merge()
    return folder / "alone", folder / "other", folder / "both"


def rounded(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows whose sums may have been made in another order, and which stand in another order where these are ties."""
    return sorted(
        (tuple(round(value, 9) if isinstance(value, float) else value for value in row) for row in rows), key=str
    )


@pytest.mark.parametrize("name", ASKED)
def test_a_question_of_ours_alone_is_answered_as_if_nothing_else_were_there(
    name: str, stores: tuple[Path, Path, Path]
) -> None:
    alone, _, both = stores
    question, told = QUESTIONS[name], ASKED[name]
    with Store(alone).catalog() as catalog:
        wanted = question.ask(catalog, Asked(), **told)
    with Store(both).catalog() as catalog:
        found = question.ask(catalog, Asked(origin="own"), **told)
        everybodys = question.ask(catalog, Asked(origin="all"), **told)
        assert question.ask(catalog, Asked(), **told).rows == everybodys.rows
    assert found.columns == wanted.columns and rounded(found.rows) == rounded(wanted.rows)
    assert found.says == wanted.says
    if name not in ("consistency", "finetuning"):  # of what they measured, nothing breaks a law, or was tuned by them
        assert everybodys.rows != found.rows
    assert "only scores of this store" in found.context and "only" not in " ".join(everybodys.context)


def test_of_another_store_there_is_what_ours_did_not_measure(stores: tuple[Path, Path, Path]) -> None:
    _, other, both = stores
    with Store(other).catalog() as catalog:
        wanted = QUESTIONS["top-pairs"].ask(catalog, Asked(limit=10_000)).records()
    with Store(both).catalog() as catalog:
        answer = QUESTIONS["top-pairs"].ask(catalog, Asked(origin=THEIRS, limit=10_000))
        coverage = QUESTIONS["coverage"].ask(catalog, Asked(origin="own")).records()
        values = matrix(catalog, Asked(origin=THEIRS))
    assert answer.records() == [row for row in wanted if not {row["model_a"], row["model_b"]} <= OURS.keys()]
    assert f"only scores of {THEIRS}" in answer.context
    assert all(row["scored"] == 0 for row in coverage if "bert-b" in (row["model_a"], row["model_b"]))
    assert all(row["missing"] == 0 for row in coverage if {row["model_a"], row["model_b"]} <= OURS.keys())
    assert not any({layer.model for layer in side} == OURS.keys() for side in (values.rows, values.columns))


def test_single_neurons_are_of_who_measured_them(stores: tuple[Path, Path, Path]) -> None:
    both = Store(stores[2])
    of = "SELECT DISTINCT model_a, value, origin FROM neurons ORDER BY ALL"
    assert both.rows(of) == [("bert-a", 0.25, "this store"), ("bert-b", 0.75, THEIRS)]
    with both.catalog() as catalog:
        ours = QUESTIONS["neurons"].ask(catalog, Asked(origin="own"), layer="bert-a:1")
        assert len(ours.rows) == 3
        with pytest.raises(NothingYet):
            QUESTIONS["neurons"].ask(catalog, Asked(origin="own"), layer="bert-b:1")


def test_the_findings_and_the_report_can_be_of_ours_alone(stores: tuple[Path, Path, Path]) -> None:
    alone, _, both = stores
    with Store(alone).catalog() as catalog:
        wanted, page = findings(catalog), gather.gather(catalog)
    with Store(both).catalog() as catalog:
        of_ours, of_all = findings(catalog, origin="own"), findings(catalog)
        found, everything = gather.gather(catalog, origin="own"), gather.gather(catalog)
    assert [(one.verdict, rounded(one.table.rows)) for one in of_ours] == [
        (one.verdict, rounded(one.table.rows)) for one in wanted
    ]
    assert [one.verdict for one in of_all] != [one.verdict for one in wanted]
    assert [[heat.matrix.rows for heat in part.heatmaps] for part in found.parts] == [
        [heat.matrix.rows for heat in part.heatmaps] for part in page.parts
    ]
    ours, all_of_them = (
        next(table for table in one.tables if "scores" in table.columns).column("scores")[0]
        for one in (found, everything)
    )
    assert ours == page.tables[0].column("scores")[0] < all_of_them


def test_an_unknown_origin_and_one_without_scores_are_a_line(stores: tuple[Path, Path, Path]) -> None:
    _, other, both = stores
    with Store(both).catalog() as catalog, pytest.raises(BadRequest, match=f"unknown origin 'lab'; .*{THEIRS}"):
        QUESTIONS["models"].ask(catalog, Asked(origin="lab"))
    theirs_alone = Store(other.parent / "nothing of ours")
    for segment in Store(other).log.segments():
        target = theirs_alone.root / "results" / segment.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(segment.path, target)
    theirs_alone.write("origins", [{"store": Store(other).settings.store, "origin": THEIRS}])
    theirs_alone.merge()
    for ask in (lambda c: QUESTIONS["models"].ask(c, Asked(origin="own")), lambda c: gather.gather(c, origin="own"),
                lambda c: findings(c, origin="own")):  # fmt: skip
        with theirs_alone.catalog() as catalog, pytest.raises(NothingYet, match="no scores of this store: leave"):
            ask(catalog)


def test_the_statement_that_explain_prints_gives_the_same_rows(stores: tuple[Path, Path, Path]) -> None:
    _, _, both = stores
    for question, origin in (("models", "own"), ("top-pairs", "own"), ("disagreements", THEIRS)):
        arguments = ["--store", str(both), "--origin", origin, "--limit", "5"]
        explained = CliRunner().invoke(cli, ["query", question, *arguments, "--explain"])
        by_sql = CliRunner().invoke(cli, ["sql", explained.stdout, "--store", str(both), "--format", "json"])
        asked = CliRunner().invoke(cli, ["query", question, *arguments, "--format", "json"])
        assert json.loads(by_sql.stdout)[:5] == json.loads(asked.stdout) != []


def test_disagreements_are_listed_and_narrowed_and_status_says_so(stores: tuple[Path, Path, Path]) -> None:
    alone, _, both = stores
    with Store(both).catalog() as catalog:
        every = disagreements(catalog).records()
        ckasim = disagreements(catalog, Asked(measures=("ckasim",), models=("gpt-a",), origin=THEIRS)).records()
        assert disagreements(catalog, Asked(families=("xlnet",))).rows
        assert disagreements(catalog, Asked(origin="own")).rows == []
        for wrong in (Asked(measures=("ckasin",)), Asked(models=("gpt",)), Asked(corpus="x"), Asked(origin="x")):
            with pytest.raises(BadRequest, match="unknown"):
                disagreements(catalog, wrong)
    assert every and all(row["origin"] == THEIRS and row["host"] == "here" for row in every)
    for row in ckasim:
        ends = row["model_a"], row["layer_a"], row["model_b"], row["layer_b"]
        assert row["value"] == pytest.approx(catalogs.score("ckasim", *ends))
        assert row["other"] == pytest.approx(theirs("ckasim", *ends)) and "gpt-a" in ends
    assert [row["difference"] for row in every] == sorted((row["difference"] for row in every), reverse=True)
    for store, said in ((both, True), (alone, False)):
        status = subprocess.run([sys.executable, "cli.py", "status", "--store", str(store)], cwd=ROOT, text=True,
                                capture_output=True, check=True)  # fmt: skip
        line = f"{len(every):,} scores of others differ from ours: layeratlas query disagreements"
        assert (line in status.stderr) is said


def test_sql_says_of_every_score_who_measured_it_where_and_with_what(stores: tuple[Path, Path, Path]) -> None:
    found = Store(stores[2]).rows("SELECT DISTINCT origin, host, versions, command FROM provenance ORDER BY 1")
    versions = '{"python":"3.12.1","torch":"2.9.0"}'
    assert found == [(origin, "here", versions, "layeratlas run tiny.toml") for origin in (THEIRS, "this store")]
