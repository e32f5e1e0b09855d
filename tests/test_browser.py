"""The browser, driven as a user drives it: the real application without a terminal, real catalogs, real processes."""

from __future__ import annotations

import asyncio
import html
import itertools
import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pytest

from measures import MEASURES
from queries.browser.app import Browser
from queries.browser.complete import History, complete, completed
from queries.browser.heat import Heat
from queries.browser.maps import MapScreen
from queries.browser.paint import ZOOMS, Painter, number
from queries.browser.state import Layer, Matrix, Scope, Slice, State, nearest
from store.results import ensure_results
from store.store import Store
from store.study import load_study

pytest.importorskip("textual")
from textual import events
from textual.pilot import Pilot
from textual.widgets import Tree

ROOT = Path(__file__).resolve().parent.parent
Steps = Callable[[Pilot[None]], Awaitable[None]]
CELL, LINE, TOP = 12.2, 24.4, 20.0  # of a screenshot: a character's width and height, where the first line stands
TOY = {"bert-a": ("bert", 2), "bert-b": ("bert", 3), "gpt-a": ("gpt2", 2)}
TOY_MEASURES = {"ckasim": True, "neuronsim": False}


def toy_value(measure: str, a: tuple[str, int], b: tuple[str, int]) -> float:
    """A value in [0, 1] that no other pair of the toy has."""
    models = sorted({*TOY, "aaa"})
    first, second = (models.index(name) * 4 + layer for name, layer in (a, b))
    if TOY_MEASURES[measure]:
        first, second = sorted((first, second))
    return 0.1 + 0.001 * (first * 20 + second) + (0.4 if measure == "neuronsim" else 0)


def build(root: Path, models: dict[str, tuple[str, int]] = TOY) -> Path:
    """A store with every ordered pair of layers of small models; run again with more models, it adds theirs."""
    store = Store(root)
    moment = datetime(2026, 1, 2, 3, 4, 5)
    store.stage("runs", [{"run": "r1", "command": "simcat run toy.toml", "started": moment, "finished": moment,
                          "outcome": "finished", "host": "here", "device": "cpu", "threads": 1,
                          "versions": '{"torch":"2.9.0"}'}])  # fmt: skip
    store.stage("corpora", [{"corpus": "v1:c", "name": "toy-corpus", "sentences": 9, "words": 1234}])
    store.stage("models", [{"weights": name, "name": name, "family": family, "layers": blocks, "neurons": 4,
                            "source": "simcat"} for name, (family, blocks) in models.items()])  # fmt: skip
    layers = [(name, layer) for name, (_, blocks) in models.items() for layer in range(blocks + 1)]
    store.stage("artifacts", [{"artifact": f"{name}-{layer}", "weights": name, "corpus": "v1:c", "kind": "activations",
                               "layer": layer, "pooling": "last", "settings": "{}", "words": 1234, "neurons": 4,
                               "word_set": "all", "path": f"{name}-{layer}", "bytes": 1, "sha256": "s", "run": "r1"}
                              for name, layer in layers])  # fmt: skip
    for measure, symmetric in TOY_MEASURES.items():
        store.stage("configurations", [{"configuration": measure, "measure": measure, "version": 1, "label": "default",
                                        "presets": ["default"], "parameters": '{"tilt":0.5}',
                                        "is_symmetric": symmetric}])  # fmt: skip
        detail = {} if symmetric else {"neurons": [0.25, 0.75, 0.5, 0.125], "matches": [3, 1, 0, 2]}
        store.stage("scores", [{"configuration": measure, "artifact_a": f"{a[0]}-{a[1]}",
                                "artifact_b": f"{b[0]}-{b[1]}", "value": toy_value(measure, a, b), "words": 1234,
                                "diagnostics": '{"dead_a": 7}', "run": "r1", **detail}
                               for a, b in itertools.permutations(layers, 2)])  # fmt: skip
    store.merge()
    return root


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The paper's figures, and our own toy beside them."""
    root = build(tmp_path_factory.mktemp("published"))
    for spec in load_study(ROOT / "studies" / "wu2020-published.toml").results:
        ensure_results(Store(root), spec, symmetric={name: kind.symmetric for name, kind in MEASURES.items()})
    return root


def drive(root: Path, steps: Steps, size: tuple[int, int] = (80, 24), history: Path | None = None) -> None:
    """Run the application, let the steps drive it, and leave it."""

    async def go() -> None:
        async with Browser(root, history=history).run_test(size=size, notifications=True) as pilot:
            await steps(pilot)

    asyncio.run(go())


