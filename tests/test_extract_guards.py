"""Numbers that would be wrong in silence: no vocabulary, unknown words, padding that shows, attention in part."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import transformers
from extract_tiny import SENTENCES, save_model, save_tokenizer

from layeratlas.extract import windows
from layeratlas.extract.encoders import load
from layeratlas.extract.encoders.transformer import TransformerEncoder
from layeratlas.extract.locate import locate
from layeratlas.extract.runner import Summary, extract, plan
from layeratlas.store.artifacts.activations import read_chunks
from layeratlas.store.artifacts.base import own_metadata
from layeratlas.store.files import Remembered
from layeratlas.store.identity import Settings
from layeratlas.store.progress import Silent
from layeratlas.store.store import Store
from layeratlas.store.study import CorpusSpec, ModelSpec, Study

BLOCKS = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "hidden_size": 16}
CHINESE = ["猫 坐 在 垫子 上 cats", "他 不 知道 mat", "人们 睡 了 dogs"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def study(*models: ModelSpec, lines: list[str] | None = None, **changes: Any) -> Study:
    corpus = Path(models[0].id).parent / f"{'own' if lines else 'tiny'}.txt"
    corpus.write_text("\n".join(lines or [" ".join(sentence) for sentence in SENTENCES]), "utf-8")
    return Study(models, (CorpusSpec(corpus, corpus.stem),), **{"batch_tokens": 256, **changes})


def run(store: Store, asked: Study, progress: Silent | None = None) -> Summary:
    store.merge()
    return extract(store, asked, plan(store, asked), device="cpu", progress=progress or Silent(), run="r")


def save(config: Any, folder: Path, tokenizer: str = "BertTokenizer") -> ModelSpec:
    """Save a random model that `save_model` does not make."""
    known = save_tokenizer(tokenizer, folder)
    config.vocab_size, config.pad_token_id = len(known), known.pad_token_id
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(config)
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter) * 0.3
    model.save_pretrained(folder)
    return ModelSpec(str(folder), folder.name)


def encoder(spec: ModelSpec, kinds: tuple[str, ...] = ("activations",)) -> TransformerEncoder:
    located = locate(spec, Remembered(Path(spec.id).parent / "remembered.json"))
    found = load(located, Settings(), "cpu", kinds)
    assert isinstance(found, TransformerEncoder)
    return found


def rows(store: Store, model: str, layer: int) -> np.ndarray:
    row = next(r for r in store.artifacts() if (r.model, r.layer, r.kind) == (model, layer, "activations"))
    return np.concatenate(list(read_chunks(store.root / row.path, rows=1000)))


@pytest.mark.parametrize("family", ["bert", "gpt2", "xlnet"])
def test_a_folder_without_tokenizer_files_is_refused(store: Store, tmp_path: Path, family: str) -> None:
    folder = save_model(family, tmp_path / family)
    for file in folder.iterdir():
        if file.name not in ("config.json", "model.safetensors"):
            file.unlink()
    (failure,) = run(store, study(ModelSpec(str(folder), family))).failures
    assert "no tokenizer files" in failure.reason and "copy tokenizer.json" in failure.reason
    assert "\n" not in failure.reason and store.artifacts() == []


def test_mostly_unknown_words_are_refused_unless_asked_for_and_counted(store: Store, tmp_path: Path) -> None:
    bert = ModelSpec(str(save_model("bert", tmp_path / "bert")), "bert")
    (failure,) = run(store, study(bert, lines=CHINESE)).failures
    assert "tokens" in failure.reason and "are unknown to its vocabulary" in failure.reason
    assert 'unknown_tokens = "keep"' in failure.reason and store.artifacts() == []
    progress = Silent()
    assert run(store, study(bert, lines=CHINESE, unknown_tokens="keep"), progress).written == 3
    assert any("are unknown to its vocabulary, in" in note and "such as '猫'" in note for note in progress.notes)
    for row in store.artifacts():
        made = own_metadata(pq.read_metadata(store.root / row.path))["made"]
        assert made["unknown_tokens"] > made["tokens"] / 2 > 0


def test_unknown_words_are_refused_wherever_they_stand(store: Store, tmp_path: Path) -> None:
    bert = ModelSpec(str(save_model("bert", tmp_path / "bert")), "bert")
    lines = ["the cats"] * 600 + CHINESE * 600
    (failure,) = run(store, study(bert, lines=lines)).failures
    assert "are unknown to its vocabulary" in failure.reason and store.artifacts() == []
    assert not list((store.root / "activations").rglob("*.parquet"))


def test_few_unknown_words_are_a_note_and_none_are_no_word(store: Store, tmp_path: Path) -> None:
    bert = ModelSpec(str(save_model("bert", tmp_path / "bert")), "bert")
    progress = Silent()
    run(store, study(bert, lines=["the cats 猫", *["the cats saw the dogs"] * 3]), progress)
    assert [note for note in progress.notes if "unknown" in note] == [
        "bert over own: 1 of 18 tokens (6%) are unknown to its vocabulary, in 1 words such as '猫'"
    ]
    quiet = Silent()
    run(store, study(bert), quiet)
    assert quiet.notes == []


#: Models whose numbers depend on padding: by Fourier transforms, convolutions, hashing and chunks.
PADDED = {
    "fnet": lambda: transformers.FNetConfig(**{k: v for k, v in BLOCKS.items() if k != "num_attention_heads"}),
    "convbert": lambda: transformers.ConvBertConfig(**BLOCKS, embedding_size=16, head_ratio=1),
    "reformer": lambda: transformers.ReformerConfig(
        hidden_size=16, num_attention_heads=2, attention_head_size=8, feed_forward_size=32, axial_pos_embds=False,
        max_position_embeddings=128, attn_layers=["local", "lsh"], lsh_attn_chunk_length=16,
        local_attn_chunk_length=16, num_buckets=4, is_decoder=False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("family", PADDED)
def test_where_padding_shows_the_batch_changes_no_number(store: Store, tmp_path: Path, family: str) -> None:
    spec, progress = save(PADDED[family](), tmp_path / family), Silent()
    assert run(store, study(spec, batch_tokens=4096), progress).failures == []
    assert [note for note in progress.notes if "padding changes" in note or "random numbers" in note]
    alone = Store(tmp_path / "alone")
    run(alone, study(spec, batch_tokens=1))
    for layer in range(3):
        np.testing.assert_allclose(rows(store, family, layer), rows(alone, family, layer), atol=1e-5, rtol=1e-5)


def test_most_models_are_batched_whatever_their_lengths(tmp_path: Path) -> None:
    for family in ("bert", "gpt2", "t5", "mamba", "deberta-v2"):
        found = encoder(ModelSpec(str(save_model(family, tmp_path / family)), family)).shape
        assert (found.batching, found.remarks) == ("padded", ())


def test_the_last_layer_is_what_the_model_gives_as_its_last_hidden_state(tmp_path: Path) -> None:
    spec = save(PADDED["reformer"](), tmp_path / "reformer")
    own = encoder(spec)
    pieces = [piece for word in own.pieces([SENTENCES[0]])[0] for piece in word]
    shown = own.run([pieces], {"activations": [2]}).states["activations"][2]
    model = transformers.AutoModel.from_pretrained(spec.id).eval()
    tokens = own._tokens
    with torch.inference_mode(), torch.random.fork_rng():
        torch.manual_seed(0)
        expected = model(input_ids=torch.tensor([[*tokens.prefix, *pieces, *tokens.suffix]])).last_hidden_state
    torch.testing.assert_close(shown, expected)


def test_a_model_that_attends_in_part_keeps_its_activations(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, whole = ModelSpec(str(save_model("bert", tmp_path / "bert")), "bert"), transformers.BertModel.forward

    def in_part(self: Any, *given: Any, output_attentions: bool | None = None, **named: Any) -> Any:
        output = whole(self, *given, output_attentions=output_attentions, **named)
        output.attentions = (output.attentions[0], None) if output_attentions else None
        return output

    monkeypatch.setattr(transformers.BertModel, "forward", in_part)
    progress = Silent()
    both = study(spec, kinds=("activations", "attention"))
    assert run(store, both, progress) == Summary(written=3)
    assert any("no attention" in note and "block 2" in note and "left out" in note for note in progress.notes)
    assert plan(store, both) == []
    (failure,) = run(Store(tmp_path / "other"), study(spec, kinds=("attention",))).failures
    assert 'kinds = ["activations"]' in failure.reason


def test_attention_that_only_short_windows_have_is_left_out(store: Store, tmp_path: Path) -> None:
    spec, progress = save(PADDED["reformer"](), tmp_path / "reformer"), Silent()
    lines = ["the cats saw the dogs", " ".join(["the cats saw the dogs"] * 6)]
    assert run(store, study(spec, lines=lines, kinds=("activations", "attention")), progress) == Summary(written=3)
    assert any("gives no attention" in note and "left out" in note for note in progress.notes)


def test_a_model_for_images_too_runs_its_text_part_with_its_heads(store: Store, tmp_path: Path) -> None:
    text = {**BLOCKS, "num_key_value_heads": 1, "head_dim": 8, "max_position_embeddings": 64}
    vision = {**BLOCKS, "image_size": 8, "patch_size": 4}
    spec = save(
        transformers.Gemma3Config(
            text_config=text, vision_config=vision, mm_tokens_per_image=4, vocab_size=300, pad_token_id=0
        ),
        tmp_path / "gemma3",
    )
    assert run(store, study(spec, kinds=("activations", "attention"))) == Summary(written=5)
    assert encoder(spec).window == 64


def test_an_encoder_that_knows_neither_its_embeddings_nor_its_config_is_run(store: Store, tmp_path: Path) -> None:
    heads = {f"{part}_{what}": 2 for part in ("encoder", "decoder") for what in ("layers", "attention_heads")}
    config = transformers.FSMTConfig(
        langs=["en", "de"], src_vocab_size=400, tgt_vocab_size=400, d_model=16, encoder_ffn_dim=32, decoder_ffn_dim=32,
        **heads,
    )  # fmt: skip
    assert run(store, study(save(config, tmp_path / "fsmt"))) == Summary(written=3)


def test_attention_that_is_no_share_is_left_out(store: Store, tmp_path: Path) -> None:
    spec, progress = save(transformers.SqueezeBertConfig(**BLOCKS, embedding_size=16), tmp_path / "squeeze"), Silent()
    assert run(store, study(spec, kinds=("activations", "attention")), progress) == Summary(written=3)
    assert any("gives in block 1 no attention: its rows sum" in note and "left out" in note for note in progress.notes)


def test_a_model_that_needs_more_than_text_says_what(store: Store, tmp_path: Path) -> None:
    config = transformers.CLIPConfig(text_config=BLOCKS, vision_config={**BLOCKS, "image_size": 8, "patch_size": 4})
    (failure,) = run(store, study(save(config, tmp_path / "clip"))).failures
    assert "clip (CLIPModel) cannot be run on text alone, it takes pixel_values: " in failure.reason


def test_a_models_own_code_fails_that_model_alone(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = (ModelSpec(str(save_model(family, tmp_path / family)), family) for family in ("bert", "gpt2"))
    original = transformers.BertModel.forward

    def fails(self: Any, *given: Any, **named: Any) -> Any:
        raise error("line one\nline two")

    for error in (KeyError, ZeroDivisionError, AssertionError, SystemExit):
        monkeypatch.setattr(transformers.BertModel, "forward", fails)
        summary = run(Store(tmp_path / error.__name__), study(bad, good))
        assert (summary.written, [f.model for f in summary.failures]) == (3, ["bert"])
        assert "bert (BertModel) cannot be run" in summary.failures[0].reason
        assert "line one" in summary.failures[0].reason and "\n" not in summary.failures[0].reason
    monkeypatch.setattr(transformers.BertModel, "forward", original)


def test_tokens_beyond_the_embeddings_are_said(store: Store, tmp_path: Path) -> None:
    folder = save_model("bert", tmp_path / "bert")
    weights = transformers.AutoModel.from_pretrained(folder)
    weights.resize_token_embeddings(20)
    weights.save_pretrained(folder)
    summary = run(store, study(ModelSpec(str(folder), "bert"), ModelSpec(str(save_model("gpt2", tmp_path / "g")), "g")))
    assert summary.written == 3
    assert "has embeddings of 20 tokens" in summary.failures[0].reason


@pytest.mark.parametrize("name", ["clip", "gemma3"])
def test_a_model_that_is_no_text_model_fails_in_one_line(store: Store, tmp_path: Path, name: str) -> None:
    text = {**BLOCKS, "num_key_value_heads": 1, "head_dim": 8}
    if name == "clip":
        config = transformers.CLIPConfig(text_config=BLOCKS, vision_config={**BLOCKS, "image_size": 8, "patch_size": 4})
    else:
        config = transformers.Gemma3Config(
            text_config=text, vision_config={**BLOCKS, "image_size": 8, "patch_size": 4}, mm_tokens_per_image=4
        )
    folder = tmp_path / name
    save_tokenizer("BertTokenizer", folder)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    good = ModelSpec(str(save_model("gpt2", tmp_path / "good")), "good")
    summary = run(store, study(ModelSpec(str(folder), name), good))
    assert summary.written >= 3
    assert all("\n" not in failure.reason for failure in summary.failures)
    assert {row.model for row in store.artifacts()} >= {"good"}


def test_a_sentence_that_memory_is_not_there_for_is_refused_before_it_starts(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from layeratlas.extract.encoders import transformer

    spec = ModelSpec(str(save_model("t5", tmp_path / "t5")), "t5")
    lines = ["the cats saw the dogs", " ".join(["cats"] * 1500)]
    monkeypatch.setattr(transformer, "available", lambda device: 20 * 2**20)
    calls: list[int] = []
    original = windows.batches
    monkeypatch.setattr("layeratlas.extract.stream.batches", lambda *given: calls.append(1) or original(*given))
    (failure,) = run(store, study(spec, lines=lines)).failures
    assert "there is memory for about" in failure.reason and "sentence 1" in failure.reason
    assert 'long_sentences = "split"' in failure.reason and calls == []
    window = int(failure.reason.split("window = ")[1].split()[0])
    split = study(spec, lines=lines, settings=Settings(window=window, long_sentences="split"))
    assert run(store, split) == Summary(written=3)
    assert json.dumps(window) and {row.words for row in store.artifacts()} == {1505}


def test_what_is_foreseen_of_memory_grows_as_the_model_does(tmp_path: Path) -> None:
    from layeratlas.extract.encoders.footprint import Footprint

    found = {}
    for family in ("t5", "bert", "mamba"):
        own = encoder(ModelSpec(str(save_model(family, tmp_path / family, **WIDE.get(family, {}))), family))
        foreseen = Footprint(own._model, own._run_alone)
        found[family] = foreseen.bytes(4000) / foreseen.bytes(2000)
    assert found["t5"] > 3.5  # makes squares
    assert found["bert"] < 2.6 and found["mamba"] < 2.6


WIDE = {"bert": {"max_position_embeddings": 4096}}


def test_settings_that_a_study_leaves_alone(tmp_path: Path) -> None:
    spec = ModelSpec(str(save_model("bert", tmp_path / "bert")), "bert")
    asked = study(spec)
    kept = replace(asked, unknown_tokens="keep")
    assert asked.settings_of("activations") == kept.settings_of("activations")  # it changes no number
