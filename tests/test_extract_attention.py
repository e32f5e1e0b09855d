"""Attention, word by word: transformers' own numbers for the right words, whatever the batch, whole on disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import transformers
from extract_tiny import FAMILIES, SENTENCES, save_model

from layeratlas.extract import stream
from layeratlas.extract.encoders import load
from layeratlas.extract.encoders.base import Encoder
from layeratlas.extract.encoders.transformer import TransformerEncoder
from layeratlas.extract.locate import locate
from layeratlas.extract.runner import Summary, extract, plan, present
from layeratlas.extract.stream import Pass
from layeratlas.extract.takes import attention as taking
from layeratlas.extract.takes.attending import Attending, NotAttentionError
from layeratlas.extract.takes.attention import Attention, AttentionPart
from layeratlas.extract.tokens import WordTokenizer
from layeratlas.extract.windows import Window, Windowing
from layeratlas.store.artifacts import attention as artifacts
from layeratlas.store.artifacts.attention import AttentionWriter, read_chunks, read_keys, read_longest
from layeratlas.store.artifacts.base import check, describe
from layeratlas.store.errors import ArtifactDamaged, AttentionMissing, BadRequest, LayeratlasError
from layeratlas.store.files import TEMPORARY, Remembered
from layeratlas.store.identity import ArtifactIdentity, AttentionSettings, Settings, SpecialTokens
from layeratlas.store.progress import Silent
from layeratlas.store.store import Store
from layeratlas.store.study import CorpusSpec, ModelSpec, Study, load_study
from layeratlas.store.verify import Found, verify

ZOO = Path(__file__).parent.parent / "zoo" / "models"
WITH_ATTENTION = [family for family in FAMILIES if family != "mamba"]
IDENTITY = ArtifactIdentity("v1:weights", "v1:corpus", 3, AttentionSettings(), "attention")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("families")


def build(folders: Path, family: str, **changes: Any) -> Path:
    folder = folders / "-".join([family, *changes])
    return folder if folder.exists() else save_model(family, folder, **changes)


def encoder(folder: Path, settings: Settings | None = None) -> Encoder:
    located = locate(ModelSpec(str(folder), folder.name), Remembered(folder.parent / "remembered.json"))
    return load(located, settings or Settings(), "cpu", ["attention"])


def chunk(model: Encoder, *, tokens: int, special_tokens: SpecialTokens = "drop") -> AttentionPart:
    take = Attention("tiny", model, (1, 2), Study((), (), special_tokens=special_tokens))
    (only,) = Pass(model, Windowing(model, Settings(), "tiny"), [take], tokens).chunks(SENTENCES)
    part = only.parts["attention"]
    assert isinstance(part, AttentionPart)
    return part


def oracle(folder: Path, sentence: list[str], special_tokens: SpecialTokens) -> list[np.ndarray]:
    """transformers on the running text, words by character offsets, every sum written out; a block [heads, q, k]."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    kind = transformers.T5EncoderModel if folder.name == "t5" else transformers.AutoModel
    text = " ".join(sentence)
    given = tokenizer(text, return_tensors="pt", return_offsets_mapping=True, return_special_tokens_mask=True)
    special, offsets = given.pop("special_tokens_mask")[0].bool(), given.pop("offset_mapping")[0].tolist()
    own, end, taken = [], 0, 0
    for word in sentence:
        end = text.index(word, end) + len(word)
        own.append([i for i, (a, _) in enumerate(offsets) if not special[i] and i >= taken and a < end])
        taken = own[-1][-1] + 1  # the mark of a space may be a token of its own: it goes with the word that follows
    model = kind.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.inference_mode():
        blocks = model(**given, output_attentions=True).attentions
    return [_by_hand(block[0].double().numpy(), own, special_tokens) for block in blocks]


