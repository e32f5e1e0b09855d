"""The log is the truth: whatever happens to the catalog, every result comes back from it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import catalogs
import duckdb
import polars as pl
import pytest

from layeratlas.store import catalog
from layeratlas.store.errors import LayeratlasError
from layeratlas.store.forget import forget
from layeratlas.store.log import COLUMNS, Log
from layeratlas.store.provenance import now
from layeratlas.store.store import Store
from layeratlas.store.verify import verify

ROOT = Path(__file__).resolve().parent.parent
VIEWS = (
    "all_layer_pairs",
    "layer_statistics",
    "neurons",
    "models",
    "corpora",
    "artifacts",
    "runs",
    "sources",
    "disagreements",
    "intervals",
    "nulls",
)


def everything(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """What a store knows, whatever numbers its rows have."""
    found = {}
    with store.catalog() as connection:
        for view in VIEWS:
            columns = [name for name, *_ in connection.execute(f"DESCRIBE {view}").fetchall()]
            kept = ", ".join(name for name in columns if name not in ("is_mirrored", "origin"))
            found[view] = connection.execute(f"SELECT {kept} FROM {view} ORDER BY ALL").fetchall()
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return catalogs.build(tmp_path_factory.mktemp("log") / "store")


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "store"))


def test_a_catalog_that_is_deleted_truncated_or_overwritten_comes_back_whole(root: Path) -> None:
    known = everything(Store(root))
    assert len(known["all_layer_pairs"]) > 1000
    file = root / catalog.FILE
    size = file.stat().st_size
    for content in (None, b"", file.read_bytes()[: size // 2], os.urandom(size), b"\0" * size):
        file.unlink()
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(LayeratlasError, match="layeratlas rebuild"):
            everything(Store(root))
        store = Store(root)
        store.rebuild()
        assert everything(store) == known
        file.write_bytes(b"no catalog")  # and who writes needs no telling
        store = Store(root)
        store.write("runs", [{"run": "later", "command": "layeratlas"}])
        store.merge()
        assert everything(store)["all_layer_pairs"] == known["all_layer_pairs"]
        next(path for path in (root / "results" / "runs").glob("*") if b"later" in path.read_bytes()).unlink()
        store.rebuild()


@pytest.mark.parametrize("times", [8, pytest.param(50, marks=pytest.mark.proof)])
def test_ten_flipped_bytes_lose_nothing(times: int, root: Path) -> None:
    known = everything(Store(root))
    file, rng = root / catalog.FILE, random.Random(5)
    sound = file.read_bytes()
    for _ in range(times):
        flipped = bytearray(sound)
        for place in rng.sample(range(len(sound)), 10):
            flipped[place] ^= 1 << rng.randrange(8)
        file.write_bytes(flipped)
        try:
            assert everything(Store(root)) == known  # not a byte that matters, or
        except LayeratlasError as error:
            assert "catalog" in str(error)  # said in a line
        store = Store(root)
        found = verify(store)
        assert all("layeratlas rebuild" in line for line in found.damaged)
        assert everything(Store(root)) == known
        (root / f"{catalog.FILE}.wal").unlink(missing_ok=True)


def test_many_small_segments_become_few_and_say_the_same(root: Path) -> None:
    store = Store(root)
    for number in range(40):
        store.write("runs", [{"run": f"r-{number}", "command": "layeratlas run", "started": now()}])
        if number % 10 == 9:
            store.merge()
    assert len(store.log.segments(["runs"])) < 20
    known = everything(store)
    covered = frozenset[str]().union(*(segment.covers for segment in store.log.segments(["runs"])))
    assert len(covered) > 40 and store.waiting() == 0
    (root / catalog.FILE).unlink()
    store.rebuild()
    assert everything(store) == known and {f"r-{number}" for number in range(40)} <= {row[0] for row in known["runs"]}


def test_a_damaged_segment_is_set_aside_and_named_and_what_the_catalog_has_stays(root: Path) -> None:
    known = everything(Store(root))
    segment = max(Log(root).segments(["scores"]), key=lambda one: one.path.stat().st_size)
    content = bytearray(segment.path.read_bytes())
    content[len(content) // 2] ^= 4
    segment.path.write_bytes(content)
    found = verify(Store(root))
    assert [str(segment.path) in line for line in found.damaged] == [True]
    assert everything(Store(root)) == known and verify(Store(root)).damaged == []
    (root / catalog.FILE).unlink()
    store = Store(root)
    store.rebuild()
    assert 0 < len(everything(store)["all_layer_pairs"]) < len(known["all_layer_pairs"])
    said = subprocess.run(
        [sys.executable, "cli.py", "status", "--store", str(root)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert segment.path.name in said.stderr and said.returncode == 0, said.stderr


@pytest.mark.parametrize("table", ["models", "artifacts", "configurations", "corpora", "runs"])
def test_a_damaged_segment_of_a_small_table_is_written_anew_from_the_catalog(root: Path, table: str) -> None:
    known = everything(Store(root))
    [segment, *_] = Log(root).segments([table])
    content = bytearray(segment.path.read_bytes())
    content[len(content) // 3] ^= 1
    segment.path.write_bytes(content)
    store = Store(root)
    store.write("corpora", [{"corpus": "v1:new", "name": "new"}])
    store.merge()
    assert [path.name for path in store.lost] == [segment.path.name + ".damaged"]
    for _ in range(2):
        found = everything(store)
        assert {view: found[view] for view in VIEWS if view != "corpora"} == {
            view: known[view] for view in VIEWS if view != "corpora"
        }
        assert len(found["corpora"]) == len(known["corpora"]) + 1
        store.rebuild()


def test_a_row_whose_segment_is_gone_takes_its_scores_along_and_no_other_gets_them(root: Path) -> None:
    store = Store(root)
    [segment] = store.log.segments(["artifacts"])
    rows = store.log.read([segment]).to_pylist()
    last = max(store.rows("SELECT id, artifact FROM base.artifacts"))[1]
    segment.path.unlink()
    new = {**rows[0], "artifact": "v1:new", "layer": 77, "written": now()}
    store.write("artifacts", [row for row in rows if row["artifact"] != last])
    store.write("artifacts", [new])
    store.merge()
    assert store.rows("SELECT count(*) FROM all_layer_pairs WHERE 77 IN (layer_a, layer_b)") == [(0,)]
    store.write("artifacts", [row for row in rows if row["artifact"] == last])
    store.merge()
    whole = everything(store)["all_layer_pairs"]
    assert len(whole) == len(everything(Store(catalogs.build(root.parent / "same")))["all_layer_pairs"])


def test_damage_is_not_compacted_into_a_segment_that_vouches_for_it(root: Path) -> None:
    log = Log(root)
    big = max(log.segments(["scores"]), key=lambda one: one.path.stat().st_size)
    rows = log.read([big])
    made = [log.write_table("scores", rows.slice(index, 1), store="s") for index in range(20)]
    content = bytearray(made[3].path.read_bytes())
    content[40] ^= 1
    made[3].path.write_bytes(content)
    replaced = log.compact({one.name for one in made}, store="s")
    assert made[3].path.exists() and made[3].name not in {name for gone in replaced.values() for name in gone}
    assert sum(len(gone) for gone in replaced.values()) >= 15


def test_the_log_is_read_by_others_and_names_its_content(root: Path) -> None:
    log = Log(root)
    assert all(segment.is_whole() for segment in log.segments())
    files = str(root / "results" / "scores" / "*.parquet")
    assert pl.scan_parquet(files).collect().columns == list(COLUMNS["scores"])
    by_polars = pl.scan_parquet(files).select(pl.col("value").sum(), pl.col("artifact_a").n_unique()).collect().row(0)
    [by_duckdb] = duckdb.sql(f"SELECT sum(value), count(DISTINCT artifact_a) FROM '{files}'").fetchall()
    assert by_duckdb == pytest.approx(by_polars)


def test_what_is_forgotten_is_gone_from_the_log_on_and_counts_again_when_it_is_made_anew(root: Path) -> None:
    store = Store(root)
    of_model = "SELECT count(*) FROM layer_pairs WHERE 'bert-b' IN (model_a, model_b)"
    [(scores,)] = store.rows(of_model)
    others = store.rows("SELECT * FROM layer_pairs WHERE 'bert-b' NOT IN (model_a, model_b) ORDER BY ALL")
    assert scores and f"forgot the model bert-b, and {scores:,} scores" in forget(store, "bert-b")
    for _ in range(2):
        assert store.rows(of_model) == [(0,)] and ("bert-b",) not in store.rows("SELECT model FROM models")
        assert store.rows("SELECT * FROM layer_pairs WHERE true ORDER BY ALL") == others
        store.rebuild()
    catalogs.build(root, models={"bert-b": ("bert", 6, None)})
    assert store.rows("SELECT count(*) FROM layer_pairs WHERE model_a = 'bert-b' AND model_b = 'bert-b'") > [(0,)]
    forget(store, "measure:svsim")
    assert ("svsim",) not in store.rows("SELECT DISTINCT measure FROM layer_pairs")
    forget(store, "tiny-corpus")
    assert store.rows("SELECT count(*) FROM base.scores") == store.rows("SELECT count(*) FROM base.details") == [(0,)]


def stored_elsewhere(root: Path, other: Path, *, add: float) -> None:
    """Bring one store another's scores, as a copy of its segments and a word on where they came from."""
    theirs = Store(other)
    rows = theirs.log.read(theirs.log.segments(["scores"])).slice(0, 20).to_pylist()
    theirs.write("scores", [{**row, "value": row["value"] + add, "written": now()} for row in rows])
    for segment in theirs.log.segments():
        target = root / "results" / segment.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(segment.path, target)
    ours = Store(root)
    ours.write("origins", [{"store": theirs.settings.store, "origin": "lab.atlas.zip"}])
    ours.merge()


