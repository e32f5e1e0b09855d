"""Pulling and pushing: what is missing travels, once, checked; the same over every kind of place."""

from __future__ import annotations

from pathlib import Path

import pytest
from sharing_stores import are_same, bucket, extracted, files, layeratlas, measured, s3_server, said  # noqa: F401

from layeratlas import running
from layeratlas.store.errors import BadRequest, LayeratlasError, NothingYet
from layeratlas.store.sharing import share
from layeratlas.store.sharing.arrivals import ArrivalRefused
from layeratlas.store.sharing.names import NamesDisagree
from layeratlas.store.sharing.places import open_place
from layeratlas.store.sharing.selection import Selection
from layeratlas.store.sharing.share import How
from layeratlas.store.store import Store, store_at

ALL = Selection()
PLACES = ("folder", "s3", "fsspec")


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty place of each kind."""
    if request.param == "s3":
        return f"{request.getfixturevalue('bucket')}/some/prefix"
    folder = tmp_path / "the place"
    return str(folder) if request.param == "folder" else f"local://{folder}"


def test_a_place_keeps_files_under_their_names(place: str, tmp_path: Path) -> None:
    at, name = open_place(place), "activations/model=a%2Fb+c/layer=1/x.parquet"
    assert at.sizes("activations") == {}
    (tmp_path / "file").write_bytes(b"bytes" * 1000)
    at.put(tmp_path / "file", name)
    assert at.sizes("activations") == {name: 5000} and at.sizes("results") == {}
    at.fetch(name, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"bytes" * 1000
    with at.open(name) as file:
        file.seek(4995)
        assert file.read() == b"bytes"
    with pytest.raises(FileNotFoundError):
        at.fetch("activations/none", tmp_path / "none")


@pytest.mark.parametrize(
    "place", ["s3", *(pytest.param(kind, marks=pytest.mark.proof) for kind in ("folder", "fsspec"))], indirect=True
)
def test_two_machines_share_through_a_place_and_a_third_has_nothing_to_do(place: str, tmp_path: Path) -> None:
    whole = measured(tmp_path / "whole", "m1", "m2", "m3")
    one, two = measured(tmp_path / "one", "m1", "m2"), measured(tmp_path / "two", "m2", "m3")
    share.push(one, place, ALL)
    share.push(two, place, ALL)
    for store in (one, two):
        share.pull(store, place, ALL)
    assert are_same(one, two)
    running.measure(one, running.Means("cpu"))  # the pairs of m1 and m3, which nobody had
    assert are_same(one, whole)
    share.push(one, place, ALL)
    third = Store(tmp_path / "three")
    share.pull(third, place, ALL)
    assert are_same(third, whole)
    assert running.measure(third, running.Means("cpu")).said[0].startswith("nothing to do")
    assert said(layeratlas("verify", "--store", third.root)).endswith("15 of 15 artifacts are what was written\n")


def test_what_is_there_does_not_travel_again(place: str, tmp_path: Path) -> None:
    store, other = measured(tmp_path / "one", "m1", "m2"), Store(tmp_path / "two")
    assert "10 artifacts" in share.push(store, place, ALL).said[0]
    there = files_of(place)
    assert share.push(store, place, ALL).said[0].startswith("pushed nothing")
    assert files_of(place) == there
    assert share.pull(other, place, ALL, How(dry_run=True)).said[0].startswith("would take 10 artifacts")
    assert not other.root.exists()
    share.pull(other, place, ALL)
    before = files(other.root)
    assert "holds nothing that is not here" in share.pull(other, place, ALL).said[0]
    assert files(other.root) == before


def test_only_what_is_asked_for_travels(place: str, tmp_path: Path) -> None:
    store, other = measured(tmp_path / "one", "m1", "m2", "m3"), Store(tmp_path / "two")
    share.push(store, place, ALL)
    share.pull(other, place, Selection(models=("m1", "m2"), measures=("ckasim",), scores_only=True))
    assert other.rows("SELECT DISTINCT model_a FROM layer_pairs ORDER BY 1") == [("m1",), ("m2",)]
    assert other.rows("SELECT DISTINCT measure FROM layer_pairs") == [("ckasim",)]
    assert other.rows("SELECT count(*) FROM layer_pairs") == [(30,)] and not (other.root / "activations").exists()
    assert other.rows("SELECT DISTINCT name FROM base.models ORDER BY 1") == [("m1",), ("m2",)]
    before = files(other.root)
    share.pull(other, place, Selection(models=("m1", "m2"), measures=("ckasim",), scores_only=True))
    assert files(other.root) == before
    share.pull(other, place, Selection(models=("m1",), layers=(1,), kinds=("activations",), artifacts_only=True))
    assert [row.title for row in other.artifacts()] == ["m1 layer 1"]
    share.pull(other, place, ALL)
    assert are_same(other, store) and len(other.artifacts()) == 15


def files_of(place: str) -> dict[str, int]:
    return {name: size for folder in ("results", "activations", "attention")
            for name, size in open_place(place).sizes(folder).items()}  # fmt: skip


@pytest.mark.parametrize("folder", ["activations", "results/models", "results/scores"])
def test_a_file_that_is_damaged_at_a_place_is_named_and_not_taken(place: str, folder: str, tmp_path: Path) -> None:
    store, other = measured(tmp_path / "one", "m1", "m2"), Store(tmp_path / "two")
    share.push(store, place, ALL)
    at = open_place(place)
    name = min(at.sizes(folder))
    at.fetch(name, tmp_path / "file")
    content = bytearray((tmp_path / "file").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "file").write_bytes(content)
    at.put(tmp_path / "file", name)
    with pytest.raises(LayeratlasError, match=name.rpartition("/")[2]):
        share.pull(other, place, ALL)
    assert not list(other.root.rglob(name.rpartition("/")[2]))


def test_names_that_disagree_are_refused_before_anything_is_copied(tmp_path: Path) -> None:
    ours, theirs = extracted(tmp_path / "ours", "m1"), extracted(tmp_path / "theirs", "m1", "m2")
    theirs.write("models", [{"weights": "v1:m1", "name": "the first"}, {"weights": "v1:m2", "name": "m1"}])
    theirs.write("corpora", [{"corpus": "v1:c", "name": "corpus"}])
    theirs.merge()
    before = files(ours.root)
    with pytest.raises(NamesDisagree) as refused:
        share.pull(ours, str(theirs.root), ALL)
    lines = str(refused.value).splitlines()
    assert lines[1:] == [
        "model the first there is m1 here: --rename 'the first'=m1",
        "model m1 there has other weights than m1 here: --rename m1=NEW-NAME",
        "corpus corpus there is c here: --rename corpus=c",
    ]
    assert files(ours.root) == before
    renames = How(["the first=m1", "m1=second", "corpus=c"])
    share.pull(ours, str(theirs.root), ALL, renames)
    named = "SELECT name, weights FROM base.models ORDER BY 1"
    assert ours.rows(named) == [("m1", "v1:m1"), ("second", "v1:m2")]
    assert {row.path.split("/")[1] for row in ours.artifacts()} == {"model=m1", "model=second"}
    assert "nothing that is not here" in share.pull(ours, str(theirs.root), ALL).said[0]  # it was settled
    assert share.push(ours, str(theirs.root), ALL).said[0].startswith("pushed nothing")
    assert theirs.rows(named) == [("m1", "v1:m2"), ("the first", "v1:m1")]
    with pytest.raises(BadRequest, match="expected --rename OLD=NEW"):
        share.pull(ours, str(theirs.root), ALL, How(["x"]))
    with pytest.raises(BadRequest, match="unknown name 'x'"):
        share.pull(ours, str(theirs.root), ALL, How(["x=y"]))


def test_what_others_measured_says_so_and_ours_stands(tmp_path: Path) -> None:
    ours, theirs = measured(tmp_path / "ours", "m1", "m2"), measured(tmp_path / "theirs", "m1", "m2", "m3")
    [(configuration, a, b)] = theirs.rows("""
        SELECT k.configuration, a.artifact, b.artifact FROM base.scores s
        JOIN base.configurations k ON k.id = s.configuration
        JOIN base.artifacts a ON a.id = artifact_a JOIN base.artifacts b ON b.id = artifact_b
        WHERE k.measure = 'ckasim' AND a.weights = 'v1:m1' AND b.weights = 'v1:m2' LIMIT 1
    """)
    theirs.write("scores", [{"configuration": configuration, "artifact_a": a, "artifact_b": b, "value": 0.123}])
    share.add_remote(ours, "lab", str(theirs.root))
    done = share.pull(ours, "lab", ALL)
    assert any(line.startswith("1 of its scores differ from those here") for line in done.said)
    assert ours.rows("SELECT other, origin FROM disagreements") == [(0.123, "lab")]
    assert ours.rows("SELECT count(*) FROM layer_pairs WHERE value = 0.123") == [(0,)]
    origins = "SELECT DISTINCT origin, model_a = 'm3' OR model_b = 'm3' FROM layer_pairs ORDER BY 1"
    assert ours.rows(origins) == [("lab", True), ("this store", False)]
    assert ours.rows("SELECT count(*) > 0 FROM runs WHERE origin = 'lab'") == [(True,)]
    share.push(ours, str(tmp_path / "third"), ALL)
    [(origins,)] = Store(tmp_path / "third").rows("SELECT list(origin ORDER BY origin = 'lab') FROM base.origins")
    assert len(origins) == 2 and "ours of " in origins[0] and origins[1] == "lab"


def test_what_a_store_has_forgotten_does_not_come_back_unasked(tmp_path: Path) -> None:
    from layeratlas.store.forget import forget

    ours, theirs = measured(tmp_path / "ours", "m1", "m2"), measured(tmp_path / "theirs", "m1", "m2", "m3")
    forget(ours, "m2")
    done = share.pull(ours, str(theirs.root), ALL)
    assert "left out, for this store has forgotten it: m2" in done.said
    assert {model.name for model in ours.models()} == {"m1", "m3"}
    forget(theirs, "m1")
    share.pull(ours, str(theirs.root), ALL)
    assert {model.name for model in ours.models()} == {"m1", "m3"}  # what they forget is their own affair
    share.pull(ours, str(theirs.root), Selection(models=("m2",)))
    assert {model.name for model in ours.models()} == {"m1", "m2", "m3"}
    assert ours.rows("SELECT count(*) FROM layer_pairs WHERE model_a = 'm2' AND model_b = 'm1'") != [(0,)]


def test_what_nobody_has_written_is_refused(tmp_path: Path) -> None:
    store, other = extracted(tmp_path / "one", "m1"), Store(tmp_path / "two")
    other.write("artifacts", [{
        "artifact": "v1:" + "0" * 64, "weights": "v1:x", "corpus": "v1:c", "kind": "activations", "layer": 0,
        "path": "../../../etc/passwd", "bytes": 3, "sha256": "0", "words": 1, "units": 1,
    }])  # fmt: skip
    other.write("models", [{"weights": "v1:x", "name": "x", "source": "own"}])
    other.write("corpora", [{"corpus": "v1:c", "name": "c"}])
    before = files(store.root)
    with pytest.raises(ArrivalRefused, match="where none can be"):
        share.pull(store, str(other.root), ALL)
    assert files(store.root) == before
    escaping = Store(tmp_path / "three")
    escaping.write("models", [{"weights": "v1:y", "name": "y\x1b]0;z\x07", "source": "own"}])
    with pytest.raises(ArrivalRefused, match="control characters"):
        share.pull(store, str(escaping.root), ALL)


def test_places_that_hold_nothing_or_are_not_there_are_one_line(tmp_path: Path, bucket: str) -> None:  # noqa: F811
    store = Store(tmp_path / "one")
    with pytest.raises(BadRequest, match="no remote called 'lab', and no such folder"):
        share.pull(store, "lab", ALL)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingYet, match="holds nothing that can be pulled"):
        share.pull(store, str(tmp_path / "empty"), ALL)
    with pytest.raises(BadRequest, match="there is no bucket 'not-there'"):
        share.pull(store, "s3://not-there/x", ALL)
    with pytest.raises(BadRequest, match="unknown model 'x'"):
        share.push(extracted(tmp_path / "two", "m1"), bucket, Selection(models=("x",)))
    with pytest.raises(BadRequest, match="leave nothing"):
        Selection(scores_only=True, artifacts_only=True)
    for address in ("s3://", "nowhere://x", "s3://key:secret@bucket/x"):
        assert "Traceback" not in said(layeratlas("pull", address, "--store", store.root), 2)


def test_remotes_have_names_and_no_credentials(tmp_path: Path) -> None:
    store = Store(tmp_path / "one")
    share.add_remote(store, "lab", "s3://lab/atlas?endpoint_override=minio:9000")
    share.add_remote(store, "disk", str(tmp_path / "two"))
    assert store.settings.remotes == {
        "lab": "s3://lab/atlas?endpoint_override=minio:9000", "disk": str(tmp_path / "two"),
    }  # fmt: skip
    for secret in ("s3://key:secret@lab/atlas", "s3://lab/x?secret_key=abc", "hf://datasets/x?token=abc"):
        with pytest.raises(BadRequest, match="leave credentials to the environment"):
            share.add_remote(store, "bad", secret)
    share.remove_remote(store, "disk")
    assert list(store.settings.remotes) == ["lab"]
    with pytest.raises(BadRequest, match="unknown remote 'disk'"):
        share.remove_remote(store, "disk")


def test_a_store_in_a_bucket_is_a_store(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    here = measured(tmp_path / "one", "m1", "m2")
    share.push(here, f"{bucket}/atlas", ALL)
    there = store_at(f"{bucket}/atlas")
    assert are_same(there, here) and not list(there.root.rglob("activations/**/*.parquet"))
    more = extracted(tmp_path / "two", "m3")
    share.push(more, f"{bucket}/atlas", ALL)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    assert "measured" in said(layeratlas("measure", "--store", f"{bucket}/atlas"))
    whole = measured(tmp_path / "whole", "m1", "m2", "m3")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a third"))
    assert are_same(store_at(f"{bucket}/atlas"), whole)
    with pytest.raises(NothingYet, match=f"nothing in {bucket}/none yet"), store_at(f"{bucket}/none").catalog():
        pass
