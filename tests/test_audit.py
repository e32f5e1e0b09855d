"""Auditing: scores that the artifacts do not give are found, whoever wrote them, and exactly these."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from layeratlas import running
from layeratlas.cli import cli
from layeratlas.measures import MEASURES, audit, configure
from layeratlas.measures.registry import configuration, configuration_row
from layeratlas.store.artifacts.activations import ActivationWriter, read_keys
from layeratlas.store.artifacts.base import Artifact, describe
from layeratlas.store.errors import BadRequest, NothingYet
from layeratlas.store.provenance import now
from layeratlas.store.store import Store

ROOT = Path(__file__).resolve().parent.parent
STUDY = f"""
[[models]]
id = "{ROOT}/zoo/models/bert-tiny"
[[models]]
id = "{ROOT}/zoo/models/gpt2-tiny"
[[corpora]]
path = "{ROOT}/corpora/ewt/en_ewt-ud-dev.conllu.gz"
limit = 40
name = "ewt"
[extraction]
kinds = ["activations", "attention"]
layers = [0, 2, 4]
"""
MEASURED = ("ckasim", "neuronsim", "pwsim", "mutual_knn", "mixedsim", "attsim", "attention_ckasim")
SCORES = 5 * 6 * 5 + 2 * 4 * 3  # of layers 0, 2 and 4 of two models; attention has no layer 0


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with real layers and heads, and scores of several measures."""
    folder = tmp_path_factory.mktemp("audit")
    (folder / "study.toml").write_text(STUDY + "".join(f'[[measures]]\nname = "{name}"\n' for name in MEASURED))
    assert running.run(folder / "study.toml", store=folder / "store").exit_code == 0
    return folder / "store"


@pytest.fixture
def root(measured: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(measured, tmp_path / "store"))


def audited(root: Path, *, sample: int = 100_000, **narrowed: Any) -> audit.Audit:
    return running.audit(running.open_store(root), running.Means(), sample=sample, **narrowed)


def told_by_another(root: Path, change: Any) -> list[tuple[str, ...]]:
    """Replace a store's scores by those that another store says it measured; return the keys of what it changed."""
    store = Store(root)
    rows = store.log.read(store.log.segments(["scores"])).to_pylist()
    shutil.rmtree(root / "results" / "scores")
    (root / "catalog.duckdb").unlink()
    changed = [change(row) for row in rows]
    store.write("runs", [{"run": "theirs", "command": "layeratlas run", "host": "elsewhere", "store": "other"}])
    store.write("origins", [{"store": "other", "origin": "lab.atlas.zip"}])
    store.write("scores", [{**row, "run": "theirs", "store": "other"} for row in changed])
    store.merge()
    return [key(new) for new, old in zip(changed, rows, strict=True) if new != old]


def key(row: dict[str, Any]) -> tuple[str, ...]:
    return row["configuration"], row["artifact_a"], row["artifact_b"]


def found_in(found: audit.Audit, verdict: str) -> list[tuple[str, ...]]:
    return sorted(one.drawn.key for one in found.of(verdict))


def test_what_was_measured_here_is_what_the_artifacts_give_and_nothing_is_written(root: Path) -> None:
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("*") if path.is_file()}
    found = audited(root)
    assert found.auditable == len(found.scores) == SCORES and found.exit_code == 0 and found.rows() == []
    assert {one.verdict for one in found.scores} == {audit.EQUAL}
    assert Counter(one.drawn.measure for one in found.scores).keys() == set(MEASURED)
    assert f"{SCORES} of {SCORES} scores recomputed: all equal" in found.lines()[0]
    assert {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("*") if path.is_file()} == before


def test_exactly_the_fabricated_scores_of_another_store_are_found(root: Path) -> None:
    wanted: Counter[str] = Counter()

    def fabricate(row: dict[str, Any]) -> dict[str, Any]:
        wanted[row["configuration"]] += 1
        return {**row, "value": row["value"] - 2e-5} if wanted[row["configuration"]] in (3, 7) else row

    fabricated = told_by_another(root, fabricate)
    assert len(fabricated) == 2 * len(MEASURED)
    found = audited(root)
    assert found_in(found, audit.DIFFERS) == sorted(fabricated) and found.exit_code == 4
    assert len(found.of(audit.EQUAL)) == SCORES - len(fabricated)
    for one in found.of(audit.DIFFERS):
        assert one.difference == pytest.approx(2e-5, rel=0.3) and one.drawn.origin == "lab.atlas.zip"
        assert one.drawn.run == "theirs"
    assert audited(root, origins=[1]).auditable == SCORES
    with pytest.raises(NothingYet, match="nothing to audit"):
        audited(root, origins=[0])


