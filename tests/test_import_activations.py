"""Activations from elsewhere: each format gives the scores of direct extraction, and what is wrong has its row."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import torch
from extract_tiny import SENTENCES, save_model
from safetensors.numpy import save_file

import layeratlas
from layeratlas import running
from layeratlas.store.artifacts.activations import read_chunks, read_keys
from layeratlas.store.artifacts.base import describe
from layeratlas.store.errors import BadRequest, LayeratlasError
from layeratlas.store.store import Store
from layeratlas.store.study import corpus_spec, study_of
from layeratlas.store.verify import verify

ROOT = Path(__file__).resolve().parent.parent
WORDS = sum(map(len, SENTENCES))
LAYERS, NEURONS = 3, 16
Matrix = npt.NDArray[Any]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("corpus") / "tiny.txt"
    file.write_text("\n".join(" ".join(sentence) for sentence in SENTENCES), "utf-8")
    return file


@pytest.fixture(scope="module")
def extracted(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two models, extracted and measured here."""
    folder = tmp_path_factory.mktemp("extracted")
    models = [str(save_model(family, folder / family)) for family in ("bert", "gpt2")]
    store = Store(folder / "store")
    running.extract(store, study_of(models, [corpus]), running.Means("cpu"))
    running.measure(store, running.Means("cpu"))
    return store


@pytest.fixture(scope="module")
def layers(extracted: Store) -> Matrix:  # [layers, words, neurons]
    """What bert gives for the corpus."""
    rows = [row for row in extracted.artifacts() if row.model == "bert"]
    return np.stack([np.concatenate(list(read_chunks(extracted.root / row.path))) for row in rows])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def by_sentence(layers: Matrix) -> list[Matrix]:  # each [layers, words, neurons]
    return np.split(layers, np.cumsum([len(sentence) for sentence in SENTENCES])[:-1], axis=1)


def write_hdf5(file: Path, layers: Matrix, order: list[int] | None = None, named: bool = True) -> list[Path]:
    """As contextual-corr-analysis reads it."""
    order = order or list(range(len(SENTENCES)))
    h5py = pytest.importorskip("h5py")  # of the extra `dev`
    parts = by_sentence(layers)
    with h5py.File(file, "w") as sink:
        for place, number in enumerate(order):
            sink.create_dataset(str(place), data=parts[number])
        if named:
            index = {" ".join(SENTENCES[number]): str(place) for place, number in enumerate(order)}
            sink.create_dataset("sentence_to_index", (1,), dtype=h5py.string_dtype())[0] = json.dumps(index)
    return [file]


def write_json(file: Path, layers: Matrix) -> list[Path]:
    """As NeuroX writes it, with all digits."""
    with file.open("w") as sink:
        for number, (sentence, part) in enumerate(zip(SENTENCES, by_sentence(layers), strict=True)):
            features = [
                {"token": word, "layers": [
                    {"index": layer, "values": [float(value) for value in part[layer, place]]}
                    for layer in range(len(part))]}
                for place, word in enumerate(sentence)
            ]  # fmt: skip
            sink.write(json.dumps({"linex_index": number, "features": features}) + "\n")
    return [file]


def write_npy(folder: Path, layers: Matrix) -> list[Path]:
    files = [folder / f"bert-layer{number}.npy" for number in range(len(layers))]
    for file, matrix in zip(files, layers, strict=True):
        np.save(file, matrix)
    return files


def write_stack(folder: Path, layers: Matrix) -> list[Path]:
    np.save(folder / "stack.npy", layers)
    return [folder / "stack.npy"]


def write_npz(folder: Path, layers: Matrix) -> list[Path]:
    named = {f"layer_{number}": matrix for number, matrix in enumerate(layers)}
    np.savez_compressed(folder / "all.npz", **named)
    return [folder / "all.npz"]


def write_fortran_npz(folder: Path, layers: Matrix) -> list[Path]:
    np.savez(folder / "all.npz", *[np.asfortranarray(matrix) for matrix in layers])
    return [folder / "all.npz"]


def write_safetensors(folder: Path, layers: Matrix) -> list[Path]:
    save_file({f"encoder.layer.{n}.output": matrix for n, matrix in enumerate(layers)}, folder / "all.safetensors")
    return [folder / "all.safetensors"]