def _by_hand(tokens: np.ndarray, own: list[list[int]], special_tokens: SpecialTokens) -> np.ndarray:
    words = np.zeros((len(tokens), len(own), len(own)))
    for head in range(len(tokens)):
        for query in range(len(own)):
            for key in range(len(own)):
                words[head, query, key] = np.mean([sum(tokens[head, i, j] for j in own[key]) for i in own[query]])
            left = 1 - words[head, query].sum()
            if special_tokens == "keep-mass":
                words[head, query, query] += left
            else:
                words[head, query] /= words[head, query].sum()
    return words


@pytest.mark.parametrize("family", WITH_ATTENTION)
def test_every_family_gives_its_own_numbers_whatever_the_batch(folders: Path, family: str) -> None:
    folder = build(folders, family)
    model = encoder(folder)
    alone, together = chunk(model, tokens=1), chunk(model, tokens=100_000)
    assert model.shape.units["attention"] == {1: 2, 2: 2}
    assert {number: word.tolist() for number, word in together.words.items()} == {
        number: list(range(len(sentence))) for number, sentence in enumerate(SENTENCES)
    }
    for block in (1, 2):
        for number, sentence in enumerate(SENTENCES):
            mine, again = together.weights[block][number], alone.weights[block][number]
            assert mine.shape == (2, len(sentence), len(sentence)) and mine.dtype == np.float32
            np.testing.assert_allclose(mine, again, atol=1e-5)
            np.testing.assert_allclose(mine.sum(axis=-1), 1, atol=1e-6)
    for number in (0, 2, 4):
        for block, expected in enumerate(oracle(folder, SENTENCES[number], "drop"), start=1):
            np.testing.assert_allclose(together.weights[block][number], expected, atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "t5", "xlnet", "gpt2"])
def test_mass_of_special_tokens_stays_with_the_word_that_gave_it(folders: Path, family: str) -> None:
    folder = build(folders, family)
    kept = chunk(encoder(folder), tokens=100_000, special_tokens="keep-mass")
    for block, expected in enumerate(oracle(folder, SENTENCES[2], "keep-mass"), start=1):
        np.testing.assert_allclose(kept.weights[block][2], expected, atol=1e-5)
        dropped = oracle(folder, SENTENCES[2], "drop")[block - 1]
        assert (np.abs(expected - dropped).max() > 1e-3) == (family != "gpt2")  # GPT-2 has no special tokens


def test_who_sees_later_words(folders: Path) -> None:
    causal = {family: encoder(build(folders, family)).shape.causal for family in WITH_ATTENTION}
    assert {family for family, is_so in causal.items() if is_so} == {"gpt", "gpt2", "llama", "gpt-neox"}


def test_grouped_queries_have_the_heads_that_the_model_reports(folders: Path) -> None:
    model = encoder(build(folders, "llama", num_key_value_heads=1))
    assert model.shape.units["attention"] == {1: 2, 2: 2}
    assert {own.shape[0] for own in chunk(model, tokens=500).weights[1].values()} == {2}


def test_half_precision_still_sums_to_one(folders: Path) -> None:
    half = chunk(
        encoder(build(folders, "bert"), Settings(precision="bfloat16")), tokens=500, special_tokens="keep-mass"
    )
    for own in half.weights[2].values():
        np.testing.assert_allclose(own.sum(axis=-1), 1, atol=1e-6)


def test_attention_that_stays_away_is_an_error(folders: Path) -> None:
    folder = build(folders, "bert")
    model = transformers.AutoModel.from_pretrained(folder, attn_implementation="sdpa").eval()
    tokens = WordTokenizer(transformers.AutoTokenizer.from_pretrained(folder), "bert")
    with pytest.raises(AttentionMissing, match=r"bert \(BertModel\) gives .* kinds"):
        TransformerEncoder(model, tokens, name="bert", pad=0, device="cpu", kinds=["attention"])


def attending(special_tokens: SpecialTokens = "drop", *, causal: bool = False) -> Attending:
    window = Window(0, [0, 1], [2, 1], [5, 6, 7])  # [CLS] a ##b c [SEP] [PAD]
    return Attending([window], special_tokens, first=1, tokens=6, causal=causal, device=torch.device("cpu"))