def shown(pilot: Pilot[None]) -> str:
    """What stands on the screen, line by line."""
    lines = [""] * pilot.app.size.height
    found = re.findall(r'<text[^>]* x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>', pilot.app.export_screenshot())
    for x, y, text in sorted((float(x), float(y), html.unescape(text).replace("\xa0", " ")) for x, y, text in found):
        line = (y - TOP) / LINE
        if abs(line - round(line)) < 0.01:  # else it is the title of the window
            lines[round(line)] = lines[round(line)].ljust(round(x / CELL)) + text
    return "\n".join(lines)


async def until(pilot: Pilot[None], what: str | re.Pattern[str] | Callable[[], bool], seconds: float = 30) -> None:
    """Wait until a text stands on the screen, or something is true."""

    def holds() -> bool:
        if callable(what):
            return what()
        return what in shown(pilot) if isinstance(what, str) else what.search(shown(pilot)) is not None

    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited for {what!r}; the screen has\n{shown(pilot)}"
        await pilot.pause(0.03)


async def paste(pilot: Pilot[None], text: str) -> None:
    """Paste a text where the focus is, as a terminal does."""
    pilot.app.post_message(events.Paste(text))
    await pilot.pause()


def state(pilot: Pilot[None]) -> State:
    screen = pilot.app.screen_stack[1]
    assert isinstance(screen, MapScreen)
    return screen.state


def loaded(pilot: Pilot[None]) -> Callable[[], bool]:
    return lambda: state(pilot).value is not None


def truth(root: Path, sql: str, *values: object) -> list[tuple[object, ...]]:
    return Store(root).rows(sql, *values)


def ckasims(root: Path, source: str) -> dict[tuple[object, ...], float]:
    """The catalog's values by model, layer, model, layer; asked before the application opens the catalog."""
    columns = "model_a, layer_a, model_b, layer_b, value"
    rows = truth(root, f"SELECT {columns} FROM layer_pairs WHERE measure = 'ckasim' AND source = ?", source)
    return {row[:4]: float(str(row[4])) for row in rows}


def test_arrows_move_the_cell_and_the_detail_shows_the_catalogs_values(published: Path) -> None:
    expected = ckasims(published, "wu2020-ewt")

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        state(pilot).switch("source", "wu2020-ewt")
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: len(state(pilot).matrix.rows) == 91)
        await pilot.press("left_square_bracket")
        await until(pilot, " m ckasim")
        seen = []
        for key in ("right", "down", "down", "right", "pagedown", "end", "left", "up"):
            await pilot.press(key)
            now = state(pilot)
            assert now.pair is not None
            if now.pair[0] != now.pair[1]:
                a, b = now.pair
                value = expected[a.model, a.layer, b.model, b.layer]
                seen.append(value)
                await until(pilot, f"{a.title} towards {b.title}  {value:.4f} ckasim")
                await until(pilot, "the other way")
        assert len(set(seen)) > 4
        await pilot.press("home", *["pageup"] * 7)
        assert state(pilot).cursor == (0, 0)
        await until(pilot, "1 by definition")

    drive(published, steps)


def test_the_whole_map_is_what_the_catalog_has(published: Path) -> None:
    expected = ckasims(published, "wu2020-ewt")

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("s", "down", "enter")
        await until(pilot, lambda: len(state(pilot).matrix.rows) == 91)
        table = state(pilot).table()
        place = [table.columns.index(name) for name in ("model_a", "layer_a", "model_b", "layer_b", "value")]
        mine = {tuple(row[index] for index in place[:4]): row[place[4]] for row in table.rows}
        assert len(mine) == len(table.rows) == 91 * 90 and mine == expected

    drive(published, steps)


