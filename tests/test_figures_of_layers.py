"""A layer's own figures: right to the oracle's digits, or refused with a reason; of arrays, and through a store."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from click.testing import CliRunner
from figure_oracles import ORACLES

from layeratlas import cli, running
from layeratlas.measures import figures_of, linalg
from layeratlas.measures.figure import FIGURES, NAMES, chosen_figures
from layeratlas.store.artifacts.activations import read_chunks
from layeratlas.store.errors import BadRequest
from layeratlas.store.forget import forget
from layeratlas.store.store import Store

ROOT = Path(__file__).resolve().parent.parent
Matrix = npt.NDArray[np.float64]
STUDY = """
figures = {figures}
[[models]]
id = "{zoo}/bert-tiny"
[[models]]
id = "{zoo}/gpt2-tiny"
[[corpora]]
path = "{corpora}/ewt/en_ewt-ud-dev.conllu.gz"
limit = 30
name = "ewt-dev"
[extraction]
layers = [0, 2, 4]
[[measures]]
name = "ckasim"
"""


def layer(seed: int = 0, words: int = 700, neurons: int = 24, mean: float = 1.0) -> Matrix:
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((words, 5)) @ rng.standard_normal((5, neurons))
    return common + 0.3 * rng.standard_normal((words, neurons)) + mean * rng.standard_normal(neurons)


def special() -> dict[str, Matrix]:
    dead, repeated, outlier = layer(1), layer(2), layer(3)
    dead[:, 3], dead[:, 7] = 0, 0.25
    repeated[100:160] = repeated[:60]
    outlier[:, 5] += 100
    return {
        "usual": layer(), "means of 1,000": layer(4, mean=1000.0), "dead neurons": dead, "repeated words": repeated,
        "an outlier": outlier, "fewer words than neurons": layer(5, words=30, neurons=64),
        "of many scales": layer(6) * np.logspace(-2, 2, 24), "more words than a sample": layer(7, words=1500),
    }  # fmt: skip


def test_every_figure_has_an_oracle_and_a_file_of_its_name() -> None:
    assert set(ORACLES) == set(NAMES) == {path.stem for path in (ROOT / "measures" / "figures").glob("[!_]*.py")}


@pytest.mark.parametrize("name", special())
def test_of_arrays(name: str) -> None:
    array = special()[name]
    for figure, stated in figures_of(array).items():
        assert stated.value == pytest.approx(ORACLES[figure](array), rel=1e-7), figure
        assert stated.refused is None and stated.diagnostics["words"] == min(
            len(array), 1000 if figure in ("uniformity", "intrinsic_dimension") else len(array)
        )


def test_what_the_special_layers_are_for() -> None:
    found = {name: figures_of(array) for name, array in special().items()}
    assert found["dead neurons"]["dead_neurons"].value == 2 and found["usual"]["dead_neurons"].value == 0
    assert found["an outlier"]["outlier_neurons"].value == 1
    assert found["means of 1,000"]["anisotropy"].value == pytest.approx(1, abs=1e-3)
    assert found["repeated words"]["intrinsic_dimension"].diagnostics["distinct"] == 640
    assert found["fewer words than neurons"]["effective_rank"].value < 30  # type: ignore[operator]


def test_known_values() -> None:
    """Two neurons of equal spread; words on a circle; a flat square, whose dimension is two in any space."""
    turn = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    circle = figures_of(np.stack([np.cos(turn), np.sin(turn)], axis=1))
    for figure, value in (
        ("participation_ratio", 2),
        ("effective_rank", 2),
        ("first_component", 0.5),
        ("mean_length", 1),
    ):
        assert circle[figure].value == pytest.approx(value)
    assert circle["anisotropy"].value == pytest.approx(-1 / 399) and circle["magnitude"].value == pytest.approx(
        0, abs=1e-9
    )
    rng = np.random.default_rng(0)
    square = rng.uniform(size=(1000, 2)) @ np.linalg.qr(rng.standard_normal((20, 20)))[0][:2]
    assert figures_of(square)["intrinsic_dimension"].value == pytest.approx(2, abs=0.2)
    assert figures_of(np.ones((50, 1)) * [1.0, 2, 3])["concentricity"].value == pytest.approx(1)


MOMENTS = {"participation_ratio", "effective_rank", "first_component", "dead_neurons", "outlier_neurons"}
SAMPLED = {"uniformity", "intrinsic_dimension"}


@pytest.mark.parametrize(
    ("array", "refused", "says"),
    [
        (np.ones((50, 8)), MOMENTS | SAMPLED, "is constant"),
        (np.zeros((50, 8)), MOMENTS | SAMPLED | {"concentricity", "anisotropy"}, "rows are 0|is constant"),
        (np.r_[layer()[:99], np.zeros((1, 24))], {"concentricity", "anisotropy", "uniformity"}, "1 of 100 "),
        (np.r_[layer()[:50], -layer()[:50]], {"concentricity"}, "the mean row is 0"),
        (np.where(np.arange(24) == 3, np.nan, layer()), set(NAMES), "NotFinite: a holds NaN or infinity"),
        (layer(words=2), MOMENTS | SAMPLED, "a has 2 words here"),
        (layer(words=1), set(NAMES), "a has 1 words here"),
        (layer(words=15), {"intrinsic_dimension"}, "15 of the sampled words' rows differ"),
        (np.eye(30), {"intrinsic_dimension"}, "two nearest neighbours are equally far"),
    ],
    ids=["constant", "nothing", "a row of zeros", "about its mean", "NaN", "two words", "one word", "few", "a simplex"],
)  # fmt: skip
def test_a_number_or_a_reason(array: Matrix, refused: set[str], says: str) -> None:
    found = figures_of(array)
    assert set(found) == set(NAMES)
    assert {name for name, stated in found.items() if stated.value is None} == refused
    for stated in found.values():
        assert (stated.value is None) != (stated.refused is None)
        assert stated.value is None or math.isfinite(stated.value)
    assert any(re.search(says, found[name].refused or "") for name in refused)


def test_blind_to_what_they_say() -> None:
    rng, array = np.random.default_rng(3), layer()
    of_shape = {"participation_ratio", "effective_rank", "first_component", "intrinsic_dimension"}
    rotation = np.linalg.qr(rng.standard_normal((24, 24)))[0]
    changed = {"rotation": array @ rotation, "scale": 3 * array, "translation": array + 5}
    before = figures_of(array)
    blind = {
        "rotation": set(NAMES) - {"outlier_neurons", "dead_neurons"},
        "scale": set(NAMES) - {"mean_length", "magnitude"},
        "translation": of_shape | {"dead_neurons"},
    }  # fmt: skip
    for change, names in blind.items():
        after = figures_of(changed[change])
        for name in names:
            assert after[name].value == pytest.approx(before[name].value, rel=1e-9), (change, name)
    for change, name in (("scale", "magnitude"), ("translation", "anisotropy"), ("translation", "uniformity")):
        assert figures_of(changed[change])[name].value != pytest.approx(before[name].value, rel=1e-3)


def test_every_device_sums_rows_alike() -> None:
    """numpy's sums, and those that torch makes on a device; a row of zeros has no direction in either."""
    rows = torch.from_numpy(layer(8, words=700).astype(np.float32))
    pivot = rows[0].clone()
    centred = rows - pivot
    centred[300] = -pivot
    (one, *counts), (other, *others) = (
        sums(centred, pivot) for sums in (linalg._row_sums_of_numpy, linalg._row_sums_of_torch)
    )
    assert counts == pytest.approx(others) and counts[1] == 1
    assert torch.allclose(one, other, rtol=1e-12)