@pytest.mark.parametrize("ours_last", [False, True])
def test_ours_stands_where_two_stores_disagree_and_the_order_does_not_matter(tmp_path: Path, ours_last: bool) -> None:
    other = catalogs.build(tmp_path / "other")
    root = tmp_path / "root"
    if ours_last:
        Store(root).write("runs", [{"run": "first"}])
        stored_elsewhere(root, other, add=0.01)
        assert {row[0] for row in Store(root).rows("SELECT DISTINCT origin FROM layer_pairs")} == {"lab.atlas.zip"}
    catalogs.build(root)
    if not ours_last:
        stored_elsewhere(root, other, add=0.01)
    ours = Store(catalogs.build(tmp_path / "alone"))
    for store in (Store(root), Store(root)):
        numbers = "SELECT * EXCLUDE (run, measured, is_mirrored, origin) FROM all_layer_pairs ORDER BY ALL"
        assert store.rows(numbers) == ours.rows(numbers)
        assert store.rows("SELECT DISTINCT origin FROM layer_pairs") == [("this store",)]
        found = store.rows("SELECT round(difference, 6), origin, count(*) FROM disagreements GROUP BY ALL")
        assert found == [(0.01, "lab.atlas.zip", 20)]
        store.rebuild()


def test_an_older_row_that_arrives_late_changes_nothing(root: Path) -> None:
    store = Store(root)
    before = store.rows("SELECT * FROM models ORDER BY ALL")
    store.write("models", [{"weights": "v1:bert-a-own", "name": "bert-a", "family": "other", "layers": 4,
                            "source": "own", "written": now() - timedelta(days=1)}])  # fmt: skip
    store.merge()
    assert store.rows("SELECT * FROM models ORDER BY ALL") == before