def write_parquet(folder: Path, layers: Matrix) -> list[Path]:
    files = []
    for number, matrix in enumerate(layers):
        token = [word for sentence in SENTENCES for word in sentence]
        files.append(folder / f"layer={number}.parquet")
        pq.write_table(pa.table({"token": token, "vector": pa.array(list(matrix))}), files[-1])
    return files


def write_columns(folder: Path, layers: Matrix) -> list[Path]:
    files = []
    for number, matrix in enumerate(layers):
        files.append(folder / f"layer{number}.parquet")
        pq.write_table(pa.table({f"n{k}": matrix[:, k] for k in range(matrix.shape[1])}), files[-1])
    return files


FORMATS: dict[str, Callable[[Path, Matrix], list[Path]]] = {
    "npy": write_npy, "stacked npy": write_stack, "npz": write_npz, "npz by columns": write_fortran_npz,
    "safetensors": write_safetensors, "parquet": write_parquet, "parquet, a column a neuron": write_columns,
    "hdf5": lambda folder, layers: write_hdf5(folder / "a.hdf5", layers),
    "hdf5 in another order": lambda folder, layers: write_hdf5(folder / "a.hdf5", layers, [3, 1, 0, 2, 7, 6, 5, 4]),
    "hdf5 without an index": lambda folder, layers: write_hdf5(folder / "a.hdf5", layers, named=False),
    "json": lambda folder, layers: write_json(folder / "a.json", layers),
}  # fmt: skip


def take(store: Store, files: list[Path], corpus: Path, model: str = "mine", **how: Any) -> running.Outcome:
    ids, called = how.pop("ids", False), how.pop("corpus_name", None)
    return running.import_activations(store, files, model, corpus=corpus_spec(corpus, called, ids=ids), **how)


def stored(store: Store, model: str = "mine") -> dict[int, Matrix]:
    rows = [row for row in store.artifacts() if row.model == model]
    return {row.layer: np.concatenate(list(read_chunks(store.root / row.path))) for row in rows}


def pairs(store: Store) -> list[tuple[Any, ...]]:
    return store.rows(
        "SELECT measure, configuration, model_a, layer_a, model_b, layer_b, value, words, refused FROM all_layer_pairs "
        "ORDER BY ALL"
    )


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_holds_what_was_extracted(
    form: str, store: Store, layers: Matrix, corpus: Path, tmp_path: Path
) -> None:
    done = take(store, FORMATS[form](tmp_path, layers), corpus)
    assert done.lines() == ["imported 3 layers of mine"]
    found = stored(store)
    assert list(found) == [0, 1, 2]
    for number, matrix in found.items():
        np.testing.assert_array_equal(matrix, layers[number])
    assert verify(store, lambda steps: None).damaged == []


def test_the_papers_hdf5_gives_the_same_scores_as_extraction(
    extracted: Store, store: Store, corpus: Path, tmp_path: Path
) -> None:
    for model in ("bert", "gpt2"):
        rows = [row for row in extracted.artifacts() if row.model == model]
        whole = np.stack([np.concatenate(list(read_chunks(extracted.root / row.path))) for row in rows])
        take(store, write_hdf5(tmp_path / f"{model}.hdf5", whole), corpus, model)
    running.measure(store, running.Means("cpu"))
    assert pairs(store) == pairs(extracted) != []
    ours, theirs = extracted.artifacts()[0], store.artifacts()[0]
    assert ours.word_set == theirs.word_set
    np.testing.assert_array_equal(read_keys(extracted.root / ours.path), read_keys(store.root / theirs.path))


def test_it_is_compared_with_what_was_extracted(extracted: Store, layers: Matrix, corpus: Path, tmp_path: Path) -> None:
    take(extracted, write_npy(tmp_path, layers), corpus, "copy")
    running.measure(extracted, running.Means("cpu"), names=["ckasim"])
    sql = "SELECT value FROM layer_pairs WHERE measure = 'ckasim' AND model_a = 'copy' AND model_b = 'bert' "
    values = [value for (value,) in extracted.rows(sql + "AND layer_a = layer_b")]
    assert len(values) == 3 and values == pytest.approx([1] * 3, abs=1e-6)