def test_names() -> None:
    assert [one.name for one in chosen_figures(())] == [name for name, one in FIGURES.items() if one.usual]
    assert [one.name for one in chosen_figures(("usual", "uniformity"))] == [*NAMES[:-1]]
    assert chosen_figures(("none",)) == [] and len(chosen_figures(("all",))) == len(NAMES)
    with pytest.raises(BadRequest, match="unknown figure 'anisotropyy'; did you mean anisotropy"):
        chosen_figures(("anisotropyy",))


# --- through a store --------------------------------------------------------------------------------------------------


def study(folder: Path, figures: str = '"all"') -> Path:
    file = folder / "study.toml"
    file.write_text(STUDY.format(figures=figures, zoo=ROOT / "zoo" / "models", corpora=ROOT / "corpora"))
    return file


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    outcome = running.run(study(folder), store=folder / "store")
    assert outcome.lines() == ["extracted 6 layers", "measured 30 scores and 66 figures of layers"]
    return folder / "store"


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "store"))


def known(store: Store) -> list[tuple[Any, ...]]:
    """All figures, whoever measured them."""
    return store.rows("SELECT * EXCLUDE (origin) FROM layer_statistics ORDER BY ALL")


def test_the_catalog_has_what_the_files_give(whole: Path) -> None:
    store = running.open_store(whole)
    values = {row[:3]: row[3] for row in store.rows("SELECT model, layer, figure, value FROM layer_statistics")}
    assert len(values) == 6 * len(NAMES)
    for row in store.artifacts():
        array = np.concatenate(list(read_chunks(whole / row.path))).astype(np.float64)
        for figure, oracle in ORACLES.items():
            assert values[row.model, row.layer, figure] == pytest.approx(oracle(array), rel=1e-5), (row.title, figure)