def test_enter_opens_the_pair_with_all_measures_matches_and_provenance(toy: Path) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("down", "right", "right", "enter")  # bert-a 1, bert-b 0
        await until(pilot, "bert-a 1 towards bert-b 0")
        there, back = (toy_value("neuronsim", *pair) for pair in
                       ((("bert-a", 1), ("bert-b", 0)), (("bert-b", 0), ("bert-a", 1))))  # fmt: skip
        both = toy_value("ckasim", ("bert-a", 1), ("bert-b", 0))
        await until(
            pilot, lambda: re.search(rf"ckasim +default +{both:.4f} +{both:.4f} +simcat", shown(pilot)) is not None
        )
        assert re.search(rf"neuronsim +default +{there:.4f} +{back:.4f}", shown(pilot))
        await until(pilot, "no neurons of ckasim")
        await pilot.press("down")
        await until(pilot, re.compile(r"1 +0\.7500 +1 "))
        lines = shown(pilot).splitlines()
        best = [next(i for i, line in enumerate(lines) if re.match(rf" +{neuron} +0\.{digits}", line))
                for neuron, digits in ((1, "7500"), (2, "5000"), (0, "2500"), (3, "1250"))]  # fmt: skip
        assert best == sorted(best)
        for said in ("tilt 0.5000", "dead_a 7", "toy-corpus", "1234"):
            assert said in shown(pilot), said
        await pilot.press("tab", "tab", "end")
        await until(pilot, "simcat run toy.toml")
        assert "torch 2.9.0" in shown(pilot) and "here" in shown(pilot)
        await pilot.press("x")
        await until(pilot, "bert-b 0 towards bert-a 1")
        await until(pilot, re.compile(rf"neuronsim +default +{back:.4f} +{there:.4f}"))
        await pilot.press("escape")
        await until(pilot, " m ckasim")
        assert state(pilot).cursor == (1, 3)

    drive(toy, steps)


def test_imported_scores_say_whose_they_are(published: Path) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("s", "down", "enter")
        await until(pilot, lambda: len(state(pilot).matrix.rows) == 91)
        await pilot.press("enter")
        await until(pilot, "ACL 2020")
        await until(pilot, "tolerance  0.0020")

    drive(published, steps, size=(160, 50))


def test_measures_switch_by_key_and_by_list_and_the_cell_stays(toy: Path) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("down", "down", "right")
        pair = state(pilot).pair
        assert pair == (Layer("bert", "bert-a", 2), Layer("bert", "bert-a", 2))
        await pilot.press("right")
        pair = state(pilot).pair
        for keys, measure in ((["right_square_bracket"], "neuronsim"), (["left_square_bracket"], "ckasim"),
                              (["m", "n", "enter"], "neuronsim"), (["m", "up", "enter"], "ckasim"),
                              (["m", "down", "escape"], "ckasim")):  # fmt: skip
            await pilot.press(*keys)
            value = toy_value(measure, ("bert-a", 2), ("bert-b", 0))
            await until(pilot, f"bert-a 2 towards bert-b 0  {value:.4f} {measure}")
            assert state(pilot).pair == pair

    drive(toy, steps)


def test_family_filter_and_the_list_choose_columns_and_rows(toy: Path) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("f", "f", "f", "enter")
        await until(pilot, "f to gpt2")
        await until(pilot, lambda: {layer.family for layer in state(pilot).matrix.columns} == {"gpt2"})
        assert state(pilot).matrix.values.shape == (10, 3)
        await until(pilot, lambda: "gpt-a" in shown(pilot).splitlines()[2])
        await pilot.press("tab", "down", "down", "down")  # all, bert, bert-a, bert-b
        await until(pilot, lambda: state(pilot).rows == Scope("bert", "bert-b"))
        await until(pilot, lambda: state(pilot).matrix.values.shape == (4, 3))
        await pilot.press("enter", "down", "down")
        await until(pilot, lambda: state(pilot).rows == Scope("bert", "bert-b", 1))
        await until(pilot, lambda: state(pilot).matrix.values.shape == (1, 3))
        expected = [toy_value("ckasim", ("bert-b", 1), ("gpt-a", layer)) for layer in range(3)]
        assert state(pilot).matrix.values[0].tolist() == expected
        await pilot.press("enter")
        assert isinstance(pilot.app.focused, Heat)

    drive(toy, steps)


