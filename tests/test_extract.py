"""Extraction from end to end, on tiny models: what is written, adopted, rebuilt and refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from extract_tiny import SENTENCES, save_model

from layeratlas.extract import encoders, stream
from layeratlas.extract.runner import Summary, extract, plan
from layeratlas.store.artifacts.activations import read_chunks, read_keys
from layeratlas.store.artifacts.base import describe
from layeratlas.store.errors import BadRequest
from layeratlas.store.files import TEMPORARY
from layeratlas.store.identity import Settings
from layeratlas.store.progress import Silent
from layeratlas.store.store import Store
from layeratlas.store.study import CorpusSpec, ModelSpec, Study
from layeratlas.store.verify import Found, verify

WORDS = sum(map(len, SENTENCES))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for family in ("bert", "gpt2"):
        save_model(family, folder / family)
    return folder


@pytest.fixture
def study(models: Path, tmp_path: Path) -> Study:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(" ".join(sentence) for sentence in SENTENCES), "utf-8")
    specs = tuple(ModelSpec(str(models / family), family) for family in ("bert", "gpt2"))
    return Study(specs, (CorpusSpec(corpus, "tiny"),), batch_tokens=64)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def run(store: Store, study: Study, progress: Silent | None = None) -> Summary:
    return extract(store, study, plan(store, study), device="cpu", progress=progress or Silent(), run="r")


def copy(folder: Path, to: Path) -> Path:
    to.mkdir()
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


def written(store: Store) -> dict[str, bytes]:
    return {str(path.relative_to(store.root)): path.read_bytes() for path in sorted(store.root.glob("act*/*/*/*"))}


def test_every_layer_is_written_once_and_registered(store: Store, study: Study) -> None:
    assert [(task.model.name, task.missing) for task in plan(store, study)] == [("bert", None), ("gpt2", None)]
    assert run(store, study) == Summary(written=6)
    rows = store.rows("SELECT model, family, corpus, layer, words, neurons FROM artifacts ORDER BY model, layer")
    assert rows == [(name, name, "tiny", layer, WORDS, 16) for name in ("bert", "gpt2") for layer in range(3)]
    assert store.rows("SELECT model, architecture, layers, neurons FROM models ORDER BY 1") == [
        ("bert", "BertModel", 2, 16), ("gpt2", "GPT2Model", 2, 16),
    ]  # fmt: skip
    assert store.rows("SELECT sentences, words FROM corpora") == [(len(SENTENCES), WORDS)]
    before = written(store)
    assert plan(store, study) == []
    assert run(store, study) == Summary()
    assert written(store) == before
    assert len({row.word_set for row in store.artifacts()}) == 1


def test_what_a_file_holds(store: Store, study: Study) -> None:
    run(store, study)
    row = next(row for row in store.artifacts() if row.model == "gpt2" and row.layer == 2)
    table = pq.read_table(store.root / row.path, partitioning=None)
    assert table["token"].to_pylist() == [word for sentence in SENTENCES for word in sentence]
    assert read_keys(store.root / row.path).tolist() == [[i, j] for i, s in enumerate(SENTENCES) for j in range(len(s))]


def test_chunks_and_layers_chosen_change_no_number(
    store: Store, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(store, study)
    monkeypatch.setattr(stream, "LOOKAHEAD", 3)
    other = Store(tmp_path / "other")
    assert run(other, replace(study, layers=(2,))) == Summary(written=2)
    assert [task.missing for task in plan(other, study)] == [(("activations", 0), ("activations", 1))] * 2
    for a in other.artifacts():
        b = next(row for row in store.artifacts() if row.artifact == a.artifact)
        pairs = zip(*(read_chunks(s.root / r.path, rows=1000) for s, r in ((other, a), (store, b))), strict=True)
        for mine, theirs in pairs:
            np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_a_layer_that_a_model_does_not_have_fails_for_that_model(store: Store, study: Study) -> None:
    for _ in range(2):
        summary = run(store, replace(study, layers=(0, 9)))
        assert summary.failures[0].reason == "bert has the layers 0 to 2, the study asks for 9"
    assert len(store.rows("SELECT * FROM base.failures")) == 2


def test_files_that_a_crash_left_unregistered_are_adopted(store: Store, study: Study, models: Path) -> None:
    run(store, study)
    before = written(store)
    (store.root / "catalog.duckdb").unlink()
    shutil.rmtree(store.root / "results")
    assert run(store, study) == Summary(adopted=6)
    assert written(store) == before
    assert plan(store, study) == []


@pytest.mark.parametrize("harm", ["missing", "cut", "damaged", "a folder", "a full folder", "a file above it"])
def test_what_is_damaged_is_rebuilt_and_nothing_else(store: Store, study: Study, harm: str) -> None:
    run(store, study)
    before = written(store)
    row = next(row for row in store.artifacts() if row.model == "bert" and row.layer == 1)
    path = store.root / row.path
    if harm == "missing":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif harm.endswith("folder"):
        path.unlink()
        path.mkdir()
        if harm == "a full folder":
            (path / "somebody's").write_text("work")
    elif harm == "a file above it":
        path.unlink()
        path.parent.rmdir()
        path.parent.write_text("work")
    else:
        path.write_bytes(path.read_bytes().replace(b"cats", b"bats"))
        store.write("damaged", [{"artifact": row.artifact, "reason": "flipped"}])
        store.merge()
    assert [(task.model.name, task.missing) for task in plan(store, study)] == [("bert", (("activations", 1),))]
    progress = Silent()
    assert run(store, study, progress) == Summary(written=1)
    kept = list(store.root.rglob("*.kept-*"))
    assert [each for each in progress.notes if "is kept: " in each and str(kept[0]) in each] == progress.notes
    work = {"a full folder": lambda: kept[0] / "somebody's", "a file above it": lambda: kept[0]}
    assert (work[harm]().read_text() == "work") if harm in work else not kept
    assert all((store.root / name).read_bytes() == content for name, content in before.items())
    assert plan(store, study) == [] and verify(store) == Found([], [])


def test_an_unregistered_file_that_is_no_artifact_is_written_over(store: Store, study: Study) -> None:
    run(store, study)
    before = written(store)
    (store.root / "catalog.duckdb").unlink()
    shutil.rmtree(store.root / "results")
    (store.root / next(iter(before))).write_bytes(b"nonsense")
    assert run(store, study) == Summary(written=1, adopted=5)
    assert written(store) == before


NAMES = ("模型" * 150, "M" * 300, "Model", "model", "m" * 249, "m" * 250, "[/x]\x1b[31m\n", "..", "a/b%2F+c")


def test_models_of_any_name_are_stored_and_found(store: Store, study: Study, models: Path) -> None:
    specs = []
    for seed, name in enumerate(NAMES):
        save_model("bert", models / f"named-{seed}", seed=seed + 10)
        specs.append(ModelSpec(str(models / f"named-{seed}"), name))
    named = replace(study, models=tuple(specs), layers=(1,))
    assert run(store, named) == Summary(written=len(NAMES))
    assert plan(store, named) == [] and verify(store) == Found([], [])
    rows = store.artifacts()
    assert [row.model for row in rows] == list(NAMES)
    for row in rows:
        path = store.root / row.path
        assert describe(store.root, path).model == row.model
        short = quote(row.model, safe="")
        assert (path.parent.parent.name == f"model={short}") == (len(short) < 250)
    assert len({row.path.casefold() for row in rows}) == len(NAMES), (
        "a disk that ignores case merges folders, not files"
    )
    (store.root / "catalog.duckdb").unlink()
    shutil.rmtree(store.root / "results")
    assert run(store, named) == Summary(adopted=len(NAMES))


@contextmanager
def failing_at(monkeypatch: pytest.MonkeyPatch, target: str, error: BaseException, calls: int) -> Any:
    from layeratlas.extract.encoders.transformer import TransformerEncoder
    from layeratlas.store.artifacts.activations import ActivationWriter

    owner: Any = {"run": TransformerEncoder, "write": ActivationWriter}[target]
    original, count = getattr(owner, target), [0]

    def fails(*arguments: Any, **named: Any) -> Any:
        count[0] += 1
        if count[0] == calls:
            raise error
        return original(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(owner, target, fails)
        yield


@pytest.mark.parametrize("target", ["run", "write"])
def test_an_interrupt_leaves_nothing_half_written(
    store: Store, study: Study, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing_at(monkeypatch, target, KeyboardInterrupt(), 4), pytest.raises(KeyboardInterrupt):
        run(store, study)
    assert not list(store.root.rglob(f"{TEMPORARY}*"))
    kept = len(store.artifacts())
    assert kept in (0, 3)  # a model is finished or not begun
    assert run(store, study) == Summary(written=6 - kept)
    assert plan(store, study) == []


@pytest.mark.parametrize("target", ["run", "write"])
def test_a_bug_is_raised_not_collected(
    store: Store, study: Study, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing_at(monkeypatch, target, ZeroDivisionError(), 3), pytest.raises(ZeroDivisionError):
        run(store, study)
    assert not list(store.root.rglob(f"{TEMPORARY}*"))


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory"), torch.OutOfMemoryError("full")]
)
def test_short_memory_fails_one_model(
    store: Store, study: Study, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing_at(monkeypatch, "run", error, 1):
        summary = run(store, study)
    assert (summary.written, [f.model for f in summary.failures]) == (3, ["bert"])
    assert "lower batch_tokens" in summary.failures[0].reason


Break = Callable[[Path], object]


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "has no weights"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 99), "cannot be loaded"),
        (lambda folder: (folder / "config.json").write_text("{"), "is not JSON"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "nothing"}'), "cannot be loaded"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "cannot be loaded"),
        (lambda folder: change(folder, num_hidden_layers=3), "would be random"),
        (lambda folder: change(folder, hidden_size=32), "cannot be loaded"),
    ],
)
def test_a_broken_model_does_not_stop_the_others(
    store: Store, study: Study, tmp_path: Path, harm: Break, reason: str
) -> None:
    broken = copy(Path(study.models[0].id), tmp_path / "broken")
    harm(broken)
    both = replace(study, models=(ModelSpec(str(broken), "broken"), study.models[1]))
    progress = Silent()
    summary = run(store, both, progress)
    assert (summary.written, [f.model for f in summary.failures]) == (3, ["broken"])
    assert reason in summary.failures[0].reason
    assert "\n" not in summary.failures[0].reason
    assert any(reason in note for note in progress.notes)


def change(folder: Path, **values: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


def test_names_and_weights_must_agree(store: Store, study: Study, tmp_path: Path) -> None:
    bert, gpt2 = study.models
    twice = replace(study, models=(bert, replace(bert, name="again")))
    with pytest.raises(BadRequest, match=r"'again' .* has the same weights as 'bert'"):
        plan(store, twice)
    run(store, replace(study, models=(bert,)))
    with pytest.raises(BadRequest, match=r"'again' .* has the same weights as 'bert'"):
        plan(store, replace(study, models=(replace(bert, name="again"),)))
    with pytest.raises(BadRequest, match="there is a model 'bert' with other weights already"):
        plan(store, replace(study, models=(replace(gpt2, name="bert"),)))
    moved = copy(Path(bert.id), tmp_path / "moved")
    assert plan(store, replace(study, models=(replace(bert, id=str(moved)),))) == []


def test_a_control_needs_no_weights_and_differs_by_seed(store: Store, study: Study, tmp_path: Path) -> None:
    bare = copy(Path(study.models[0].id), tmp_path / "bare")
    (bare / "model.safetensors").unlink()
    controls = tuple(ModelSpec(str(bare), f"control-{seed}", untrained=True, seed=seed) for seed in (1, 2))
    assert run(store, replace(study, models=controls)) == Summary(written=6)
    assert store.rows("SELECT model, untrained_seed FROM models ORDER BY 1") == [("control-1", 1), ("control-2", 2)]
    assert len({row.weights for row in store.models()}) == 2


def test_words_that_get_no_token_are_left_out_and_reported(store: Store, study: Study, tmp_path: Path) -> None:
    corpus = tmp_path / "odd.jsonl"
    corpus.write_text('{"words": ["cats", "\\u200b", "dogs"]}\n{"words": ["\\u00ad"]}\n{"words": ["mat"]}\n')
    progress = Silent()
    run(store, replace(study, corpora=(CorpusSpec(corpus, "odd"),)), progress)
    rows = {row.model: row for row in store.artifacts()}
    assert read_keys(store.root / rows["bert"].path).tolist() == [[0, 0], [0, 2], [2, 0]]
    assert read_keys(store.root / rows["gpt2"].path).tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [2, 0]]
    assert rows["bert"].word_set != rows["gpt2"].word_set
    (note,) = progress.notes
    assert note.startswith("bert over odd: 2 of 5 words left out, its tokenizer gives them no token: '\\u200b'")


def test_long_sentences(store: Store, study: Study) -> None:
    small = replace(study, settings=Settings(window=8))
    summary = run(store, small)
    assert {f.model for f in summary.failures} == {"bert", "gpt2"} and summary.written == 0
    assert all("sentence 0" in f.reason and "long_sentences" in f.reason for f in summary.failures)
    split = replace(small, settings=Settings(window=8, long_sentences="split"))
    assert run(store, split).failures == []
    assert {row.words for row in store.artifacts()} == {WORDS}


def test_nan_is_refused_with_its_layer(store: Store, study: Study, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    sick = copy(Path(study.models[0].id), tmp_path / "sick")
    weights = load_file(sick / "model.safetensors")
    weights["encoder.layer.1.output.dense.bias"][3] = float("nan")
    save_file(weights, sick / "model.safetensors", metadata={"format": "pt"})
    summary = run(store, replace(study, models=(ModelSpec(str(sick), "sick"),)))
    assert "sick gives NaN or infinity in layer 2" in summary.failures[0].reason
    assert store.artifacts() == []


def test_pickled_weights_load_only_as_weights(store: Store, study: Study, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    pickled = copy(Path(study.models[0].id), tmp_path / "pickled")
    weights = load_file(pickled / "model.safetensors")
    (pickled / "model.safetensors").unlink()
    torch.save(weights, pickled / "pytorch_model.bin")
    assert run(store, replace(study, models=(ModelSpec(str(pickled), "pickled"),))).written == 3
    torch.save({**weights, "extra": Path}, pickled / "pytorch_model.bin")
    summary = run(store, replace(study, models=(ModelSpec(str(pickled), "evil"),)))
    assert "cannot be loaded" in summary.failures[0].reason


LETTERS = '''
"""A word's neurons are its first letters; layers of different widths."""