def test_nothing_known_is_stated_again(root: Path, tmp_path: Path) -> None:
    assert "nothing to do" in running.run(study(tmp_path), store=root).lines()[0]
    store, means = running.open_store(root), running.Means()
    assert "nothing to do" in running.measure(store, means, names=["ckasim"], figures=["all"]).lines()[0]
    assert running.measure(store, means, names=["svsim"], figures=["none"]).lines() == ["measured 30 scores"]
    before = known(store)
    again = running.measure(store, running.Means(refresh=True), names=["ckasim"], figures=["anisotropy"])
    assert again.lines() == ["measured 30 scores and 6 figures of layers"] and len(known(store)) == len(before)


def test_figures_alone_are_a_pass_of_their_own(tmp_path: Path) -> None:
    store = running.open_store(tmp_path / "store")
    running.run(study(tmp_path, '"none"'), store=store)
    assert known(store) == []
    said = running.measure(store, running.Means(memory=1), names=["ckasim"]).lines()  # a layer at a time
    assert said == ["measured 0 scores and 54 figures of layers"]
    assert running.measure(store, running.Means(), names=["ckasim"], figures=["all"]).lines() == [
        "measured 0 scores and 12 figures of layers"
    ]


def test_riding_along_or_alone_they_are_the_same(whole: Path, tmp_path: Path) -> None:
    store = running.open_store(tmp_path / "store")
    running.run(study(tmp_path, '"none"'), store=store)
    running.measure(store, running.Means(), names=["ckasim"], figures=["all"])
    columns = "SELECT model, layer, figure, value FROM layer_statistics ORDER BY ALL"
    for one, other in zip(store.rows(columns), running.open_store(whole).rows(columns), strict=True):
        assert one[:3] == other[:3] and one[3] == pytest.approx(other[3], rel=1e-12)


