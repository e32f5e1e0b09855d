"""What a user says of a model, and what others may read of it: names, folders, origins; no place of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from extract_tiny import SENTENCES, save_model

from layeratlas.store.errors import BadRequest
from layeratlas.store.places import shown_path, without_places
from layeratlas.store.store import Store
from layeratlas.store.study import ModelSpec, load_study, study_of

STUDY = """
[[models]]
id = "runs/ckpt"
name = "tuned"
{more}
[[corpora]]
path = "tiny.txt"
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workplace")
    save_model("bert", folder / "runs" / "ckpt")
    (folder / "tiny.txt").write_text("\n".join(" ".join(sentence) for sentence in SENTENCES), "utf-8")
    return folder


def atlas(where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "layeratlas", *arguments]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "400"}
    return subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)


def test_an_existing_folder_wins_over_the_hub_and_that_is_said(workplace: Path) -> None:
    done = atlas(
        workplace, "extract", "runs/ckpt", "--corpus", str(workplace / "tiny.txt"), "--name", "tuned",
        "--finetuned-from", "base", "--objective", "next word", "--store", str(workplace / "s"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "tuned: runs/ckpt is the folder here; the hub's is hub:runs/ckpt" in done.stderr
    store = Store(workplace / "s")
    assert store.rows("SELECT name, finetuned_from, objective, origin, family FROM base.models") == [
        ("tuned", "base", "next word", "runs/ckpt", "bert")
    ]
    assert store.rows("SELECT origin FROM base.corpora") == [("tiny.txt",)]


def test_what_is_stated_later_is_taken_over(workplace: Path, tmp_path: Path) -> None:
    (workplace / "study.toml").write_text(STUDY.format(more=""))
    root = str(tmp_path / "s")
    assert atlas(workplace, "run", "study.toml", "--store", root).returncode == 0
    store = Store(Path(root))
    known = "SELECT family, finetuned_from, objective, architecture, layers FROM base.models"
    assert store.rows(known) == [("bert", None, None, "BertModel", 2)]
    stated = 'family = "mine"\nfinetuned_from = "base"\nobjective = "next word"'
    (workplace / "study.toml").write_text(STUDY.format(more=stated))
    done = atlas(workplace, "run", "study.toml", "--store", root)
    assert "tuned: family is now mine, it was bert" in done.stderr and "nothing to do" in done.stderr
    assert store.rows(known) == [("mine", "base", "next word", "BertModel", 2)]
    (workplace / "study.toml").write_text(STUDY.format(more=""))
    (workplace / "more.txt").write_text("the cats saw dogs")
    silent = (workplace / "study.toml").read_text() + '[[corpora]]\npath = "more.txt"\n'
    (workplace / "study.toml").write_text(silent)
    assert atlas(workplace, "run", "study.toml", "--store", root).returncode == 0
    assert store.rows(known) == [("mine", "base", "next word", "BertModel", 2)]  # what is left out stays


def test_no_place_of_this_machine_is_kept_and_a_failure_is_said_once(workplace: Path, tmp_path: Path) -> None:
    bad = save_model("gpt2", tmp_path / "secret-place" / "bad")
    (bad / "tokenizer.json").write_text("{}")
    done = atlas(
        tmp_path, "extract", str(bad), str(workplace / "runs" / "ckpt"), "--corpus", str(workplace / "tiny.txt"),
        "--store", str(tmp_path / "s"),
    )  # fmt: skip
    assert done.returncode == 1 and done.stderr.count("cannot be loaded") == 1, done.stderr
    assert "not extracted: bad over tiny" in done.stderr
    store = Store(tmp_path / "s")
    said = [
        *store.rows("SELECT command FROM base.runs"), *store.rows("SELECT reason FROM base.failures"),
        *store.rows("SELECT origin FROM base.models"), *store.rows("SELECT origin FROM base.corpora"),
    ]  # fmt: skip
    assert len(said) == 4 and not any(
        str(part) in str(said) for part in (tmp_path.parent, workplace.parent, Path.home())
    )
    assert ("…/ckpt",) in said and ("…/tiny.txt",) in said


def test_places() -> None:
    here = Path.cwd()
    assert shown_path(here / "runs" / "x") == "runs/x"
    assert [shown_path(text) for text in ("owner/name", "./x", "package:a/b", "/else/where")] == [
        "owner/name", "./x", "package:a/b", "…/where",
    ]  # fmt: skip
    assert (
        without_places(f"'{here}/a b' --store=/else/s https://hf.co/x 3/4") == "'a b' --store=…/s https://hf.co/x 3/4"
    )


def test_a_folder_beside_the_study_or_here_is_meant(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workplace / "study.toml").write_text(STUDY.format(more=""))
    (spec,) = load_study(workplace / "study.toml").models
    assert (spec.id, spec.folder) == ("runs/ckpt", workplace / "runs" / "ckpt")
    monkeypatch.chdir(workplace)
    found = study_of(["runs/ckpt", "hub:runs/other", "./runs"], [Path("tiny.txt")]).models
    assert [(one.folder, one.could_be_elsewhere, one.name) for one in found] == [
        (workplace / "runs" / "ckpt", True, "ckpt"), (None, False, "other"), (workplace / "runs", False, "runs"),
    ]  # fmt: skip
    assert ModelSpec("runs/ckpt", "x").folder is None


def test_one_name_is_of_one_model_and_a_part_is_one_of_two(workplace: Path) -> None:
    with pytest.raises(BadRequest, match="the name of one model only"):
        study_of(["a", "b"], [workplace / "tiny.txt"], name="x")
    (workplace / "wrong.toml").write_text(STUDY.format(more='part = "middle"'))
    with pytest.raises(BadRequest, match=r"wrong.toml:5: part must be encoder or decoder"):
        load_study(workplace / "wrong.toml")
    (workplace / "wrong.toml").write_text(STUDY.format(more='folder = "/etc"'))
    with pytest.raises(BadRequest, match="unknown key 'folder'"):
        load_study(workplace / "wrong.toml")


def test_verify_without_a_store_says_so(tmp_path: Path) -> None:
    done = atlas(tmp_path, "verify", "--store", "nowhere")
    assert done.returncode == 3 and "there is no store nowhere to verify" in done.stderr


def test_help_is_whole_at_eighty_columns(tmp_path: Path) -> None:
    for group in ((), ("query",), ("plot",)):
        done = subprocess.run(
            [sys.executable, "-m", "layeratlas", *group, "--help"], cwd=tmp_path, capture_output=True, text=True,
            env={**os.environ, "COLUMNS": "80"}, check=True,
        )  # fmt: skip
        assert "..." not in done.stdout.partition("Commands:")[2] and max(map(len, done.stdout.splitlines())) <= 80
