"""Adapters: applied on purpose or not at all, whether peft is installed or not; both parts are in the identity."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from extract_tiny import SENTENCES, save_model
from safetensors.torch import save_file

from layeratlas.extract.locate import locate
from layeratlas.extract.runner import Summary, extract, plan
from layeratlas.store.artifacts.activations import read_chunks
from layeratlas.store.files import Remembered
from layeratlas.store.progress import Silent
from layeratlas.store.store import Store
from layeratlas.store.study import CorpusSpec, ModelSpec, Study

RANK, ALPHA = 2, 8
TARGETS = ("query", "value")
needs_peft = pytest.mark.skipif(importlib.util.find_spec("peft") is None, reason="needs the extra `adapters`")


def save_adapter(folder: Path, base: str, *, prefix: str = "", seed: int = 0, **changes: Any) -> Path:
    """Write a LoRA of a tiny BERT in the files that peft writes."""
    folder.mkdir(parents=True, exist_ok=True)
    described = {
        "peft_type": "LORA", "base_model_name_or_path": base, "r": RANK, "lora_alpha": ALPHA, "bias": "none",
        "target_modules": list(TARGETS), "task_type": None, "inference_mode": True, **changes,
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(described))
    save_file(lora(prefix, seed), folder / "adapter_model.safetensors", metadata={"format": "pt"})
    return folder


def lora(prefix: str, seed: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    weights = {}
    for block in (0, 1):
        for target in TARGETS:
            name = f"base_model.model.{prefix}encoder.layer.{block}.attention.self.{target}"
            weights[f"{name}.lora_A.weight"] = torch.randn(RANK, 16)
            weights[f"{name}.lora_B.weight"] = torch.randn(16, RANK)
    return weights


def merged(base: Path, seed: int = 0) -> Any:
    """The base with W + α/r B A, written out."""
    model = transformers.AutoModel.from_pretrained(base)
    weights = lora("", seed)
    for name in (key.removesuffix(".lora_A.weight") for key in weights if key.endswith("lora_A.weight")):
        module = model.get_submodule(name.removeprefix("base_model.model."))
        module.weight.data += ALPHA / RANK * weights[f"{name}.lora_B.weight"] @ weights[f"{name}.lora_A.weight"]
    return model


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return save_model("bert", tmp_path / "base")


def study(tmp_path: Path, *models: ModelSpec) -> Study:
    (tmp_path / "tiny.txt").write_text("\n".join(" ".join(sentence) for sentence in SENTENCES), "utf-8")
    return Study(models, (CorpusSpec(tmp_path / "tiny.txt", "tiny"),))


def run(store: Store, asked: Study) -> Summary:
    return extract(store, asked, plan(store, asked), device="cpu", progress=Silent(), run="r")


def last(store: Store, model: str) -> np.ndarray:
    row = next(row for row in store.artifacts() if (row.model, row.layer) == (model, 2))
    return np.concatenate(list(read_chunks(store.root / row.path, rows=1000)))


def weights_of(tmp_path: Path, folder: Path) -> str:
    return locate(ModelSpec(str(folder), "m"), Remembered(tmp_path / "remembered.json")).weights


@needs_peft
@pytest.mark.parametrize("prefix", ["", "bert."])
def test_an_adapter_is_its_base_with_the_adapter_merged(tmp_path: Path, base: Path, prefix: str) -> None:
    adapter = save_adapter(tmp_path / "lora", "../base", prefix=prefix)
    whole = tmp_path / "whole"
    shutil.copytree(base, whole)
    merged(base).save_pretrained(whole)
    store = Store(tmp_path / "store")
    specs = [ModelSpec(str(path), name) for path, name in ((base, "base"), (adapter, "lora"), (whole, "whole"))]
    assert run(store, study(tmp_path, *specs)) == Summary(written=9)
    np.testing.assert_allclose(last(store, "lora"), last(store, "whole"), atol=1e-5)
    assert np.abs(last(store, "lora") - last(store, "base")).max() > 0.1
    assert store.rows("SELECT model, finetuned_from, architecture FROM models WHERE model = 'lora'") == [
        ("lora", "base", "BertModel")
    ]


@needs_peft
def test_heads_are_left_out_and_patterns_go_by_the_names_of_training(tmp_path: Path, base: Path) -> None:
    pattern = r"bert\.encoder\.layer\.\d+\.attention\.self\.(query|value)"
    adapter = save_adapter(
        tmp_path / "lora", str(base), prefix="bert.", target_modules=pattern, task_type="SEQ_CLS",
        modules_to_save=["classifier", "score"], alpha_pattern={"bert.encoder.layer.0.attention.self.query": 0},
    )  # fmt: skip
    weights = {**lora("bert.", 0), "base_model.model.classifier.weight": torch.randn(2, 16)}
    save_file(weights, adapter / "adapter_model.safetensors")
    store = Store(tmp_path / "store")
    assert run(store, study(tmp_path, ModelSpec(str(adapter), "lora"))) == Summary(written=3)
    assert store.rows("SELECT finetuned_from FROM models") == [("base",)]


@needs_peft
def test_what_does_not_fit_is_refused(tmp_path: Path, base: Path) -> None:
    other = save_adapter(tmp_path / "other", str(base), target_modules=["query"])
    tokens = save_adapter(tmp_path / "tokens", str(base), peft_type="PROMPT_TUNING", num_virtual_tokens=3)
    for adapter in (other, tokens):
        (failure,) = run(Store(tmp_path / adapter.name / "s"), study(tmp_path, ModelSpec(str(adapter), "a"))).failures
        assert failure.reason.startswith("a cannot be loaded") and "\n" not in failure.reason


def test_without_peft_an_adapter_is_refused(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = save_adapter(tmp_path / "lora", str(base))
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "peft" else found(name, *more))
    (failure,) = run(Store(tmp_path / "store"), study(tmp_path, ModelSpec(str(adapter), "lora"))).failures
    assert "lora is an adapter" in failure.reason and "pip install 'layeratlas[adapters]'" in failure.reason


def test_an_adapter_beside_a_whole_model_is_never_applied(tmp_path: Path, base: Path) -> None:
    both = tmp_path / "both"
    shutil.copytree(base, both)
    save_adapter(both, "nowhere/at-all")
    bare = tmp_path / "bare"
    shutil.copytree(base, bare)
    (bare / "adapter_config.json").write_bytes((both / "adapter_config.json").read_bytes())
    stores = {name: Store(tmp_path / f"store-{name}") for name in ("base", "both", "bare")}
    for name, store in stores.items():
        assert run(store, study(tmp_path, ModelSpec(str(tmp_path / name), name))) == Summary(written=3)
        np.testing.assert_array_equal(last(store, name), last(stores["base"], "base"))
    assert weights_of(tmp_path, bare) == weights_of(tmp_path, base)


def test_what_an_adapter_is_known_by(tmp_path: Path, base: Path) -> None:
    adapter = save_adapter(tmp_path / "lora", str(base))
    known = weights_of(tmp_path, adapter)
    again = save_adapter(tmp_path / "elsewhere" / "lora", "../../base")
    assert weights_of(tmp_path, again) == known  # where its base stands is no identity
    assert weights_of(tmp_path, save_adapter(tmp_path / "other", str(base), seed=1)) != known
    assert weights_of(tmp_path, save_adapter(tmp_path / "scaled", str(base), lora_alpha=16)) != known
    other = save_model("bert", tmp_path / "second", seed=5)
    assert weights_of(tmp_path, save_adapter(tmp_path / "based", str(other))) != known


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base_model_name_or_path": "./gone"}, "no such folder"),
        ({"base_model_name_or_path": None}, "names no base model"),
        ({"base_model_name_or_path": "owner/not-in-the-cache"}, "its base model is missing"),
    ],
)
def test_a_base_that_is_missing_is_said(
    tmp_path: Path, changes: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    adapter = save_adapter(tmp_path / "lora", "", **changes)
    (failure,) = run(Store(tmp_path / "store"), study(tmp_path, ModelSpec(str(adapter), "lora"))).failures
    assert said in failure.reason and "\n" not in failure.reason


def test_an_adapter_of_an_adapter_and_a_control_are_refused(tmp_path: Path, base: Path) -> None:
    first = save_adapter(tmp_path / "first", str(base))
    second = save_adapter(tmp_path / "second", str(first))
    (failure,) = run(Store(tmp_path / "a"), study(tmp_path, ModelSpec(str(second), "second"))).failures
    assert "an adapter itself" in failure.reason
    (failure,) = run(Store(tmp_path / "b"), study(tmp_path, ModelSpec(str(first), "c", untrained=True))).failures
    assert "no untrained control" in failure.reason
