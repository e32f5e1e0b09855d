"""Models whose numbers changed have another identity; all others keep theirs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import transformers
from extract_tiny import SENTENCES
from test_extract_guards import BLOCKS, PADDED, save

from layeratlas.extract.encoders.transformer import load
from layeratlas.extract.handling import version_of
from layeratlas.extract.locate import locate
from layeratlas.extract.plan import plan
from layeratlas.extract.runner import extract
from layeratlas.store.files import Remembered
from layeratlas.store.identity import ArtifactIdentity, AttentionSettings, Settings, canonical_json
from layeratlas.store.progress import Silent
from layeratlas.store.store import Store
from layeratlas.store.study import CorpusSpec, ModelSpec, Study

ZOO = Path(__file__).parent.parent / "zoo" / "models"

CHANGED = {
    **PADDED,
    "mobilebert": lambda: transformers.MobileBertConfig(
        **BLOCKS, embedding_size=16, intra_bottleneck_size=16, true_hidden_size=16
    ),
    "nystromformer": lambda: transformers.NystromformerConfig(**BLOCKS),
}


def identities(folder: Path, tmp_path: Path) -> list[ArtifactIdentity]:
    """What a study of one model would store of the layers 0 and 1, and of attention."""
    (tmp_path / "tiny.txt").write_text("\n".join(map(" ".join, SENTENCES)), "utf-8")
    corpus, store = CorpusSpec(tmp_path / "tiny.txt", "tiny"), Store(tmp_path / "store")
    kinds = ("activations", "attention")
    (task,) = plan(store, Study((ModelSpec(str(folder), folder.name),), (corpus,), layers=(0, 1), kinds=kinds))
    return [task.identity(place) for place in (("activations", 0), ("activations", 1), ("attention", 1))]


def test_identities_are_what_they_were() -> None:
    """As the first release wrote them, field by field."""
    assert canonical_json(ArtifactIdentity("v1:w", "v1:c", 3, Settings())) == (
        '{"corpus":"v1:c","kind":"activations","layer":3,"settings":{"long_sentences":"refuse","pooling":"last",'
        '"precision":"float32","storage":"float32","window":null},"version":1,"weights":"v1:w"}'
    )
    assert canonical_json(ArtifactIdentity("v1:w", "v1:c", 3, AttentionSettings(), "attention")) == (
        '{"corpus":"v1:c","kind":"attention","layer":3,"settings":{"long_sentences":"refuse","precision":"float32",'
        '"special_tokens":"drop","window":null},"version":1,"weights":"v1:w"}'
    )
    assert json.loads(canonical_json(Settings(site="mlp")))["site"] == "mlp"


@pytest.mark.parametrize("model", sorted(path.name for path in ZOO.iterdir() if (path / "config.json").exists()))
def test_the_zoos_models_keep_their_identities(tmp_path: Path, model: str) -> None:
    for identity in identities(ZOO / model, tmp_path):
        assert identity.version == 1 and '"site"' not in canonical_json(identity)


@pytest.mark.parametrize("family", CHANGED)
def test_models_that_are_run_otherwise_have_another_identity(tmp_path: Path, family: str) -> None:
    spec = save(CHANGED[family](), tmp_path / family)
    assert {identity.version for identity in identities(tmp_path / family, tmp_path)} == {2}
    located = locate(spec, Remembered(tmp_path / "remembered.json"))
    assert load(located, Settings(), "cpu", ["activations"]).shape.batching != "padded"


def test_what_an_earlier_release_made_is_pointed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, store = save(PADDED["fnet"](), tmp_path / "fnet"), Store(tmp_path / "store")
    (tmp_path / "tiny.txt").write_text("\n".join(map(" ".join, SENTENCES)), "utf-8")
    study = Study((spec,), (CorpusSpec(tmp_path / "tiny.txt", "tiny"),))
    with monkeypatch.context() as former:
        former.setattr("layeratlas.extract.plan.version_of", lambda model_type: 1)
        extract(store, study, plan(store, study), device="cpu", progress=Silent(), run="r")
        store.merge()
    progress = Silent()
    extract(store, study, plan(store, study), device="cpu", progress=progress, run="r")
    store.merge()
    assert len(store.artifacts()) == 6 and plan(store, study) == []
    assert any("as an earlier release ran them" in note and "forget fnet" in note for note in progress.notes)


def test_every_model_that_the_bench_found_to_be_run_otherwise_has_a_version() -> None:
    import csv

    with (Path(__file__).parent.parent / "docs" / "architectures.csv").open(encoding="utf-8") as file:
        found = {row["architecture"] for row in csv.DictReader(file) if row["batches"] not in ("", "any")}
    assert len(found) >= 5 and all(version_of(name) == 2 for name in found)
