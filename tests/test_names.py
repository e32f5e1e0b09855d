"""Names are names, whatever they hold: words of our titles, marks of other languages, what a terminal would obey."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from pathlib import Path

import catalogs
import pytest
from browser_drive import drive, loaded, shown, state, until
from click.testing import CliRunner, Result
from textual.pilot import Pilot

from layeratlas import cli
from layeratlas.queries.questions import QUESTIONS
from layeratlas.store.store import Store

TOWARDS, DOT, MARKUP, ESCAPE = "x towards y", "a · b", "m[/x] [bold] $a$", "e\x1b[31m\x07, (default)"
MODELS: dict[str, tuple[str, int, str | None]] = {
    TOWARDS: ("f · g", 2, None), DOT: ("f · g", 3, None), MARKUP: ("k[/y]", 2, None), ESCAPE: ("\x1b]0;k\x07", 1, None),
    f"{DOT} tuned towards z": ("f · g", 3, DOT),
}  # fmt: skip
CORPUS, SOURCE = "c, only · source", "own"
NAMED = {
    "nearest": [f"{TOWARDS}:1"], "neurons": [f"{DOT}:1"], "heads": [f"{DOT}:1"], "finetuning": [DOT],
    "correspondence": [TOWARDS, DOT],
}  # fmt: skip
UNANSWERED = ("neurons", "heads", "compare-pairs", "power")  # this store has no scores of units, and no intervals
OF = f" · {CORPUS} · 1,234 words · source own"
#: What titles are made of, with the names as they are.
TITLES = {
    "top-pairs": "Most similar layer pairs, ckasim (default)" + OF,
    "nearest": f"Nearest to {TOWARDS} layer 1, ckasim, mixedsim, neuronsim, pwsim, svsim (default)" + OF,
    "heatmap": "All layers × all layers, of row towards column, ckasim (default)" + OF,
    "correspondence": f"{TOWARDS} matched in {DOT}, ckasim (default)" + OF,
    "finetuning": f"Layers of fine-tuned copies towards {DOT}'s, ckasim (default)" + OF,
}


def value(measure: str, model_a: str, layer_a: int, model_b: str, layer_b: int) -> float:
    names = list(MODELS)
    far = abs(names.index(model_a) - names.index(model_b)) + abs(layer_a - layer_b) / 3
    return math.exp(-far - 0.1 * list(catalogs.MEASURES).index(measure)) * 0.9 + 0.01 * (layer_a + layer_b)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = catalogs.build(tmp_path_factory.mktemp("names") / "s", models=MODELS, value=value, corpus=CORPUS)
    rows = Store(root).rows("SELECT artifact FROM base.artifacts")
    figure = {"figure": "anisotropy", "version": 1, "parameters": "{}", "value": 0.5, "words": 1234, "run": "r1"}
    Store(root).write("figures", [{"artifact": artifact, **figure} for (artifact,) in rows])
    Store(root).merge()
    return root


def atlas(store: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli.cli, [*arguments, "--store", str(store)], env={"COLUMNS": "500"})


@pytest.mark.parametrize(
    "name", [name for name in QUESTIONS if name not in ("neurons", "heads", "compare-pairs", "power")]
)
def test_every_question_is_answered_and_says_names_as_they_are(store: Path, name: str) -> None:
    done = atlas(store, "query", name, *NAMED.get(name, []))
    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.stdout and "\x07" not in done.stdout
    if name in TITLES:
        assert done.stdout.splitlines()[0].startswith(TITLES[name])
    if name in ("top-pairs", "models", "coverage"):
        only = atlas(store, "query", name, "--model", MARKUP, "--model", ESCAPE).stdout
        assert MARKUP in only and r"e\x1b[31m\x07, (default)" in only


def test_two_models_whose_names_hold_our_words_are_drawn(store: Path) -> None:
    done = atlas(store, "query", "heatmap", DOT, MARKUP)
    assert done.stdout.splitlines()[0] == f"{DOT} towards {MARKUP}, ckasim (default)" + OF


@pytest.mark.parametrize("form", ["json", "csv", "markdown", "table"])
def test_sql_shows_control_characters_to_people_and_gives_them_to_programs(store: Path, form: str) -> None:
    done = atlas(store, "sql", "SELECT model, family AS 'a[/b]' FROM models ORDER BY 1", "--format", form)
    assert done.exit_code == 0
    if form == "json":
        assert {row["model"] for row in json.loads(done.stdout)} == set(MODELS)
    assert ("\x1b" in done.stdout) == (form == "csv")
    if form in ("markdown", "table"):
        assert r"e\x1b[31m\x07" in done.stdout and "a[/b]" in done.stdout


def test_errors_show_control_characters(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("sys.argv", ["layeratlas", "query", "models", "--model", "\x1b[2J", "--store", str(store)])
        cli.main()
    said = capsys.readouterr().err
    assert r"unknown model '\x1b[2J'" in said and "\x1b" not in said


@pytest.mark.parametrize(
    "picture",
    [["heatmap"], ["heatmap", TOWARDS, DOT], ["families"], ["localization"], ["finetuning"], ["correspondence"],
     ["correspondence", TOWARDS, DOT]],
)  # fmt: skip
def test_every_picture_is_drawn_with_the_scope_in_its_note(store: Path, tmp_path: Path, picture: list[str]) -> None:
    done = atlas(store, "plot", *picture, "-o", str(tmp_path / "x.svg"))
    assert done.exit_code == 0, done.output
    text = (tmp_path / "x.svg").read_text()
    ET.fromstring(text)
    assert f"{CORPUS} · 1,234 words · source own" in text
    if picture == ["heatmap", TOWARDS, DOT]:
        assert f">{TOWARDS} towards {DOT}, ckasim (default)<" in text


def test_the_report_is_written(store: Path, tmp_path: Path) -> None:
    done = atlas(store, "report", "-o", str(tmp_path / "r.html"))
    assert done.exit_code == 0, done.output
    page = (tmp_path / "r.html").read_text()
    assert f'"note":"ckasim (default) · {CORPUS} · 1,234 words · source own"' in page


def test_explained_sql_that_begins_with_a_comment_is_taken(store: Path) -> None:
    explained = atlas(store, "query", "families", "--explain").stdout
    assert explained.startswith("-- ")
    done = atlas(store, "sql", explained, "--format", "json")
    assert done.exit_code == 0 and {row["model_a"] for row in json.loads(done.stdout)} == set(MODELS)


def test_only_a_measure_that_can_be_measured_is_suggested(tmp_path: Path) -> None:
    one = catalogs.build(tmp_path / "s", measures={"ckasim": True})
    for name, suggests in (("cka", False), ("svsim", True)):
        done = atlas(one, "query", "models", "--measure", name)
        assert f"unknown measure '{name}'" in str(done.exception)
        assert ("`layeratlas measure --measure svsim`" in str(done.exception)) == suggests


def test_three_models_have_no_interval_and_it_is_said(tmp_path: Path) -> None:
    models = {name: catalogs.MODELS[name] for name in ("bert-a", "bert-b", "gpt-a")}
    with Store(catalogs.build(tmp_path / "s", models=models)).catalog() as catalog:
        answer = QUESTIONS["families"].ask(catalog)
    assert all(row["difference"] is not None and row["low"] is None and row["high"] is None for row in answer.records())
    assert "too few models for an interval" in answer.says


def test_the_browser_shows_names_as_they_are(store: Path) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        for model in (DOT, MARKUP, ESCAPE):
            rows = [layer.model for layer in state(pilot).matrix.rows]
            await pilot.press("home", *["pageup"] * 9, *["down"] * rows.index(model), "right")
            await until(pilot, lambda: r"e\x1b[31m\x07" in shown(pilot) or model in shown(pilot))  # noqa: B023
        await pilot.press("enter")
        await until(pilot, "neuronsim")
        assert "\x1b" not in shown(pilot)

    drive(store, steps, size=(160, 50))
