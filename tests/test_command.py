"""The command line as users meet it: real processes, tiny real models, a real corpus."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
from extract_tiny import save_model

ROOT = Path(__file__).resolve().parent.parent
EWT = ROOT / "corpora" / "ewt" / "en_ewt-ud-dev.conllu.gz"
MEASURES = ("ckasim", "mixedsim", "neuronsim", "pwsim", "svsim")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tiny models of two families on 120 sentences."""
    folder = tmp_path_factory.mktemp("study")
    for name, family, seed in (("bert-a", "bert", 0), ("bert-b", "bert", 1), ("gpt2-a", "gpt2", 0)):
        save_model(family, folder / name, seed=seed)
    models = "".join(f'[[models]]\nid = "./{name}"\n' for name in ("bert-a", "bert-b", "gpt2-a"))
    text = f'{models}[[corpora]]\npath = "{EWT}"\nname = "ewt"\nlimit = 120\n[extraction]\nlong_sentences = "split"\n'
    (folder / "study.toml").write_text(text)
    return folder / "study.toml"


@pytest.fixture(scope="module")
def finished(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which the study was run once, undisturbed."""
    store = tmp_path_factory.mktemp("finished")
    done = atlas("run", study, "--store", store)
    assert done.returncode == 0, done.stderr
    assert "extracted 9 layers" in done.stderr and "measured 360 scores" in done.stderr
    return store


def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}  # readline sets them
    return subprocess.Popen(
        [sys.executable, "cli.py", *map(str, arguments)], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**kept, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **environment},
    )  # fmt: skip


def atlas(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    process = start(*arguments, **environment)
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def rows(store: Path, *arguments: object) -> list[dict[str, object]]:
    done = atlas("query", *arguments, "--store", store, "--format", "json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def scores(store: Path) -> dict[tuple[object, ...], float]:
    with duckdb.connect(str(store / "catalog.duckdb"), read_only=True) as catalog:
        found = catalog.execute("SELECT measure, model_a, layer_a, model_b, layer_b, value FROM layer_pairs").fetchall()
    assert len(found) == len({row[:-1] for row in found}), "a pair stands twice"
    return {row[:-1]: row[-1] for row in found}


def assert_same(store: Path, finished: Path) -> None:
    found, expected = scores(store), scores(finished)
    assert found.keys() == expected.keys()
    assert all(found[key] == pytest.approx(expected[key], abs=1e-5) for key in expected)
    verified = atlas("verify", "--store", store)
    assert (verified.returncode, verified.stdout) == (0, ""), verified.stdout
    assert not list(store.rglob(".tmp-*")) and not (store / "staging").exists()


def test_a_second_run_does_nothing_and_does_not_import_torch(study: Path, finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}
    done = atlas("run", study, "--store", finished, PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0 and "nothing to do: 9 layers are extracted" in done.stderr
    assert not {"torch", "transformers", "pyarrow"} & imported(done.stderr)
    assert before == {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}


def imported(stderr: str) -> set[str]:
    return {line.rsplit("|", 1)[-1].strip() for line in stderr.splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize(
    "arguments",
    [("query", "top-pairs"), ("query", "heatmap", "bert-a", "gpt2-a"), ("sql", "SELECT 1"), ("status",)],
)
def test_asking_does_not_import_torch(finished: Path, arguments: tuple[str, ...]) -> None:
    done = atlas(*arguments, "--store", finished, PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    assert "duckdb" in imported(done.stderr)
    assert not {"torch", "transformers", "pyarrow", "polars", "numpy"} & imported(done.stderr)


def test_top_pairs_filters(finished: Path) -> None:
    keys = {"measure", "model_a", "layer_a", "family_a", "model_b", "layer_b", "family_b", "value"}
    across = rows(finished, "top-pairs", "--across", "families", "--limit", "100")
    assert len(across) == 18 and all(keys <= row.keys() and row["family_a"] != row["family_b"] for row in across)
    values = [row["value"] for row in across]
    assert values == sorted(values, reverse=True)  # type: ignore[type-var]
    ends = [frozenset([(row["model_a"], row["layer_a"]), (row["model_b"], row["layer_b"])]) for row in across]
    assert len(set(ends)) == len(ends), "a symmetric pair stands once"
    within = rows(finished, "top-pairs", "--within", "bert", "--measure", "neuronsim", "--limit", "100")
    assert len(within) == 30 and {row["family_a"] for row in within} == {"bert"}
    assert len(rows(finished, "top-pairs", "--within", "gpt2-a", "--limit", "100")) == 3
    assert len(rows(finished, "top-pairs", "--across", "models", "--limit", "100")) == 27
    layer = rows(finished, "top-pairs", "--model", "gpt2-a", "--layer", "2", "--limit", "100")
    assert len(layer) == 8 and all(
        ("gpt2-a", 2) in ((row["model_a"], row["layer_a"]), (row["model_b"], row["layer_b"])) for row in layer
    )
    assert len(rows(finished, "top-pairs", "--measure", "ckasim", "--measure", "pwsim", "--limit", "2")) == 4
    assert atlas("query", "top-pairs", "--min-words", "9999999", "--store", finished).returncode == 3


def test_every_format_says_the_same(finished: Path) -> None:
    def out(form: str) -> str:
        return atlas("query", "top-pairs", "--limit", "3", "--store", finished, "--format", form).stdout

    records = json.loads(out("json"))
    assert out("csv").splitlines()[1].startswith(f"ckasim,{records[0]['model_a']},{records[0]['layer_a']}")
    assert out("markdown").splitlines()[1].startswith("| --- |") and len(out("markdown").splitlines()) == 5
    table = out("table")
    assert table.startswith("Most similar layer pairs, ckasim") and "\x1b[" not in table
    assert f"{records[0]['value']:.4f}" in table
    raw = subprocess.run(
        [sys.executable, "cli.py", "query", "top-pairs", "--limit=3", f"--store={finished}", "--format=parquet"],
        cwd=ROOT,
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    path = finished.parent / "rows.parquet"
    path.write_bytes(raw)
    assert duckdb.sql(f"SELECT value FROM '{path}'").fetchall() == [(record["value"],) for record in records]


def test_heatmap(finished: Path) -> None:
    cells = rows(finished, "heatmap", "bert-a", "gpt2-a", "--measure", "mixedsim")
    assert [(cell["layer_a"], cell["layer_b"]) for cell in cells] == [(a, b) for a in range(3) for b in range(3)]
    drawn = atlas("query", "heatmap", "bert-a", "gpt2-a", "--store", finished).stdout
    lines = drawn.splitlines()
    assert lines[0].startswith("bert-a towards gpt2-a, ckasim (default) · ewt · 2,") and len(lines) == 6, lines
    assert lines[0].endswith(" words · source own") and lines[-1].startswith("=> the most similar are layer ")


def test_sql_reads_the_catalog_and_nothing_else(finished: Path) -> None:
    found = atlas("sql", "SELECT measure, count(*) AS n FROM layer_pairs GROUP BY 1 ORDER BY 1", "--store", finished,
                   "--format", "csv").stdout  # fmt: skip
    assert found == "measure,n\n" + "".join(f"{measure},72\n" for measure in MEASURES)
    target = finished / "stolen.csv"
    for statement in (
        "DROP VIEW layer_pairs", "DELETE FROM base.scores", f"COPY models TO '{target}'",
        "FROM read_csv('/etc/passwd')",
        f"ATTACH '{target}'", "SET enable_external_access = true", "FROM glob('/*')", "SELECT 1; SELECT 2",
        "INSTALL httpfs", "SELEC 1",
    ):  # fmt: skip
        done = atlas("sql", statement, "--store", finished)
        assert done.returncode == 2 and done.stdout == "" and "Traceback" not in done.stderr, statement
    assert not target.exists()
    assert len(scores(finished)) == 360


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("query", "top-pairs", "--measure", "ckasm"), 2, "unknown measure 'ckasm'; did you mean ckasim"),
        (("query", "top-pairs", "--model", "bert"), 2, "unknown model 'bert'; did you mean bert-"),
        (("query", "heatmap", "bert-a", "nobody"), 2, "unknown model 'nobody'"),
        (("measure", "--measure", "svsm"), 2, "did you mean svsim"),
        (("run", "nowhere.toml"), 2, "there is no study nowhere.toml"),
        (("query", "top-pairs", "--format", "xml"), 2, "is not one of"),
    ],
)
def test_a_mistake_is_one_clear_line(finished: Path, arguments: tuple[str, ...], code: int, says: str) -> None:
    done = atlas(*arguments, "--store", finished)
    assert done.returncode == code and says in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""


@pytest.mark.parametrize("arguments", [("query", "top-pairs"), ("status",), ("sql", "SELECT 1"), ("measure",)])
def test_an_empty_store_says_what_to_run(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = atlas(*arguments, LAYERATLAS_STORE=str(tmp_path / "empty"))
    assert done.returncode == 3 and "run `layeratlas" in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "empty").exists()


def test_other_duckdb_connections_can_read_the_views(finished: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{finished / 'catalog.duckdb'}' AS theirs (READ_ONLY)")
        for view in ("layer_pairs", "model_pairs", "neurons", "artifacts", "models", "runs"):
            count = connection.execute(f"SELECT count(*) FROM theirs.{view}").fetchall()[0][0]
            assert count > 0, view
        outcome = connection.execute("SELECT outcome, device, json_extract_string(versions, 'torch') FROM theirs.runs")
        assert outcome.fetchall()[0][:2] == ("finished", "cpu")


def test_extract_and_measure_by_hand(study: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "my.txt"
    corpus.write_text("The cats saw 42 dogs , too !\nIt slept on the mat .\nHe does n't know .\n" * 20)
    models = [study.parent / "bert-a", study.parent / "gpt2-a"]
    done = atlas("extract", *models, "--corpus", corpus, "--pooling", "mean", "--layer", "0", "--layer", "2",
                  "--store", tmp_path / "s")  # fmt: skip
    assert done.returncode == 0 and "extracted 4 layers" in done.stderr, done.stderr
    done = atlas("measure", "--measure", "ckasim", "--measure", "neuronsim", "--store", tmp_path / "s")
    assert done.returncode == 0 and "measured 24 scores" in done.stderr, done.stderr
    again = atlas("measure", "--measure", "ckasim", "--store", tmp_path / "s")
    assert "nothing to do" in again.stderr
    refreshed = atlas("measure", "--measure", "ckasim", "--refresh", "--store", tmp_path / "s")
    assert "measured 12 scores" in refreshed.stderr
    preset = atlas("measure", "--measure", "svsim", "--preset", "wu2020", "--store", tmp_path / "s")
    assert preset.returncode == 0
    assert atlas("query", "top-pairs", "--measure", "svsim", "--configuration", "wu2020", "--store",
                  tmp_path / "s").returncode == 0  # fmt: skip


def test_a_constant_layer_is_refused_and_shown_and_the_others_go_on(study: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "same.txt"
    corpus.write_text("cats\n" * 50)
    models = [study.parent / "bert-a", study.parent / "gpt2-a"]
    assert atlas("extract", *models, "--corpus", corpus, "--store", tmp_path / "s").returncode == 0
    assert atlas("extract", *models, "--corpus", EWT, "--long-sentences", "split", "--layer", "1", "--store",
                  tmp_path / "s").returncode == 0  # fmt: skip
    done = atlas("measure", "--store", tmp_path / "s")
    assert done.returncode == 0 and "measured 10 scores" in done.stderr
    assert "is constant: none of its 16 neurons varies over 50 words" in done.stderr
    status = atlas("status", "--store", tmp_path / "s").stdout
    assert "refused" in status and "bert-a layer 0 is constant" in status
    assert "nothing to do" in atlas("measure", "--store", tmp_path / "s").stderr


@pytest.mark.parametrize("harm", ["flip", *(pytest.param(harm, marks=pytest.mark.proof) for harm in ("cut", "folder"))])
def test_a_damaged_artifact_is_named_refused_and_rebuilt(
    study: Path, finished: Path, tmp_path: Path, harm: str
) -> None:
    store = tmp_path / "s"
    subprocess.run(["cp", "-r", finished, store], check=True)
    victim = sorted((store / "activations").rglob("*.parquet"))[4]
    content = bytearray(victim.read_bytes())
    content[len(content) // 3] ^= 4
    victim.write_bytes(content if harm == "flip" else content[: len(content) // 2])
    if harm == "folder":
        victim.unlink()
        victim.mkdir()
    refused = atlas("measure", "--refresh", "--measure", "ckasim", "--store", store)
    assert refused.returncode == 4 and victim.name in refused.stderr and "Traceback" not in refused.stderr
    verified = atlas("verify", "--store", store)
    assert verified.returncode == 4 and victim.name in verified.stdout
    assert victim.name in atlas("status", "--store", store).stdout.replace("\n", "")
    rebuilt = atlas("run", study, "--store", store)
    assert rebuilt.returncode == 0 and "extracted 1 layers" in rebuilt.stderr, rebuilt.stderr
    assert_same(store, finished)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.proof)])
def test_killed_again_and_again_then_run_once(kills: int, study: Path, finished: Path, tmp_path: Path) -> None:
    store, chance = tmp_path / "s", random.Random(11)
    for _ in range(kills):
        process = start("run", study, "--store", store)
        time.sleep(chance.uniform(0.3, 9.0))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    done = atlas("run", study, "--store", store)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert_same(store, finished)


def test_interrupted_with_ctrl_c(study: Path, finished: Path, tmp_path: Path) -> None:
    process = start("run", study, "--store", tmp_path / "s")
    while process.poll() is None and not (tmp_path / "s" / "activations").exists():  # it is at work, not yet finished
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (130, 0) and "Traceback" not in err, err
    assert atlas("run", study, "--store", tmp_path / "s").returncode == 0
    assert_same(tmp_path / "s", finished)


def until_at_work(process: subprocess.Popen[str]) -> None:
    """Wait until a query uses the processor: loading is over in less than five seconds of it."""
    used, deadline = 0.0, time.monotonic() + 120
    while used < 5 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
        ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        used = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def test_ctrl_c_inside_a_query_is_an_interrupt_not_a_bug(finished: Path) -> None:
    process = start("sql", "SELECT count(*) FROM range(4_000_000_000) a WHERE sqrt(range) < 0", "--store", finished)
    until_at_work(process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)  # DuckDB by itself may notice at the end of the query alone
    assert process.returncode == 130 and len(err.strip().splitlines()) == 1, err  # below what the terminal shows as ^C


@pytest.mark.proof  # beside `test_full_disk.py`
@pytest.mark.parametrize("most", [300_000, 3_000_000])  # the catalog, or an artifact, does not fit any more
def test_a_full_disk_is_one_line_and_loses_nothing(study: Path, tmp_path: Path, most: int) -> None:
    text = study.read_text().replace('"./', f'"{study.parent}/').replace("limit = 120", "limit = 2000")
    (tmp_path / "study.toml").write_text(text)
    command = f"{sys.executable} cli.py run {tmp_path}/study.toml --store {tmp_path}/s"
    bound = f"ulimit -f {most // 1024}; trap '' XFSZ; exec {command}"
    done = subprocess.run(["bash", "-c", bound], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "File too large" in done.stderr.splitlines()[-1], done.stderr
    assert "Traceback" not in done.stderr and not list(tmp_path.rglob(".tmp-*"))
    again = atlas("run", tmp_path / "study.toml", "--store", tmp_path / "s")
    assert again.returncode == 0 and len(scores(tmp_path / "s")) == 5 * 9 * 8, again.stderr


@pytest.mark.slow
def test_two_runs_at_once_and_a_query_in_a_loop(study: Path, finished: Path, tmp_path: Path) -> None:
    store = tmp_path / "s"
    runs = [start("run", study, "--store", store) for _ in range(2)]
    asked = 0
    while any(run.poll() is None for run in runs):
        done = atlas("query", "top-pairs", "--store", store)
        assert done.returncode in (0, 3) and "Traceback" not in done.stderr, done.stderr
        asked += 1
    for run in runs:
        _, err = run.communicate()
        assert run.returncode == 0 and "Traceback" not in err, err
    assert asked > 2
    assert_same(store, finished)
    with duckdb.connect(str(store / "catalog.duckdb"), read_only=True) as catalog:
        assert catalog.execute("SELECT count(*), count(DISTINCT artifact) FROM artifacts").fetchall() == [(9, 9)]


def test_raising_a_version_makes_old_scores_no_answer_and_a_run_measures_anew(
    study: Path, finished: Path, tmp_path: Path
) -> None:
    store = tmp_path / "s"
    subprocess.run(["cp", "-r", finished, store], check=True)
    raised = "from layeratlas import cli, measures; measures.MEASURES['ckasim'].version = 2; cli.main()"

    def newer(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", raised, *map(str, arguments), "--store", str(store)], cwd=ROOT,
                              capture_output=True, text=True, check=False)  # fmt: skip

    asked = newer("query", "top-pairs", "--measure", "ckasim")
    assert asked.returncode == 2 and "unknown measure 'ckasim'" in asked.stderr
    assert "measured 72 scores" in newer("run", study).stderr
    assert newer("query", "top-pairs", "--measure", "ckasim").returncode == 0
    question = (
        "SELECT version, stale, count(*) AS n FROM all_layer_pairs WHERE measure = 'ckasim' GROUP BY ALL ORDER BY 1"
    )
    kept = newer("sql", question, "--format", "csv").stdout
    assert kept == "version,stale,n\n1,True,72\n2,False,72\n"
