"""Garbage: what nothing refers to goes, and nothing else, whoever is at work beside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from layeratlas.cli import cli
from layeratlas.store import gc
from layeratlas.store.artifacts.activations import ActivationWriter
from layeratlas.store.errors import NothingYet
from layeratlas.store.files import process_name
from layeratlas.store.forget import forget
from layeratlas.store.identity import ArtifactIdentity, Settings
from layeratlas.store.store import Store

LAYERS, NEURONS, WORDS = 2, 4, 30
VIEWS = ("models", "corpora", "artifacts", "all_layer_pairs")


def extract(store: Store, model: str, *, corpus: str = "c", written: bool = True) -> list[str]:
    """Write the layers of a model, and unless it is interrupted the rows that tell of them; return their paths."""
    rng, places = np.random.default_rng(1), np.arange(WORDS, dtype=np.int32)
    store.write("models", [{"weights": f"v1:{model}", "name": model, "family": "f", "layers": LAYERS - 1,
                            "neurons": NEURONS, "source": "own"}])  # fmt: skip
    store.write("corpora", [{"corpus": f"v1:{corpus}", "name": corpus, "sentences": WORDS, "words": WORDS}])
    paths = []
    for layer in range(LAYERS):
        identity = ArtifactIdentity(f"v1:{model}", f"v1:{corpus}", layer, Settings())
        with ActivationWriter(store.root, identity, model, NEURONS) as writer:
            writer.write(places, places * 0, ["w"] * WORDS, rng.standard_normal((WORDS, NEURONS)).astype(np.float32))
        assert writer.artifact is not None
        paths.append(writer.artifact.path)
        if written:
            store.write_artifact(writer.artifact, "r")
    store.merge()
    return paths


def measure(store: Store) -> None:
    """Write scores of all pairs, one segment a pair."""
    store.write("configurations", [{"configuration": "v1:k", "measure": "ckasim", "version": 1, "label": "default",
                                    "presets": ["default"], "parameters": "{}", "is_symmetric": True}])  # fmt: skip
    rows = [row.artifact for row in store.artifacts()]
    for a, b in ((a, b) for a in rows for b in rows if a != b):
        store.write("scores", [{"configuration": "v1:k", "artifact_a": a, "artifact_b": b, "value": 0.5, "run": "r"}])
    store.merge()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path / "store")
    for model in ("one", "two"):
        extract(found, model)
    measure(found)
    return found


def known(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    return {view: store.rows(f"SELECT * FROM {view} ORDER BY ALL") for view in VIEWS}


def paths(found: list[gc.Found]) -> list[str]:
    return sorted(file.path for file in found)


def test_a_store_in_use_has_no_garbage(store: Store) -> None:
    assert gc.find(store) == gc.Garbage([], [])
    files = {path for path in store.root.rglob("*") if path.is_file()}
    assert gc.remove(store) == gc.Garbage([], [])
    assert files <= {path for path in store.root.rglob("*") if path.is_file()}
    with pytest.raises(NothingYet):
        gc.find(Store(store.root / "nowhere"))


def test_artifacts_of_what_was_forgotten_go_and_all_that_is_known_stays(store: Store) -> None:
    extract(store, "two", corpus="d")
    of_one = sorted(row.path for row in store.artifacts(["one"]))
    of_d = sorted(row.path for row in store.artifacts() if row.corpus == "v1:d")
    forget(store, "model:one")
    forget(store, "corpus:d")
    before = known(store)
    found = gc.find(store)
    assert paths(found.files) == sorted(of_one + of_d) and found.kept == []
    assert found.bytes == sum((store.root / path).stat().st_size for path in of_one + of_d)
    assert all((store.root / path).exists() for path in of_one)
    assert gc.remove(store) == found
    assert not any((store.root / path).exists() for path in of_one + of_d)
    assert not (store.root / "activations" / "model=one").exists() and len(store.artifacts()) == LAYERS
    assert all((store.root / row.path).exists() for row in store.artifacts())
    assert known(store) == before and gc.find(store) == gc.Garbage([], [])
    store.rebuild()
    assert {view: len(rows) for view, rows in known(store).items()} == {
        view: len(rows) for view, rows in before.items()
    }


def test_what_is_extracted_anew_after_it_was_forgotten_stays_registered_or_not(store: Store) -> None:
    forget(store, "one")
    extract(store, "one")
    assert gc.remove(store) == gc.Garbage([], [])
    forget(store, "one")
    anew = extract(store, "one", written=False)  # by a process that died before it could say so
    found = gc.remove(store)
    assert found.files == [] and paths(found.kept) == sorted(anew)
    assert {file.reason for file in found.kept} == {"it is not in the catalog yet: the next run takes it up"}
    assert all((store.root / path).exists() for path in anew)


def test_files_that_nobody_knows_are_kept_and_said(store: Store) -> None:
    new = extract(store, "three", written=False)
    strange = store.root / "activations" / "model=four" / "mine.parquet"
    strange.parent.mkdir()
    strange.write_bytes(b"PAR1 no parquet")
    (store.root / "notes.txt").write_text("mine")
    found = gc.remove(store)
    assert found.files == [] and paths(found.kept) == sorted([*new, "activations/model=four/mine.parquet"])
    assert strange.exists() and (store.root / "notes.txt").exists()


def test_a_segment_goes_when_another_one_holds_all_its_rows(store: Store) -> None:
    segments = store.log.segments(["scores"])[:5]
    aside = store.root / "aside"
    aside.mkdir()
    for one in segments:
        shutil.copyfile(one.path, aside / one.path.name)
    store.log.write_table("scores", store.log.read(segments), store="s", covers=[one.name for one in segments])
    assert paths(gc.find(store).files) == []  # until the catalog has taken the one that holds them all
    store.merge()
    before = known(store)
    assert paths(gc.remove(store).files) == sorted(f"results/{one.name}" for one in segments)
    store.merge()
    assert known(store) == before
    store.rebuild()
    assert len(known(store)["all_layer_pairs"]) == len(before["all_layer_pairs"])
    together = max(store.log.segments(["scores"]), key=lambda one: len(one.covers))
    for one in segments:
        shutil.copyfile(aside / one.path.name, one.path)
    content = bytearray(together.path.read_bytes())
    content[len(content) // 2] ^= 1
    together.path.write_bytes(content)
    assert paths(gc.find(store).files) == []  # nor when that one is damaged


def test_a_segment_that_lies_of_what_it_holds_removes_nothing(store: Store) -> None:
    segments = store.log.segments(["scores"])[:4]
    some = store.log.read(segments[:3])
    store.log.write_table("scores", some, store="s", covers=[one.name for one in segments])
    store.merge()
    assert paths(gc.remove(store).files) == sorted(f"results/{one.name}" for one in segments[:3])
    assert segments[3].path.exists()


def test_a_damaged_segment_goes_when_it_has_come_back_or_the_catalog_has_its_rows(store: Store) -> None:
    back, readable, unreadable = store.log.segments(["scores"])[:3]
    asides = []
    for one in (back, readable, unreadable):
        sound = one.path.read_bytes()
        content = bytearray(sound)
        content[-20 if one is unreadable else place_of_values(one.path)] ^= 255
        asides.append(one.path.with_name(one.path.name + ".damaged"))
        one.path.write_bytes(content)
        store.log.set_aside(one)
        if one is back:
            one.path.write_bytes(sound)
    found = gc.remove(store)
    assert paths(found.files) == sorted(f"results/scores/{path.name}" for path in asides[:2])
    assert paths(found.kept) == [f"results/scores/{asides[2].name}"] and "nowhere else" in found.kept[0].reason
    assert [path.exists() for path in asides] == [False, False, True]
    shutil.copyfile(unreadable.path.with_name(back.path.name), asides[0])
    store.rebuild()  # without the segment that is gone, so that the catalog lacks its rows
    assert paths(gc.find(store).files) == [f"results/scores/{asides[0].name}"]


def place_of_values(path: Path) -> int:
    """Where a segment has its values: with another byte there, the keys of its rows can still be read."""
    group = pq.read_metadata(path).row_group(0)
    [values] = [group.column(i) for i in range(group.num_columns) if group.column(i).path_in_schema == "value"]
    return int(values.data_page_offset + values.total_compressed_size - 2)


def test_leftovers_of_the_dead_and_of_older_releases_go(store: Store) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    host = process_name().partition("@")[2]
    dead = store.root / "results" / "scores" / f".tmp-{child.pid}@{host}-00-x.parquet"
    living = store.root / "results" / "scores" / f".tmp-{os.getpid()}@{host}-00-y.parquet"
    staged = store.root / "staging" / "unheard-1.parquet"
    staged.parent.mkdir()
    for path in (dead, living, staged):
        path.write_bytes(b"half")
    assert paths(gc.remove(store).files) == sorted(str(path.relative_to(store.root)) for path in (dead, staged))
    assert living.exists() and not staged.parent.exists()


AT_WORK = """
import sys, pathlib
from layeratlas.store.store import Store
with Store(pathlib.Path(sys.argv[1])).claims.at_work():
    print("at work", flush=True)
    sys.stdin.read()
