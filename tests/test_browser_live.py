"""The browser beside other processes: results that arrive, writers, a million scores, a real terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
import pytest
from browser_drive import ROOT, build, drive, loaded, paste, shown, state, until
from textual.pilot import Pilot
from textual.widgets import Tree

from layeratlas.queries.browser.state import Selection
from layeratlas.store.store import Store


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("toy"))


ADD = "import sys; sys.path[:0] = ['tests', '.']; from pathlib import Path; from browser_drive import TOY, build; "


def add(root: Path, more: str = "{}") -> subprocess.Popen[bytes]:
    """Another process adds results, as a run does."""
    return subprocess.Popen([sys.executable, "-c", f"{ADD}build(Path('{root}'), {{**TOY, **{more}}})"], cwd=ROOT)


@pytest.mark.parametrize("empty", ["absent", "no scores"])
def test_nothing_yet_says_what_to_run_and_goes_on_when_there_is_something(tmp_path: Path, empty: str) -> None:
    root = tmp_path / "s"
    if empty == "no scores":
        store = Store(root)
        store.write("corpora", [{"corpus": "v1:c", "name": "c", "sentences": 1, "words": 1}])
        store.merge()

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, "There is nothing to look at yet")
        await until(pilot, "python cli.py run studies/demo.toml")
        assert "layeratlas measure" in shown(pilot)
        await pilot.press("m", "e", "colon", "enter", "right", "z")  # nothing to act on, and nothing breaks
        process = add(root)
        await until(pilot, loaded(pilot), seconds=90)
        await until(pilot, "bert-a 0 towards bert-a 1")
        assert process.wait() == 0

    drive(root, steps, size=(160, 30))  # room for a long path
    if empty == "absent":
        assert (root / "catalog.duckdb").exists()


def test_results_that_another_process_adds_are_read_and_the_selection_stays(tmp_path: Path) -> None:
    root = build(tmp_path)

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("m", "n", "enter", "tab", "down", "tab", "down", *["right"] * 4)
        await until(pilot, lambda: state(pilot).rows == Selection("bert") and state(pilot).value is not None)
        await until(pilot, lambda: state(pilot).matrix.values.shape == (7, 10))
        pair, value = state(pilot).pair, state(pilot).value
        process = add(root, "{'aaa': ('bert', 3)}")  # stands before all others
        await until(pilot, lambda: state(pilot).matrix.values.shape == (11, 14), seconds=90)
        assert process.wait() == 0
        assert (state(pilot).pair, state(pilot).value) == (pair, value)
        assert state(pilot).slice is not None and state(pilot).rows == Selection("bert")
        await until(pilot, " m neuronsim")
        await until(pilot, lambda: "aaa" in shown(pilot))
        tree = pilot.app.screen.query_one(Tree)
        assert tree.cursor_node is not None and tree.cursor_node.data == Selection("bert")

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
SELECT i + 2 AS id, n AS weights, n AS name, f AS family, 24 AS layers, 4 AS neurons, 'own' AS source
FROM (SELECT unnest(?) AS i, unnest(?) AS n, unnest(?) AS f)
"""
MORE_LAYERS = """
INSERT INTO base.artifacts
SELECT a.* REPLACE (a.id + m.id * 1000 AS id, m.name AS weights, m.name || '-' || a.layer AS artifact)
FROM base.artifacts a, base.models m WHERE m.id > 1
"""
ALL_SCORES = """
INSERT INTO base.scores SELECT 1, a.id, b.id, random(), 1234, NULL, NULL, 'r1', now()::TIMESTAMP, NULL
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
        last = time.thread_time()
        while True:
            await asyncio.sleep(0.01)
            now = time.thread_time()
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
    assert max(gaps) < 2.0, f"the event loop worked {max(gaps):.2f} s before it let a key in"
    assert np.median(gaps) < 0.1


def test_browsing_does_not_import_torch(toy: Path) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path; from layeratlas.store.store import Store\n"
        "from layeratlas.queries.browser.app import Browser\n"
        "async def go():\n"
        "    async with Browser(Store(Path(sys.argv[1]))).run_test() as pilot:\n"
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
    code = "import sys; sys.modules['textual'] = None; from layeratlas.queries.browser import browse; browse(None)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "pip install 'layeratlas[browse]'" in done.stderr.splitlines()[-1]