def test_they_come_back_from_the_log(root: Path) -> None:
    store = running.open_store(root)
    before = known(store)
    (root / "catalog.duckdb").unlink()
    store.rebuild()
    assert known(store) == before
    [segment, *_] = store.log.segments(["figures"])
    content = bytearray(segment.path.read_bytes())
    content[len(content) // 2] ^= 1
    segment.path.write_bytes(content)  # damaged: what it held is written anew from the catalog
    store.write("corpora", [{"corpus": "v1:new", "name": "new"}])
    store.merge()
    assert len(store.lost) == 1 and known(store) == before
    store.rebuild()
    assert known(store) == before


def test_forgetting(root: Path) -> None:
    store = running.open_store(root)
    forget(store, "bert-tiny")
    assert {row[0] for row in store.rows("SELECT DISTINCT model FROM layer_statistics")} == {"gpt2-tiny"}
    forget(store, "figure:anisotropy")
    assert len(known(store)) == 3 * (len(NAMES) - 1)
    assert running.measure(store, running.Means(), names=["ckasim"]).lines() == [
        "measured 0 scores and 3 figures of layers"
    ]
    store.rebuild()
    assert len(known(store)) == 3 * len(NAMES)


def stated(store: Store) -> dict[str, Any]:
    """One row of the log, as it could be written again."""
    [row] = store.log.read(store.log.segments(["figures"])).slice(0, 1).to_pylist()
    return {name: value for name, value in row.items() if name not in ("written", "store")}


def test_our_own_stand_before_those_from_elsewhere(root: Path, tmp_path: Path) -> None:
    """Another store's segments arrive here: one figure is ours with another number, one we do not have."""
    ours, theirs = running.open_store(root), Store(tmp_path / "theirs")
    before, row = known(ours), stated(ours)
    new = {**row, "figure": "novelty", "value": 7.0}
    segment = theirs.log.write("figures", [{**row, "value": 5.0}, new], store="other")
    assert segment is not None
    shutil.copy(segment.path, root / "results" / "figures" / segment.path.name)
    ours.write("origins", [{"store": "other", "origin": "a bundle"}])
    ours.merge()
    arrived = ours.rows("SELECT figure, value FROM layer_statistics WHERE origin = 'a bundle'")
    assert arrived == [("novelty", 7.0)] and [one for one in known(ours) if one[0] != "novelty"] == before
    assert "novelty" in asked(root, "--format", "json")
    forget(ours, f"figure:{row['figure']}")
    assert not ours.rows("SELECT 1 FROM layer_statistics WHERE figure = ?", row["figure"])


def test_an_older_version_is_no_answer(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(FIGURES["anisotropy"]), "version", 2)
    store = running.open_store(root)
    assert not store.rows("SELECT 1 FROM layer_statistics WHERE figure = 'anisotropy'")
    assert running.measure(store, running.Means(), names=["ckasim"]).lines() == [
        "measured 0 scores and 6 figures of layers"
    ]
    assert store.rows("SELECT DISTINCT version FROM layer_statistics WHERE figure = 'anisotropy'") == [(2,)]


def test_a_refused_figure_is_known_and_said(root: Path, tmp_path: Path) -> None:
    store = running.open_store(root)
    row = stated(store)
    store.write("figures", [{**row, "value": None, "refused": "ConstantLayer: made up"}])
    store.merge()
    assert store.rows("SELECT figure, value FROM layer_statistics WHERE refused IS NOT NULL") == [(row["figure"], None)]
    assert "nothing to do" in running.run(study(tmp_path), store=root).lines()[0]
    found = asked(root, row["figure"], "--format", "json")
    [one] = [each for each in json.loads(found) if each["refused"]]
    assert one[row["figure"]] is None and one["refused"] == f"{row['figure']}: ConstantLayer: made up"


# --- asked for --------------------------------------------------------------------------------------------------------


def asked(root: Path, *arguments: str, command: str = "query", code: int = 0) -> str:
    done = CliRunner().invoke(
        cli.cli, [command, "layers", *arguments, "--store", str(root)], catch_exceptions=code != 0
    )
    assert done.exit_code == code, done.output
    return done.stdout if code == 0 else str(done.exception)


def test_the_question(whole: Path) -> None:
    rows = json.loads(asked(whole, "--format", "json"))
    assert len(rows) == 6 and set(NAMES) < set(rows[0])
    assert [row["depth"] for row in rows[:3]] == [0, 0.5, 1] and "refused" not in rows[0]
    shown = asked(whole)
    assert "participation_ratio" in shown and "=> participation_ratio is largest in" in shown and "ewt-dev" in shown
    head, *lines = asked(whole, "anisotropy", "mean_length", "--model", "gpt2-tiny", "--format", "csv").splitlines()
    assert head == "family,model,layer,depth,words,anisotropy,mean_length" and len(lines) == 3
    assert all(line.startswith("gpt2,gpt2-tiny,") for line in lines)
    explained = asked(whole, "anisotropy", "--explain")
    with running.open_store(whole).catalog() as catalog:
        assert len(catalog.execute(explained).fetchall()) == 6
    assert len(json.loads(asked(whole, "--family", "bert", "--limit", "2", "--format", "json"))) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["anisotropyy"], "unknown figure 'anisotropyy'; did you mean anisotropy"),
        (["--model", "nobody"], "unknown model 'nobody'"), (["--corpus", "x"], "unknown corpus 'x'"),
        (["--source", "x"], "unknown source 'x'"), (["--pooling", "first"], "unknown pooling 'first'"),
        (["--family", "x"], "unknown family 'x'"), (["--measure", "ckasim"], "under no measure"),
        (["--kind", "attention"], "only of activations"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_said(whole: Path, arguments: list[str], says: str) -> None:
    assert says in asked(whole, *arguments, code=1)


def test_a_catalog_without_figures_says_how_to_get_some(stores: dict[str, Path]) -> None:
    assert "`layeratlas measure` computes them" in asked(stores["wu2020-ewt"], code=1)


def test_the_picture_has_a_line_a_model_and_a_panel_a_figure(whole: Path, tmp_path: Path) -> None:
    asked(whole, "-o", str(tmp_path / "layers.png"), command="plot")
    assert (tmp_path / "layers.png").read_bytes()[:4] == b"\x89PNG"
    asked(whole, "anisotropy", "mean_length", "-o", str(tmp_path / "two.svg"), command="plot")
    drawn = (tmp_path / "two.svg").read_text()
    assert ">anisotropy<" in drawn and ">mean length<" in drawn and ">relative depth<" in drawn
    assert drawn.count("stroke: #0072b2; stroke-width: 1.4") == drawn.count("stroke: #d55e00; stroke-width: 1.4") == 2
