"""Sites within a block: they are the numbers that the model's own modules make, and add up to the block."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from extract_tiny import SENTENCES, save_model

from layeratlas.extract.encoders import load
from layeratlas.extract.locate import locate
from layeratlas.extract.runner import Summary, extract, plan
from layeratlas.store.artifacts.activations import read_chunks
from layeratlas.store.errors import BadRequest, LayeratlasError
from layeratlas.store.files import Remembered
from layeratlas.store.identity import Settings, Site
from layeratlas.store.progress import Silent
from layeratlas.store.store import Store
from layeratlas.store.study import CorpusSpec, ModelSpec, Study, load_study, study_of

SITES: tuple[Site, ...] = ("attention", "mlp", "residual-mid")
Blocks = Callable[[Any], list[Any]]

#: family → its blocks, and within a block the modules whose outputs attention and MLP add, and the one before the MLP.
KNOWN: dict[str, tuple[Blocks, str, str, str]] = {
    "bert": (lambda m: list(m.encoder.layer), "attention.output.dense", "output.dense", "attention.output"),
    "roberta": (lambda m: list(m.encoder.layer), "attention.output.dense", "output.dense", "attention.output"),
    "distilbert": (lambda m: list(m.transformer.layer), "attention.out_lin", "ffn", "sa_layer_norm"),
    "gpt": (lambda m: list(m.h), "attn.c_proj", "mlp", "ln_1"),
    "gpt2": (lambda m: list(m.h), "attn.c_proj", "mlp", "<ln_2"),
    "llama": (lambda m: list(m.layers), "self_attn.o_proj", "mlp", "<post_attention_layernorm"),
    "t5": (lambda m: list(m.encoder.block), "layer.0.SelfAttention.o", "layer.1.DenseReluDense", "<layer.1"),
    "gpt-neox": (lambda m: list(m.layers), "attention.dense", "mlp", ""),
}


def values(folder: Path, site: Site, family: str) -> list[torch.Tensor]:  # each block [1, tokens, neurons]
    """Every block's site of the first sentence, as extraction runs it."""
    located = locate(ModelSpec(str(folder), family), Remembered(folder.parent / "remembered.json"))
    own = load(located, Settings(site=site), "cpu", ["activations"])
    assert list(own.shape.units["activations"]) == [1, 2] and own.shape.layers == 2
    pieces = [piece for word in own.pieces([SENTENCES[0]])[0] for piece in word]
    shown = own.run([pieces], {"activations": [1, 2]}).states["activations"]
    return [shown[1], shown[2]]


@pytest.mark.parametrize("family", KNOWN)
def test_sites_are_what_the_models_own_modules_make(tmp_path: Path, family: str) -> None:
    folder = save_model(family, tmp_path / family)
    blocks, attention, mlp, middle = KNOWN[family]
    kind = transformers.T5EncoderModel if family == "t5" else transformers.AutoModel
    model = kind.from_pretrained(folder).eval()
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in SITES}
    for block in blocks(model):
        for site, path in zip(SITES, (attention, mlp, middle), strict=True):
            module = block.get_submodule(path.removeprefix("<")) if path else block
            keep = seen[site].append
            if path.startswith("<"):
                module.register_forward_pre_hook(lambda _m, given, keep=keep: keep(given[0]))
            else:
                module.register_forward_hook(lambda _m, _given, gave, keep=keep: keep(gave))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        model(**tokenizer(" ".join(SENTENCES[0]), return_tensors="pt"))
    for site in SITES if middle else SITES[:2]:
        for own, expected in zip(values(folder, site, family), seen[site], strict=True):
            torch.testing.assert_close(own, expected)


@pytest.mark.parametrize("family", ["albert", "electra", "gpt2", "llama", "t5", "bert"])
def test_the_parts_add_up_to_the_block(tmp_path: Path, family: str) -> None:
    folder = save_model(family, tmp_path / family)
    located = locate(ModelSpec(str(folder), family), Remembered(tmp_path / "remembered.json"))
    whole = load(located, Settings(), "cpu", ["activations"])
    pieces = [piece for word in whole.pieces([SENTENCES[0]])[0] for piece in word]
    block = whole.run([pieces], {"activations": [0, 1]}).states["activations"]
    attention, mlp, middle = (values(folder, site, family)[0] for site in SITES)
    norms_last = family in ("albert", "electra", "bert")

    def normed(states: torch.Tensor) -> torch.Tensor:
        """Weights of the norm apart: each token's mean 0, variance 1."""
        return torch.nn.functional.layer_norm(states, states.shape[-1:])

    if norms_last:  # up to the norms' own weights and shifts, which are linear in what they were given
        assert _is_linear_in(normed(block[0] + attention), middle) and _is_linear_in(normed(middle + mlp), block[1])
    else:
        torch.testing.assert_close(block[0] + attention, middle)
        torch.testing.assert_close(middle + mlp, block[1])


