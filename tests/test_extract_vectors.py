"""Static word vectors, in the formats of word2vec, GloVe and fastText."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path

import numpy as np
import pytest

from layeratlas.extract.encoders.vectors import Vectors
from layeratlas.extract.runner import Summary, extract, plan
from layeratlas.queries.questions import QUESTIONS
from layeratlas.running import Means, measure
from layeratlas.store.artifacts.activations import read_chunks, read_keys
from layeratlas.store.errors import LayeratlasError
from layeratlas.store.identity import Settings
from layeratlas.store.progress import Silent
from layeratlas.store.store import Store
from layeratlas.store.study import CorpusSpec, ModelSpec, Study, folder_of

KNOWN = {"the": [0.5, -1.25, 3.0], "café": [1e-7, 2.0, -0.125], "猫": [4.0, 5.0, 6.5], "cats": [7.0, 8.0, 9.0]}


def text(*, header: bool, end: str = "\n") -> bytes:
    lines = [f"{len(KNOWN)} 3"] if header else []
    return (end.join([*lines, *(f"{word} {' '.join(map(str, row))}" for word, row in KNOWN.items())]) + end).encode()


def binary(after: bytes) -> bytes:
    rows = (word.encode() + b" " + struct.pack("<3f", *row) + after for word, row in KNOWN.items())
    return f"{len(KNOWN)} 3\n".encode() + b"".join(rows)


FORMATS = {
    "word2vec text": text(header=True), "windows": text(header=True, end="\r\n"),
    "fasttext": text(header=True, end=" \n"),
    "glove": text(header=False), "glove with a space": text(header=False) + b"new york 1 2 3\n",
    "binary": binary(b""), "binary with line ends": binary(b"\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_vectors(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(FORMATS[name])
    found = Vectors(tmp_path / "file")
    assert found.width == 3 and len(found) == len(KNOWN) + (name == "glove with a space")
    for word, row in KNOWN.items():
        np.testing.assert_array_equal(found[word], np.array(row, np.float32))
    assert "dogs" not in found and ("new york" in found) == (name == "glove with a space")


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\n", b"hello world\n", b"3\n", b"2 3\nthe 1 2\n", b"5 3\nthe ", b"1 99999999\nthe 1\n", b"\x00" * 50,
        text(header=True) + b"short 1\n", b"2 0\na\n", binary(b"")[:-3],
    ],
)  # fmt: skip
def test_anything_else_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(LayeratlasError, match="is no file of word vectors") as refused:
        Vectors(tmp_path / "file")
    assert "\n" not in str(refused.value)


@pytest.mark.skipif(importlib.util.find_spec("gensim") is None, reason="compares with gensim where it is")
def test_gensim_writes_what_is_read(tmp_path: Path) -> None:
    from gensim.models import KeyedVectors

    vectors = KeyedVectors(vector_size=3)
    vectors.add_vectors(list(KNOWN), np.array(list(KNOWN.values()), np.float32))
    for is_binary in (False, True):
        vectors.save_word2vec_format(str(tmp_path / "file"), binary=is_binary)
        found = Vectors(tmp_path / "file")
        for word, row in KNOWN.items():
            np.testing.assert_array_equal(found[word], np.array(row, np.float32))


def study(tmp_path: Path, name: str, **changes: object) -> Study:
    (tmp_path / "own.txt").write_text("the cats saw the 猫\nnobody here\nThe café", "utf-8")
    spec = ModelSpec(f"{name}.vec", name, folder=folder_of(f"{name}.vec", tmp_path))
    return Study((spec,), (CorpusSpec(tmp_path / "own.txt", "own"),), **changes)  # type: ignore[arg-type]


def run(store: Store, asked: Study, progress: Silent) -> Summary:
    return extract(store, asked, plan(store, asked), device="cpu", progress=progress, run="r")


def test_a_corpus_in_vectors(tmp_path: Path) -> None:
    (tmp_path / "glove.vec").write_bytes(FORMATS["glove"])
    store, progress = Store(tmp_path / "s"), Silent()
    assert run(store, study(tmp_path, "glove"), progress) == Summary(written=1)
    assert any("4 of 9 words left out, it has no vector for them: 'saw'" in note for note in progress.notes)
    (row,) = store.artifacts()
    assert read_keys(store.root / row.path).tolist() == [[0, 0], [0, 1], [0, 3], [0, 4], [2, 1]]
    (rows,) = read_chunks(store.root / row.path, rows=100)
    expected = [KNOWN[word] for word in ("the", "cats", "the", "猫", "café")]
    np.testing.assert_array_equal(rows, np.array(expected, np.float32))
    assert store.rows("SELECT name, family, architecture, layers, neurons, parameters FROM base.models") == [
        ("glove", "static vectors", "WordVectors", 0, 3, 12)
    ]
    assert plan(store, study(tmp_path, "glove")) == []
    half = study(tmp_path, "glove", settings=Settings(precision="float16"))
    assert "float32 only" in run(store, half, progress).failures[0].reason


def test_questions_bear_a_model_without_blocks(tmp_path: Path) -> None:
    words = [f"w{number}" for number in range(40)]
    store = Store(tmp_path / "s")
    (tmp_path / "many.txt").write_text("\n".join(" ".join(words) for _ in range(3)))
    specs = []
    for seed, name in enumerate(("one", "two", "three")):
        table = np.random.default_rng(seed).normal(size=(40, 3))
        lines = (f"{word} {' '.join(map(str, row))}" for word, row in zip(words, table, strict=True))
        (tmp_path / f"{name}.vec").write_text("\n".join(lines))
        specs.append(ModelSpec(f"./{name}.vec", name, folder=tmp_path / f"{name}.vec"))
    asked = Study(tuple(specs), (CorpusSpec(tmp_path / "many.txt", "many"),))
    assert run(store, asked, Silent()).written == 3
    measure(store, Means("cpu"), names=["ckasim", "svsim", "neuronsim", "mixedsim"])
    for name in ("top-pairs", "models", "families", "localization", "coverage", "measures", "consistency", "heatmap"):
        with store.catalog() as catalog:
            QUESTIONS[name].ask(catalog)