def test_a_sentence_that_occurs_again_is_found_in_both_ways_of_writing(store: Store, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    corpus = tmp_path / "again.txt"
    corpus.write_text("a b\nc d e\na b\n")
    parts = [np.random.default_rng(place).standard_normal((2, words, 4)) for place, words in enumerate((2, 3, 2))]
    for name, index in (
        ("lost", {"a b": "2", "c d e": "1"}), ("marked", {"a b": "0", "c d e": "1", "a b (Occurrence 2)": "2"}),
    ):  # fmt: skip
        with h5py.File(tmp_path / f"{name}.hdf5", "w") as sink:
            for place, part in enumerate(parts):
                sink[str(place)] = part
            sink.create_dataset("sentence_to_index", (1,), dtype=h5py.string_dtype())[0] = json.dumps(index)
        own = Store(tmp_path / name)
        take(own, [tmp_path / f"{name}.hdf5"], corpus)
        np.testing.assert_array_equal(stored(own)[1], np.concatenate(parts, axis=1)[1].astype(np.float32))


def test_bfloat16_is_widened(store: Store, corpus: Path, tmp_path: Path) -> None:
    matrix = torch.randn(WORDS, 4).bfloat16()
    safetensors.torch.save_file({"layer.5": matrix}, tmp_path / "b.safetensors")
    take(store, [tmp_path / "b.safetensors"], corpus)
    np.testing.assert_array_equal(stored(store)[5], matrix.float().numpy())


# --- what is wrong has its row ----------------------------------------------------------------------------------------


def damaged(layers: Matrix, value: float) -> Matrix:
    wrong = layers[:1].astype(np.float64)
    wrong[0, 9, 3] = value  # sentence 1, word 1
    return wrong


@pytest.mark.parametrize("form", ["npy", "npz", "parquet", "parquet, a column a neuron", "hdf5", "json"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -1e39])
def test_what_is_no_number_is_named_by_row_and_nothing_is_written(
    form: str, value: float, store: Store, layers: Matrix, corpus: Path, tmp_path: Path
) -> None:
    files = FORMATS[form](tmp_path, damaged(layers, value))
    with pytest.raises(LayeratlasError, match=r'layer 0, row 9 \(sentence 1, word 1, "slept"\): neuron 3 is -?\w+'):
        take(store, files, corpus, layer=0)
    assert store.artifacts() == [] and not (store.root / "activations").exists()


def test_a_value_that_float16_cannot_hold_has_its_row(
    store: Store, layers: Matrix, corpus: Path, tmp_path: Path
) -> None:
    files = write_npy(tmp_path, damaged(layers, 70_000))
    with pytest.raises(LayeratlasError, match=r"row 9 .* 70000.0, over what float16 holds"):
        take(store, files, corpus, storage="float16")
    take(store, files, corpus)


def test_too_few_and_too_many_rows(store: Store, layers: Matrix, corpus: Path, tmp_path: Path) -> None:
    fewer, more = tmp_path / "layer1.npy", tmp_path / "layer2.npy"
    np.save(fewer, layers[1, :-3])
    np.save(more, np.concatenate([layers[2], layers[2, :1]]))
    with pytest.raises(LayeratlasError, match=rf"has {WORDS - 3} rows, tiny has {WORDS} words .*: row {WORDS - 3} \("):
        take(store, [fewer], corpus)
    with pytest.raises(LayeratlasError, match=rf"has {WORDS + 1} rows, tiny has {WORDS} words in 8 sentences$"):
        take(store, [more], corpus)


@pytest.mark.parametrize("form", ["hdf5", "json"])
def test_a_sentence_with_another_number_of_words(
    form: str, store: Store, layers: Matrix, corpus: Path, tmp_path: Path
) -> None:
    files = FORMATS[form](tmp_path, layers)
    other = tmp_path / "other.txt"
    other.write_text(corpus.read_text().replace("It slept .", "It slept"))
    with pytest.raises(LayeratlasError, match=r"sentence 1 .*|for sentence 1"):
        take(store, files, other)
    other.write_text(corpus.read_text() + "\nOne more .")
    with pytest.raises(LayeratlasError, match=r"no dataset for sentence 8|ends after 8 sentences"):
        take(store, files, other, corpus_name="more")
    other.write_text(corpus.read_text().rsplit("\n", 1)[0])
    with pytest.raises(LayeratlasError, match=r"1 sentences more than the corpus|ends after 7 sentences"):
        take(store, files, other, corpus_name="fewer")


def test_rows_in_another_order_are_named(store: Store, layers: Matrix, corpus: Path, tmp_path: Path) -> None:
    files = write_parquet(tmp_path, layers)
    table = pq.read_table(files[1], partitioning=None)
    pq.write_table(table.take([0, 2, 1, *range(3, WORDS)]), files[1])
    with pytest.raises(LayeratlasError, match=r"row 1 is of token 'saw', in the corpus it is row 1 .* \"cats\""):
        take(store, files, corpus)


def test_pickled_objects_are_refused_and_never_opened(store: Store, corpus: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "opened",))

    objects = np.empty((WORDS, 4), object)
    objects[:] = Trap()
    np.save(tmp_path / "layer0.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "layer0.npz", objects)
    (tmp_path / "raw.npy").write_bytes(pickle.dumps(Trap()))
    for name in ("layer0.npy", "layer0.npz", "raw.npy"):
        with pytest.raises(LayeratlasError, match=r"pickled objects, which are not opened|cannot be read"):
            take(store, [tmp_path / name], corpus, layer=0)
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("part", [0, 0.3, 0.95])
def test_a_truncated_file_is_one_line(
    form: str, part: float, store: Store, layers: Matrix, corpus: Path, tmp_path: Path
) -> None:
    files = FORMATS[form](tmp_path, layers)
    content = files[-1].read_bytes()
    files[-1].write_bytes(content[: int(part * len(content))])
    with pytest.raises(LayeratlasError) as caught:
        take(store, files, corpus)
    assert files[-1].name in str(caught.value) and "\n" not in str(caught.value)
    assert store.artifacts() == []


def test_links_to_other_files_are_not_followed(store: Store, layers: Matrix, corpus: Path, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    write_hdf5(tmp_path / "own.hdf5", layers)
    write_hdf5(tmp_path / "other.hdf5", layers)
    with h5py.File(tmp_path / "own.hdf5", "a") as file:
        del file["2"]
        file["2"] = h5py.ExternalLink(str(tmp_path / "other.hdf5"), "2")
    with pytest.raises(LayeratlasError, match="2 is no dataset of this file"):
        take(store, [tmp_path / "own.hdf5"], corpus)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros(WORDS), "has the shape"), (np.zeros((WORDS, 0)), "has the shape"),
        (np.zeros((1, 1, WORDS, 3)), "has the shape"), (np.full((WORDS, 2), "a"), "activations are numbers"),
        (np.zeros((WORDS, 2), complex), "activations are numbers"),
    ],
)  # fmt: skip
def test_other_arrays_are_refused(array: Matrix, says: str, store: Store, corpus: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(LayeratlasError, match=says):
        take(store, [tmp_path / "a.npy"], corpus, layer=0)


# --- which layer, which model, which corpus ---------------------------------------------------------------------------


def test_a_layer_that_does_not_say_its_number_is_asked_for(
    store: Store, layers: Matrix, corpus: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "bert2.npy", layers[1])
    with pytest.raises(BadRequest, match=r"which layer is bert2.npy\? Say --layer K"):
        take(store, [tmp_path / "bert2.npy"], corpus)
    take(store, [tmp_path / "bert2.npy"], corpus, layer=7)
    assert list(stored(store)) == [7]
    with pytest.raises(BadRequest, match=r"there is no layer 3: there are 0, 1, 2"):
        take(store, write_npz(tmp_path, layers), corpus, layer=3)
    with pytest.raises(BadRequest, match=r"layer 0 is there twice, in all\.npz and in stack\.npy"):
        take(store, [tmp_path / "all.npz", *write_stack(tmp_path, layers)], corpus)


def test_layers_and_corpora_join_a_model_later_and_what_is_known_is_not_written_again(
    store: Store, layers: Matrix, corpus: Path, tmp_path: Path
) -> None:
    files = write_npy(tmp_path, layers)
    take(store, files[:1], corpus, family="bert", objective="masked words")
    assert take(store, files, corpus).lines() == ["imported 2 layers of mine; 1 were there already"]
    assert take(store, files, corpus).lines() == ["imported 0 layers of mine; 3 were there already"]
    second = tmp_path / "second.txt"
    second.write_text("two words\n")
    np.save(tmp_path / "layer9.npy", np.ones((2, 16)))
    take(store, [tmp_path / "layer9.npy"], second)
    [model] = store.rows("SELECT name, family, architecture, layers, neurons, origin, objective FROM base.models")
    assert model == ("mine", "bert", "imported", 9, 16, "layer9.npy", "masked words")
    assert [(row.corpus == store.artifacts()[-1].corpus, row.layer) for row in store.artifacts()] == [
        (False, 0), (False, 1), (False, 2), (True, 9)
    ]  # fmt: skip


def test_other_numbers_in_a_layers_place_are_refused_until_it_is_forgotten(
    store: Store, layers: Matrix, corpus: Path, tmp_path: Path
) -> None:
    take(store, write_npy(tmp_path, layers), corpus)
    first = {row.layer: row.artifact for row in store.artifacts()}
    with pytest.raises(
        BadRequest, match=r"layer 0 of mine over tiny is there already .* `layeratlas forget model:mine`"
    ):
        take(store, write_npy(tmp_path, layers + 1), corpus)
    with pytest.raises(BadRequest, match="'copy' has the same numbers as 'mine': use that name for both"):
        take(store, write_stack(tmp_path, layers), corpus, "copy")
    from layeratlas.store.forget import forget

    forget(store, "model:mine")
    take(store, write_npy(tmp_path, layers + 1), corpus)
    second = {row.layer: row.artifact for row in store.artifacts()}
    assert first.keys() == second.keys() and not set(first.values()) & set(second.values())


def test_the_name_of_an_extracted_model_is_refused(
    extracted: Store, layers: Matrix, corpus: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadRequest, match="'gpt2' was extracted here: give what is imported another"):
        take(extracted, write_npy(tmp_path, layers + 5), corpus, "gpt2")


def test_what_is_kept_of_where_it_is_from(store: Store, layers: Matrix, corpus: Path, tmp_path: Path) -> None:
    take(store, write_npy(tmp_path, layers)[:1], corpus)
    [row] = store.artifacts()
    found = describe(store.root, store.root / row.path)
    assert found.artifact == row.artifact and found.identity.settings.words_from_tokens == "last"
    shown = " ".join(map(str, store.rows("SELECT * FROM base.models") + store.rows("SELECT * FROM base.runs")))
    assert "bert-layer0.npy" in shown and str(tmp_path) not in shown


# --- rows that are no words -------------------------------------------------------------------------------------------


def test_rows_of_ids_are_measured(store: Store, tmp_path: Path) -> None:
    ids = tmp_path / "images"
    ids.write_text("".join(f"image {n}.png\n" for n in range(40)))
    for name in ("vision", "other"):
        np.save(tmp_path / "x.npy", np.random.default_rng(len(name)).standard_normal((40, 6)))
        take(store, [tmp_path / "x.npy"], ids, name, layer=0, ids=True)
    running.measure(store, running.Means("cpu"), names=["ckasim"])
    [(value, words)] = store.rows("SELECT value, words FROM layer_pairs WHERE model_a = 'vision'")
    assert 0 < value < 1 and words == 40
    assert store.rows("SELECT corpus, sentences, words FROM corpora") == [("images", 40, 40)]


@pytest.mark.parametrize(("text", "says"), [("a\n\nb\n", "ids:2: word 1 must be"), ("a\nb\na\n", "ids:3: .* twice")])
def test_ids_are_one_a_line_and_each_once(text: str, says: str, store: Store, tmp_path: Path) -> None:
    (tmp_path / "ids").write_text(text)
    np.save(tmp_path / "x.npy", np.zeros((3, 2)))
    with pytest.raises(BadRequest, match=says):
        take(store, [tmp_path / "x.npy"], tmp_path / "ids", layer=0, ids=True)


# --- from Python ------------------------------------------------------------------------------------------------------


def test_arrays_tensors_and_iterators_give_one_artifact(layers: Matrix, corpus: Path, tmp_path: Path) -> None:
    ways: list[Any] = [
        layers[1], torch.from_numpy(layers[1]), iter([layers[1, :10], torch.from_numpy(layers[1, 10:])]),
    ]  # fmt: skip
    found = set()
    for number, way in enumerate(ways):
        root = tmp_path / str(number)
        layeratlas.add_activations(root, "mine", 1, way, corpus=corpus)
        found.add(Store(root).artifacts()[0].artifact)
        assert not list(root.glob(".tmp-*"))
    assert len(found) == 1
    layeratlas.add_activations(tmp_path / "all", "mine", None, layers, corpus=corpus)
    assert list(stored(Store(tmp_path / "all"))) == [0, 1, 2]


def test_an_iterator_is_streamed_in_the_memory_of_a_block(tmp_path: Path) -> None:
    rows, neurons, block = 60_000, 512, 500  # 123 MB in float32, 246 MB in float64

    def blocks() -> Iterator[Matrix]:
        for number in range(rows // block):
            yield np.random.default_rng(number).standard_normal((block, neurons), np.float32)

    ids = [f"cell-{n}" for n in range(rows)]
    tracemalloc.start()
    layeratlas.add_activations(tmp_path, "cells", 0, blocks(), corpus=ids, corpus_name="cells")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    [row] = Store(tmp_path).artifacts()
    assert row.words == rows and peak < 110e6, peak


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([np.zeros((2, 3)), np.zeros((2, 4))], r"after row 1 has the shape \[2, 4\], expected \[rows, 3\]"),
        ([], "gave no block"), (7, "expected an array"), ("abc", "expected an array"),
        ([np.zeros((2, 3)), np.full((1, 3), np.nan)], r'row 2 \(sentence 2, word 0, "c"\): neuron 0 is nan'),
        ([np.zeros((2, 3))], r'2 rows, .*: row 2 \(sentence 2, word 0, "c"\) is the first without one'),
    ],
)  # fmt: skip
def test_blocks_that_do_not_fit(given: Any, says: str, tmp_path: Path) -> None:
    blocks = iter(given) if isinstance(given, list) else given
    with pytest.raises(LayeratlasError, match=says):
        layeratlas.add_activations(tmp_path, "m", 0, blocks, corpus=["a", "b", "c"], corpus_name="letters")
    assert not list(tmp_path.glob(".tmp-*"))
    with pytest.raises(BadRequest, match="needs a corpus_name"):
        layeratlas.add_activations(tmp_path, "m", 0, np.zeros((1, 2)), corpus=["a"])