def on_specials() -> torch.Tensor:
    attention = torch.zeros(1, 1, 6, 6)
    attention[..., 0] = 1
    return attention


def test_split_words_are_summed_as_keys_and_averaged_as_queries() -> None:
    attention = on_specials()
    attention[0, 0, 1] = torch.tensor([0.1, 0.2, 0.3, 0.2, 0.2, 0])
    attention[0, 0, 2] = torch.tensor([0.0, 0.4, 0.4, 0.2, 0.0, 0])
    attention[0, 0, 3] = torch.tensor([0.5, 0.1, 0.1, 0.3, 0.0, 0])
    (dropped,) = attending()(attention)
    np.testing.assert_allclose(dropped[0], [[0.65 / 0.85, 0.2 / 0.85], [0.4, 0.6]], rtol=1e-6)
    (kept,) = attending("keep-mass")(attention)
    np.testing.assert_allclose(kept[0], [[0.8, 0.2], [0.2, 0.8]], rtol=1e-6)


def test_rows_with_nothing_left_are_uniform_and_counted() -> None:
    attend = attending()
    np.testing.assert_array_equal(attend(on_specials())[0][0], [[0.5, 0.5], [0.5, 0.5]])
    assert attend.uniform == 2
    np.testing.assert_array_equal(attending(causal=True)(on_specials())[0][0], [[1, 0], [0.5, 0.5]])
    kept = attending("keep-mass")
    np.testing.assert_array_equal(kept(on_specials())[0][0], np.eye(2))
    assert kept.uniform == 0


def test_a_trace_of_mass_is_scaled_up_not_thrown_away() -> None:
    attention = on_specials()
    attention[0, 0, 3, 1:4] = torch.tensor([1e-30, 1e-30, 6e-30])
    attend = attending()
    np.testing.assert_allclose(attend(attention)[0][0, 1], [0.25, 0.75], rtol=1e-6)
    assert attend.uniform == 1


@pytest.mark.parametrize("value", [float("nan"), -0.1, 12.0, float("inf")])
def test_what_is_no_attention_is_refused(value: float) -> None:
    attention = on_specials()
    attention[0, 0, 1, 2] = value
    with pytest.raises(NotAttentionError, match="rows sum to"):
        attending()(attention)