def test_single_neurons_and_heads_are_held_against_the_artifacts_too(root: Path) -> None:
    touched: set[str] = set()

    def fabricate(row: dict[str, Any]) -> dict[str, Any]:
        if row["units"] is None or row["configuration"] in touched:
            return row
        touched.add(row["configuration"])
        return {**row, "units": [*row["units"][:-1], row["units"][-1] - 0.01]}

    fabricated = told_by_another(root, fabricate)
    found = audited(root)
    assert len(fabricated) >= 2 and found_in(found, audit.DIFFERS) == sorted(fabricated)
    assert {one.why for one in found.of(audit.DIFFERS)} == {
        "its value is right, the scores of its single neurons or heads are not"
    }


def test_scores_of_a_layer_that_was_extracted_anew_otherwise_are_found(root: Path) -> None:
    """The file of one layer is another's, and the catalog says so: its scores are stale, whatever their version."""
    store = Store(root)
    rows = [row for row in store.log.read(store.log.segments(["artifacts"])).to_pylist() if row["path"]]
    gpt = [row for row in rows if row["kind"] == "activations" and "gpt2" in row["path"]]
    other, changed = (next(row for row in gpt if row["layer"] == layer) for layer in (2, 4))
    shutil.copyfile(root / other["path"], root / changed["path"])
    store.write("artifacts", [{**changed, "bytes": other["bytes"], "sha256": other["sha256"], "written": now()}])
    store.merge()
    found = audited(root, measures=["ckasim"])
    assert {changed["artifact"] in one.drawn.key for one in found.of(audit.DIFFERS)} == {True}
    assert {changed["artifact"] in one.drawn.key for one in found.of(audit.EQUAL)} == {False}


