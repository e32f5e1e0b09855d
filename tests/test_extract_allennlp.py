"""ELMo in AllenNLP's files, against its definition written out in float64, word by word and gate by gate."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from extract_tiny import SENTENCES, save_model

from layeratlas.extract.runner import Summary, extract, plan
from layeratlas.store.artifacts.activations import read_chunks
from layeratlas.store.identity import Settings
from layeratlas.store.progress import Silent
from layeratlas.store.store import Store
from layeratlas.store.study import CorpusSpec, ModelSpec, Study

pytestmark = pytest.mark.skipif(importlib.util.find_spec("h5py") is None, reason="needs the extra `elmo`")

WIDTH, CELL, LAYERS, SPELLED = 6, 10, 2, 12
OPTIONS: dict[str, Any] = {
    "lstm": {
        "use_skip_connections": True, "projection_dim": WIDTH, "cell_clip": 0.5, "proj_clip": 0.4, "dim": CELL,
        "n_layers": LAYERS,
    },
    "char_cnn": {
        "activation": "relu", "filters": [[1, 3], [2, 4], [3, 5]], "n_highway": 2, "embedding": {"dim": 4},
        "n_characters": 262, "max_characters_per_token": SPELLED,
    },
}  # fmt: skip
FILTERS = sum(count for _, count in OPTIONS["char_cnn"]["filters"])


def random_weights() -> dict[str, np.ndarray]:
    """Weights of every dataset, in TensorFlow's shapes."""
    shapes: dict[str, tuple[int, ...]] = {
        "char_embed": (261, 4),
        "CNN_proj/W_proj": (FILTERS, WIDTH),
        "CNN_proj/b_proj": (WIDTH,),
    }
    for number, (size, count) in enumerate(OPTIONS["char_cnn"]["filters"]):
        shapes |= {f"CNN/W_cnn_{number}": (1, size, 4, count), f"CNN/b_cnn_{number}": (count,)}
    for number in range(2):
        for name in ("transform", "carry"):
            shapes |= {f"CNN_high_{number}/W_{name}": (FILTERS, FILTERS), f"CNN_high_{number}/b_{name}": (FILTERS,)}
    for direction in range(2):
        for layer in range(LAYERS):
            cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
            shapes |= {f"{cell}/W_0": (2 * WIDTH, 4 * CELL), f"{cell}/B": (4 * CELL,), f"{cell}/W_P_0": (CELL, WIDTH)}
    random = np.random.default_rng(0)
    return {name: (0.4 * random.normal(size=shape)).astype(np.float32) for name, shape in shapes.items()}


def save(folder: Path, options: dict[str, Any] = OPTIONS, **changes: Any) -> Path:
    import h5py

    folder.mkdir()
    (folder / "elmo_tiny_options.json").write_text(json.dumps(options))
    with h5py.File(folder / "elmo_tiny_weights.hdf5", "w") as file:
        for name, value in {**random_weights(), **changes}.items():
            file[name] = value
    return folder


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


Memory = dict[str, tuple[np.ndarray, np.ndarray]]  # of every cell, in which state it ended