def _is_linear_in(given: torch.Tensor, gave: torch.Tensor) -> bool:
    """Whether each neuron of `gave` is its own weight times `given` plus its own shift."""
    for neuron in range(given.shape[-1]):
        x, y = given[0, :, neuron].double().numpy(), gave[0, :, neuron].double().numpy()
        if not np.allclose(np.polyval(np.polyfit(x, y, 1), x), y, atol=1e-4):
            return False
    return True


def test_side_by_side_there_is_nothing_between(tmp_path: Path) -> None:
    folder = save_model("gpt-neox", tmp_path / "gpt-neox")
    with pytest.raises(LayeratlasError, match="has no site 'residual-mid' in block 1: attention and MLP run side by"):
        values(folder, "residual-mid", "gpt-neox")


def test_a_block_whose_parts_do_not_add_up_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.models.gpt2.modeling_gpt2 import GPT2MLP

    folder, whole = save_model("gpt2", tmp_path / "gpt2"), GPT2MLP.forward
    monkeypatch.setattr(GPT2MLP, "forward", lambda self, states: whole(self, states) + 0)
    values(folder, "mlp", "gpt2")
    block = transformers.models.gpt2.modeling_gpt2.GPT2Block
    original = block.forward
    monkeypatch.setattr(block, "forward", lambda self, states, *a, **k: original(self, states, *a, **k) * 1.01)
    save_model("mamba", tmp_path / "mamba")
    for family in ("gpt2", "mamba"):
        with pytest.raises(LayeratlasError, match="it is not its input, plus what one attention adds, plus what one"):
            values(tmp_path / family, "mlp", family)


def test_what_a_study_says_of_sites_and_tables_is_read_or_refused(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("id,body\n1,a b\n")
    study = '[[models]]\nid = "x"\n[[corpora]]\npath = "c.csv"\ncolumn = "body"\n{}\n[extraction]\n{}\n'

    def read(corpus: str, extraction: str) -> Study:
        (tmp_path / "s.toml").write_text(study.format(corpus, extraction))
        return load_study(tmp_path / "s.toml")

    found = read('words = "icu"', 'site = "mlp"\nstateful = true\npooling = "cls"')
    assert (found.corpora[0].column, found.corpora[0].words) == ("body", "icu")
    assert found.settings == Settings("cls", site="mlp", stateful=True)
    for corpus, extraction, complaint in (
        ('words = "jieba"', "", "6: words must be icu, got 'jieba'"),
        ("column = 3", "", "column"),
        ("", 'site = "attn"', "8: site must be one of block, attention, mlp, residual-mid, got 'attn'"),
        ("", 'site = "mlp"\nlayers = [0]', "layer 0 has none"),
        ("", "stateful = 1", "8: stateful must be true or false, got 1"),
    ):
        with pytest.raises(BadRequest, match=complaint):
            read(corpus, extraction)
    with pytest.raises(BadRequest, match="the embeddings, layer 0, have no site 'mlp'"):
        study_of(["x"], [tmp_path / "c.csv"], layers=[0], site="mlp")


def test_a_site_is_extracted_beside_the_block_and_never_compared_with_it(tmp_path: Path) -> None:
    from layeratlas.measures.plan import plan as pairs
    from layeratlas.measures.registry import usual_measures

    folder, store = save_model("bert", tmp_path / "bert"), Store(tmp_path / "store")
    (tmp_path / "tiny.txt").write_text("\n".join(map(" ".join, SENTENCES)), "utf-8")
    for site in ("block", "residual-mid"):
        study = Study(
            (ModelSpec(str(folder), "bert"),), (CorpusSpec(tmp_path / "tiny.txt", "tiny"),), Settings(site=site)
        )
        done = extract(store, study, plan(store, study), device="cpu", progress=Silent(), run="r")
        assert done == Summary(written=3 if site == "block" else 2)
        store.merge()
        assert plan(store, study) == []
    rows = store.artifacts()
    assert sorted((row.layer, row.words_from_tokens) for row in rows) == [
        (0, "last"), (1, "last"), (1, "last@residual-mid"), (2, "last"), (2, "last@residual-mid"),
    ]  # fmt: skip
    how = {row.artifact: row.words_from_tokens for row in rows}
    for tile in pairs(store, rows, usual_measures(("activations",))):
        assert len({how[artifact] for artifact in tile.artifacts}) == 1
    middle = next(row for row in rows if (row.layer, row.words_from_tokens) == (1, "last@residual-mid"))
    assert np.isfinite(np.concatenate(list(read_chunks(store.root / middle.path, rows=1000)))).all()