"""


def test_beside_a_process_at_work_artifacts_stay(store: Store) -> None:
    forget(store, "one")
    orphan = store.root / f".tmp-999999999@{process_name().partition('@')[2]}-00-x"
    orphan.write_bytes(b"half")
    command = [sys.executable, "-c", AT_WORK, str(store.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None and worker.stdout.readline() == "at work\n"
        found = gc.remove(store)
        assert paths(found.files) == [orphan.name] and len(found.kept) == LAYERS
        assert all("another process is at work" in file.reason for file in found.kept)
        assert all((store.root / file.path).exists() for file in found.kept)
    assert len(gc.remove(store).files) == LAYERS


def test_the_command_shows_first_and_removes_when_told(store: Store) -> None:
    forget(store, "one")
    shown = CliRunner().invoke(cli, ["gc", "--store", str(store.root), "--format", "json"])
    rows = json.loads(shown.stdout)
    assert {row["reason"] for row in rows} == {"its model or its corpus was forgotten"} and len(rows) == LAYERS
    assert f"{LAYERS} files, {sum(row['bytes'] for row in rows):,} bytes: `layeratlas gc --yes`" in shown.stderr
    assert all((store.root / row["path"]).exists() for row in rows)
    done = CliRunner().invoke(cli, ["gc", "--store", str(store.root), "--yes", "--format", "json"])
    assert json.loads(done.stdout) == rows and "removed" in done.stderr
    assert not any((store.root / row["path"]).exists() for row in rows)
    again = CliRunner().invoke(cli, ["gc", "--store", str(store.root)])
    assert again.exit_code == 0 and again.stdout == "" and again.stderr == "there is nothing to remove\n"
