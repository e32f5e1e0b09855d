"""Questions as a user asks them: what the terminal shows, `--explain`, an empty catalog, what is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from terminals import in_a_terminal

from layeratlas.queries.commands.query import COMMANDS
from layeratlas.queries.core.sql_box import run_sql
from layeratlas.store.catalog import reading

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden" / "terminal"

QUESTIONS = {
    "top-pairs": ["top-pairs", "--across", "models"],
    "top-pairs-least": ["top-pairs", "--least", "--measure", "neuronsim", "--measure", "pwsim", "--limit", "4"],
    "nearest": ["nearest", "bert_base_cased:0", "--limit", "2"],
    "models": ["models", "--measure", "neuronsim"],
    "measures": ["measures"],
    "consistency": ["consistency"],
    "coverage": ["coverage", "--limit", "4"],
    "heatmap-two": ["heatmap", "bert_base_cased", "openai_transformer"],
    "heatmap-deep": ["heatmap", "elmo_original", "xlnet_large_cased", "--measure", "mixedsim"],
    "heatmap-all": ["heatmap"],
    "families": ["families"],
    "localization": ["localization", "--limit", "5"],
    "finetuning": ["finetuning", "bert_base_cased", "--limit", "14"],
    "correspondence": ["correspondence", "openai_transformer", "bert_base_cased"],
    "factors": ["factors", "--measure", "neuronsim"],
    "clusters": ["clusters"],
    "clusters-layers": ["clusters", "--of", "layers", "--measure", "svsim", "--family", "elmo", "--family", "gpt"],
}


def atlas(root: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    return subprocess.run([sys.executable, "cli.py", "query", *arguments, "--store", str(root)], cwd=ROOT,
                          env={**kept, **environment}, capture_output=True, text=True, check=False)  # fmt: skip


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize("name", QUESTIONS)
def test_the_terminal_shows_what_it_showed(stores: dict[str, Path], name: str, columns: int) -> None:
    done = atlas(stores["wu2020-ewt"], *QUESTIONS[name], COLUMNS=str(columns))
    assert done.returncode == 0 and done.stderr == "" and "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= columns
    golden = GOLDEN / f"{name}-{columns}.txt"
    if os.environ.get("LAYERATLAS_GOLDEN") == "write":
        golden.write_text(done.stdout, encoding="utf-8")
    assert done.stdout == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_terminal_gets_colour_unless_it_wants_none(stores: dict[str, Path], no_color: str, coloured: bool) -> None:
    for arguments in (["heatmap"], ["heatmap", "elmo_original", "elmo_4x4096_512"]):
        command = ("cli.py", "query", *arguments, "--store", stores["wu2020-ewt"])
        shown = in_a_terminal(*command, **({"NO_COLOR": no_color} if no_color else {}))
        assert (";48;2;" in shown) == coloured, shown[:400]
        assert ("█" in shown) != coloured, "shades where there is no colour"


#: What a question needs to be named; statistics go beyond their SQL, and are tested on their own.
NAMED = {
    "nearest": ["bee:1"], "neurons": ["bee:1"], "heads": ["bee:1"], "finetuning": ["bee"],
    "correspondence": ["bee", "cat"], "compare-pairs": ["bee:1", "ant:1", "bee:1", "cat:0"],
    "power": ["bee:1", "ant:1"],
}  # fmt: skip
STATISTICS = ("findings", "families", "clusters", "finetuning", "correspondence", "factors", "compare-pairs", "power")


EMPTY = ("consistency", "disagreements")  # questions that find nothing in a store of our own scores


@pytest.mark.parametrize("name", [command.name for command in COMMANDS if command.name not in (*STATISTICS, "heads")])
def test_explained_sql_gives_the_same_rows(stores: dict[str, Path], name: str) -> None:
    root = stores["own"]
    arguments = [name, *NAMED.get(name, []), "--family", "a-family"]
    explained = atlas(root, *arguments, "--explain")
    assert explained.returncode == 0 and "$" not in explained.stdout, explained.stderr
    rows = atlas(root, *arguments, "--format", "csv")
    with reading(root) as catalog:
        answer = run_sql(catalog, explained.stdout)
    assert len(answer.rows) == len(rows.stdout.splitlines()) - 1 and bool(answer.rows) == (name not in EMPTY)
    assert rows.stdout.splitlines()[0] == ",".join(answer.columns)


@pytest.mark.parametrize("name", ["families", "clusters", "clusters-layers", "finetuning", "correspondence", "factors"])
def test_explained_sql_of_statistics_says_that_it_gives_what_they_work_on(stores: dict[str, Path], name: str) -> None:
    root = stores["wu2020-ewt"]
    explained = atlas(root, *QUESTIONS[name], "--explain").stdout
    assert explained.splitlines()[0] == f"-- The rows that {QUESTIONS[name][0]} works on; the statistics are numpy's."
    with reading(root) as catalog:
        answer = run_sql(catalog, explained)
    assert answer.rows and {"model_a", "model_b"} < set(answer.columns)
    if name == "families":
        assert len({row[answer.columns.index("measure")] for row in answer.rows}) == 5, "of every measure"


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_an_empty_catalog_says_what_to_run(tmp_path: Path, name: str) -> None:
    done = atlas(tmp_path / "none", str(name), *NAMED.get(str(name), []))
    assert done.returncode == 3 and "run `layeratlas" in done.stderr and len(done.stderr.splitlines()) == 1


def test_nothing_that_is_asked_imports_torch_numpy_or_scipy(stores: dict[str, Path]) -> None:
    for arguments in (["measures"], ["heatmap"], ["models"], ["neurons", "bee:1"]):
        done = atlas(stores["own"], *arguments, PYTHONPROFILEIMPORTTIME="1")
        imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
        assert done.returncode == 0 and "duckdb" in imported
        assert not {"torch", "numpy", "scipy", "pyarrow", "transformers"} & imported
