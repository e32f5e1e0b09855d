"""One row a sentence: the mean of its words' tokens, or the token that stands for it, as transformers has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import transformers
from extract_tiny import SENTENCES, save_model

from layeratlas.extract.runner import Summary, extract, plan
from layeratlas.measures.plan import plan as pairs
from layeratlas.measures.registry import usual_measures
from layeratlas.store.identity import Pooling, Settings
from layeratlas.store.progress import Silent
from layeratlas.store.store import Store
from layeratlas.store.study import CorpusSpec, ModelSpec, Study


def run(
    tmp_path: Path,
    family: str,
    pooling: Pooling,
    progress: Silent | None = None,
    *,
    store: str = "store",
    **changes: Any,
) -> Any:
    """Extract a tiny model over SENTENCES; return its store and what was done."""
    folder, into = tmp_path / family, Store(tmp_path / store)
    if not folder.exists():
        save_model(family, folder)
    (tmp_path / "tiny.txt").write_text("\n".join(map(" ".join, SENTENCES)), "utf-8")
    study = Study(
        (ModelSpec(str(folder), family),), (CorpusSpec(tmp_path / "tiny.txt", "tiny"),),
        Settings(pooling=pooling, **changes), batch_tokens=64,
    )  # fmt: skip
    done = extract(into, study, plan(into, study), device="cpu", progress=progress or Silent(), run="r")
    into.merge()
    return into, done


@pytest.mark.parametrize(
    ("family", "pooling"),
    [("bert", "cls"), ("bert", "sentence-mean"), ("xlnet", "cls"), ("gpt2", "sentence-mean"), ("roberta", "cls")],
)
def test_a_row_is_a_sentence_as_transformers_has_it(tmp_path: Path, family: str, pooling: Pooling) -> None:
    store, done = run(tmp_path, family, pooling)
    assert done == Summary(written=3)
    model = transformers.AutoModel.from_pretrained(tmp_path / family).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / family)
    for row in store.artifacts():
        table = pq.read_table(store.root / row.path, partitioning=None)
        assert table["sentence"].to_pylist() == list(range(len(SENTENCES))) and row.words == len(SENTENCES)
        assert table["token"].to_pylist() == [" ".join(sentence) for sentence in SENTENCES]
        assert set(table["word"].to_pylist()) == {0}
        for sentence, own in zip(SENTENCES, table["activation"].to_pylist(), strict=True):
            given = tokenizer(" ".join(sentence), return_tensors="pt", return_special_tokens_mask=True)
            special = given.pop("special_tokens_mask")[0].bool()
            with torch.inference_mode():
                states = model(**given, output_hidden_states=True).hidden_states[row.layer][0]
            is_cls = given["input_ids"][0] == tokenizer.cls_token_id
            expected = states[is_cls if pooling == "cls" else ~special].mean(0)
            np.testing.assert_allclose(own, expected, atol=1e-5, rtol=1e-5)


def test_a_model_without_such_a_token_is_refused(tmp_path: Path) -> None:
    _, done = run(tmp_path, "gpt2", "cls")
    assert done.failures[0].reason == 'gpt2 has no token that stands for a sentence: set pooling = "sentence-mean"'


def test_split_sentences_are_left_out_and_counted(tmp_path: Path) -> None:
    progress = Silent()
    store, _ = run(tmp_path, "bert", "sentence-mean", progress, window=16, long_sentences="split")
    whole, _ = run(tmp_path, "bert", "sentence-mean", store="whole")
    short, every = (
        {row.layer: pq.read_table(s.root / row.path, partitioning=None) for row in s.artifacts()}
        for s in (store, whole)
    )
    kept = short[2]["sentence"].to_pylist()
    assert 0 < len(kept) < len(SENTENCES)
    assert any(
        f"{len(SENTENCES) - len(kept)} of {len(SENTENCES)} sentences left out" in note for note in progress.notes
    )
    np.testing.assert_allclose(
        short[2]["activation"].to_pylist(), every[2].take(kept)["activation"].to_pylist(), atol=1e-5, rtol=1e-5
    )


def test_sentences_are_never_compared_with_words(tmp_path: Path) -> None:
    run(tmp_path, "bert", "last")
    store, _ = run(tmp_path, "bert", "sentence-mean")
    rows = store.artifacts()
    how = {row.artifact: row.words_from_tokens for row in rows}
    assert sorted(how.values()) == ["last"] * 3 + ["sentence-mean"] * 3
    tiles = pairs(store, rows, usual_measures(("activations",)))
    assert [sorted({how[artifact] for artifact in tile.artifacts}) for tile in tiles] in (
        [["last"], ["sentence-mean"]], [["sentence-mean"], ["last"]],
    )  # fmt: skip


def test_status_counts_sentences_and_the_layers_that_a_site_has(tmp_path: Path) -> None:
    from layeratlas.queries.questions.status import overview

    run(tmp_path, "bert", "sentence-mean")
    store, _ = run(tmp_path, "bert", "last", site="mlp")
    with store.catalog() as connection:
        found = overview(connection)[0].full_records()
    rows = {row["pooling"]: row for row in found}
    assert [rows["sentence-mean"][name] for name in ("layers", "of", "words", "of_words")] == [3, 3, 8, 8]
    words = sum(map(len, SENTENCES))
    assert [rows["last@mlp"][name] for name in ("layers", "of", "words", "of_words")] == [2, 2, words, words]
