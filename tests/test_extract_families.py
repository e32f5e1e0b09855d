"""Every family, tiny and random: the numbers are transformers' own, for the right words, whatever the batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from extract_tiny import FAMILIES, SENTENCES, save_model

from layeratlas.extract.encoders import load
from layeratlas.extract.encoders.base import Encoder
from layeratlas.extract.locate import locate
from layeratlas.extract.stream import Pass
from layeratlas.extract.takes.activations import ActivationPart, Activations
from layeratlas.extract.windows import Windowing, Words
from layeratlas.store.files import Remembered
from layeratlas.store.identity import Pooling, Settings
from layeratlas.store.study import ModelSpec, Study


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("families")


def build(folders: Path, family: str) -> Path:
    folder = folders / family
    return folder if folder.exists() else save_model(family, folder)


def encoder(folder: Path, settings: Settings | None = None, **spec: Any) -> Encoder:
    located = locate(ModelSpec(str(folder), folder.name, **spec), Remembered(folder.parent / "remembered.json"))
    return load(located, settings or Settings(), "cpu", ["activations"])


def chunk(model: Encoder, *, tokens: int, pooling: Pooling = "last") -> tuple[Words, dict[int, np.ndarray]]:
    study = Study((), (), Settings(pooling=pooling))
    take = Activations("tiny", model, range(model.shape.layers + 1), study)
    (only,) = Pass(model, Windowing(model, study.settings, "tiny"), [take], tokens).chunks(SENTENCES)
    part = only.parts["activations"]
    assert isinstance(part, ActivationPart)
    return only.words, part.layers


def oracle(folder: Path, sentence: list[str], pooling: Pooling) -> list[torch.Tensor]:  # each layer [words, neurons]
    """transformers on the running text, one sentence at a time, words found by character offsets."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    text = " ".join(sentence)
    model = (transformers.T5EncoderModel if folder.name == "t5" else transformers.AutoModel).from_pretrained(folder)
    given = tokenizer(text, return_tensors="pt", return_offsets_mapping=True, return_special_tokens_mask=True)
    special, offsets = given.pop("special_tokens_mask")[0].bool(), given.pop("offset_mapping")[0].tolist()
    with torch.inference_mode():
        states = list(model.eval()(**given, output_hidden_states=True).hidden_states)
        if folder.name == "mamba":
            states = [model.get_input_embeddings()(given["input_ids"]), *states[:-2], states[-1]]
    rows = []
    end = 0
    for word in sentence:
        start = text.index(word, end)
        end = start + len(word)
        own = [i for i, (a, b) in enumerate(offsets) if not special[i] and a < end and b > start]
        rows.append({"first": own[:1], "last": own[-1:], "mean": own}[pooling])
    return [torch.stack([state[0, own].mean(0) for own in rows]) for state in states]


@pytest.mark.parametrize("family", FAMILIES)
def test_batch_size_changes_nothing_and_rows_are_the_right_words(folders: Path, family: str) -> None:
    folder = build(folders, family)
    model = encoder(folder)
    (_, alone), (words, together) = chunk(model, tokens=1), chunk(model, tokens=100_000)
    assert words.token == [word for sentence in SENTENCES for word in sentence]
    assert words.sentence.tolist() == [i for i, sentence in enumerate(SENTENCES) for _ in sentence]
    assert words.word.tolist() == [i for sentence in SENTENCES for i in range(len(sentence))]
    assert model.shape.layers == 2 and list(together) == [0, 1, 2]
    for layer, values in together.items():
        np.testing.assert_allclose(values, alone[layer], atol=1e-5, rtol=1e-5)
    for number in (0, 2, 4):
        expected = oracle(folder, SENTENCES[number], "last")
        for layer, values in together.items():
            np.testing.assert_allclose(values[words.sentence == number], expected[layer], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["bert", "distilbert"])  # elsewhere the mark of a space is a token, without offsets
@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_pooling(folders: Path, family: str, pooling: Pooling) -> None:
    folder = build(folders, family)
    words, together = chunk(encoder(folder), tokens=100_000, pooling=pooling)
    expected = oracle(folder, SENTENCES[2], pooling)
    for layer, values in together.items():
        np.testing.assert_allclose(values[words.sentence == 2], expected[layer], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_layer_zero_knows_no_other_word(folders: Path, family: str) -> None:
    model = encoder(build(folders, family))
    first, second, *rest = (piece for word in model.pieces([["cats", "saw", "dogs", "on"]])[0] for piece in word)
    hidden = model.run([[first, second, *rest], [second, second, *rest]], {"activations": (0, 1)})
    last = hidden.first + len(rest) + 1
    layers = hidden.states["activations"]
    torch.testing.assert_close(layers[0][0, last], layers[0][1, last])
    assert not torch.allclose(layers[1][0, last], layers[1][1, last])


def test_limits(folders: Path) -> None:
    windows = {family: encoder(build(folders, family)).window for family in FAMILIES}
    assert windows["roberta"] == 66 - 1 - encoder_pad(folders / "roberta")
    assert {family for family, window in windows.items() if window is None} == {
        "xlnet", "t5", "mamba", "deberta", "deberta-v2",
    }  # fmt: skip
    assert windows["gpt2"] == windows["gpt"] == windows["xlm"] == windows["gpt-neox"] == 64
    assert windows["bert"] == 512


def encoder_pad(folder: Path) -> int:
    return int(transformers.AutoConfig.from_pretrained(folder).pad_token_id)


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2", "gpt-neox"])
def test_a_window_filled_to_the_limit_runs(folders: Path, family: str) -> None:
    model = encoder(build(folders, family))
    assert model.window is not None
    room = model.window - model.specials
    piece = model.pieces([["cats"]])[0][0][0]
    assert model.run([[piece] * room], {"activations": [1]}).states["activations"][1].shape[1] == model.window


@pytest.mark.parametrize("family", ["xlnet", "t5", "mamba", "deberta", "deberta-v2"])
def test_relative_positions_have_no_limit(folders: Path, family: str) -> None:
    model = encoder(build(folders, family))
    hidden = model.run([model.pieces([["cats"]])[0][0] * 600], {"activations": [2]})
    assert torch.isfinite(hidden.states["activations"][2]).all()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("family", ["bert", "llama"])
def test_precision_of_the_forward_pass(folders: Path, family: str, precision: Any) -> None:
    folder = build(folders, family)
    _, full = chunk(encoder(folder), tokens=500)
    _, half = chunk(encoder(folder, Settings(precision=precision)), tokens=500)
    assert half[2].dtype == np.float32
    assert 0 < np.abs(half[2] - full[2]).max() < 0.3


def test_untrained_controls_follow_their_seed_alone(folders: Path) -> None:
    folder = build(folders, "bert")
    torch.manual_seed(5)
    _, first = chunk(encoder(folder, untrained=True, seed=1), tokens=500)
    before = torch.random.get_rng_state()
    torch.manual_seed(6)
    _, again = chunk(encoder(folder, untrained=True, seed=1), tokens=500)
    _, other = chunk(encoder(folder, untrained=True, seed=2), tokens=500)
    np.testing.assert_array_equal(first[2], again[2])
    assert not np.allclose(first[2], other[2])
    torch.manual_seed(5)
    assert torch.equal(before, torch.random.get_rng_state())
