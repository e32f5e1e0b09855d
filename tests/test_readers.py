"""Artifacts as others read them: pandas, pyarrow, DuckDB, polars, a folder or one file; older files too."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import catalogs
import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from layeratlas.queries.core.scope import Asked, find
from layeratlas.store.artifacts.activations import ActivationWriter, read_chunks, read_keys
from layeratlas.store.artifacts.attention import AttentionWriter
from layeratlas.store.identity import ArtifactIdentity, AttentionSettings, Settings, artifact_path
from layeratlas.store.store import Store

NAMES = ["bert", "gpt2"]
KEYS = np.array([0, 0, 1], np.int32), np.array([0, 1, 0], np.int32)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store of two models with two layers each, of both kinds."""
    for number, name in enumerate(NAMES):
        for layer in (1, 2):
            identity = ArtifactIdentity(f"v1:{number}", "v1:c", layer, Settings())
            with ActivationWriter(tmp_path, identity, name, 2) as writer:
                writer.write(*KEYS, ["a", "b", "c"], np.full((3, 2), layer, np.float32))
            attending = ArtifactIdentity(f"v1:{number}", "v1:c", layer, AttentionSettings(), "attention")
            with AttentionWriter(tmp_path, attending, name, 1) as attention:
                attention.write(0, np.arange(2, dtype=np.int32), np.full((1, 2, 2), 0.5, np.float32))
    return tmp_path


@pytest.mark.parametrize("kind", ["activations", "attention"])
def test_a_folder_is_read_with_its_models_and_layers(root: Path, kind: str) -> None:
    folder, rows = root / kind, 3 if kind == "activations" else 1
    expected = {(name, layer): rows for name in NAMES for layer in (1, 2)}
    table = pq.read_table(folder)  # what pandas.read_parquet calls
    read = list(zip(table["model"].to_pylist(), table["layer"].to_pylist(), strict=True))
    assert {key: read.count(key) for key in read} == expected
    counted = "SELECT model, layer, count(*) FROM read_parquet(?) GROUP BY ALL"
    assert {row[:2]: row[2] for row in duckdb.execute(counted, [f"{folder}/**/*.parquet"]).fetchall()} == expected
    frame = pl.scan_parquet(folder).group_by("model", "layer").len().collect()
    assert {row[:2]: row[2] for row in frame.iter_rows()} == expected


@pytest.mark.skipif(importlib.util.find_spec("pandas") is None, reason="needs pandas")
def test_pandas_reads_a_folder_and_a_file(root: Path) -> None:
    import pandas as pd

    whole = pd.read_parquet(root / "activations")
    assert len(whole) == 12 and set(whole["model"]) == set(NAMES) and set(whole["layer"]) == {1, 2}
    alone = pd.read_parquet(next((root / "activations" / "model=bert" / "layer=1").iterdir()))
    assert list(alone["token"]) == ["a", "b", "c"]


def test_files_that_hold_model_and_layer_are_read_as_before(root: Path) -> None:
    path = root / artifact_path(ArtifactIdentity("v1:0", "v1:c", 1, Settings()), "bert")
    table = pq.read_table(path, partitioning=None)
    for name, value in (("model", pa.array(["bert"] * 3)), ("layer", pa.array([1] * 3, pa.int32()))):
        table = table.append_column(name, value)
    pq.write_table(table, path, compression="none", use_dictionary=False, write_page_checksum=True)
    assert len(read_keys(path)) == 3 and [chunk.shape for chunk in read_chunks(path)] == [(3, 2)]


def test_a_corpus_that_is_added_with_as_many_scores_changes_no_answer(tmp_path: Path) -> None:
    models = {name: catalogs.MODELS[name] for name in ("bert-a", "gpt-a")}
    root, measures = tmp_path / "s", {"ckasim": True}
    catalogs.build(root, models=models, measures=measures, corpus="middle")
    catalogs.build(root, models=models, measures=measures, corpus="a first name", value=lambda *pair: 0.5)
    with Store(root).catalog() as catalog:
        scope = find(catalog, Asked())
        assert scope.corpus == "middle" and scope.context[0] == "middle (one of 2 corpora)"
        assert find(catalog, Asked(corpus="a first name")).context[0] == "a first name"
