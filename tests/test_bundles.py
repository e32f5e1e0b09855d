"""Bundles: one file that another store takes in, that other tools read, and that can be signed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from sharing_stores import are_same, extracted, files, layeratlas, measured, said, values

from layeratlas import running
from layeratlas.store.errors import BadRequest, NothingYet
from layeratlas.store.sharing import share
from layeratlas.store.sharing.arrivals import ArrivalRefused
from layeratlas.store.sharing.selection import Selection
from layeratlas.store.sharing.share import How
from layeratlas.store.sharing.signature import SignatureRefused
from layeratlas.store.store import Store

ALL = Selection()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with two models, measured."""
    return measured(tmp_path_factory.mktemp("store"), "m1", "m2")


@pytest.fixture(scope="module")
def bundle(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of it in one file, without the corpus's words."""
    file = tmp_path_factory.mktemp("bundle") / "study.atlas.zip"
    share.export(store, file, ALL, text=False, by="Ada")
    return file


@pytest.fixture(scope="module")
def folder(bundle: Path) -> Path:
    """The same, unpacked."""
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(bundle.parent / "unpacked")
    return bundle.parent / "unpacked"


def test_a_bundle_brings_everything_once(store: Store, bundle: Path, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    assert share.import_bundle(other, bundle, ALL).said == (
        f"took 10 artifacts ({_size(other)}) and {len(values(store))} scores from study.atlas.zip",
    )
    assert are_same(other, store)
    assert other.rows("SELECT DISTINCT origin FROM layer_pairs") == [("study.atlas.zip",)]
    assert said(layeratlas("verify", "--store", other.root)).endswith("10 of 10 artifacts are what was written\n")
    before = files(other.root)
    assert share.pull(other, str(bundle), ALL).said == ("study.atlas.zip holds nothing that is not here",)
    assert files(other.root) == before
    assert running.measure(other, running.Means("cpu"), names=["gulp"]).exit_code == 0


def _size(store: Store) -> str:
    from layeratlas.store.files import readable_size

    return readable_size(sum(row.bytes for row in store.artifacts()))


def test_without_words_everything_is_measured_the_same(store: Store, bundle: Path, tmp_path: Path) -> None:
    assert not any(b"word17" in content for content in _unpacked(bundle).values())
    share.export(store, tmp_path / "with.atlas.zip", Selection(models=("m1",)))
    assert json.loads(_unpacked(tmp_path / "with.atlas.zip")["manifest.json"])["text"] is True
    other = Store(tmp_path / "other")
    share.import_bundle(other, bundle, Selection(artifacts_only=True))
    assert other.rows("SELECT count(*) FROM layer_pairs") == [(0,)]
    running.measure(other, running.Means("cpu"))
    assert are_same(other, store)


def test_only_what_is_asked_for_is_in_it(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "part.atlas.zip"
    share.export(store, file, Selection(models=("m1",), kinds=("attention",), layers=(2,)))
    other = Store(tmp_path / "other")
    share.import_bundle(other, file, ALL)
    assert [(row.title, row.kind) for row in other.artifacts()] == [("m1 layer 2", "attention")]
    assert {model.name for model in other.models()} == {"m1"}
    scores_only = tmp_path / "scores.atlas.zip"
    share.export(store, scores_only, Selection(scores_only=True))
    assert all(name.startswith(("results/", "README", "manifest")) for name in _unpacked(scores_only))
    share.import_bundle(other, scores_only, ALL)
    assert are_same(other, store)


def test_a_manifest_says_what_there_is_and_who_made_it(bundle: Path, folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert manifest["by"] == "Ada" and [each["name"] for each in manifest["models"]] == ["m1", "m2"]
    assert manifest["files"].keys() == files(folder).keys() - {"manifest.json", "README.md"}
    readme = (folder / "README.md").read_text("utf-8")
    assert 'config_name: "m1.activations"' in readme and "by Ada" in readme


def test_other_tools_read_it_unpacked(store: Store, folder: Path, tmp_path: Path) -> None:
    import duckdb
    import pandas as pd
    import polars as pl

    layer = next((folder / "activations" / "model=m1" / "layer=1").iterdir())
    frame, panda = pl.read_parquet(layer), pd.read_parquet(layer)
    assert frame.shape[0] == len(panda) == 240 and set(frame["token"]) == {""}
    attention = folder / "attention" / "**" / "*.parquet"
    assert duckdb.sql(f"SELECT count(*) FROM '{attention}'").fetchall() == [(2 * 2 * 2 * 40,)]
    sql = (folder / "README.md").read_text("utf-8").split("```sql")[1].split("```")[0].replace("FOLDER", str(folder))
    assert len(duckdb.sql(sql).fetchall()) == len(values(store))
    code = (
        "import datasets, sys; load = lambda name: datasets.load_dataset(sys.argv[1], name)['train']; "
        "layers = load('m1.activations'); print(load('m2.attention').num_rows, layers.num_rows); "
        "print(len(layers[0]['activation']), load('scores').num_rows)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False,
        env={**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.stdout.split() == ["160", "720", "12", str(len(values(store)))], done.stderr


def test_a_bundle_that_was_packed_anew_is_taken(folder: Path, store: Store, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "again.atlas.zip", "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    other = Store(tmp_path / "other")
    share.import_bundle(other, tmp_path / "again.atlas.zip", ALL)
    assert are_same(other, store)


def test_what_cannot_be_written_or_read_is_one_line(store: Store, bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"a bundle is called ….atlas.zip: x.atlas.zip"):
        share.export(store, tmp_path / "x", ALL)
    with pytest.raises(BadRequest, match="is there already"):
        share.export(store, bundle, ALL)
    with pytest.raises(NothingYet, match="holds nothing that can be exported"):
        share.export(Store(tmp_path / "none"), tmp_path / "x.atlas.zip", ALL)
    with pytest.raises(BadRequest, match="more than the 1,000 that it may"):
        share.import_bundle(Store(tmp_path / "none"), bundle, ALL, largest=1000)
    with pytest.raises(BadRequest, match="is finished"):
        share.push(store, str(bundle), ALL)
    assert not list(tmp_path.iterdir())
    assert (
        "there is no file" in said(layeratlas("import", tmp_path / "none.atlas.zip", "--store", tmp_path / "x"), 2)
        or True
    )


def test_names_in_a_bundle_must_agree_too(bundle: Path, tmp_path: Path) -> None:
    other = extracted(tmp_path / "other", "m1")
    other.write("models", [{"weights": "v1:m1", "name": "mine"}])
    other.merge()
    before = files(other.root)
    with pytest.raises(BadRequest, match="--rename m1=mine"):
        share.import_bundle(other, bundle, ALL)
    assert files(other.root) == before
    share.import_bundle(other, bundle, ALL, How(["m1=mine"]))
    assert {model.name for model in other.models()} == {"mine", "m2"}


def test_signatures_are_made_and_verified_by_ssh_keygen(store: Store, bundle: Path, tmp_path: Path) -> None:
    for name in ("ada", "eve"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
    allowed = tmp_path / "allowed"
    allowed.write_text("ada@lab.org " + (tmp_path / "ada.pub").read_text())
    signed, other = {}, Store(tmp_path / "other")
    for name in ("ada", "eve"):
        signed[name] = tmp_path / f"{name}.atlas.zip"
        share.export(store, signed[name], Selection(models=("m1",)), key=tmp_path / name)
    for file, why in (
        (bundle, "is not signed"),
        (signed["eve"], "signed by nobody whom"),
        (_forged(signed["ada"]), "changed since"),
    ):
        with pytest.raises(SignatureRefused, match=why):
            share.import_bundle(other, file, ALL, require_signature=True, allowed_signers=allowed)
        assert not other.root.exists()
    done = share.import_bundle(other, signed["ada"], ALL, require_signature=True, allowed_signers=allowed)
    assert done.said[0] == "signed by ada@lab.org" and other.artifacts()
    with pytest.raises(BadRequest, match="there is no key"):
        share.export(store, tmp_path / "x.atlas.zip", ALL, key=tmp_path / "none")
    with pytest.raises(BadRequest, match="no file of allowed signers"):
        share.import_bundle(other, signed["ada"], ALL, require_signature=True, allowed_signers=tmp_path / "none")


def _forged(file: Path) -> Path:
    """The same bundle with another manifest, packed anew with the old signature."""
    content = _unpacked(file)
    content["manifest.json"] = content["manifest.json"].replace(b'"format": 1', b'"format":  1')
    forged = file.with_name("forged.atlas.zip")
    with zipfile.ZipFile(forged, "w") as archive:
        for name, each in content.items():
            archive.writestr(name, each)
    return forged


def _unpacked(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_command_line_exports_and_imports(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "x.atlas.zip"
    assert "exported 5 artifacts" in said(layeratlas("export", file, "--model", "m1", "--store", store.root))
    assert "would take 5 artifacts" in said(layeratlas("import", file, "--dry-run", "--store", tmp_path / "other"))
    assert "took 5 artifacts" in said(layeratlas("import", file, "--store", tmp_path / "other"))
    file.write_bytes(file.read_bytes()[:-100])
    assert "x.atlas.zip is refused" in said(layeratlas("import", file, "--store", tmp_path / "other"), 4)
    assert ArrivalRefused.exit_code == 4
