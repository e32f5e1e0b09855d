"""The store: identity, whole files, artifacts, the log and merging, versions, locks between real processes."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layeratlas.measures.sources.activations import ArtifactRows
from layeratlas.store import catalog
from layeratlas.store.artifacts.activations import ActivationWriter, read_chunks, read_keys
from layeratlas.store.artifacts.base import Artifact, check, describe
from layeratlas.store.errors import ArtifactDamaged, BadRequest, CatalogDamaged, LayeratlasError, NothingYet, StoreBusy
from layeratlas.store.files import TEMPORARY, Remembered, make_room, remove_orphans, whole_file
from layeratlas.store.identity import ArtifactIdentity, Configuration, Settings, canonical_json, fingerprint
from layeratlas.store.kinds import KINDS, Kind
from layeratlas.store.store import Store
from layeratlas.store.verify import Found, verify

ROOT = Path(__file__).resolve().parent.parent
IDENTITY = ArtifactIdentity("v1:weights", "v1:corpus", 3, Settings())


def test_one_literal_hash_is_pinned() -> None:
    assert IDENTITY.artifact == "v1:ebcc038b78038ee5497ee4bc68871ed4b81234c547b47fa178d52db2126a16d5"


@pytest.mark.parametrize(
    "change",
    [
        {"weights": "v1:other"}, {"corpus": "v1:other"}, {"layer": 4}, {"kind": "attention"}, {"version": 2},
        {"settings": Settings(pooling="mean")}, {"settings": Settings(long_sentences="split")},
        {"settings": Settings(window=128)}, {"settings": Settings(precision="bfloat16")},
        {"settings": Settings(storage="float16")},
    ],
)  # fmt: skip
def test_each_ingredient_changes_an_artifacts_identity(change: dict[str, Any]) -> None:
    assert dataclasses.replace(IDENTITY, **change).artifact != IDENTITY.artifact


def test_each_ingredient_changes_a_configurations_identity_and_names_do_not() -> None:
    base = Configuration("svsim", 1, {"variance": 0.99})
    others = [
        Configuration("pwsim", 1, {"variance": 0.99}), Configuration("svsim", 2, {"variance": 0.99}),
        Configuration("svsim", 1, {"variance": 0.9}),
    ]  # fmt: skip
    assert len({base.configuration, *(other.configuration for other in others)}) == 4
    assert dataclasses.replace(base, presets=("default",), symmetric=True).configuration == base.configuration


@given(
    st.dictionaries(
        st.text(),
        st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    )
)
def test_canonical_json_does_not_depend_on_order_and_reads_back(value: dict[str, Any]) -> None:
    backwards = dict(reversed(value.items()))
    assert canonical_json(value) == canonical_json(backwards)
    assert json.loads(canonical_json(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32(1), {1: 2}, {"a": {3}}, b"bytes"])
def test_identity_refuses_what_has_no_one_text(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        fingerprint({"value": value} if not isinstance(value, dict) else value)


def write(root: Path, rows: int = 5000, identity: ArtifactIdentity = IDENTITY, model: str = "a/b c") -> Artifact:
    numbers = np.random.default_rng(identity.layer).standard_normal((rows, 8)).astype(np.float32)
    with ActivationWriter(root, identity, model, 8) as writer:
        for start in range(0, rows, 7):
            part = numbers[start : start + 7]
            place = np.arange(start, start + len(part), dtype=np.int32)
            writer.write(place, place % 3, [f"w{i}" for i in place], part)
    assert writer.artifact is not None
    return writer.artifact


@pytest.mark.parametrize("left_out", [[], [3, 4000]])
def test_blocks_may_be_smaller_than_row_groups(tmp_path: Path, left_out: list[int]) -> None:
    path = tmp_path / write(tmp_path).path
    kept = np.ones(5000, bool)
    kept[left_out] = False
    rows = ArtifactRows("a", str(path), 8, int(kept.sum()), kept if left_out else None, Path)
    chunks = list(rows.chunks(512))
    assert [len(chunk) for chunk in chunks] == [512] * 9 + [5000 - len(left_out) - 9 * 512]
    expected = np.random.default_rng(3).standard_normal((5000, 8)).astype(np.float32)[kept]
    np.testing.assert_array_equal(np.concatenate(chunks), expected)


def test_an_artifact_reads_back_and_describes_itself(tmp_path: Path) -> None:
    artifact = write(tmp_path)
    path = tmp_path / artifact.path
    assert describe(tmp_path, path) == artifact
    chunks = list(read_chunks(path, rows=4096))
    assert [len(chunk) for chunk in chunks] == [4096, 904]
    expected = np.random.default_rng(3).standard_normal((5000, 8)).astype(np.float32)
    np.testing.assert_array_equal(np.concatenate(chunks), expected)
    assert read_keys(path)[4999].tolist() == [4999, 4999 % 3]
    assert pq.read_metadata(path).row_group(0).num_rows == 2048
    found = duckdb.sql(f"SELECT model, layer, token, activation[1] FROM '{path}' LIMIT 1").fetchall()[0]
    assert found == ("a/b c", 3, "w0", pytest.approx(float(expected[0, 0])))


def test_float16_storage_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    identity = dataclasses.replace(IDENTITY, settings=Settings(storage="float16"))
    with (
        pytest.raises(LayeratlasError, match="float16's 65504"),
        ActivationWriter(tmp_path, identity, "m", 2) as writer,
    ):
        writer.write(np.zeros(1, np.int32), np.zeros(1, np.int32), ["w"], np.array([[1.0, 70_000.0]], np.float32))
    assert not list(tmp_path.rglob("*.parquet"))


@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "folder"])
def test_verify_names_what_is_damaged(tmp_path: Path, harm: str) -> None:
    store, artifact = registered(tmp_path)
    assert verify(store) == Found([], [])
    path = tmp_path / artifact.path
    content = bytearray(path.read_bytes())
    if harm == "flip":
        content[len(content) // 2] ^= 1
    path.write_bytes(content if harm == "flip" else content[:-5])
    if harm in ("remove", "folder"):
        path.unlink()
    if harm == "folder":
        path.mkdir()
    with pytest.raises(ArtifactDamaged, match="layer=3"):
        check(tmp_path, artifact.path, size=artifact.bytes, sha256=artifact.sha256)
    damaged = verify(store).damaged
    assert len(damaged) == 1 and artifact.path in damaged[0]
    assert store.artifacts()[0].damaged
    assert make_room(path, tmp_path) == []
    store.write_artifact(write(tmp_path), "again")
    store.merge()
    assert store.artifacts()[0].damaged is None


def registered(root: Path) -> tuple[Store, Artifact]:
    store, artifact = Store(root), write(root)
    store.write("models", [{"weights": "v1:weights", "name": "a/b c", "family": "f", "layers": 3, "source": "own"}])
    store.write("corpora", [{"corpus": "v1:corpus", "name": "c", "words": 5000, "sentences": 5000}])
    store.write_artifact(artifact, "run")
    store.merge()
    return store, artifact


def test_a_file_is_whole_or_absent(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), whole_file(tmp_path / "x") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert not list(tmp_path.iterdir())


DAY = 24 * 3600


@pytest.mark.parametrize(
    ("owner", "age", "goes"),
    [
        ("999999999@here", 0, True),  # a dead process of this host
        ("{me}@here", 9 * DAY, False),  # a living one, however long it takes
        ("1@there", 0, False), ("{me}@there", 0, False), ("999999999@there", DAY - 60, False),
        ("999999999@there", DAY + 60, True),  # of another host nobody can say more than how old it is
        ("1@here-2", 0, False), ("1@here@2", 0, False), ("1@-here", 0, False),
        ("999999999", 0, False), ("{me}", DAY + 60, True),  # as files were called before
        ("anything", 0, False), ("anything", DAY + 60, True),
    ],
)  # fmt: skip
def test_a_temporary_file_goes_when_nobody_can_be_writing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: str, age: float, goes: bool
) -> None:
    monkeypatch.setattr(platform, "node", lambda: "here")
    file = tmp_path / "a" / f"{TEMPORARY}{owner.format(me=os.getpid())}-ab-x"
    file.parent.mkdir()
    file.write_text("half")
    then = time.time() - age
    os.utime(file, (then, then))
    assert remove_orphans(tmp_path) == goes
    assert [path.name for path in tmp_path.rglob(f"{TEMPORARY}*")] == ([] if goes else [file.name])


def test_age_is_by_the_clock_of_the_files_and_not_by_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"{TEMPORARY}1@there-ab-x").write_text("half")
    monkeypatch.setattr(time, "time", lambda: 9e12)
    assert remove_orphans(tmp_path) == 0


@pytest.mark.parametrize("host", ["a-b.c", "a@b", "a/b", "ärgerlich", "x" * 300, ""])
def test_any_hosts_name_can_be_told_from_a_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setattr(platform, "node", lambda: host)
    with whole_file(tmp_path / "x-y@z") as temporary:
        temporary.write_text("whole")
        assert temporary.parent == tmp_path and len(temporary.name) < 120
        assert remove_orphans(tmp_path) == 0
        dead = temporary.with_name(temporary.name.replace(f"{os.getpid()}@", "999999999@"))
        dead.write_text("half")
        assert remove_orphans(tmp_path) == 1 and not dead.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["x-y@z"]


def test_what_is_remembered_is_forgotten_when_the_file_changes(tmp_path: Path) -> None:
    file, calls = tmp_path / "file", []
    file.write_text("one")
    os.utime(file, (1, 1))

    def content(path: Path) -> str:
        calls.append(path)
        return path.read_text()

    assert [Remembered(tmp_path / "memory").of(file, "text", content) for _ in range(3)] == ["one"] * 3
    assert len(calls) == 1
    file.write_text("two")
    assert Remembered(tmp_path / "memory").of(file, "text", content) == "two"
    (tmp_path / "memory").write_text("{half")
    assert Remembered(tmp_path / "memory").of(file, "text", content) == "two"


def scored(store: Store, version: int = 1, value: float = 0.5, refused: str | None = None) -> None:
    """Write one score of layer 3 towards layer 4 and back."""
    first, second = (dataclasses.replace(IDENTITY, layer=layer) for layer in (3, 4))
    configuration = Configuration("ckasim", version, {})
    store.write(
        "configurations",
        [{"configuration": configuration.configuration, "measure": "ckasim", "version": version, "label": "default",
          "presets": ["default"], "parameters": "{}", "is_symmetric": True}],
    )  # fmt: skip
    row = {"configuration": configuration.configuration, "words": 100, "run": "r", "value": value, "refused": refused,
           "units": np.array([0.5, np.nan]), "matches": np.array([1, -1], np.int32)}  # fmt: skip
    if refused:
        row.update(value=None, units=None, matches=None)
    store.write(
        "scores",
        [{**row, "artifact_a": a.artifact, "artifact_b": b.artifact} for a, b in ((first, second), (second, first))],
    )


def two_layers(root: Path) -> Store:
    store, _ = registered(root)
    store.write_artifact(write(root, identity=dataclasses.replace(IDENTITY, layer=4)), "run")
    store.merge()
    return store


def test_merging_twice_changes_nothing_and_a_later_score_replaces(tmp_path: Path) -> None:
    store = two_layers(tmp_path)
    for value in (0.5, 0.5, 0.7):
        scored(store, value=value)
        assert store.merge() == 2 and store.merge() == 0
    assert store.rows("SELECT layer_a, layer_b, value FROM layer_pairs ORDER BY 1") == [(3, 4, 0.7), (4, 3, 0.7)]
    found = store.rows("SELECT neuron, value, matched_by FROM neurons WHERE layer_a = 3 ORDER BY 1")
    assert found == [(0, 0.5, 1), (1, None, None)]


class OnlyLookedUp(dict[str, int]):
    """Versions that would be costly to know all: only what the catalog has may be asked for."""

    def __iter__(self) -> Iterator[str]:
        raise AssertionError


def test_an_older_version_is_kept_but_stale(tmp_path: Path) -> None:
    store = two_layers(tmp_path)
    scored(store, version=1, value=0.1)
    store.merge()
    scored(store, version=2, value=0.2)
    store.merge()
    assert store.rows("SELECT DISTINCT value FROM layer_pairs") == [(0.2,)]
    assert store.rows("SELECT DISTINCT version, stale FROM all_layer_pairs ORDER BY 1") == [(1, True), (2, False)]
    store = Store(tmp_path, OnlyLookedUp(ckasim=3))
    assert store.rows("SELECT * FROM layer_pairs") == []


def test_a_refusal_is_an_answer_until_its_artifact_is_rebuilt(tmp_path: Path) -> None:
    store = two_layers(tmp_path)
    scored(store, refused="ConstantLayer: a/b c layer 3 is constant")
    store.merge()
    artifacts = [row.artifact for row in store.artifacts()]
    wanted = [Configuration("ckasim", 1, {}).configuration]
    assert store.missing_pairs(artifacts, wanted) == {}
    assert store.rows("SELECT DISTINCT reason FROM refusals") == [("ConstantLayer: a/b c layer 3 is constant",)]
    assert store.missing_pairs(artifacts, wanted, known_too=True) == {tuple(wanted): [(0, 1)]}
    store.write_artifact(write(tmp_path, rows=4000), "rebuilt with other bytes")
    store.merge()
    assert store.missing_pairs(artifacts, wanted) == {tuple(wanted): [(0, 1)]}


def test_what_is_finished_stands_among_the_waiting_pairs_until_it_is_merged(tmp_path: Path) -> None:
    store = two_layers(tmp_path)
    assert store.waiting_pairs() == set()
    scored(store, refused="ConstantLayer: a refusal is finished too")
    (first, second), wanted = (row.artifact for row in store.artifacts()), Configuration("ckasim", 1, {}).configuration
    assert store.waiting_pairs() == {(wanted, first, second), (wanted, second, first)}
    assert store.missing_pairs([first, second], [wanted]) == {(wanted,): [(0, 1)]}
    store.merge()
    assert store.waiting_pairs() == set() and store.missing_pairs([first, second], [wanted]) == {}


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_each_kind_has_a_module_that_writes_and_reads_its_files(kind: Kind, tmp_path: Path) -> None:
    identity = ArtifactIdentity("v1:w", "v1:c", 2, kind.settings(), kind.name)
    with kind.files.writer(tmp_path, identity, "m", 4) as writer:
        pass
    assert writer.artifact is not None and writer.artifact.units == 4
    path = tmp_path / writer.artifact.path
    assert describe(tmp_path, path) == writer.artifact
    assert kind.files.read_keys(path).shape == (0, 2) and list(kind.files.read_chunks(path)) == []


def test_only_one_corpus_and_pooling_is_compared(tmp_path: Path) -> None:
    store = two_layers(tmp_path)
    other = dataclasses.replace(IDENTITY, settings=Settings(pooling="mean"))
    store.write_artifact(write(tmp_path, identity=other), "run")
    store.merge()
    pairs = store.missing_pairs([row.artifact for row in store.artifacts()], ["v1:any"])
    assert [len(some) for some in pairs.values()] == [1]


def test_migrations_run_once_and_a_newer_catalog_is_refused(tmp_path: Path) -> None:
    store, _ = registered(tmp_path)
    before = store.rows("SELECT * FROM schema_migrations")
    scored(store)
    store.merge()
    assert store.rows("SELECT * FROM schema_migrations") == before
    with duckdb.connect(str(tmp_path / catalog.FILE)) as connection:
        connection.execute("INSERT INTO schema_migrations VALUES (99, 'later', now()::TIMESTAMP)")
    with pytest.raises(CatalogDamaged, match="newer layeratlas"):
        store.rows("SELECT 1")


def test_a_file_that_is_no_catalog_is_named(tmp_path: Path) -> None:
    (tmp_path / catalog.FILE).write_bytes(b"not a database" * 1000)
    with pytest.raises(CatalogDamaged, match="cannot be read as a catalog"):
        Store(tmp_path).rows("SELECT 1")
    with pytest.raises(NothingYet, match="there is no catalog"), catalog.reading(tmp_path / "elsewhere"):
        pass


def test_another_model_is_named_when_unknown(tmp_path: Path) -> None:
    store, _ = registered(tmp_path)
    with pytest.raises(BadRequest, match="unknown model 'a/b d'; did you mean a/b c"):
        store.artifacts(["a/b d"])


def other_process(code: str, root: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(root)], cwd=ROOT, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def test_a_reader_says_which_process_holds_the_catalog(tmp_path: Path) -> None:
    registered(tmp_path)
    code = (
        "import sys, time; from pathlib import Path; from layeratlas.store import catalog\n"
        "with catalog.writing(Path(sys.argv[1])):\n print('ready', flush=True); time.sleep(60)"
    )
    holder = other_process(code, tmp_path)
    try:
        began = time.monotonic()
        with pytest.raises(StoreBusy, match=f"process {holder.pid}"):
            Store(tmp_path).rows("SELECT 1")
        assert 1.5 < time.monotonic() - began < 10
    finally:
        holder.kill()
        holder.wait()
    assert Store(tmp_path).rows("SELECT 1") == [(1,)]


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from layeratlas.store.store import Store\n"
        "with Store(Path(sys.argv[1])).lock('task'):\n print('ready', flush=True); time.sleep(60)"
    )
    holder = other_process(code, tmp_path)
    with Store(tmp_path).lock("task", wait=False) as held:
        assert not held
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with Store(tmp_path).lock("task", wait=False) as held:
        assert held
