"""A distance that is c minus a similarity gives mirrored answers: in questions, pictures, report and browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from browser_drive import drive, loaded, state, until
from duckdb import DuckDBPyConnection
from matplotlib.collections import QuadMesh
from textual.pilot import Pilot

from layeratlas.queries.browser.texts import detail
from layeratlas.queries.core.scope import Asked
from layeratlas.queries.figures import families, finetuning, heatmap, style
from layeratlas.queries.questions import QUESTIONS
from layeratlas.queries.questions.heatmap import matrix
from layeratlas.queries.report import gather, page
from layeratlas.queries.terminal.render import title
from layeratlas.store.store import Store

C = 1.25
SIMILAR, DISTANT = Asked(("ckasim",)), Asked(("farness",))
Catalog = DuckDBPyConnection


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy catalog with copies of bee, and beside two of its measures a distance that is c less."""
    store = toy.make(tmp_path_factory.mktemp("mirrored"))
    toy.add_tuned(store)
    for measure, distance in (("ckasim", "farness"), ("neuronsim", "apartness")):
        add_mirror(store, measure, distance)
    return store.root


def add_mirror(store: Store, measure: str, distance: str) -> None:
    (parts,) = store.rows("SELECT id, is_symmetric FROM base.configurations WHERE measure = ?", measure)
    store.write("configurations", [{
        "configuration": f"v1:{distance}", "measure": distance, "version": 1, "label": "default",
        "presets": ["default"], "parameters": "{}", "is_symmetric": parts[1], "direction": "distance",
        "low": C - 1, "high": C,
    }])  # fmt: skip
    rows = store.rows(
        "SELECT a.artifact, b.artifact, s.value, d.units, d.matches FROM base.scores s "
        "JOIN base.artifacts a ON a.id = s.artifact_a JOIN base.artifacts b ON b.id = s.artifact_b "
        "LEFT JOIN base.details d USING (configuration, artifact_a, artifact_b) WHERE configuration = ?", parts[0],
    )  # fmt: skip
    store.write("scores", [
        {"configuration": f"v1:{distance}", "artifact_a": a, "artifact_b": b, "value": C - value, "words": 100,
         "run": "toy", **({"units": [C - unit for unit in units], "matches": matches} if units else {})}
        for a, b, value, units, matches in rows
    ])  # fmt: skip
    store.merge()


@pytest.fixture
def catalog(mirrored: Path) -> Iterator[Catalog]:
    with Store(mirrored).catalog() as opened:
        yield opened


