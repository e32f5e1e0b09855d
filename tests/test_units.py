"""Neurons and heads as objects of study: matches that look back, words that drive, attention over a sentence."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import toy
from click.testing import CliRunner, Result
from sharing_stores import HEADS, LENGTH, NEURONS, measured

from layeratlas.cli import cli
from layeratlas.queries.core import driving as words_of
from layeratlas.queries.core.driving import driving
from layeratlas.queries.core.scope import Asked
from layeratlas.queries.questions.matched import OF_UNITS
from layeratlas.queries.report.gather import gather
from layeratlas.store.errors import ArtifactDamaged
from layeratlas.store.store import Store
from layeratlas.stored import attention_of

Catalog = duckdb.DuckDBPyConnection


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with activations, attention and scores of two models."""
    return measured(tmp_path_factory.mktemp("units") / "s", "m1", "m2").root


def atlas(root: Path, *arguments: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, arguments), "--store", str(root)], env={"COLUMNS": "300"})


def rows(root: Path, *arguments: object) -> list[dict[str, Any]]:
    done = atlas(root, "query", *arguments, "--format", "json")
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_a_match_looks_back_when_its_own_match_is_where_it_came_from(own: Catalog) -> None:
    sql = "SELECT model_a, layer_a, neuron, model_b, layer_b, value, matched_by FROM neurons"
    there = {(a, i, n, b, j): (value, match) for a, i, n, b, j, value, match in own.execute(sql).fetchall()}
    each = OF_UNITS["activations"](own, Asked(), layer="bee:2", each=True)
    best = {}
    for neuron in range(toy.NEURONS):
        for model in ("ant", "asp", "cat"):
            places = {key: value for key, value in there.items() if key[:4] == ("bee", 2, neuron, model)}
            key = max(places, key=lambda each: places[each][0])
            value, match = places[key]
            best[neuron, model] = (
                key[4],
                match,
                pytest.approx(value),
                there[model, key[4], match, "bee", 2][1] == neuron,
            )
    assert {row[:2]: (*row[2:4], row[4], row[5]) for row in each.rows} == best
    assert 0 < sum(is_mutual for *_, is_mutual in best.values()) < len(best)
    for row in OF_UNITS["activations"](own, Asked(), layer="bee:2").records():
        assert row["mutual"] == sum(best[row["neuron"], model][3] for model in ("ant", "asp", "cat"))
    strongest = OF_UNITS["activations"](own, Asked(), layer="bee:2").column("neuron")
    assert list(dict.fromkeys(each.column("neuron"))) == strongest
    looked = sum(row[-1] for row in best.values())
    assert f"{looked} of {len(best)} matches look back" in each.says


def by_hand(path: Path, neuron: int, words: int) -> list[tuple[float, str]]:
    """Words by the distance from the mean, all of the layer in memory."""
    table = pq.read_table(path, partitioning=None).to_pydict()
    values = np.array(table["activation"], dtype=np.float64)[:, neuron]
    far = (values - values.mean()) / values.std()
    found = []
    for row in sorted(range(len(far)), key=lambda row: (-abs(far[row]), row))[:words]:
        said = [f"[{token}]" if at == row else token for at, token in enumerate(table["token"])
                if abs(at - row) <= 3 and table["sentence"][at] == table["sentence"][row]]  # fmt: skip
        found.append((float(far[row]), " ".join(said)))
    return found


