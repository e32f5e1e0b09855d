"""Layers in Python: slices that read what they need, models in memory, and stores wherever they are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from extract_tiny import SENTENCES, save_model
from sharing_stores import WORDS, _cache, are_same, bucket, extracted, measured, s3_server  # noqa: F401 - fixtures

import layeratlas as la
from layeratlas.cli import cli
from layeratlas.store.sharing import share
from layeratlas.store.sharing.selection import Selection
from layeratlas.store.store import Store


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with activations, attention and scores of two models."""
    return measured(tmp_path_factory.mktemp("store"), "m1", "m2").root


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one layer of three row groups, 5,000 words of 8 neurons."""
    root = tmp_path_factory.mktemp("long")
    array = np.random.default_rng(0).standard_normal((5000, 8)).astype(np.float32)
    np.save(root / "array.npy", array)
    la.add_activations(root, "mine", 3, array, corpus=[f"cell{i}" for i in range(5000)], corpus_name="cells")
    return root


@pytest.mark.parametrize("key", [
    0, -1, 4999, slice(None), slice(2040, 2060), slice(None, None, -700), slice(10, 10), [5, 4095, 5], ([1, 2], 3),
    (slice(100, 200), slice(2, 5)), (7, 3), (slice(4990, None), [0, -1]), (slice(None), 0), np.arange(5000) % 1000 == 3,
])  # fmt: skip
def test_a_slice_is_what_numpy_would_give(long: Path, key: object) -> None:
    layer, array = la.open(long).activations("mine", 3), np.load(long / "array.npy")
    np.testing.assert_array_equal(layer[key], array[key])
    assert layer[key].dtype == np.float32


def test_a_layer_is_an_array(long: Path) -> None:
    layer, array = la.open(long).activations("mine", 3), np.load(long / "array.npy")
    assert layer.shape == (5000, 8) and len(layer) == 5000 and layer.dtype == np.float32
    for whole in (layer.numpy(), layer.torch().numpy(), np.asarray(layer), np.concatenate([*layer.chunks(1000)])):
        np.testing.assert_array_equal(whole, array)
    assert la.compare(layer, array, measure="ckasim").value == pytest.approx(1)
    assert layer.words[:2] == ["cell0", "cell1"] and layer.polars().columns == [
        "sentence",
        "word",
        "token",
        "activation",
    ]
    assert repr(layer) == "<mine layer 3 over cells: 5,000 words × 8 neurons>"
    with pytest.raises(IndexError):
        layer[5000]


def test_a_slice_reads_only_the_rows_that_it_needs(long: Path, tmp_path: Path) -> None:
    shutil.copytree(long, tmp_path / "s")
    layer, array = la.open(tmp_path / "s").activations("mine", 3), np.load(long / "array.npy")
    groups = pq.ParquetFile(layer.path).metadata
    assert groups.num_row_groups == 3
    column = groups.row_group(1).column(3)
    content = bytearray(layer.path.read_bytes())
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 1  # in the second row group
    layer.path.write_bytes(content)
    np.testing.assert_array_equal(layer[:2048], array[:2048])
    np.testing.assert_array_equal(layer[4096:], array[4096:])
    with pytest.raises(la.ArtifactDamaged, match=r"mine layer 3: .* cannot be read"):
        layer[3000]
    with pytest.raises(la.ArtifactDamaged):
        layer.numpy()
    layer.path.unlink()
    with pytest.raises(la.ArtifactDamaged):
        la.open(tmp_path / "s").activations("mine", 3).numpy()


def test_threads_read_one_layer(long: Path) -> None:
    layer, array = la.open(long).activations("mine", 3), np.load(long / "array.npy")
    with ThreadPoolExecutor(4) as pool:
        for start, rows in enumerate(pool.map(lambda start: layer[start::500], range(20))):
            np.testing.assert_array_equal(rows, array[start::500])


def test_attention_of_one_sentence(root: Path) -> None:
    store = la.open(root)
    whole = pq.read_table(store.attentions("m1", 2).path, partitioning=None).to_pylist()
    for sentence in (0, 17, 39):
        found = store.attention("m1", layer=2, sentence=sentence)
        rows = sorted((row for row in whole if row["sentence"] == sentence), key=lambda row: row["head"])
        expected = np.array([row["weights"] for row in rows], np.float32).reshape(2, 6, 6)
        np.testing.assert_array_equal(found.numpy(), expected)
        np.testing.assert_array_equal(np.asarray(found), found.torch().numpy())
        assert found.words == [f"word{6 * sentence + place}" for place in range(6)]
    drawn = store.attending("m1", 2, 1, sentence=17)
    assert drawn.svg.count("</svg>") == 1 and "word102" in drawn.svg and "m1 layer 2 head 1" in repr(drawn)
    every = store.attentions("m1", 2)
    assert len(every) == 40 and [one.sentence for one in every][:3] == [0, 1, 2] and every.heads == 2
    with pytest.raises(la.BadRequest, match="m1 layer 2 has no sentence 40; there are 40, 0 to 39"):
        store.attention("m1", 2, sentence=40)


def test_what_is_not_there_or_not_clear_is_said(root: Path, tmp_path: Path) -> None:
    store = la.open(root)
    for ask, said in (
        (lambda: store.activations("m3", 1), "unknown model 'm3'; did you mean m. or m."),
        (lambda: store.activations("m1", 7), "m1 has no activations of layer 7; there is: 0, 1, 2"),
        (lambda: store.attention("m1", 0, sentence=1), "m1 has no attention of layer 0; there is: 1, 2"),
        (lambda: store.activations("m1", 1, corpus="d"), "unknown corpus 'd'; there is: c"),
        (lambda: store.activations("m1", 1, pooling="mean"), "unknown pooling 'mean'; there is: last"),
    ):  # fmt: skip
        with pytest.raises(la.BadRequest, match=said):
            ask()
    extracted(tmp_path, "m1", attention=False)
    extracted(tmp_path, "m1", corpus="d", attention=False)
    two = la.open(tmp_path)
    with pytest.raises(la.BadRequest, match=r"is there 2 times: say which one is meant: corpus='c' .* corpus='d'"):
        two.activations("m1", 1)
    assert two.activations("m1", 1, corpus="d").corpus == "d"
    with pytest.raises(la.NothingYet, match="m1 has no attention here"):
        two.attention("m1", 1, sentence=0)


def test_what_needs_real_layers_is_answered_as_by_its_command(root: Path, tmp_path: Path) -> None:
    root = shutil.copytree(root, tmp_path / "sure")
    store = la.open(root)
    store.measure("ckasim", intervals="jackknife:blocks=5", device="cpu")
    for words, found in (
        (["heads", "m1:2"], store.heads("m1", 2)),
        (["neurons", "m1:1", "--words", "2"], store.neurons("m1", 1, words=2)),
        (["power", "m1:1", "m2:1"], store.power("m1:1", "m2:1")),
        (["compare-pairs", "m1:1", "m2:1", "m1:1", "m2:2"], store.compare_pairs("m1:1", "m2:1", "m1:1", "m2:2")),
    ):
        said = CliRunner().invoke(cli, ["query", *words, "--store", str(root), "--format", "json"])
        assert said.exit_code == 0, said.output
        for row, other in zip(json.loads(said.stdout), found.records(), strict=True):
            assert row.keys() == other.keys()
            assert all(row[name] == (pytest.approx(other[name]) if isinstance(row[name], float) else other[name])
                       for name in row)  # fmt: skip


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "my.txt").write_text("".join(f"{' '.join(sentence)}\n" for sentence in SENTENCES))
    return tmp_path / "my.txt"


def test_a_model_in_memory_is_extracted_as_its_files_are(corpus: Path, tmp_path: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    folder = save_model("bert", tmp_path / "tiny-bert")
    store = la.open(tmp_path / "store")
    assert "extracted 5 layers" in repr(store.extract(folder, corpus=corpus, attention=True, device="cpu"))
    model, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    model.train()  # as it is in the middle of a training: it is run without dropout all the same
    said = store.extract(model, tokenizer=tokenizer, name="in-memory", corpus=corpus, attention=True, device="cpu")
    assert "extracted 5 layers" in repr(said)
    for layer in range(3):
        mine, other = (store.activations(name, layer) for name in ("in-memory", "tiny-bert"))
        np.testing.assert_allclose(mine.numpy(), other.numpy(), atol=1e-6)
        assert mine.words == [word for sentence in SENTENCES for word in sentence]
    found = store.attention("in-memory", 2, sentence=0)
    assert found.words == SENTENCES[0] and found.shape == (2, len(SENTENCES[0]), len(SENTENCES[0]))
    np.testing.assert_allclose(found.numpy().sum(axis=-1), 1, atol=1e-5)
    assert not list((tmp_path / "store").glob("model-in-memory-*"))
    assert set(store.status()["model"]) == {"tiny-bert", "in-memory"}
    assert store.sql("SELECT origin FROM models WHERE model = 'in-memory'")["origin"].to_list() == ["./(in memory)"]
    store.measure("ckasim", device="cpu")
    nearest = store.nearest("in-memory", 1, limit=1).records()[0]
    assert (nearest["model"], nearest["layer"]) == ("tiny-bert", 1) and nearest["value"] == pytest.approx(1)
    for wrong, said in (
        ({"models": [model]}, "needs its tokenizer"), ({"models": [3]}, "one transformers model in memory"),
        ({"models": [model, model], "tokenizer": tokenizer}, "one transformers model in memory"),
        ({"models": ["bert"], "tokenizer": tokenizer}, "a tokenizer goes with a model in memory"),
    ):  # fmt: skip
        with pytest.raises(la.BadRequest, match=said):
            store.extract(*wrong.pop("models"), corpus=corpus, **wrong)
    with pytest.raises(la.BadRequest, match="there is no corpus"):
        store.extract(folder, corpus=tmp_path / "none.txt")


def test_a_model_that_cannot_be_extracted_is_an_error(corpus: Path, tmp_path: Path) -> None:
    folder = save_model("bert", tmp_path / "broken")
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(la.LayeratlasError, match="broken over my: "):
        la.open(tmp_path / "store").extract(folder, corpus=corpus, device="cpu")


def test_a_bundle_is_opened_and_only_read(root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    la.open(root).export(tmp_path / "mine.atlas.zip")
    before = (tmp_path / "mine.atlas.zip").read_bytes()
    bundle = la.open(tmp_path / "mine.atlas.zip")
    assert bundle.top_pairs(limit=3).records() == la.open(root).top_pairs(limit=3).records()
    np.testing.assert_array_equal(bundle.activations("m1", 1).numpy(), la.open(root).activations("m1", 1).numpy())
    for write in (lambda: bundle.measure("ckasim"), lambda: bundle.pull(root), lambda: la.run("none", store=bundle),
                  lambda: bundle.extract("bert", corpus=tmp_path), lambda: bundle.add_remote("x", "y")):  # fmt: skip
        with pytest.raises(la.BadRequest, match=r"mine.atlas.zip is a bundle and is only read"):
            write()
    assert (tmp_path / "mine.atlas.zip").read_bytes() == before
    (tmp_path / "bad.atlas.zip").write_bytes(before[:-30])
    with pytest.raises(la.LayeratlasError):
        la.open(tmp_path / "bad.atlas.zip")
    assert capfd.readouterr().out == ""


def test_without_its_words_a_bundle_has_none(root: Path, tmp_path: Path) -> None:
    la.open(root).export(tmp_path / "quiet.atlas.zip", text=False, models="m1", layers=[1])
    layer = la.open(tmp_path / "quiet.atlas.zip").activations("m1", 1)
    assert layer.numpy().shape == (WORDS, 12)
    with pytest.raises(la.NothingYet, match="came without the corpus's words"):
        print(layer.words)
    with pytest.raises(la.BadRequest, match="unknown selection 'model'; did you mean models"):
        la.open(root).export(tmp_path / "x.atlas.zip", model="m1")


def test_collaborators_share(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = la.open(shutil.copytree(root, tmp_path / "mine"))
    mine.add_remote("lab", tmp_path / "lab")
    assert "pushed" in repr(mine.push("lab")) and mine.remotes == {"lab": str(tmp_path / "lab")}
    theirs = la.open(tmp_path / "theirs")
    assert "scores" in repr(theirs.pull(tmp_path / "lab", scores_only=True))
    assert are_same(tmp_path / "mine", tmp_path / "theirs")
    monkeypatch.setenv("LAYERATLAS_STORE", str(tmp_path / "mine"))
    monkeypatch.chdir(tmp_path / "theirs")
    for lab in (la.open("lab"), mine.remote("lab")):  # a remote of the usual store, and of one that is open
        assert lab.root == tmp_path / "lab" and lab.top_pairs().records() == mine.top_pairs().records()
    with pytest.raises(la.BadRequest, match="unknown remote 'lob'; did you mean lab"):
        mine.remote("lob")


def test_a_bucket_is_a_store(root: Path, tmp_path: Path, bucket: str) -> None:  # noqa: F811 - the fixture
    share.push(Store(root), f"{bucket}/atlas", Selection())
    there, here = la.open(f"{bucket}/atlas"), la.open(root)
    assert there.top_pairs(limit=3).records() == here.top_pairs(limit=3).records()
    np.testing.assert_array_equal(there.activations("m2", 1)[3:5], here.activations("m2", 1)[3:5])
    assert bucket.removeprefix("s3://") in repr(there)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    import logging

    logging.getLogger("transformers").setLevel(logging.ERROR)
    yield
