"""A study as a library call: what the command does, without printing anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from extract_tiny import save_model

import layeratlas
from layeratlas.store.errors import BadRequest
from layeratlas.store.progress import Silent
from layeratlas.store.study import load_study

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny models on a few sentences, under one measure."""
    folder = tmp_path_factory.mktemp("study")
    for name, family in (("bert-a", "bert"), ("gpt2-a", "gpt2")):
        save_model(family, folder / name)
    models = "".join(f'[[models]]\nid = "./{name}"\n' for name in ("bert-a", "gpt2-a"))
    (folder / "text.txt").write_text("The cats saw two dogs .\nNobody saw them , they say .\n" * 20)
    text = f'{models}[[corpora]]\npath = "text.txt"\n[[measures]]\nname = "ckasim"\n'
    (folder / "study.toml").write_text(text)
    return folder / "study.toml"


def test_a_study_runs_once_and_says_nothing_on_its_own(
    study: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    progress = Silent()
    outcome = layeratlas.run(study, store=tmp_path / "s", progress=progress)
    assert outcome.exit_code == 0 and outcome.lines() == [
        "extracted 6 layers", "measured 30 scores and 54 figures of layers",
    ]  # fmt: skip
    again = layeratlas.run(load_study(study), store=tmp_path / "s")
    assert again.lines() == ["nothing to do: 6 layers are extracted and every pair is measured"]
    assert capfd.readouterr() == ("", "")
    assert all("failed" not in note for note in progress.notes)


def test_what_is_staged_is_merged_before_anything_is_planned(study: Path, tmp_path: Path) -> None:
    from layeratlas.running import open_store

    layeratlas.run(study, store=tmp_path / "s")
    store = open_store(tmp_path / "s")
    store.write("failures", [{"model": "m", "corpus": "c", "reason": "made up", "run": "r"}])
    assert store.waiting() == 1
    assert layeratlas.run(study, store=store).lines()[-1].startswith("nothing to do") and store.waiting() == 0


def test_a_process_uses_its_share_of_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from layeratlas.devices import share_of_cores
    from layeratlas.running import open_store

    store = open_store(tmp_path)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        for workers, share in ((0, 4), (1, 4), (2, 2), (3, 1), (9, 1)):
            monkeypatch.setattr(store.claims, "workers", lambda *, here, count=workers: count)
            with share_of_cores(store):
                assert torch.get_num_threads() == share
            assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)


def test_a_mistake_is_raised_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="there is no"):
        layeratlas.run("nowhere.toml", store=tmp_path)
    assert not list(tmp_path.iterdir())


def test_importing_brings_neither_torch_nor_the_catalog() -> None:
    code = "import sys, layeratlas; print({'torch', 'duckdb', 'pyarrow', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_scores_stand_against_those_of_untrained_copies(study: Path, tmp_path: Path) -> None:
    """`--null untrained` adds copies of each model, compares them as any others, and puts scores side by side."""
    outcome = layeratlas.run(study, store=tmp_path / "s", null="untrained:seeds=2", progress=Silent())
    assert outcome.exit_code == 0 and outcome.lines()[0] == "extracted 18 layers"
    assert "against chance" in outcome.lines()[1]
    store = layeratlas.open(tmp_path / "s")
    names = {row["model"]: row["untrained_seed"] for row in store.sql("SELECT * FROM models").records()}
    assert names == {f"{name}{tail}": seed for name in ("bert-a", "gpt2-a")
                     for tail, seed in (("", None), ("-untrained-1", 1), ("-untrained-2", 2))}  # fmt: skip
    pairs = {(row["model_a"], row["layer_a"], row["model_b"], row["layer_b"]): row["value"]
             for row in store.sql("SELECT * FROM layer_pairs").records()}  # fmt: skip
    rows = store.sql("SELECT * FROM nulls").records()
    assert {row["model_b"] for row in rows} == {"bert-a", "gpt2-a"} and {row["method"] for row in rows} == {"untrained"}
    compared = 0
    for row in rows:
        first, layer = (row["model_a"], row["layer_a"]), row["layer_b"]
        copies = [
            pairs[key] for seed in (1, 2) if (key := (*first, f"{row['model_b']}-untrained-{seed}", layer)) in pairs
        ]
        assert row["mean"] == pytest.approx(sum(copies) / len(copies)) and row["permutations"] == len(copies)
        as_close = sum(one >= row["value"] for one in copies)
        assert row["p"] == pytest.approx((1 + as_close) / (1 + len(copies)))
        compared += len(copies) == 2
    assert compared >= 30
    answer = store.top_pairs(across="models", measure="ckasim", null="untrained", limit=200)
    assert any("untrained copies of b's model (2)" in note for note in answer.table.notes)
    assert "nothing to do" in layeratlas.run(study, store=tmp_path / "s", null="untrained:seeds=2").lines()[-1]
    more = layeratlas.run(study, store=tmp_path / "s", null="untrained:seeds=3", progress=Silent())
    assert more.lines()[0] == "extracted 6 layers"
    assert {3} <= {row["permutations"] for row in layeratlas.open(tmp_path / "s").sql("SELECT * FROM nulls").records()}


def test_a_model_without_an_untrained_copy_is_named(study: Path, tmp_path: Path) -> None:
    layeratlas.run(study, store=tmp_path / "s")
    progress = Silent()
    done = layeratlas.open(tmp_path / "s").measure(null="untrained", progress=progress)
    assert done.exit_code == 0 and any("bert-a, gpt2-a: no untrained copy here" in note for note in progress.notes)