import torch

from layeratlas.extract.encoders.base import Hidden, Shape

FAMILIES = {"letters": "alphabet"}


class Letters:
    shape, window, specials = Shape("Letters", 1, 0, {"activations": {0: 1, 1: 3}}), None, 0

    def pieces(self, sentences):
        return [[[int.from_bytes(word.encode()[:3].ljust(3), "big")] for word in sentence] for sentence in sentences]

    def run(self, windows, wanted):
        longest = max(map(len, windows))
        ids = torch.tensor([[*window, *[0] * (longest - len(window))] for window in windows])
        letters = torch.stack([ids >> 16 & 255, ids >> 8 & 255, ids & 255], dim=-1).float()
        widths = self.shape.units["activations"]
        return Hidden({"activations": {layer: letters[..., : widths[layer]] for layer in wanted["activations"]}}, 0)


def load(located, settings, device, kinds):
    return Letters()
'''


def test_a_model_family_is_one_file(
    store: Store, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "families").mkdir()
    (tmp_path / "families" / "letters.py").write_text(LETTERS)
    monkeypatch.setattr(encoders, "__path__", [*encoders.__path__, str(tmp_path / "families")])
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "config.json").write_text('{"model_type": "letters"}')
    spec = ModelSpec(str(tmp_path / "letters"), "letters", untrained=True)
    assert run(store, replace(study, models=(spec,))) == Summary(written=2)
    assert [(row.layer, row.units) for row in store.artifacts()] == [(0, 1), (1, 3)]
    (activations,) = read_chunks(store.root / store.artifacts()[1].path, rows=1000)
    assert bytes(activations[0].astype(np.uint8)) == b"The"
    assert store.rows("SELECT family, layers, neurons FROM models") == [("alphabet", 1, 3)]


def test_planning_and_importing_need_no_torch(study: Study, store: Store) -> None:
    run(store, study)
    script = (
        "import sys; from pathlib import Path; from layeratlas.extract.runner import plan, extract; "
        "from layeratlas.store.store import Store; "
        "from layeratlas.store.study import *; from layeratlas.store.progress import Silent; "
        f"study = Study(({', '.join(f'ModelSpec({m.id!r}, {m.name!r})' for m in study.models)}), "
        f"(CorpusSpec(Path({str(study.corpora[0].path)!r}), 'tiny'),)); store = Store(Path({str(store.root)!r})); "
        "assert plan(store, study) == []; extract(store, study, [], device='cpu', progress=Silent(), run='r'); "
        "print(sorted({'torch', 'transformers', 'tokenizers', 'huggingface_hub'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
