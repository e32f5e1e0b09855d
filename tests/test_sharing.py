"""Several processes in one store: they share the work, compute nothing twice, and outlive one another."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from layeratlas.measures.tiles import Tile, cut
from layeratlas.store.artifacts.activations import ActivationWriter
from layeratlas.store.identity import ArtifactIdentity, Settings
from layeratlas.store.store import Store

ROOT = Path(__file__).resolve().parent.parent
LAYERS, NEURONS, WORDS = 14, 96, 12_000
SCORES = LAYERS * (LAYERS - 1) * 5


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two models' layers, none of them measured."""
    root = tmp_path_factory.mktemp("extracted")
    store, rng = Store(root), np.random.default_rng(0)
    common = rng.standard_normal((WORDS, 40)).astype(np.float32)
    place = np.arange(WORDS, dtype=np.int32)
    for index in range(LAYERS):
        model, layer = divmod(index, LAYERS // 2)
        values = common @ rng.standard_normal((40, NEURONS)).astype(np.float32)
        values += rng.standard_normal(values.shape).astype(np.float32)
        identity = ArtifactIdentity(f"v1:m{model}", "v1:c", layer, Settings())
        with ActivationWriter(root, identity, f"m{model}", NEURONS) as writer:
            writer.write(place, np.zeros(WORDS, np.int32), ["w"] * WORDS, values)
        assert writer.artifact is not None
        store.write_artifact(writer.artifact, "test")
    store.write("models", [{"weights": f"v1:m{m}", "name": f"m{m}", "family": f"f{m}", "layers": LAYERS // 2 - 1,
                            "neurons": NEURONS, "source": "own"} for m in range(2)])  # fmt: skip
    store.write("corpora", [{"corpus": "v1:c", "name": "c", "sentences": WORDS, "words": WORDS}])
    store.merge()
    return root


def start(store: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "cli.py", "measure", "--store", str(store), "--memory", "2MB", *arguments], cwd=ROOT,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def measured(process: subprocess.Popen[str]) -> int:
    """How many scores a process says that it measured."""
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0 and "Traceback" not in said, said
    found = re.search(r"measured ([\d,]+) scores", said)
    return int(found[1].replace(",", "")) if found else 0


def values(store: Path) -> dict[tuple[object, ...], float]:
    sql = "SELECT measure, model_a, layer_a, model_b, layer_b, value FROM layer_pairs"
    return {tuple(key): value for *key, value in Store(store).rows(sql)}


@pytest.mark.proof  # beside `test_command.py`, where a query asks meanwhile
def test_two_processes_share_a_store_and_compute_nothing_twice(extracted: Path, tmp_path: Path) -> None:
    alone, shared = (shutil.copytree(extracted, tmp_path / name) for name in ("alone", "shared"))
    assert measured(start(alone)) == SCORES
    both = [start(shared), start(shared)]
    counts = [measured(process) for process in both]
    assert sum(counts) == SCORES and min(counts) > 0, counts
    found, expected = values(shared), values(alone)
    assert found.keys() == expected.keys() and len(found) == SCORES
    assert max(abs(found[key] - expected[key]) for key in found) < 1e-6
    assert not list((shared / "claims").iterdir()) and not list((shared / "locks").glob("claim-*"))


@pytest.mark.proof
def test_a_killed_process_loses_its_claim_and_the_others_finish(extracted: Path, tmp_path: Path) -> None:
    store = shutil.copytree(extracted, tmp_path / "store")
    doomed = start(store)
    deadline = time.monotonic() + 60
    while not list((store / "claims").glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    survivor = start(store)
    doomed.send_signal(signal.SIGKILL)
    doomed.wait()
    measured(survivor)
    assert len(values(store)) == SCORES
    assert measured(start(store)) == 0 and not list((store / "claims").glob("*.json"))


def test_a_tile_survives_its_description() -> None:
    tile = Tile("activations", ("a", "b", "c"), ((0, 1), (0, 2)), ("k",))
    assert Tile.of(tile.description()) == tile
    assert tile.scores() == {("k", "a", "b"), ("k", "a", "c")}


@pytest.mark.parametrize("groups", [1, 2, 3, 5])
def test_cutting_gives_every_pair_once_and_shares_for_all(groups: int) -> None:
    pairs = [(a, b) for a in range(20) for b in range(a + 1, 20)]
    tiles = cut(pairs, [10] * 20, lambda layers, units, some: 0, 1, groups=groups)
    assert sorted(pair for tile in tiles for pair in tile) == pairs and len(tiles) == groups * (groups + 1) // 2


@pytest.mark.parametrize("device", ["gpu", "cuda:7", "meta", "cpu:x"])
def test_a_device_that_is_not_there_is_one_line(extracted: Path, device: str) -> None:
    process = start(extracted, "--device", device)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2 and "Traceback" not in said
    assert f"layeratlas: there is no device '{device}' here; there is: auto, cpu" in said


def test_what_a_killed_process_had_claimed_is_taken_by_one_that_planned_meanwhile(
    extracted: Path, tmp_path: Path
) -> None:
    store = shutil.copytree(extracted, tmp_path / "store")
    both = [start(store), start(store)]
    deadline = time.monotonic() + 60
    while len(list((store / "claims").glob("*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    both[0].send_signal(signal.SIGKILL)
    both[0].wait()
    measured(both[1])
    assert len(values(store)) == SCORES