@pytest.mark.parametrize("together", [1, 17, 8192])
def test_words_that_drive_are_those_farthest_from_the_mean(
    root: Path, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from layeratlas.store.artifacts import base

    path = next(root.glob("activations/model=m1/layer=1/*.parquet"))
    whole = pq.read_table(path, partitioning=None)
    small = path.parent / "small.groups"
    pq.write_table(whole, small, row_group_size=together)
    monkeypatch.setattr(words_of, "_ROWS", together)
    monkeypatch.setattr(base, "own_metadata", lambda metadata: {})
    neurons = [3, 0, NEURONS - 1]
    for neuron, found in zip(neurons, driving(small, neurons, words=5), strict=True):
        expected = by_hand(small, neuron, 5)
        assert [each.text for each in found] == [text for _, text in expected]
        assert [each.deviations for each in found] == pytest.approx([far for far, _ in expected])
    small.unlink()


def test_a_neuron_that_never_changes_is_driven_by_no_word(tmp_path: Path) -> None:
    table: dict[str, list[Any]] = {
        "sentence": [0, 0, 1],
        "word": [0, 1, 0],
        "token": ["a", "b", ""],
        "activation": [[2.0, 1], [2, 1], [2, 4]],
    }

    kinds = {"activation": pa.list_(pa.field("item", pa.float32(), nullable=False), 2)}
    made = pa.table({name: pa.array(values, kinds.get(name)) for name, values in table.items()})
    pq.write_table(made, tmp_path / "x.parquet")
    constant, other = driving(tmp_path / "x.parquet", [0, 1], words=2)
    assert constant == [] and other[0].text == "sentence 1 word 0" and other[0].deviations == pytest.approx(2**0.5)
    assert other[1].text == "[a] b"


def test_the_command_reads_words_of_the_rows_that_it_shows(root: Path) -> None:
    path = next(root.glob("activations/model=m1/layer=1/*.parquet"))
    found = rows(root, "neurons", "m1:1", "--words", 2, "--limit", 3)
    assert len(found) == 3
    for row in found:
        expected = " | ".join(f"{text} {far:+.1f}" for far, text in by_hand(path, row["neuron"], 2))
        assert row["driven_by"] == expected
    assert "driven_by" not in rows(root, "neurons", "m1:1")[0]
    each = rows(root, "neurons", "m1:1", "--each", "--words", 1, "--limit", 1)
    assert each[0]["model"] == "m2" and "[" in each[0]["driven_by"]
    text = atlas(root, "query", "neurons", "m1:1", "--words", 1).stdout
    assert "in standard deviations" in text and "driven_by" in text


def test_words_of_what_was_imported_or_is_gone_are_refused_in_one_line(stores: dict[str, Path]) -> None:
    """The toy catalog says of files that nobody wrote."""
    done = atlas(stores["own"], "query", "neurons", "bee:1", "--words", 2)
    assert isinstance(done.exception, ArtifactDamaged) and "cannot be read" in str(done.exception)


def texts(picture: Path) -> list[str]:
    root = ET.parse(picture).getroot()
    return ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]


def test_attention_stands_beside_its_counterpart_with_the_words(root: Path, tmp_path: Path) -> None:
    (best,) = (row for row in rows(root, "heads", "m1:1") if row["head"] == 1)
    done = atlas(root, "plot", "attention", "m1:1:1", "--sentence", 7, "-o", tmp_path / "a.svg")
    assert done.exit_code == 0, done.output
    said = texts(tmp_path / "a.svg")
    assert "m1 layer 1 head 1" in said and f"m2 layer {best['layer']} head {best['matched_by']}" in said
    words = attention_of(Store(root), "m1", 1)[7].words
    assert len(words) == LENGTH and all(said.count(word) >= 2 * words.count(word) for word in words)
    assert f"by attsim over the whole corpus: {best['value']:.2f}" in " ".join(said)


def test_what_is_read_is_that_head_of_that_sentence(root: Path) -> None:
    from layeratlas.queries.questions.attending import attending

    store = Store(root)
    with store.catalog() as catalog:
        found = attending(catalog, head="m2:2:0", sentence=3, store=store)
    np.testing.assert_array_equal(found.head.weights, attention_of(store, "m2", 2)[3].weights[0])
    assert found.other is not None and found.other.title.startswith("m1 layer")
    model, _, layer, _, head = found.other.title.split()
    np.testing.assert_array_equal(found.other.weights, attention_of(store, model, int(layer))[3].weights[int(head)])


@pytest.mark.parametrize(
    ("head", "sentence", "says"),
    [("m1:1", 0, "expected MODEL:LAYER:HEAD"), ("m1:1:x", 0, "expected MODEL:LAYER:HEAD"),
     ("m1:1:9", 0, f"has heads 0 to {HEADS - 1}, got 9"), ("m1:0:0", 0, "no attention of layer 0; there is: 1, 2"),
     ("m1:1:0", 999, "no sentence 999"), ("nobody:1:0", 0, "unknown model 'nobody'")],
)  # fmt: skip
def test_what_is_not_there_is_said(root: Path, tmp_path: Path, head: str, sentence: int, says: str) -> None:
    done = atlas(root, "plot", "attention", head, "--sentence", sentence, "-o", tmp_path / "a.svg")
    assert done.exit_code != 0 and says in str(done.exception) and not (tmp_path / "a.svg").exists()


def test_the_report_names_units_that_other_models_have_too(root: Path, tmp_path: Path) -> None:
    assert atlas(root, "report", "-o", tmp_path / "r.html").exit_code == 0
    page = (tmp_path / "r.html").read_text()
    assert "Neurons that other models have too" in page and "Heads that other models have too" in page
    store = Store(root)
    with store.catalog() as catalog:
        report = gather(catalog, store=store)
    table = next(one for one in report.tables if one.what.startswith("Neurons"))
    for row in table.records():
        best = rows(root, "neurons", row["layer"], "--words", 3, "--limit", 3)
        found = next(each for each in best if each["neuron"] == row["neuron"])
        assert row["value"] == pytest.approx(found["value"]) and row["by_neuron"] == found["matched_by"]
        assert row["matched_in"] == f"{found['model']}:{found['layer']}" and row["driven_by"] == found["driven_by"]
    assert {row["layer"].split(":")[0] for row in table.records()} == {"m1", "m2"}
