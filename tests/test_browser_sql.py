"""The browser's SQL box, and what it writes to files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from browser_drive import build, drive, loaded, paste, shown, state, truth, until
from textual.pilot import Pilot


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("toy"))


def test_sql_runs_completes_and_changes_nothing(toy: Path, tmp_path: Path) -> None:
    history = tmp_path / "state" / "history"
    before, files = (toy / "catalog.duckdb").read_bytes(), sorted(toy.rglob("*"))

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("colon")
        await until(pilot, "Views: all_layer_pairs, artifacts, corpora, disagreements, heads, intervals")
        assert "base" not in shown(pilot) and "migrations" not in shown(pilot)
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
    assert (toy / "catalog.duckdb").read_bytes() == before and sorted(toy.rglob("*")) == files
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
