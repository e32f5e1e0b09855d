"""Activations that were discarded: nothing that is known is lost, and only what a new question needs comes back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from extract_tiny import save_model

import layeratlas
from layeratlas.queries.questions.status import overview
from layeratlas.running import open_store
from layeratlas.store.errors import BadRequest
from layeratlas.store.verify import artifact_files, verify

ROOT = Path(__file__).resolve().parent.parent
TEXT = "The cats saw two dogs .\nNobody saw them , they say .\n" * 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name, family in (("bert-a", "bert"), ("gpt2-a", "gpt2"), ("bert-b", "bert")):
        save_model(family, folder / name)
    (folder / "text.txt").write_text(TEXT)
    return folder


def study(folder: Path, *measures: str, models: tuple[str, ...] = ("bert-a", "gpt2-a")) -> Path:
    named = "".join(f'[[models]]\nid = "./{name}"\n' for name in models)
    asked = "".join(f'[[measures]]\nname = "{name}"\n' for name in measures)
    path = folder / f"{'-'.join((*models, *measures))}.toml"
    path.write_text(f'{named}[[corpora]]\npath = "text.txt"\n{asked}')
    return path


def scores(store: Path) -> list[tuple[Any, ...]]:
    sql = "SELECT configuration, artifact_a, artifact_b, value, measured FROM base.scores ORDER BY ALL"
    return open_store(store).rows(sql)


def test_scores_stay_and_nothing_is_done_again(folder: Path, tmp_path: Path) -> None:
    outcome = layeratlas.run(study(folder, "ckasim"), store=tmp_path, discard_activations=True)
    assert outcome.exit_code == 0 and outcome.lines()[-1].startswith("discarded the activations of 6 layers, ")
    known = scores(tmp_path)
    assert len(known) == 30 and not artifact_files(tmp_path)
    again = layeratlas.run(study(folder, "ckasim"), store=tmp_path)
    assert again.lines() == [
        "nothing to do: 6 layers (6 without their activations, which nothing lacks) are extracted and every pair is "
        "measured"
    ]
    assert scores(tmp_path) == known
    assert not (found := verify(open_store(tmp_path))).damaged and not found.unknown
    with open_store(tmp_path).catalog() as catalog:
        models, _, *problems = overview(catalog)
    layers, size, damaged = (models.columns.index(name) for name in ("layers", "bytes", "damaged"))
    assert [(row[layers], row[size], row[damaged]) for row in models.rows] == [(3, 0, 0)] * 2 and not problems


def test_a_new_measure_brings_them_back_and_measures_it_alone(folder: Path, tmp_path: Path) -> None:
    layeratlas.run(study(folder, "ckasim"), store=tmp_path, discard_activations=True)
    known = scores(tmp_path)
    outcome = layeratlas.run(study(folder, "ckasim", "neuronsim"), store=tmp_path, discard_activations=True)
    assert outcome.lines()[:2] == ["extracted 6 layers", "measured 30 scores"]
    assert set(known) < set(scores(tmp_path)) and len(scores(tmp_path)) == 60 and not artifact_files(tmp_path)


def test_a_new_model_is_compared_with_those_whose_activations_are_gone(folder: Path, tmp_path: Path) -> None:
    layeratlas.run(study(folder, "ckasim"), store=tmp_path, discard_activations=True)
    three = study(folder, "ckasim", models=("bert-a", "gpt2-a", "bert-b"))
    outcome = layeratlas.run(three, store=tmp_path)
    assert outcome.lines()[:2] == ["extracted 9 layers", "measured 42 scores and 27 figures of layers"]
    assert len(scores(tmp_path)) == 72 and len(artifact_files(tmp_path)) == 9


def test_who_was_given_scores_alone_has_nothing_to_do(folder: Path, tmp_path: Path) -> None:
    one = study(folder, "ckasim")
    layeratlas.run(one, store=tmp_path / "mine")
    bundle = tmp_path / "scores.atlas.zip"
    for command in (["export", str(bundle), "--scores-only", "--store", str(tmp_path / "mine")],
                    ["import", str(bundle), "--store", str(tmp_path / "theirs")]):  # fmt: skip
        subprocess.run([sys.executable, "cli.py", *command], cwd=ROOT, check=True, capture_output=True)
    assert layeratlas.run(one, store=tmp_path / "theirs").lines()[0].startswith("nothing to do: 6 layers (6 without")
    assert not artifact_files(tmp_path / "theirs")


def test_others_that_work_in_the_store_keep_them(folder: Path, tmp_path: Path) -> None:
    one = study(folder, "ckasim")
    layeratlas.run(one, store=tmp_path)
    busy = (
        "import sys; from layeratlas.running import open_store\n"
        "with open_store(sys.argv[1]).claims.at_work(): print('at work', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", busy, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:  # fmt: skip
        assert other.stdout and other.stdin and other.stdout.readline() == "at work\n"
        kept = layeratlas.run(one, store=tmp_path, discard_activations=True)
        other.stdin.close()
    assert "no activations were discarded: another process is at work" in kept.lines()[-1]
    assert len(artifact_files(tmp_path)) == 6
    layeratlas.run(one, store=tmp_path, discard_activations=True)
    assert not artifact_files(tmp_path)


def test_what_needs_them_says_that_they_are_gone(folder: Path, tmp_path: Path) -> None:
    layeratlas.run(study(folder, "ckasim"), store=tmp_path, discard_activations=True)
    atlas = layeratlas.open(tmp_path)
    with pytest.raises(BadRequest, match="no files of bert-a here: `layeratlas extract`"):
        atlas.activations("bert-a", 1)
    with pytest.raises(BadRequest, match="of this machine only"):
        layeratlas.run(study(folder, "ckasim"), store="file://" + str(tmp_path / "x"), discard_activations=True)
