"""A store written by the release before this one opens, answers what it answered, and goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import duckdb
import pytest

from layeratlas.measures import MEASURES, PRESETS, configure
from layeratlas.measures.registry import configuration_row
from layeratlas.store import catalog
from layeratlas.store.artifacts.base import describe
from layeratlas.store.errors import LayeratlasError, StoreBusy
from layeratlas.store.kinds import KINDS
from layeratlas.store.store import Store

ROOT = Path(__file__).resolve().parent.parent
MEASURED = {name: kind.version for name, kind in MEASURES.items()}
STUDY = """
[[models]]
id = "{zoo}/bert-tiny"
[[models]]
id = "{zoo}/gpt2-tiny"
[[corpora]]
path = "{corpora}/ewt/en_ewt-ud-dev.conllu.gz"
limit = 14
name = "ewt-dev"
[extraction]
kinds = ["activations", "attention"]
layers = {layers}
"""
PAIRS = (
    "SELECT * EXCLUDE (run, measured, is_mirrored, direction, low, high, closeness) FROM all_layer_pairs ORDER BY ALL"
)


def unpacked(folder: Path) -> Path:
    with tarfile.open(ROOT / "tests" / "data" / "former-store.tgz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "simcat-data"


@pytest.fixture
def former(tmp_path: Path) -> Path:
    return unpacked(tmp_path)


def atlas(*arguments: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if not key.endswith("_STORE")}
    command = [sys.executable, str(ROOT / "cli.py"), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=inherited | environment, capture_output=True, text=True, check=False)


def study(folder: Path, layers: str = "[0, 1, 2]", more: str = "") -> Path:
    file = folder / "study.toml"
    file.write_text(STUDY.format(zoo=ROOT / "zoo" / "models", corpora=ROOT / "corpora", layers=layers) + more)
    return file


def test_it_opens_through_the_command_line_and_its_numbers_are_what_they_were(former: Path) -> None:
    status = atlas("status", "--store", former)
    assert status.returncode == 0 and "bert-tiny" in status.stdout and "simcat" not in status.stdout
    top = json.loads(atlas("query", "top-pairs", "--format", "json", "--limit", "3", "--store", former).stdout)
    assert [round(row["value"], 6) for row in top] == TOP
    counted = "SELECT source, count(*) AS scores FROM layer_pairs GROUP BY 1 ORDER BY 1"
    assert json.loads(atlas("sql", counted, "--format", "json", "--store", former).stdout) == [
        {"source": "elsewhere", "scores": 4}, {"source": "own", "scores": 222},
    ]  # fmt: skip
    verified = atlas("verify", "--store", former)
    assert verified.returncode == 0 and verified.stdout == "", verified.stdout + verified.stderr
    assert "10 of 10 artifacts are what was written" in verified.stderr


def test_no_number_is_changed_and_heads_are_told_from_neurons(former: Path) -> None:
    with duckdb.connect(str(former / catalog.FILE), read_only=True) as before:
        numbers = before.execute(SCORES).fetchall()
        units = before.execute("SELECT configuration, artifact_a, neurons, matches FROM base.details ORDER BY ALL")
        details = units.fetchall()
    store = Store(former, MEASURED)
    assert store.rows(SCORES) == numbers
    assert store.rows("SELECT configuration, artifact_a, units, matches FROM base.details ORDER BY ALL") == details
    assert store.rows("SELECT DISTINCT kind, pooling, neurons FROM artifacts ORDER BY ALL") == [
        ("activations", "last", 128), ("activations", "unknown", None), ("attention", "drop", 4),
    ]  # fmt: skip
    sums = dict(store.rows("SELECT measure, round(sum(value), 9) FROM layer_pairs GROUP BY ALL ORDER BY 1"))
    assert {name: sums[name] for name in ("ckasim", "neuronsim", "attention_ckasim", "rsa")} == {
        "ckasim": 17.342796691, "neuronsim": 13.483099358, "attention_ckasim": 4.578733331, "rsa": 1.78,
    }  # fmt: skip


def test_artifacts_with_a_description_under_the_former_name_are_read(former: Path) -> None:
    rows = Store(former).artifacts()
    assert len(rows) == 10
    for row in rows:
        found = describe(former, former / row.path)
        assert (found.artifact, found.units, found.words, found.word_set) == (
            row.artifact, row.units, row.words, row.word_set,
        )  # fmt: skip
        assert len(KINDS[row.kind].files.read_keys(former / row.path)) == row.words
        assert list(KINDS[row.kind].files.read_chunks(former / row.path))


def test_its_study_has_nothing_to_do_and_more_of_it_computes_only_what_is_missing(former: Path) -> None:
    figures = atlas("run", study(former), "--store", former)  # which the release before did not have
    assert "extracted 0 layers\nmeasured 0 scores and 54 figures of layers" in figures.stderr, figures.stderr
    again = atlas("run", study(former), "--store", former)
    assert again.returncode == 0 and "nothing to do: 10 layers are extracted" in again.stderr, again.stderr
    store = Store(former)
    known = store.rows("SELECT * FROM base.scores ORDER BY ALL")
    deeper = atlas("run", study(former, layers="[0, 1, 2, 3]"), "--store", former)
    assert deeper.returncode == 0 and "extracted 4 layers" in deeper.stderr, deeper.stderr
    own = "SELECT kind, count(*) FROM all_layer_pairs WHERE source = 'own' GROUP BY 1 ORDER BY 1"
    assert store.rows(own) == [("activations", 5 * 8 * 7), ("attention", 6 * 6 * 5)]
    loose = study(former, more='[[measures]]\nname = "svsim"\nvariance = 0.9\n')
    other = atlas("run", loose, "--store", former)
    assert other.returncode == 0 and "extracted 0 layers" in other.stderr, other.stderr
    assert store.rows(own) == [("activations", 5 * 8 * 7 + 6 * 5), ("attention", 6 * 6 * 5)]
    assert set(known) <= set(store.rows("SELECT * FROM base.scores"))  # with when and by which run they were measured


def test_what_the_former_version_has_staged_is_merged(former: Path, tmp_path: Path) -> None:
    staging = former / "staging"
    with duckdb.connect(str(former / catalog.FILE), read_only=True) as before:
        for table, sql in STAGED.items():
            before.execute(f"COPY ({sql}) TO '{staging}/{table}-0123.parquet' (FORMAT parquet)")
    (former / catalog.FILE).unlink()
    store, migrated = Store(former, MEASURED), Store(unpacked(tmp_path / "again"), MEASURED)
    assert store.waiting() == len(STAGED)
    store.merge()
    assert store.waiting() == 0 and store.waiting_pairs() == set()
    for sql in (
        PAIRS,
        "SELECT * FROM neurons ORDER BY ALL",
        "SELECT * FROM heads ORDER BY ALL",
        f"{RANGES} ORDER BY ALL",
    ):
        assert store.rows(sql) == migrated.rows(sql)
    assert {row.artifact for row in store.artifacts()} == {row.artifact for row in migrated.artifacts()}


def test_ranges_are_filled_as_measures_state_them(tmp_path: Path) -> None:
    store = Store(tmp_path)
    attsim = [{"similarity": how} for how in ("pearson", "pearson_nonzero", "frobenius", "jensen_shannon")]
    every = [
        configure(name, preset, given)
        for name, declared in MEASURES.items() if "wu2020" in declared.presets
        for preset in PRESETS[:2] for given in (attsim if name == "attsim" else [{}])
    ]  # fmt: skip
    rows = [configuration_row(each) for each in every]
    former = [{key: row[key] for key in row if key not in ("direction", "low", "high")} for row in rows]
    store.write("configurations", former)
    store.merge()
    sql = "SELECT configuration, direction, low, high FROM base.configurations"
    stated = {(row["configuration"], row["direction"], row["low"], row["high"]) for row in rows}
    assert set(store.rows(sql)) == stated
    store.write("configurations", former[:3])  # what says nothing changes nothing
    store.merge()
    assert set(store.rows(sql)) == stated


def test_figures_imported_before_are_bounded_where_their_values_are(former: Path) -> None:
    with duckdb.connect(str(former / catalog.FILE)) as before:
        before.execute("UPDATE base.scores SET value = 1.25 WHERE value = 0.77")
        before.execute("UPDATE base.scores SET value = -0.009 WHERE value = 0.28")  # within the source's tolerance
    assert Store(former).rows(RANGES + " WHERE measure = 'rsa'") == [("rsa", "similarity", 0, None)]


def test_while_it_is_read_elsewhere_or_may_not_be_written_it_says_so_in_one_line(
    former: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); print('ready', flush=True); "
        "sys.stdin.readline()"
    )
    command = [sys.executable, "-c", code, str(former / catalog.FILE)]
    monkeypatch.setattr(catalog, "WRITE_PATIENCE", 0.1)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None and reader.stdout.readline() == "ready\n"
        with pytest.raises(StoreBusy, match=f"is in use by process {reader.pid}: wait for it to end"):
            Store(former).artifacts()
        reader.communicate("\n", timeout=60)
    with monkeypatch.context() as read_only:
        read_only.setattr(os, "access", lambda path, mode: mode != os.W_OK)
        with pytest.raises(LayeratlasError, match="was written by an older layeratlas and may not be written here"):
            Store(former).artifacts()
    assert len(Store(former).artifacts()) == 10


def test_one_at_the_former_default_place_is_said(former: Path) -> None:
    here = former.parent
    said = atlas("status", cwd=here)
    assert said.returncode == 3 and "note: simcat-data holds a store of simcat" in said.stderr
    named = atlas("status", "--store", "simcat-data", cwd=here)
    assert named.returncode == 0 and "note:" not in named.stderr
    moved = here / "kept"
    former.rename(moved)
    said = atlas("status", cwd=here, SIMCAT_STORE=str(moved))
    assert said.returncode == 3 and f"--store {moved} opens it" in said.stderr
    moved.rename(here / "layeratlas-data")
    renamed = atlas("status", cwd=here)
    assert renamed.returncode == 0 and "note:" not in renamed.stderr


TOP = [0.944068, 0.942986, 0.673039]
RANGES = "SELECT measure, direction, low, high FROM base.configurations"
SCORES = (
    "SELECT k.configuration, a.artifact, b.artifact, value, s.words, refused, diagnostics, s.run, measured "
    "FROM base.scores s JOIN base.configurations k ON k.id = s.configuration JOIN base.artifacts a "
    "ON a.id = s.artifact_a JOIN base.artifacts b ON b.id = s.artifact_b ORDER BY ALL"
)
#: What the former version staged, by table, as it called the columns.
STAGED = {
    "runs": "FROM base.runs",
    "sources": "FROM base.sources",
    "models": "SELECT * EXCLUDE (id) FROM base.models ORDER BY id",
    "corpora": "SELECT * EXCLUDE (id) FROM base.corpora ORDER BY id",
    "artifacts": "SELECT * EXCLUDE (id, damaged, registered) FROM base.artifacts ORDER BY id",
    "configurations": "SELECT * EXCLUDE (id) FROM base.configurations ORDER BY id",
    "scores": (
        "SELECT k.configuration, a.artifact AS artifact_a, b.artifact AS artifact_b, value, s.words, refused, "
        "diagnostics, s.run, d.neurons, d.matches FROM base.scores s JOIN base.configurations k "
        "ON k.id = s.configuration JOIN base.artifacts a ON a.id = s.artifact_a "
        "JOIN base.artifacts b ON b.id = s.artifact_b LEFT JOIN base.details d "
        "ON (d.configuration, d.artifact_a, d.artifact_b) = (s.configuration, s.artifact_a, s.artifact_b)"
    ),
}