def oracle(sentence: list[str], memory: Memory | None = None) -> list[np.ndarray]:  # each [words, 2 * WIDTH]
    """AllenNLP's _ElmoBiLm, for one sentence and a state of zeros, or that of `memory`, which then holds the last."""
    memory = {} if memory is None else memory
    w = {name: value.astype(np.float64) for name, value in random_weights().items()}

    def vector(letters: list[int]) -> np.ndarray:
        ids = [258, *letters, 259]
        ids += [260] * (SPELLED - len(ids))
        rows = w["char_embed"][ids]  # row i is character i: AllenNLP adds one to ids and puts a row of zeros first
        found = []
        for number, (size, _) in enumerate(OPTIONS["char_cnn"]["filters"]):
            kernel, bias = w[f"CNN/W_cnn_{number}"][0], w[f"CNN/b_cnn_{number}"]
            places = [np.einsum("se,sef->f", rows[i : i + size], kernel) + bias for i in range(SPELLED - size + 1)]
            found.append(np.maximum(np.max(places, axis=0), 0))
        x = np.concatenate(found)
        for number in range(2):
            high = {
                name: w[f"CNN_high_{number}/{name}"] for name in ("W_transform", "b_transform", "W_carry", "b_carry")
            }
            gate = sigmoid(x @ high["W_carry"] + high["b_carry"])
            x = gate * np.maximum(x @ high["W_transform"] + high["b_transform"], 0) + (1 - gate) * x
        return x @ w["CNN_proj/W_proj"] + w["CNN_proj/b_proj"]

    def lstm(name: str, inputs: list[np.ndarray]) -> list[np.ndarray]:
        (cell, state), found = memory.get(name, (np.zeros(CELL), np.zeros(WIDTH))), []
        for x in inputs:
            i, j, f, o = np.split(np.concatenate([x, state]) @ w[f"{name}/W_0"] + w[f"{name}/B"], 4)
            cell = np.clip(sigmoid(f + 1) * cell + sigmoid(i) * np.tanh(j), -0.5, 0.5)
            state = np.clip((sigmoid(o) * np.tanh(cell)) @ w[f"{name}/W_P_0"], -0.4, 0.4)
            found.append(state)
        memory[name] = cell, state
        return found

    words = [list(word.encode()[: SPELLED - 2]) for word in sentence]
    vectors = [vector(letters) for letters in ([256], *words, [257])]
    layers = [[np.concatenate([x, x]) for x in vectors]]
    halves = [vectors, vectors[::-1]]
    for layer in range(LAYERS):
        for direction, before in enumerate(halves):
            after = lstm(f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell", before)
            halves[direction] = [a + b for a, b in zip(after, before, strict=True)] if layer else after
        layers.append([np.concatenate(both) for both in zip(halves[0], halves[1][::-1], strict=True)])
    return [np.stack(layer[1:-1]) for layer in layers]


def run(store: Store, tmp_path: Path, spec: ModelSpec, **changes: Any) -> Summary:
    (tmp_path / "tiny.txt").write_text("\n".join(" ".join(sentence) for sentence in SENTENCES), "utf-8")
    asked = Study((spec,), (CorpusSpec(tmp_path / "tiny.txt", "tiny"),), **changes)
    return extract(store, asked, plan(store, asked), device="cpu", progress=Silent(), run="r")


def test_all_layers_are_those_of_the_definition(tmp_path: Path) -> None:
    store, spec = Store(tmp_path / "s"), ModelSpec(str(save(tmp_path / "elmo")), "elmo")
    assert run(store, tmp_path, spec, batch_tokens=64) == Summary(written=3)
    expected = [np.concatenate(layers) for layers in zip(*map(oracle, SENTENCES), strict=True)]
    for row in store.artifacts():
        own = np.concatenate(list(read_chunks(store.root / row.path, rows=1000)))
        np.testing.assert_allclose(own, expected[row.layer], atol=1e-5)
    size = sum(value.size for value in random_weights().values())
    assert store.rows("SELECT family, architecture, layers, neurons, parameters FROM base.models") == [
        ("elmo", "Elmo", LAYERS, 2 * WIDTH, size)
    ]


def test_a_carried_state_goes_from_sentence_to_sentence_in_the_corpuss_order(tmp_path: Path) -> None:
    store, spec = Store(tmp_path / "s"), ModelSpec(str(save(tmp_path / "elmo")), "elmo")
    stateful = Settings(stateful=True)
    assert run(store, tmp_path, spec, settings=stateful) == Summary(written=3)
    memory: Memory = {}
    carried = [oracle(sentence, memory) for sentence in SENTENCES]
    expected = [np.concatenate(layers) for layers in zip(*carried, strict=True)]
    apart = [np.concatenate(layers) for layers in zip(*map(oracle, SENTENCES), strict=True)]
    assert np.abs(expected[2] - apart[2]).max() > 1e-2
    for row in store.artifacts():
        own = np.concatenate(list(read_chunks(store.root / row.path, rows=1000)))
        np.testing.assert_allclose(own, expected[row.layer], atol=1e-5)
    assert run(store, tmp_path, spec) == Summary(written=3)  # another identity


def test_each_corpus_begins_with_a_state_of_zeros(tmp_path: Path) -> None:
    store, spec = Store(tmp_path / "s"), ModelSpec(str(save(tmp_path / "elmo")), "elmo")
    corpora = []
    for name, sentences in (("one", SENTENCES), ("two", SENTENCES[::-1])):
        (tmp_path / f"{name}.txt").write_text("\n".join(map(" ".join, sentences)), "utf-8")
        corpora.append(CorpusSpec(tmp_path / f"{name}.txt", name))
    asked = Study((spec,), tuple(corpora), Settings(stateful=True))
    assert extract(store, asked, plan(store, asked), device="cpu", progress=Silent(), run="r").written == 6
    memory: Memory = {}
    expected = np.concatenate([oracle(sentence, memory)[2] for sentence in SENTENCES[::-1]])
    paths = store.rows("SELECT a.path FROM base.artifacts a JOIN base.corpora c USING (corpus) "
                       "WHERE c.name = 'two' AND a.layer = 2")  # fmt: skip
    own = np.concatenate(list(read_chunks(store.root / paths[0][0], rows=1000)))
    np.testing.assert_allclose(own, expected, atol=1e-5)


def test_other_models_carry_no_state(tmp_path: Path) -> None:
    spec = ModelSpec(str(save_model("bert", tmp_path / "bert")), "bert")
    (failure,) = run(Store(tmp_path / "s"), tmp_path, spec, settings=Settings(stateful=True)).failures
    assert failure.reason == "bert carries no state between sentences: leave stateful out"


def test_files_that_are_damaged_or_point_elsewhere_are_one_line(tmp_path: Path) -> None:
    import h5py

    broken = [save(tmp_path / f"broken-{number}") for number in range(5)]
    files = [folder / "elmo_tiny_weights.hdf5" for folder in broken]
    (broken[0] / "elmo_tiny_options.json").write_text("[" * 100_000)
    files[1].write_bytes(files[1].read_bytes()[:1000])
    with h5py.File(files[2], "a") as file:
        del file["char_embed"]
        file["char_embed"] = h5py.ExternalLink("/etc/passwd", "/x")
    with h5py.File(files[3], "a") as file:
        del file["CNN_proj/b_proj"]
        file.create_dataset("CNN_proj/b_proj", shape=(10**12,), dtype="f4", chunks=(1000,))
    (broken[4] / "elmo_tiny_options.json").write_text(json.dumps({**OPTIONS, "lstm": {}}))
    for number, folder in enumerate(broken):
        (failure,) = run(Store(tmp_path / f"s-{number}"), tmp_path, ModelSpec(str(folder), "elmo")).failures
        assert "\n" not in failure.reason and "broken" in failure.reason
    spec = ModelSpec(str(save(tmp_path / "elmo")), "elmo")
    half = run(Store(tmp_path / "h"), tmp_path, spec, settings=Settings(precision="float16"))
    assert "float32 only" in half.failures[0].reason