def test_damaged_artifacts_refusals_and_older_versions_have_a_verdict_of_their_own(root: Path) -> None:
    store = Store(root)
    [row] = [row for row in store.artifacts() if row.kind == "activations" and row.title == "bert-tiny layer 2"]
    content = bytearray((root / row.path).read_bytes())
    content[len(content) // 2] ^= 8
    (root / row.path).write_bytes(content)
    ends = [one.artifact for one in store.artifacts(["gpt2-tiny"]) if one.kind == "activations"][:2]
    refused = configure("svsim", parameters={"variance": 1.0})
    known = configuration_row(configure("ckasim"))
    store.write("configurations", [
        configuration_row(refused), {**known, "configuration": "v1:older", "version": known["version"] - 1},
        {**known, "configuration": "v1:theirs", "measure": "their_own"},
    ])  # fmt: skip
    store.write("scores", [
        {"configuration": one, "artifact_a": ends[0], "artifact_b": ends[1], "value": 0.5, "words": 400, "run": "r"}
        for one in (configuration(refused).configuration, "v1:older", "v1:theirs")
    ])  # fmt: skip
    store.merge()
    found = audited(root)
    assert found.exit_code == 4
    assert {row.artifact in one.drawn.key for one in found.of(audit.DAMAGED)} == {True}
    assert all("SHA-256 differs" in one.why for one in found.of(audit.DAMAGED))
    assert {row.artifact in one.drawn.key for one in found.of(audit.EQUAL)} == {False}
    why = {one.drawn.key[0]: one.why for one in found.of(audit.STALE)}
    assert f"it is of version {known['version'] - 1} of ckasim" in why["v1:older"]
    assert why["v1:theirs"] == "there is no measure their_own here"
    [differs] = [*found.of(audit.REFUSED), *found.of(audit.DIFFERS)]
    assert differs.drawn.measure == "svsim"


def test_rows_that_no_run_writes_are_found_and_stop_nothing(root: Path) -> None:
    store = Store(root)
    known = configuration_row(configure("ckasim"))
    layers = [row.artifact for row in store.artifacts(["gpt2-tiny"]) if row.kind == "activations"]
    [*_, head] = [row.artifact for row in store.artifacts(["gpt2-tiny"]) if row.kind == "attention"]
    store.write("configurations", [
        {**known, "configuration": f"v1:{number}", "parameters": parameters}
        for number, parameters in enumerate(("{}", "[1]", "{", None, '{"form": 3}', '{"no": 1}', "[" * 100_000))
    ])  # fmt: skip
    fabricated = [
        ("v1:0", layers[0], layers[0]),
        ("v1:0", layers[0], head),
        ("v1:0", head, head),
        ("v1:0", *layers[:2]),
    ]
    fabricated += [(f"v1:{number}", *layers[:2]) for number in range(1, 7)]
    store.write("scores", [
        {"configuration": configuration, "artifact_a": a, "artifact_b": b, "value": 0.01 if a == b else math.inf}
        for configuration, a, b in fabricated
    ])  # fmt: skip
    store.merge()
    found = audited(root)
    assert len(found.of(audit.EQUAL)) == SCORES and found.exit_code == 4
    assert found_in(found, audit.REFUSED) == sorted(fabricated[:3])
    assert found_in(found, audit.DIFFERS) == [fabricated[3]]
    assert found_in(found, audit.STALE) == sorted(fabricated[4:])
    done = CliRunner().invoke(cli, ["audit", "--store", str(root), "--sample", "1000"], env={"COLUMNS": "300"})
    assert done.exit_code == 4 and "such layers are never compared" in done.stdout


def test_a_score_of_a_pair_that_is_refused_is_found(root: Path) -> None:
    store = Store(root)
    ends = [one.artifact for one in store.artifacts(["gpt2-tiny"]) if one.kind == "activations"][:2]
    procrustes = configure("procrustes")
    store.write("configurations", [configuration_row(procrustes)])
    store.write_artifact(_constant(root, store.artifacts(["gpt2-tiny"])[0].path), "r")
    store.write("scores", [{"configuration": configuration(procrustes).configuration, "artifact_a": ends[0],
                            "artifact_b": ends[1], "value": 0.5, "words": 400, "run": "r"}])  # fmt: skip
    store.merge()
    [one] = audited(root, measures=["procrustes"]).scores
    assert one.verdict == audit.REFUSED and "ConstantLayer" in one.why


def _constant(root: Path, path: str) -> Artifact:
    """Write an artifact anew, with one value for all neurons and words."""
    known = describe(root, root / path)
    keys = read_keys(root / path)
    with ActivationWriter(root, known.identity, known.model, known.units) as writer:
        writer.write(keys[:, 0], keys[:, 1], ["w"] * len(keys), np.ones((len(keys), known.units), np.float32))
    assert writer.artifact is not None
    return writer.artifact


def test_the_sample_is_drawn_by_its_seed_and_every_measure_has_its_share(root: Path) -> None:
    one, same, other = (audited(root, sample=14, seed=seed) for seed in (3, 3, 4))
    assert [each.drawn.key for each in one.scores] == [each.drawn.key for each in same.scores]
    assert {each.drawn.key for each in one.scores} != {each.drawn.key for each in other.scores}
    assert set(Counter(each.drawn.measure for each in one.scores).values()) == {2}
    of_model = audited(root, measures=["ckasim"], models=["gpt2-tiny"])
    assert of_model.auditable == len(of_model.scores) == 24
    for wrong, called in ({"measures": ["ckasin"]}, "ckasim"), ({"models": ["gpt3-tiny"]}, "gpt2-tiny"):
        with pytest.raises(BadRequest, match=f"did you mean.*{called}"):
            audited(root, **wrong)


def test_what_cannot_be_audited_is_counted_and_said(root: Path, tmp_path: Path) -> None:
    table = tmp_path / "published.csv"
    table.write_text("corpus,measure,model_a,layer_a,model_b,layer_b,value\newt,ckasim,a,0,a,1,0.5\n")
    table.with_suffix(".toml").write_text('[[models]]\nname = "a"\nfamily = "f"\nlayers = 1\n')
    store = running.open_store(root)
    running.import_results(store, running.ResultsSpec(table, "published"))
    shutil.rmtree(root / "activations" / "model=gpt2-tiny")
    found = audited(root)
    assert found.imported == 2 and found.exit_code == 0
    assert found.auditable + found.elsewhere == SCORES and found.elsewhere == 5 * 24
    assert any("2 scores are imported results" in line for line in found.lines())
    assert any("120 scores are of layers whose files are not here" in line for line in found.lines())


def test_every_configuration_of_every_measure_is_found_again_from_the_catalog() -> None:
    for name, declared in MEASURES.items():
        for parameters in ({}, *declared.usual, *declared.variants, *declared.presets.values()):
            row = configuration_row(declared(**parameters))
            drawn = audit.Drawn(
                name, row["label"], "a", 0, "b", 0, "c", "last", 0.5, "this store", "r", row["version"],
                row["parameters"], (row["configuration"], "a", "b"), None,
            )  # fmt: skip
            assert audit._measure_of(drawn) == declared(**parameters)


def test_the_command_prints_what_differs_and_exits_with_4(root: Path) -> None:
    first: list[Any] = []

    def fabricate(row: dict[str, Any]) -> dict[str, Any]:
        if first or row["value"] is None:
            return row
        first.append(row)
        return {**row, "value": 0.123}

    told_by_another(root, fabricate)
    arguments = ["audit", "--store", str(root), "--sample", "1000", "--origin", "lab.atlas.zip"]
    done = CliRunner().invoke(cli, [*arguments, "--format", "json"])
    assert done.exit_code == 4 and f"1 differs, {SCORES - 1} equal" in done.stderr
    [row] = json.loads(done.stdout)
    assert row["verdict"] == "differs" and row["value"] == 0.123 and row["origin"] == "lab.atlas.zip"
    assert row["recomputed"] == pytest.approx(first[0]["value"], abs=1e-6) and row["why"].startswith("the artifacts")
    unknown = CliRunner().invoke(cli, ["audit", "--store", str(root), "--origin", "lab"])
    assert isinstance(unknown.exception, BadRequest) and "unknown origin 'lab'" in str(unknown.exception)
