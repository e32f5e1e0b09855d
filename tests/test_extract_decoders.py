"""The decoder of an encoder-decoder: what transformers gives when both see the same sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from extract_tiny import SENTENCES, save_model, save_tokenizer

from layeratlas.extract.locate import locate
from layeratlas.extract.runner import Summary, extract, plan
from layeratlas.store.artifacts.activations import read_chunks
from layeratlas.store.files import Remembered
from layeratlas.store.progress import Silent
from layeratlas.store.store import Store
from layeratlas.store.study import CorpusSpec, ModelSpec, Study

T5 = {"d_model": 16, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 2, "d_ff": 32, "d_kv": 8}
BART = {
    "d_model": 16, "encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "max_position_embeddings": 64,
}  # fmt: skip
MADE = {"t5": ("T5Config", T5, "T5Tokenizer"), "bart": ("BartConfig", BART, "RobertaTokenizer")}


def save(family: str, folder: Path) -> Path:
    name, settings, tokenizer = MADE[family]
    known = save_tokenizer(tokenizer, folder)
    pad = known.pad_token_id
    config = getattr(transformers, name)(
        vocab_size=len(known),
        pad_token_id=pad,
        decoder_start_token_id=pad,
        bos_token_id=pad,
        eos_token_id=pad,
        **settings,
    )
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(config)
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter) * 0.3
    model.save_pretrained(folder)
    return folder


def study(tmp_path: Path, *specs: ModelSpec, **changes: Any) -> Study:
    (tmp_path / "tiny.txt").write_text("\n".join(" ".join(sentence) for sentence in SENTENCES), "utf-8")
    return Study(specs, (CorpusSpec(tmp_path / "tiny.txt", "tiny"),), **changes)


def run(store: Store, asked: Study) -> Summary:
    return extract(store, asked, plan(store, asked), device="cpu", progress=Silent(), run="r")


@pytest.mark.parametrize("family", MADE)
def test_a_decoder_has_transformers_own_numbers(tmp_path: Path, family: str) -> None:
    folder, store = save(family, tmp_path / family), Store(tmp_path / "s")
    parts = [ModelSpec(str(folder), part, part=part) for part in ("encoder", "decoder")]
    summary = run(store, study(tmp_path, *parts, kinds=("activations", "attention")))
    assert summary == Summary(written=3 + 2 + 4 + 3)
    assert store.rows("SELECT name, layers, neurons, heads FROM base.models ORDER BY 1") == [
        ("decoder", 3, 16, 2), ("encoder", 2, 16, 2),
    ]  # fmt: skip
    tokenizer, model = (auto.from_pretrained(folder) for auto in (transformers.AutoTokenizer, transformers.AutoModel))
    given = tokenizer(" ".join(SENTENCES[4]), return_tensors="pt")
    ids, words = given["input_ids"], given.word_ids()
    with torch.inference_mode():
        shown = model.eval()(
            input_ids=ids, attention_mask=given["attention_mask"], decoder_input_ids=ids,
            decoder_attention_mask=given["attention_mask"], output_hidden_states=True,
        )  # fmt: skip
    for part, states in (("decoder", shown.decoder_hidden_states), ("encoder", shown.encoder_hidden_states)):
        for layer, state in enumerate(states):
            row = next(r for r in store.artifacts() if (r.model, r.layer, r.kind) == (part, layer, "activations"))
            own = np.concatenate(list(read_chunks(store.root / row.path, rows=1000)))
            start = sum(map(len, SENTENCES[:4]))
            if family == "t5":  # its tokenizer's marks of spaces make word_ids those of the sentence's words
                last = [max(i for i, word in enumerate(words) if word == n) for n in range(len(SENTENCES[4]))]
                np.testing.assert_allclose(own[start : start + len(last)], state[0, last], atol=1e-5)
            else:
                np.testing.assert_allclose(
                    own[start], state[0, 1 + len(_pieces(tokenizer, SENTENCES[4][0])) - 1], atol=1e-5
                )


def _pieces(tokenizer: Any, word: str) -> list[int]:
    return list(tokenizer(word, add_special_tokens=False)["input_ids"])


def test_parts_are_told_apart_and_only_where_there_are_two(tmp_path: Path) -> None:
    folder = save("bart", tmp_path / "bart")
    remembered = Remembered(tmp_path / "remembered.json")
    weights = {
        part: locate(ModelSpec(str(folder), "x", part=part), remembered).weights
        for part in (None, "encoder", "decoder")
    }
    assert weights[None] == weights["encoder"] != weights["decoder"]
    bert = ModelSpec(str(save_model("bert", tmp_path / "bert")), "bert", part="decoder")
    (failure,) = run(Store(tmp_path / "s"), study(tmp_path, bert)).failures
    assert "no encoder-decoder" in failure.reason