WRITER = """
import sys, pathlib; sys.path[:0] = [sys.argv[2], sys.argv[2] + "/tests"]
import catalogs
print("go", flush=True)
catalogs.build(pathlib.Path(sys.argv[1]))
"""


@pytest.mark.parametrize("kills", [6, pytest.param(50, marks=pytest.mark.proof)])
def test_a_process_that_is_killed_while_it_writes_and_merges_loses_nothing(tmp_path: Path, kills: int) -> None:
    whole, rng = everything(Store(catalogs.build(tmp_path / "whole"))), random.Random(kills)
    for number in range(kills):
        root = tmp_path / f"killed-{number}"
        command = [sys.executable, "-c", WRITER, str(root), str(ROOT)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None and process.stdout.readline() == "go\n"
            time.sleep(rng.uniform(0, 1.2))
            process.send_signal(signal.SIGKILL)
        subprocess.run(command, check=True, capture_output=True)
        store = Store(root)
        store.rebuild()
        numbers = [
            {view: [tuple(value for value in row if not isinstance(value, type(now()))) for row in rows]
             for view, rows in found.items() if view in ("models", "corpora", "all_layer_pairs", "neurons")}
            for found in (everything(store), whole)
        ]  # fmt: skip
        assert numbers[0] == numbers[1]
        shutil.rmtree(root)
