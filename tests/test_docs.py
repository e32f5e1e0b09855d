"""The documentation is true: the README's commands run, its studies load, its arrays compare."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from layeratlas.store.study import load_study

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    path: path.read_text(encoding="utf-8")
    for path in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))
}
README = PAGES[ROOT / "README.md"]


def commands(block: str = "examples") -> list[str]:
    page = next(text for text in PAGES.values() if f"<!-- {block}" in text)
    block = page.split(f"<!-- {block}", 1)[1].split("```", 2)[1]
    return [line.split(" #")[0].strip() for line in block.splitlines() if line.startswith("python cli.py")]


@pytest.mark.proof
def test_the_readmes_commands_run_in_order(tmp_path: Path) -> None:
    environment = {**os.environ, "LAYERATLAS_STORE": str(tmp_path / "store"), "HF_HUB_OFFLINE": "1"}
    assert len(commands()) == 8
    for command in commands():
        arguments = [sys.executable, *shlex.split(command)[1:]]
        done = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done.stderr)
        assert "Traceback" not in done.stderr
    findings = subprocess.run(
        [sys.executable, "cli.py", "query", "findings"], cwd=ROOT, env=environment, capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip
    assert len(re.findall(r"^=> (seen|not seen|undecided|cannot be said): ", findings, re.MULTILINE)) == 5


def test_the_readmes_questions_are_answered(tmp_path: Path) -> None:
    assert len(commands("questions")) == 15
    for command in commands("questions"):
        arguments = [sys.executable, *shlex.split(command.replace("--store published", f"--store {tmp_path}"))[1:]]
        done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "Traceback" not in done.stderr, (command, done.stderr)
        assert "cli.py query" not in command or "=> " in done.stdout


@pytest.mark.proof
def test_the_readmes_attention_is_measured_and_asked(tmp_path: Path) -> None:
    assert len(commands("attention")) == 5
    for command in commands("attention"):
        arguments = [sys.executable, *shlex.split(command.replace("--store attention", f"--store {tmp_path}"))[1:]]
        done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "Traceback" not in done.stderr, (command, done.stderr)
        assert "cli.py query" not in command or "=> " in done.stdout


@pytest.mark.slow
def test_the_commands_that_share_run_in_order(tmp_path: Path) -> None:
    from sharing_stores import measured

    measured(tmp_path / "layeratlas-data", "m1", "m2")
    assert len(commands("sharing")) == 6
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    for command in commands("sharing"):
        arguments = [sys.executable, str(ROOT / "cli.py"), *shlex.split(command)[2:]]
        done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "Traceback" not in done.stderr, (command, done.stderr)
    assert (tmp_path / "third" / "catalog.duckdb").exists()


def test_the_readmes_pictures_are_drawn(tmp_path: Path) -> None:
    assert len(commands("pictures")) == 4
    for command in (commands("questions")[0], *commands("pictures")):
        here = command.replace("--store published", f"--store {tmp_path}/s").replace("-o ", f"-o {tmp_path}/")
        done = subprocess.run([sys.executable, *shlex.split(here)[1:]], cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0, (here, done.stderr)
    drawn = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert drawn == {"heatmap.png", "families.svg", "finetuning.pdf", "report.html"}


def test_the_readmes_study_has_only_keys_that_exist(tmp_path: Path) -> None:
    study = PAGES[ROOT / "docs" / "models.md"].split("```toml", 1)[1].split("```", 1)[0]
    tomllib.loads(study)
    (tmp_path / "my-tuned-bert").mkdir()
    (tmp_path / "my.conllu.gz").touch()
    (tmp_path / "study.toml").write_text(study)
    assert len(load_study(tmp_path / "study.toml").models) == 3


def test_the_readmes_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = README.split("```python", 1)[1].split("```", 1)[0]
    rng = np.random.default_rng(0)
    common = rng.standard_normal((300, 5))
    names = {
        "a": common @ rng.standard_normal((5, 12)) + rng.standard_normal((300, 12)),
        "b": common,
        "p": [rng.dirichlet(np.ones(words), (3, words)) for words in (5, 8)],
        "q": [rng.dirichlet(np.ones(words), (4, words)) for words in (5, 8)],
    }
    exec(code, names)


@pytest.mark.slow
def test_the_python_page_runs_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = PAGES[ROOT / "docs" / "python.md"]
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 7
    for name in ("zoo", "corpora"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    assert (tmp_path / "heatmap.svg").stat().st_size > 5000


@pytest.mark.parametrize("name", ["demo", "demo-attention", "wu2020"])
def test_shipped_studies_load(name: str) -> None:
    study = load_study(ROOT / "studies" / f"{name}.toml")
    assert study.models and study.corpora[0].path.is_file()


def test_the_published_study_loads_and_needs_no_model() -> None:
    study = load_study(ROOT / "studies" / "wu2020-published.toml")
    assert [spec.name for spec in study.results] == ["wu2020-ewt", "wu2020-finetuned"] and not study.models


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGES[page]):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_the_readme_is_short_and_begins_with_an_answer() -> None:
    assert len(README.splitlines()) < 150
    assert "=> the most similar by ckasim are" in "\n".join(README.splitlines()[:24])
