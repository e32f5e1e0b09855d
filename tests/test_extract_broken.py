"""Broken and hostile model folders: whatever is in them is one line, and the good model after them is extracted."""

from __future__ import annotations

import json
import os
import shutil
import struct
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from extract_tiny import SENTENCES, save_model

from layeratlas.extract.encoders import rehearsal
from layeratlas.extract.runner import Summary, extract, plan
from layeratlas.store import sandbox
from layeratlas.store.progress import Silent
from layeratlas.store.sandbox import Limits
from layeratlas.store.store import Store
from layeratlas.store.study import CorpusSpec, ModelSpec, Study

Break = Callable[[Path], object]


def config(**values: Any) -> Break:
    def harm(folder: Path) -> None:
        found = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**found, **values}))

    return harm


def tokens(**values: Any) -> Break:
    def harm(folder: Path) -> None:
        found = json.loads((folder / "tokenizer.json").read_text())
        (folder / "tokenizer.json").write_text(json.dumps({**found, **values}))

    return harm


def text(name: str, content: str | bytes) -> Break:
    def harm(folder: Path) -> None:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return harm


def index(content: object) -> Break:
    def harm(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
        (folder / "model.safetensors.index.json").write_text(json.dumps(content))

    return harm


def header(size: int, content: bytes = b"{}") -> Break:
    return text("model.safetensors", struct.pack("<Q", size) + content)


def tensors(**values: Any) -> Break:
    content = json.dumps(values).encode()
    return header(len(content), content)


def folder_for(name: str) -> Break:
    def harm(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return harm


def pipe(name: str) -> Break:
    def harm(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return harm


DEEP = "[" * 100_000 + "]" * 100_000
NESTED: dict[str, Any] = {"type": "Lowercase"}
for _ in range(100):
    NESTED = {"type": "Sequence", "normalizers": [NESTED]}

BROKEN: dict[str, Break] = {
    "config empty": text("config.json", ""),
    "config list": text("config.json", "[]"),
    "config deep": text("config.json", DEEP),
    "config deep inside": text("config.json", f'{{"model_type": "bert", "a": {DEEP}}}'),
    "config bytes": text("config.json", b"\xff\xfe\x00"),
    "config huge number": text("config.json", '{"model_type": "bert", "hidden_size": ' + "9" * 5000 + "}"),
    "config folder": folder_for("config.json"),
    "config pipe": pipe("config.json"),
    "type list": config(model_type=["bert"]),
    "type number": config(model_type=7),
    "type null": config(model_type=None),
    "type object": config(model_type={"a": 1}),
    "type unknown": config(model_type="../../etc/passwd"),
    "hidden text": config(hidden_size="16"),
    "hidden list": config(hidden_size=[16]),
    "hidden zero": config(hidden_size=0),
    "hidden negative": config(hidden_size=-16),
    "hidden vast": config(hidden_size=10**9),
    "layers vast": config(num_hidden_layers=10**9),
    "layers negative": config(num_hidden_layers=-1),
    "layers float": config(num_hidden_layers=2.5),
    "layers null": config(num_hidden_layers=None),
    "heads zero": config(num_attention_heads=0),
    "heads odd": config(num_attention_heads=3),
    "heads text": config(num_attention_heads="two"),
    "vocabulary vast": config(vocab_size=10**12),
    "vocabulary small": config(vocab_size=3),
    "positions vast": config(max_position_embeddings=10**11),
    "activation": config(hidden_act="__import__('os')"),
    "activation list": config(hidden_act=["gelu"]),
    "dropout text": config(hidden_dropout_prob="much"),
    "quantised by nothing": config(quantization_config={"quant_method": "nothing"}),
    "quantised by text": config(quantization_config="4bit"),
    "quantised list": config(quantization_config=[1, 2]),
    "quantised for real": config(quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True}),
    "dtype any": config(torch_dtype="save"),
    "dtype list": config(torch_dtype=["float32"]),
    "own weights": config(transformers_weights="../good/model.safetensors"),
    "own code": config(auto_map={"AutoModel": "evil.Evil"}, model_type="evil"),
    "index list": index([]),
    "index no map": index({"metadata": {}}),
    "index outside": index({"metadata": {}, "weight_map": {"a": "../../../../../../etc/passwd"}}),
    "index absolute": index({"metadata": {}, "weight_map": {"a": "/etc/passwd"}}),
    "index number": index({"metadata": {}, "weight_map": {"a": 3}}),
    "index absent shard": index({"metadata": {}, "weight_map": {"a": "model-00002-of-00002.safetensors"}}),
    "weights empty": text("model.safetensors", b""),
    "weights header vast": header(2**62),
    "weights header nothing": header(2),
    "weights header text": header(4, b"nope"),
    "weights overlap": tensors(a={"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4]}),
    "weights strange dtype": tensors(a={"dtype": "Q9", "shape": [1], "data_offsets": [0, 4]}),
    "weights others": tensors(a={"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}),
    "weights folder": folder_for("model.safetensors"),
    "tokens empty": text("tokenizer.json", ""),
    "tokens object": text("tokenizer.json", "{}"),
    "tokens list": text("tokenizer.json", "[]"),
    "tokens deep": text("tokenizer.json", DEEP),
    "tokens nested": tokens(normalizer=NESTED),
    "tokens model null": tokens(model=None),
    "tokens model strange": tokens(model={"type": "Magic", "vocab": {}}),
    "tokens vocabulary list": tokens(model={"type": "WordPiece", "vocab": [1, 2], "unk_token": "[UNK]"}),
    "tokens no vocabulary": tokens(model={"type": "WordPiece", "vocab": {}, "unk_token": "[UNK]"}),
    "tokens far ids": tokens(
        model={
            "type": "WordPiece", "vocab": {"[UNK]": 2**31, "the": 2**31 + 1}, "unk_token": "[UNK]",
            "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
        }
    ),
    "tokens settings list": text("tokenizer_config.json", "[]"),
    "tokens settings deep": text("tokenizer_config.json", DEEP),
    "tokens settings class": text("tokenizer_config.json", '{"tokenizer_class": "os.system"}'),
    "tokens settings number": text("tokenizer_config.json", '{"tokenizer_class": 3, "pad_token": 7}'),
    "tokens settings length": text("tokenizer_config.json", '{"model_max_length": "long", "unk_token": [1]}'),
}  # fmt: skip

#: These are odd, but a model comes of them all the same; what counts is that nobody else is harmed.
HARMLESS = {
    "dropout text", "dtype any", "dtype list", "own code", "tokens settings list", "tokens settings deep",
    "tokens settings class", "tokens settings number", "tokens settings length", "layers float", "layers negative",
    "heads text", "quantised by nothing", "quantised list", "quantised by text", "hidden text", "positions vast",
}  # fmt: skip


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    save_model("bert", folder / "bert")
    save_model("gpt2", folder / "good", seed=1)
    (folder / "corpus.txt").write_text("\n".join(" ".join(sentence) for sentence in SENTENCES), "utf-8")
    return folder


def run(store: Store, *specs: ModelSpec, corpus: Path) -> tuple[Summary, list[str]]:
    study, progress = Study(specs, (CorpusSpec(corpus, "tiny"),)), Silent()
    return extract(store, study, plan(store, study), device="cpu", progress=progress, run="r"), progress.notes


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_folder_is_one_line_and_the_next_model_is_extracted(
    sound: Path, tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad"
    shutil.copytree(sound / "bert", bad)
    BROKEN[name](bad)
    begun = time.monotonic()
    specs = (ModelSpec(str(bad), "bad"), ModelSpec(str(sound / "good"), "good"))
    summary, _ = run(Store(tmp_path / "store"), *specs, corpus=sound / "corpus.txt")
    assert time.monotonic() - begun < 60
    assert summary.written in ((3,) if name not in HARMLESS else (3, 6))
    assert [failure.model for failure in summary.failures] == ([] if summary.written == 6 else ["bad"])
    for failure in summary.failures:
        assert failure.reason.startswith(("bad", str(bad))) and "\n" not in failure.reason
        assert len(failure.reason) < 900
    said = capfd.readouterr()
    assert "Traceback" not in said.err and "panicked" not in said.err, said.err


def test_a_control_of_a_vast_configuration_is_one_line(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "LIMITS", Limits(seconds=3))
    for number, change in enumerate(
        ({"num_hidden_layers": 10**9}, {"hidden_size": 2**20}, {"initializer_range": None})
    ):
        bad = tmp_path / f"bad-{number}"
        shutil.copytree(sound / "bert", bad)
        config(**change)(bad)
        specs = (ModelSpec(str(bad), "bad", untrained=True), ModelSpec(str(sound / "good"), "good"))
        summary, _ = run(Store(tmp_path / f"store-{number}"), *specs, corpus=sound / "corpus.txt")
        assert summary.written == 3 and "\n" not in summary.failures[0].reason


def hangs(given: dict[str, Any]) -> str | None:
    while True:
        pass


def crashes(given: dict[str, Any]) -> str | None:
    os.abort()


def devours(given: dict[str, Any]) -> str | None:
    return str(len(bytes(2**34)))


def sleeps(given: dict[str, Any]) -> str | None:
    time.sleep(1000)
    return None


def answers(given: dict[str, Any]) -> str | None:
    return given["text"] or None


LIMITS = Limits(seconds=2, patience=4, memory=2**30)


@pytest.mark.parametrize("attempt", [sandbox.attempt, sandbox.attempt_afresh])
def test_a_job_in_a_process_of_its_own_answers_or_is_ended(attempt: Any) -> None:
    limits = replace(LIMITS, patience=60)  # of the clock, for a machine that has other work
    assert attempt(answers, {"text": "no"}, limits) == "no"
    assert attempt(answers, {"text": "x" * 100_000}, limits) == "x" * 100_000
    assert attempt(answers, {"text": ""}, limits) is None
    assert "ended the process" in str(attempt(crashes, {}, limits))
    assert "more than" in str(attempt(hangs, {}, limits))


def test_memory_and_silence_end_it_too() -> None:
    assert "ended the process" in str(sandbox.attempt(devours, {}, LIMITS))
    assert "more than 4 seconds" in str(sandbox.attempt(sleeps, {}, LIMITS))


def test_a_sound_folder_passes_in_little_time(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    took: list[float] = []
    original = rehearsal.attempt

    def timed(*given: Any) -> str | None:
        begun = time.monotonic()
        found = original(*given)
        took.append(time.monotonic() - begun)
        return found

    monkeypatch.setattr(rehearsal, "attempt", timed)
    specs = [ModelSpec(str(sound / name), name) for name in ("bert", "good")]
    assert run(Store(tmp_path / "store"), *specs, corpus=sound / "corpus.txt")[0].written == 6
    assert len(took) == 2 and min(took) < 5