def test_source_and_corpus_switch_and_never_mix(published: Path) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        assert {layer.model for layer in state(pilot).matrix.rows} == set(TOY)
        await pilot.press("s", "down", "down", "enter")
        await until(pilot, "s wu2020-finetuned")
        await until(pilot, lambda: len({layer.model for layer in state(pilot).matrix.rows}) == 5)
        assert "c ptb-dev" in shown(pilot) and "m ckasim" in shown(pilot)
        assert state(pilot).choices("measure") == ["ckasim"] and state(pilot).choices("corpus") == ["ptb-dev"]
        await pilot.press("s", "home", "enter")
        await until(pilot, "c toy-corpus")
        await until(pilot, lambda: {layer.model for layer in state(pilot).matrix.rows} == set(TOY))

    drive(published, steps)


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
def test_a_wide_map_scrolls_and_names_stay_in_sight_at_every_zoom(published: Path, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("s", "down", "enter")
        await until(pilot, lambda: len(state(pilot).matrix.rows) == 91)
        for zoom in ZOOMS:
            await until(pilot, f"z {zoom.name}")
            await pilot.press("home", *["pageup"] * 8)
            await until(pilot, lambda: "bert_base" in shown(pilot).splitlines()[2])
            await pilot.press("end", *["pagedown"] * 8)
            a, b = state(pilot).pair or (None, None)
            assert a == b == Layer("xlnet", "xlnet_large_cased", 24)
            await until(pilot, lambda: "xlnet" in shown(pilot).splitlines()[2] and "24" in shown(pilot).splitlines()[3])
            lines = shown(pilot).splitlines()
            assert any(re.search(r"xlnet\S* +24 ", line) for line in lines[4 : size[1] - 3])
            assert "Help" in lines[-1] and len(lines) == size[1] and max(map(len, lines)) <= size[0]
            await pilot.press("z")

    drive(published, steps, size=size)


def test_sql_runs_completes_and_changes_nothing(toy: Path, tmp_path: Path) -> None:
    history = tmp_path / "state" / "history"
    before = (toy / "catalog.duckdb").read_bytes()

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("colon")
        await until(pilot, "Views: ")
        await paste(pilot, "select mea")
        await pilot.press("tab")
        await paste(pilot, ", count(*) as n from lay")
        await pilot.press("tab")
        await paste(pilot, " group by 1 order by 1")
        await until(pilot, "select measure, count(*) as n from layer_pairs group by 1 order by 1")
        await pilot.press("enter")
        await until(pilot, re.compile(r"neuronsim +90"))
        assert "2 rows" in shown(pilot)
        for statement in ("delete from base.scores", "create table t as select 1", "select 1; select 2", "selec 1"):
            await pilot.press("ctrl+u")
            await paste(pilot, statement)
            await pilot.press("enter")
            wrong = {"select 1; select 2": "write one SQL statement", "selec 1": "Parser Error"}
            await until(pilot, wrong.get(statement, "read-only mode"))
        await pilot.press("up", "up", "up")
        await until(pilot, "create table t as select 1")
        await pilot.press("up", "up")
        await until(pilot, "count(*) as n")
        await pilot.press("enter")
        await until(pilot, "2 rows")

    async def later(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("colon", "up")
        await until(pilot, "select measure, count(*) as n from layer_pairs")
        await pilot.press("escape")
        await until(pilot, " m ckasim")

    drive(toy, steps, history=history)
    assert (toy / "catalog.duckdb").read_bytes() == before and sorted(toy.iterdir()) == sorted(toy.iterdir())
    drive(toy, later, history=history)


def test_escape_stops_a_long_statement(toy: Path) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("colon")
        await paste(pilot, "select sum(a.range*b.range) from range(10000000) a, range(10000000) b")
        await pilot.press("enter")
        await until(pilot, "Escape stops it")
        await pilot.pause(0.3)
        await pilot.press("escape")
        await until(pilot, "stopped")
        await pilot.press("ctrl+u")
        await paste(pilot, "select 41 + 1 as answer")
        await pilot.press("enter")
        await until(pilot, "42")

    drive(toy, steps)


@pytest.mark.parametrize("ending", ["csv", "parquet", "json"])
def test_an_export_is_a_file_that_another_program_reads(toy: Path, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"map.{ending}"

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("f", "f", "f", "enter")
        await until(pilot, lambda: state(pilot).matrix.values.shape == (10, 3))
        await export(pilot, tmp_path / "map.txt")
        await until(pilot, "map.txt' does not")
        await export(pilot, file)
        await until(pilot, "wrote 27 rows")
        file.write_text("mine")
        await export(pilot, file)
        await until(pilot, "Enter again overwrites")
        assert file.read_text() == "mine"
        await pilot.press("enter")
        await until(pilot, lambda: file.read_bytes() != b"mine")

    drive(toy, steps)
    reader = {"csv": "read_csv", "parquet": "read_parquet", "json": "read_json"}[ending]
    columns = "model_a, layer_a, model_b, layer_b, value, measure, source, corpus"
    asked = f"SELECT {columns} FROM {reader}('{file}') ORDER BY ALL"
    code = "import duckdb, json, sys; print(json.dumps(duckdb.sql(sys.argv[1]).fetchall()))"
    done = subprocess.run([sys.executable, "-c", code, asked], capture_output=True, text=True, check=True)
    expected = truth(toy, f"SELECT {columns} FROM layer_pairs "
                     "WHERE measure = 'ckasim' AND family_b = 'gpt2' ORDER BY ALL")  # fmt: skip
    assert [tuple(row) for row in json.loads(done.stdout)] == expected


async def export(pilot: Pilot[None], file: Path) -> None:
    await pilot.press("e")
    await until(pilot, "Write this map to")
    await pilot.press("ctrl+u")
    await paste(pilot, str(file))
    await pilot.press("enter")


def test_an_sql_answer_exports_all_its_rows(toy: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("colon")
        await paste(pilot, "from range(5000)")
        await pilot.press("enter")
        await until(pilot, "first 1,000 rows")
        await pilot.press("ctrl+s", "ctrl+u")
        await paste(pilot, str(file))
        await pilot.press("enter")
        await until(pilot, "wrote 5,000 rows")

    drive(toy, steps)
    assert file.read_text().split() == ["range", *map(str, range(5000))]


def test_help_names_every_key(toy: Path) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("question_mark")
        await until(pilot, "choose the measure")
        for said in ("write the map to a file", "columns: all, a family, or a model", "all about the two layers",
                     "complete the word"):  # fmt: skip
            assert said in shown(pilot), said
        await pilot.press("end")
        await until(pilot, "Layer 0 is the embedding layer")
        await pilot.press("escape")
        await until(pilot, " m ckasim")

    drive(toy, steps, size=(100, 60))


ADD = "import sys; sys.path[:0] = ['tests', '.']; from pathlib import Path; from test_browser import TOY, build; "


def add(root: Path, more: str = "{}") -> subprocess.Popen[bytes]:
    """Another process adds results, as a run does."""
    return subprocess.Popen([sys.executable, "-c", f"{ADD}build(Path('{root}'), {{**TOY, **{more}}})"], cwd=ROOT)


@pytest.mark.parametrize("empty", ["absent", "no scores"])
def test_nothing_yet_says_what_to_run_and_goes_on_when_there_is_something(tmp_path: Path, empty: str) -> None:
    root = tmp_path / "s"
    if empty == "no scores":
        store = Store(root)
        store.stage("corpora", [{"corpus": "v1:c", "name": "c", "sentences": 1, "words": 1}])
        store.merge()

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, "There is nothing to look at yet")
        await until(pilot, "python cli.py run studies/demo.toml")
        assert "simcat measure" in shown(pilot)
        await pilot.press("m", "e", "colon", "enter", "right", "z")  # nothing to act on, and nothing breaks
        process = add(root)
        await until(pilot, loaded(pilot), seconds=90)
        await until(pilot, "bert-a 0 towards bert-a 1")
        assert process.wait() == 0

    drive(root, steps)
    if empty == "absent":
        assert (root / "catalog.duckdb").exists()


def test_results_that_another_process_adds_are_read_and_the_selection_stays(tmp_path: Path) -> None:
    root = build(tmp_path)

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("m", "n", "enter", "tab", "down", "tab", "down", *["right"] * 4)
        await until(pilot, lambda: state(pilot).rows == Scope("bert") and state(pilot).value is not None)
        await until(pilot, lambda: state(pilot).matrix.values.shape == (7, 10))
        pair, value = state(pilot).pair, state(pilot).value
        process = add(root, "{'aaa': ('bert', 3)}")  # stands before all others
        await until(pilot, lambda: state(pilot).matrix.values.shape == (11, 14), seconds=90)
        assert process.wait() == 0
        assert (state(pilot).pair, state(pilot).value) == (pair, value)
        assert state(pilot).slice is not None and state(pilot).rows == Scope("bert")
        await until(pilot, " m neuronsim")
        await until(pilot, lambda: "aaa" in shown(pilot))
        tree = pilot.app.screen.query_one(Tree)
        assert tree.cursor_node is not None and tree.cursor_node.data == Scope("bert")

    drive(root, steps)


HOLD = "import sys, time, duckdb; c = duckdb.connect(sys.argv[1]); print('held', flush=True); time.sleep(4)"


def test_a_catalog_that_a_writer_holds_is_waited_for(tmp_path: Path) -> None:
    root = build(tmp_path)
    command = [sys.executable, "-c", HOLD, str(root / "catalog.duckdb")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None and writer.stdout.readline() == "held\n"

        async def steps(pilot: Pilot[None]) -> None:
            await until(pilot, "asking the catalog")
            await until(pilot, f"waiting: {root}"[:40])
            await until(pilot, loaded(pilot))
            assert "waiting" not in shown(pilot)

        drive(root, steps, size=(200, 24))


def test_a_damaged_catalog_is_one_clear_message(tmp_path: Path) -> None:
    (tmp_path / "catalog.duckdb").write_bytes(b"not a database" * 1000)

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, "cannot be read as a catalog")
        await pilot.press("q")

    drive(tmp_path, steps)


MILLION = (40, 25)  # models, layers each
MORE_MODELS = """
INSERT INTO base.models BY NAME
SELECT i + 2 AS id, n AS weights, n AS name, f AS family, 24 AS layers, 4 AS neurons, 'simcat' AS source
FROM (SELECT unnest(?) AS i, unnest(?) AS n, unnest(?) AS f)
"""
MORE_LAYERS = """
INSERT INTO base.artifacts
SELECT a.* REPLACE (a.id + m.id * 1000 AS id, m.name AS weights, m.name || '-' || a.layer AS artifact)
FROM base.artifacts a, base.models m WHERE m.id > 1
"""
ALL_SCORES = """
INSERT INTO base.scores SELECT 1, a.id, b.id, random(), 1234, NULL, NULL, 'r1', now()::TIMESTAMP
FROM base.artifacts a, base.artifacts b WHERE a.id <> b.id
"""


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with 999,000 scores: a toy whose scores are drawn by DuckDB."""
    root = tmp_path_factory.mktemp("million")
    models = {f"model-{index}": (f"family-{index % 6}", MILLION[1] - 1) for index in range(1, MILLION[0])}
    models = {"aaa": ("family-0", MILLION[1] - 1), **models}
    build(root, {"aaa": models["aaa"]})
    with duckdb.connect(str(root / "catalog.duckdb")) as catalog:
        catalog.execute("DELETE FROM base.scores")
        names, families = list(models), [family for family, _ in models.values()]
        catalog.execute(MORE_MODELS, [list(range(len(names) - 1)), names[1:], families[1:]])
        catalog.execute(MORE_LAYERS)
        catalog.execute(ALL_SCORES)
    return root


def test_a_million_scores_do_not_keep_the_keys_waiting(million: Path) -> None:
    gaps: list[float] = []

    async def tick() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.01)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    async def steps(pilot: Pilot[None]) -> None:
        ticking = asyncio.create_task(tick())
        await until(pilot, loaded(pilot))
        assert state(pilot).matrix.values.shape == (1000, 1000)
        await until(pilot, "999,000 scores")
        await pilot.press("end", *["pagedown"] * 5, "z", "z", *["pagedown"] * 30, *["up"] * 20)
        await pilot.press("tab", "down", "down", "down")
        await until(pilot, lambda: state(pilot).matrix.values.shape == (25, 1000))
        await pilot.press("colon")
        await paste(pilot, "from layer_pairs order by value")
        await pilot.press("enter")
        await until(pilot, "first 1,000 rows")
        ticking.cancel()

    drive(million, steps)
    assert max(gaps) < 2.0, f"the event loop stood still for {max(gaps):.2f} s"
    assert np.median(gaps) < 0.1


def test_browsing_does_not_import_torch(toy: Path) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path; from queries.browser.app import Browser\n"
        "async def go():\n"
        "    async with Browser(Path(sys.argv[1])).run_test() as pilot:\n"
        "        await pilot.pause(1.0); await pilot.press('right', 'enter'); await pilot.pause(0.5)\n"
        "asyncio.run(go()); print(sorted({'torch', 'transformers'} & set(sys.modules)), 'duckdb' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(toy)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[] True\n"


def test_the_command_opens_in_a_real_terminal_and_q_leaves(toy: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    command = [sys.executable, "cli.py", "browse", "--store", str(toy)]
    with subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        seen = b""
        deadline = time.monotonic() + 60
        while b"bert-a" not in seen:
            assert time.monotonic() < deadline, seen
            seen += os.read(ours, 65536)
        os.write(ours, b"q")
        while process.poll() is None:
            assert time.monotonic() < deadline
            try:
                os.read(ours, 65536)
            except OSError:  # the terminal is closed
                break
        assert process.wait(timeout=30) == 0
    os.close(ours)


def test_no_terminal_and_no_textual_are_one_clear_line_each(toy: Path) -> None:
    done = subprocess.run([sys.executable, "cli.py", "browse", "--store", str(toy)], cwd=ROOT, capture_output=True,
                          text=True, check=False, stdin=subprocess.DEVNULL)  # fmt: skip
    assert done.returncode == 2 and "browse needs a terminal" in done.stderr and len(done.stderr.splitlines()) == 1
    code = "import sys; sys.modules['textual'] = None; import pathlib, queries.browser as b; b.browse(pathlib.Path())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "pip install 'simcat[browse]'" in done.stderr.splitlines()[-1]


NAMES = {"layer_pairs": ["measure", "model_a", "model_b", "value"], "models": ["model", "family"], "runs": ["run"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select * from lay", ["layer_pairs"]),
        ("select * from ", ["layer_pairs", "models", "runs"]),
        ("select mod", ["model_a", "model_b", "model", "models"]),
        ("select 1 from models where fam", ["family"]),
        ("select * from layer_pairs p where p.v", ["p.value"]),
        ("select layer_pairs.mo", ["layer_pairs.model_a", "layer_pairs.model_b"]),
        ("select x.", []), ("select ", []), ("", []), ("SEL", ["SELECT"]), ("select med", ["median("]),
    ],
)  # fmt: skip
def test_completion(text: str, expected: list[str]) -> None:
    assert complete(text, NAMES) == expected
    for choice in expected[:1]:
        assert completed(text, choice).endswith(choice) and completed(text, choice).startswith(text.rsplit(" ", 1)[0])


def test_history_walks_both_ways_and_survives_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    history = History(tmp_path / "deep" / "file")
    for statement in ("one", "two", "two"):
        history.add(statement)
    assert [history.older("draft"), history.older(""), history.older("")] == ["two", "one", "one"]
    assert [history.newer(), history.newer(), history.newer()] == ["two", "draft", "draft"]
    assert History(tmp_path / "deep" / "file").statements == ["one", "two"]
    (tmp_path / "file").touch()
    unwritable = History(tmp_path / "file" / "below")
    unwritable.add("kept in memory")
    assert unwritable.older("") == "kept in memory"


def test_the_nearest_slice_keeps_what_it_can() -> None:
    ours = Slice("simcat", "ewt", "ckasim", "default", "last", "activations")
    theirs = Slice("paper", "ptb", "ckasim", "published", None, "activations")
    other = Slice("paper", "ptb", "svsim", "published", None, "activations")
    slices = {ours: 1, other: 1, theirs: 1}
    assert nearest(slices, Slice("paper", "ewt", "ckasim", "default", "last", "activations"), "source") == theirs
    assert nearest(slices, ours, "source") == ours and nearest({}, ours) is None


@pytest.mark.parametrize("zoom", ZOOMS)
def test_every_line_of_a_map_fits_and_shows_its_values(zoom: object) -> None:
    rows = tuple(Layer("f", model, layer) for model in ("first-model", "second") for layer in range(5))
    values = np.linspace(-0.2, 1, 100).reshape(10, 10)
    values[0, 1] = np.nan
    assert zoom in ZOOMS
    painter = Painter(Matrix(rows, rows, values), (7, 3), ZOOMS[ZOOMS.index(zoom)], room=40)  # type: ignore[arg-type]
    width, height = painter.size
    for x in range(width - painter.margin):
        for y, at in itertools.product(range(height - 2), range(6)):
            assert sum(len(segment.text) for segment in painter.line(at, x, y, 40)) <= 40
    text = ["".join(segment.text for segment in painter.line(at, 0, 0, width)) for at in range(height)]
    assert "fir" in text[0] and "sec" in text[0] and any(line.startswith("second") for line in text[2:])
    if zoom == ZOOMS[0]:
        assert "   =   ·-.18" in text[2] and number(values[9, 8]) in text[11]


@pytest.mark.parametrize(
    ("value", "said"), [(0.874, ".87"), (1.0, "1.0"), (0.996, "1.0"), (0.0, ".00"), (-0.05, "-.05"), (-1.0, "-1.0")]
)
def test_values_take_four_characters(value: float, said: str) -> None:
    assert number(value) == said and len(said) <= 4