def both(catalog: Catalog, name: str, **told: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The answers under the similarity and under the distance."""
    ask = QUESTIONS[name].ask
    asked = {"limit": 500}
    return (ask(catalog, replace(SIMILAR, **asked), **told).records(),
            ask(catalog, replace(DISTANT, **asked), **told).records())  # fmt: skip


def check(similar: list[dict[str, Any]], distant: list[dict[str, Any]], *, values: set[str]) -> None:
    """Hold rows against their mirror: `values` are c less, all else is the same, in the same order."""
    assert similar and len(similar) == len(distant)
    for near, far in zip(similar, distant, strict=True):
        for column in near.keys() - {"measure"}:
            expected = C - near[column] if column in values and near[column] is not None else near[column]
            if isinstance(expected, float):
                assert far[column] == pytest.approx(expected, abs=1e-9), column
            else:
                assert far[column] == expected, column


@pytest.mark.parametrize(
    ("name", "told", "values"),
    [
        ("top-pairs", {}, {"value"}), ("top-pairs", {"least": True, "across": "families"}, {"value"}),
        ("nearest", {"layer": "bee:2"}, {"value"}), ("heatmap", {}, {"value"}),
        ("heatmap", {"pair": ("bee", "ant")}, {"value"}), ("heatmap", {"bin": 2}, {"value"}),
        ("models", {}, {"mean", "best_layer", "same_depth"}),
        ("families", {}, {"same_model", "same_family", "across"}),
        ("finetuning", {"base": "bee"}, {"value"}), ("finetuning", {}, {"value"}),
        ("correspondence", {"model_a": "bee", "model_b": "ant"}, {"value", "aligned_value"}),
        ("correspondence", {}, {"value", "aligned_value"}), ("coverage", {}, set()),
    ],
)  # fmt: skip
def test_a_distance_gives_the_mirrored_answer(
    catalog: Catalog, name: str, told: dict[str, Any], values: set[str]
) -> None:
    check(*both(catalog, name, **told), values=values)


def test_design_factors_bring_models_as_close(catalog: Catalog) -> None:
    base = tuple(toy.MODELS)  # the copies have no scores with others
    found = [QUESTIONS["factors"].ask(catalog, replace(asked, models=base)).records() for asked in (SIMILAR, DISTANT)]
    check(*found, values=set())


@pytest.mark.parametrize("least", [False, True])
def test_neurons_are_matched_by_the_same_neurons(catalog: Catalog, least: bool) -> None:
    ask = QUESTIONS["neurons"].ask
    found = [ask(catalog, Asked((name,)), layer="bee:1", least=least) for name in ("neuronsim", "apartness")]
    similar, distant = (answer.records() for answer in found)
    for near, far in zip(similar, distant, strict=True):
        assert (near["neuron"], near["model"], near["layer"], near["matched_by"]) == (
            far["neuron"], far["model"], far["layer"], far["matched_by"]
        )  # fmt: skip
        assert far["value"] == pytest.approx(C - near["value"], abs=1e-6)
    assert "median distance of a neuron" in found[1].says


def test_measures_agree_over_closeness(catalog: Catalog) -> None:
    rows = QUESTIONS["measures"].ask(catalog, Asked(models=tuple(toy.MODELS))).records()
    found = {frozenset((row["measure"], row["other"])): row["spearman"] for row in rows}
    assert found[frozenset(("ckasim", "farness"))] == pytest.approx(1)
    assert found[frozenset(("neuronsim", "apartness"))] == pytest.approx(1)
    assert found[frozenset(("svsim", "farness"))] == pytest.approx(found[frozenset(("svsim", "ckasim"))])


def test_laws_are_those_of_the_declared_range(catalog: Catalog, mirrored: Path, tmp_path: Path) -> None:
    assert QUESTIONS["consistency"].ask(catalog, DISTANT).rows == []
    store = toy.make(tmp_path / "broken")
    store.write("configurations", [{
        "configuration": "v1:far", "measure": "far", "version": 1, "label": "default", "presets": ["default"],
        "parameters": "{}", "is_symmetric": True, "direction": "distance", "low": 0.5, "high": None,
    }])  # fmt: skip
    (a,), (b,) = store.rows("SELECT artifact FROM base.artifacts ORDER BY id LIMIT 2")
    store.write("scores", [
        {"configuration": "v1:far", "artifact_a": x, "artifact_b": y, "value": value, "words": 1, "run": "r"}
        for x, y, value in ((a, b, 0.25), (b, a, 9.0))
    ])  # fmt: skip
    store.merge()
    with store.catalog() as opened:
        rows = QUESTIONS["consistency"].ask(opened, Asked(("far",))).records()
    assert [(row["law"], row["excess"]) for row in rows] == [("a, b = b, a", 8.75), ("value ≥ 0.5", 0.25)]


def test_localization_is_where_neurons_are_close(mirrored: Path, tmp_path: Path) -> None:
    """The question names its measures: the same catalog in which both of them are distances."""
    plain, turned = toy.make(tmp_path / "plain"), toy.make(tmp_path / "turned")
    turn = "UPDATE base.configurations SET direction = 'distance', low = 0.25, high = 1.25"
    from layeratlas.store.catalog import writing

    with writing(turned.root) as opened:
        opened.execute(f"{turn} WHERE measure IN ('neuronsim', 'svsim')")
        opened.execute(
            f"UPDATE base.scores SET value = {C} - value WHERE configuration IN "
            "(SELECT id FROM base.configurations WHERE direction = 'distance')"
        )
        opened.execute(f"UPDATE base.details SET units = [{C} - u FOR u IN units]")
    answers = []
    for store in (plain, turned):
        with store.catalog() as opened:
            answers.append(QUESTIONS["localization"].ask(opened).records())
    tops = {"top_1", "top_10", "top_50"}
    for near, far in zip(*answers, strict=True):
        for column in near:
            is_value = column in {"neuronsim", "svsim"} | tops
            expected = C - near[column] if is_value else near[column]
            assert far[column] == (pytest.approx(expected, abs=1e-6) if isinstance(expected, float) else expected)


def test_words_say_that_it_is_a_distance(catalog: Catalog) -> None:
    top = QUESTIONS["top-pairs"].ask(catalog, DISTANT)
    assert title(top).startswith("Closest layer pairs, farness (default), a distance · toy")
    assert top.says.startswith("the closest by farness are ") and "at a distance of 0." in top.says
    mixed = QUESTIONS["top-pairs"].ask(catalog, Asked(("ckasim", "farness")))
    assert title(mixed).startswith("Most similar layer pairs, ckasim, farness (default), distances: farness · toy")
    assert "the closest, 0." in QUESTIONS["heatmap"].ask(catalog, DISTANT).says
    assert "smaller is closer" in QUESTIONS["models"].ask(catalog, DISTANT).says
    assert families.chart(QUESTIONS["families"].ask(catalog, DISTANT)).axis == "mean distance"
    chart = finetuning.chart(QUESTIONS["finetuning"].ask(catalog, DISTANT))
    assert chart.axis == "distance to the untuned layer" and "bee-late: 0.95" in chart.caption


def test_heatmaps_are_bright_where_layers_are_close(catalog: Catalog) -> None:
    colours = []
    for asked in (SIMILAR, DISTANT):
        with style.drawing():
            figure = heatmap.draw(matrix(catalog, asked))
        (mesh,) = (each for each in figure.axes[0].get_children() if isinstance(each, QuadMesh))
        values = np.ma.masked_invalid(mesh.get_array())
        colours.append(mesh.get_cmap()(mesh.norm(values)))
        assert mesh.get_clim() == ((0, 1) if asked is SIMILAR else (C - 1, C))
    np.testing.assert_allclose(colours[0], colours[1], atol=0.01)  # 256 colours
    assert figure.axes[1].get_title(loc="left") == "distance of row\ntowards column"


def test_the_report_has_the_direction_of_each_measure(catalog: Catalog) -> None:
    html = page.page(gather.gather(catalog, measures=("ckasim", "farness")))
    embedded = re.search(r'id="data">(.*?)</script>', html, re.DOTALL)
    assert embedded is not None
    (part,) = json.loads(embedded[1])["parts"]
    near, far = part["measured"]
    assert (near["distance"], near["low"], near["high"]) == (False, 0, 1)
    assert (far["distance"], far["low"], far["high"]) == (True, C - 1, C)
    for ours, theirs in zip(near["figures"], far["figures"], strict=True):
        assert ours["id"] == theirs["id"] and [row[:4] for row in ours["rows"]] == [row[:4] for row in theirs["rows"]]
    assert "a distance" in far["figures"][0]["note"]


def test_the_browser_is_bright_where_layers_are_close(mirrored: Path) -> None:
    positions = []

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        for measure in ("ckasim", "farness"):
            state(pilot).switch("measure", measure)
            await pilot.press("f", "home", "enter")  # columns are all, as they were: it reads again
            await until(pilot, lambda: state(pilot).matrix.scope.measure == measure)  # noqa: B023 - asked at once
            now = state(pilot)
            positions.append(now.colours.position(now.value or 0.0))
        now.place(0, 0)
        assert "itself: 0.25 by definition" in detail(now, None).plain

    drive(mirrored, steps)
    assert positions[0] == pytest.approx(positions[1]) and positions[0] > 0