@pytest.fixture
def study(folders: Path, tmp_path: Path) -> Study:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(" ".join(sentence) for sentence in SENTENCES), "utf-8")
    specs = tuple(ModelSpec(str(build(folders, family)), family) for family in ("bert", "gpt2"))
    return Study(specs, (CorpusSpec(corpus, "tiny"),), batch_tokens=64, kinds=("activations", "attention"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def run(store: Store, study: Study, progress: Silent | None = None) -> Summary:
    return extract(store, study, plan(store, study), device="cpu", progress=progress or Silent(), run="r")


def written(store: Store) -> dict[str, bytes]:
    return {str(path.relative_to(store.root)): path.read_bytes() for path in sorted(store.root.glob("a*/*/*/*"))}


def rows_of(store: Store, kind: str = "attention") -> Iterator[Any]:
    return (row for row in store.artifacts() if row.kind == kind)


def sentences_of(store: Store, row: Any) -> list[np.ndarray]:
    return [sentence for some in read_chunks(store.root / row.path) for sentence in some]


def test_both_kinds_are_written_once_and_registered(store: Store, study: Study) -> None:
    assert run(store, study) == Summary(written=10)
    sql = "SELECT model, layer, words, neurons, pooling FROM artifacts WHERE kind = 'attention' ORDER BY model, layer"
    words = sum(map(len, SENTENCES))
    assert store.rows(sql) == [(name, layer, words, 2, "drop") for name in ("bert", "gpt2") for layer in (1, 2)]
    assert {path.split("/")[0] for path in written(store)} == {"activations", "attention"}
    assert len(present(store, study)) == 10
    before = written(store)
    assert plan(store, study) == [] and run(store, study) == Summary() and written(store) == before
    assert verify(store) == Found([], [])


def test_one_kind_after_the_other_and_alone(store: Store, study: Study, tmp_path: Path) -> None:
    assert run(store, replace(study, kinds=("activations",))) == Summary(written=6)
    assert run(store, study) == Summary(written=4)
    assert plan(store, study) == []
    other = Store(tmp_path / "other")
    assert run(other, replace(study, kinds=("attention",), layers=(0, 2))) == Summary(written=2)
    assert plan(other, replace(study, kinds=("attention",), layers=(0,))) == []
    assert run(other, study) == Summary(written=8)
    for a, b in zip(rows_of(store, "activations"), rows_of(other, "activations"), strict=True):  # sdpa and eager
        mine, theirs = (pq.read_table(s.root / row.path)["activation"] for s, row in ((store, a), (other, b)))
        np.testing.assert_allclose(mine.combine_chunks().flatten(), theirs.combine_chunks().flatten(), atol=1e-5)


def test_what_a_file_holds(store: Store, study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "GROUP_BYTES", 2_000)
    monkeypatch.setattr(stream, "LOOKAHEAD", 3)
    run(store, study)
    row = next(row for row in rows_of(store) if row.model == "gpt2" and row.layer == 2)
    path = store.root / row.path
    table = pq.read_table(path, partitioning=None)
    assert table.schema.names == ["sentence", "head", "words", "weights", "word"]
    assert table["sentence"].to_pylist() == [number for number in range(len(SENTENCES)) for _ in (0, 1)]
    assert table["head"].to_pylist() == [0, 1] * len(SENTENCES)
    assert table["words"].to_pylist() == [len(sentence) for sentence in SENTENCES for _ in (0, 1)]
    assert [len(weights) for weights in table["weights"]] == [len(s) ** 2 for s in SENTENCES for _ in (0, 1)]
    assert set(table["word"].to_pylist()) == {None}
    assert read_keys(path).tolist() == [[i, j] for i, s in enumerate(SENTENCES) for j in range(len(s))]
    assert read_longest(path) == max(map(len, SENTENCES))
    described = describe(store.root, path)
    assert (described.artifact, described.words, described.units) == (row.artifact, row.words, 2)
    groups = list(read_chunks(path))
    assert len(groups) > 2
    assert all(sum(own.nbytes for own in group) <= 2_000 for group in groups if len(group) > 1)
    flat = table["weights"].to_pylist()
    for number, sentence in enumerate(own for group in groups for own in group):
        for head in (0, 1):
            np.testing.assert_array_equal(sentence[head].ravel(), np.float32(flat[2 * number + head]))


def test_chunks_and_batches_change_nothing_but_noise(
    store: Store, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(store, study)
    monkeypatch.setattr(stream, "LOOKAHEAD", 2)
    monkeypatch.setattr(taking, "BATCH_BYTES", 1)  # one window a batch
    other = Store(tmp_path / "other")
    run(other, replace(study, batch_tokens=10_000))
    for a, b in zip(rows_of(store), rows_of(other), strict=True):
        assert (a.artifact, a.word_set) == (b.artifact, b.word_set)
        for mine, theirs in zip(sentences_of(store, a), sentences_of(other, b), strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_real_models_and_one_without_attention(store: Store, study: Study, tmp_path: Path) -> None:
    names = ("bert-tiny", "gpt2-tiny", "xlnet-tiny", "llama-tiny", "elmo-tiny")
    zoo = replace(study, models=tuple(ModelSpec(str(ZOO / name), name) for name in names), layers=(0, 1, 2))
    zoo = replace(zoo, kinds=("attention",))
    progress = Silent()
    assert run(store, zoo, progress) == Summary(written=8)
    assert progress.notes == ["elmo-tiny over tiny: Elmo has no attention, which is left out"]
    assert plan(store, zoo) == []
    for row in rows_of(store):
        for weights in sentences_of(store, row):
            np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-6)
            assert weights.min() >= 0 and weights.shape[0] == row.units == 4
            if row.model in ("gpt2-tiny", "llama-tiny"):
                assert not np.triu(weights, 1).any()
    other = Store(tmp_path / "other")
    run(other, replace(zoo, batch_tokens=1))
    for a, b in zip(rows_of(store), rows_of(other), strict=True):
        for mine, theirs in zip(sentences_of(store, a), sentences_of(other, b), strict=True):
            np.testing.assert_allclose(mine, theirs, atol=2e-5)


def test_a_model_without_attention_still_gives_activations(store: Store, study: Study, folders: Path) -> None:
    mamba = replace(study, models=(ModelSpec(str(build(folders, "mamba")), "mamba"),))
    progress = Silent()
    summary = run(store, mamba, progress)
    assert (summary, summary.exit_code) == (Summary(written=3), 0)
    assert progress.notes == ["mamba over tiny: MambaModel has no attention, which is left out"]
    assert plan(store, mamba) == []
    assert [row.heads for row in store.models()] == [0]
    assert run(store, replace(mamba, kinds=("activations",), layers=(0,))) == Summary()
    assert [row.heads for row in store.models()] == [0]  # not forgotten


def test_words_without_a_token_are_neither_query_nor_key(store: Store, study: Study, tmp_path: Path) -> None:
    corpus = tmp_path / "odd.jsonl"
    corpus.write_text('{"words": ["cats", "\\u200b", "dogs"]}\n{"words": ["\\u00ad"]}\n{"words": ["mat"]}\n')
    progress = Silent()
    run(store, replace(study, corpora=(CorpusSpec(corpus, "odd"),)), progress)
    rows = {row.model: row for row in rows_of(store)}
    assert read_keys(store.root / rows["bert"].path).tolist() == [[0, 0], [0, 2], [2, 0]]
    assert read_keys(store.root / rows["gpt2"].path).tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [2, 0]]
    assert [own.shape for own in sentences_of(store, rows["bert"])] == [(2, 2, 2), (2, 1, 1)]
    assert rows["bert"].word_set != rows["gpt2"].word_set and len(progress.notes) == 1


def test_sentences_that_must_be_split_have_no_attention(store: Store, study: Study) -> None:
    small = replace(study, settings=Settings(window=12, long_sentences="split"))
    progress = Silent()
    run(store, small, progress)
    words = {(row.kind, row.model): row.words for row in store.artifacts()}
    assert words["activations", "bert"] == words["activations", "gpt2"] == sum(map(len, SENTENCES))
    kept = {row.model: {int(number) for number, _ in read_keys(store.root / row.path)} for row in rows_of(store)}
    assert 0 < len(kept["bert"]) < len(SENTENCES) and 3 in kept["bert"] and 2 not in kept["bert"]
    gone = len(SENTENCES) - len(kept["bert"])
    assert (
        f"bert over tiny: {gone} of 8 sentences have no attention, each is longer than the window" in progress.notes[0]
    )
    refused = run(store, replace(study, settings=Settings(window=8)))
    assert {failure.model for failure in refused.failures} == {"bert", "gpt2"}


@pytest.mark.parametrize("harm", ["missing", "damaged"])
def test_what_is_damaged_is_found_and_rebuilt_alone(store: Store, study: Study, harm: str) -> None:
    run(store, study)
    before = written(store)
    row = next(row for row in rows_of(store) if row.model == "bert" and row.layer == 1)
    path = store.root / row.path
    if harm == "missing":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        with pytest.raises(OSError, match=r"(?i)crc"):
            list(read_chunks(path))
    with pytest.raises(ArtifactDamaged):
        check(store.root, row.path, size=row.bytes, sha256=row.sha256)
    assert len(verify(store).damaged) == 1
    assert [task.missing for task in plan(store, study)] == [(("attention", 1),)]
    assert run(store, study) == Summary(written=1)
    assert written(store) == before


def test_finished_files_are_adopted(store: Store, study: Study) -> None:
    run(store, study)
    (store.root / "catalog.duckdb").unlink()
    shutil.rmtree(store.root / "results")
    assert run(store, study) == Summary(adopted=10)


def test_settings_of_attention_are_identity_and_pooling_is_not(store: Store, study: Study) -> None:
    assert IDENTITY.artifact == "v1:f2e0d0b1946421c39c81e75d82d86eb5bc3b5a0c3bde7a737183096ee2cb4da3"
    run(store, study)
    assert run(store, replace(study, special_tokens="keep-mass")) == Summary(written=4)
    assert {row.words_from_tokens for row in rows_of(store)} == {"drop", "keep-mass"}
    assert run(store, replace(study, settings=Settings(pooling="mean"))) == Summary(written=6)
    pairs = store.missing_pairs([row.artifact for row in rows_of(store)], ["v1:any"])
    assert [len(some) for some in pairs.values()] == [2 * 6]  # four layers under either setting, never across


def writer(tmp_path: Path, heads: int = 1) -> AttentionWriter:
    return AttentionWriter(tmp_path, IDENTITY, "m", heads)


@pytest.mark.parametrize("row", [[0.5, 0.4], [1.2, -0.2], [float("nan"), 1], [float("inf"), 0]])
def test_the_writer_refuses_rows_that_are_no_attention(tmp_path: Path, row: list[float]) -> None:
    weights = np.array([[[1, 0], row]], np.float32)
    with pytest.raises(LayeratlasError, match="m layer 3 gives sentence 7 weights"), writer(tmp_path) as open_writer:
        open_writer.write(7, np.arange(2, dtype=np.int32), weights)
    assert not list(tmp_path.rglob("*.parquet")) and not list(tmp_path.rglob(f"{TEMPORARY}*"))


def test_the_writer_makes_sums_exact(tmp_path: Path) -> None:
    with writer(tmp_path) as open_writer:
        open_writer.write(0, np.array([0, 2], np.int32), np.array([[[0.5004, 0.5], [0, 0.9995]]], np.float32))
    assert open_writer.artifact is not None
    ((weights,),) = read_chunks(tmp_path / open_writer.artifact.path)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-7)
    assert read_keys(tmp_path / open_writer.artifact.path).tolist() == [[0, 0], [0, 2]]


def test_an_artifact_without_sentences_can_be_read(tmp_path: Path) -> None:
    with writer(tmp_path) as open_writer:
        pass
    assert open_writer.artifact is not None
    path = tmp_path / open_writer.artifact.path
    assert list(read_chunks(path)) == [] and len(read_keys(path)) == read_longest(path) == 0


def test_a_model_whose_heads_nobody_asked_for_is_loaded_to_tell(store: Store, study: Study) -> None:
    bert = replace(study, models=study.models[:1])
    run(store, replace(bert, kinds=("activations",)))
    assert [row.heads for row in store.models()] == [None]
    assert plan(store, bert)[0].missing is None
    assert run(store, bert) == Summary(written=2)
    assert [row.heads for row in store.models()] == [2]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('kinds = ["attention", "heads"]', r"study.toml:\d+: kinds must name some of activations, attention"),
        ("kinds = []", "kinds must name"),
        ('kinds = ["attention"]\nlayers = [0]', r"study.toml:\d+: attention is numbered by block, from 1"),
        ('kinds = "attention"', "kinds must be a list"),
        ('special_tokens = "keep"', "special_tokens must be one of drop, keep-mass"),
    ],
)
def test_a_study_names_kinds(tmp_path: Path, line: str, problem: str) -> None:
    (tmp_path / "c.txt").write_text("a b\n")
    text = '[[models]]\nid = "x"\n[[corpora]]\npath = "c.txt"\n[extraction]\n'
    (tmp_path / "study.toml").write_text(f"{text}{line}\n")
    with pytest.raises(BadRequest, match=problem):
        load_study(tmp_path / "study.toml")
    (tmp_path / "study.toml").write_text(f'{text}kinds = ["attention"]\nspecial_tokens = "keep-mass"\nwindow = 9\n')
    found = load_study(tmp_path / "study.toml")
    assert found.kinds == ("attention",)
    assert found.settings_of("attention") == AttentionSettings("keep-mass", "refuse", 9, "float32")