# --- the command ------------------------------------------------------------------------------------------------------


def atlas(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "cli.py", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_command_and_its_mistakes(layers: Matrix, corpus: Path, tmp_path: Path) -> None:
    files = write_npy(tmp_path, layers)
    where = ("--model", "mine", "--store", tmp_path / "store")
    done = atlas("import-activations", *files, *where, "--corpus", corpus)
    assert done.returncode == 0 and "imported 3 layers of mine" in done.stderr and done.stdout == "", done.stderr
    assert "mine" in atlas("status", "--store", tmp_path / "store").stdout
    for wrong, says in (
        ((), "say whose rows these are"), (("--corpus", corpus, "--ids", corpus), "say whose rows these are"),
        (("--corpus", corpus, "--layer", "two"), "expected the number of a layer, or auto"),
    ):  # fmt: skip
        refused = atlas("import-activations", *files, *where, *wrong)
        assert refused.returncode == 2 and says in refused.stderr and "Traceback" not in refused.stderr
    (tmp_path / "x.t7").write_text("")
    refused = atlas("import-activations", tmp_path / "x.t7", *where, "--corpus", corpus)
    assert refused.returncode == 2 and "cannot tell the format of x.t7" in refused.stderr


def test_interrupted_it_keeps_finished_layers_and_goes_on(corpus: Path, tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, pathlib\n"
        "from layeratlas import running; from layeratlas.store.store import Store\n"
        "from layeratlas.store.study import corpus_spec\n"
        "from layeratlas.extract.importers import importing\n"
        "write = importing._Import._write\n"
        "def killed(self, group, places):\n"
        "    write(self, group, places)\n"
        "    if group[0].number == 1: os.kill(os.getpid(), int(sys.argv[4]))\n"
        "importing._Import._write = killed\n"
        "running.import_activations(Store(pathlib.Path(sys.argv[1])), [pathlib.Path(sys.argv[2])], 'mine', "
        "corpus=corpus_spec(pathlib.Path(sys.argv[3])))\n"
    )
    stack = np.random.default_rng(0).standard_normal((4, WORDS, 8))
    np.save(tmp_path / "stack.npy", stack)
    for name, sign in (("interrupted", signal.SIGINT), ("killed", signal.SIGKILL)):
        root = tmp_path / name
        arguments = [str(root), str(tmp_path / "stack.npy"), str(corpus), str(int(sign))]
        ended = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, check=False, cwd=ROOT)
        assert ended.returncode != 0
        said = take(Store(root), [tmp_path / "stack.npy"], corpus).lines()
        assert said == ["imported 2 layers of mine; 2 were there already"]
        assert list(stored(Store(root))) == [0, 1, 2, 3]
