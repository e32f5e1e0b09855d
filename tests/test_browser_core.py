"""Below the browser's screens: completion, history, choices and painting, without Textual."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from layeratlas.queries.browser.complete import History, complete, completed
from layeratlas.queries.browser.paint import ZOOMS, Painter, number
from layeratlas.queries.browser.state import Slice, nearest
from layeratlas.queries.core.matrix import Layer, Matrix

NAMES = {"layer_pairs": ["measure", "model_a", "model_b", "value"], "models": ["model", "family"], "runs": ["run"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select * from lay", ["layer_pairs"]),
        ("select * from ", ["layer_pairs", "models", "runs"]),
        ("select mod", ["model_a", "model_b", "model", "models"]),
        ("select 1 from models where fam", ["family"]),
        ("select * from layer_pairs p where p.v", ["p.value"]),
        ("select layer_pairs.mo", ["layer_pairs.model_a", "layer_pairs.model_b"]),
        ("select x.", []), ("select ", []), ("", []), ("SEL", ["SELECT"]), ("select med", ["median("]),
    ],
)  # fmt: skip
def test_completion(text: str, expected: list[str]) -> None:
    assert complete(text, NAMES) == expected
    for choice in expected[:1]:
        assert completed(text, choice).endswith(choice) and completed(text, choice).startswith(text.rsplit(" ", 1)[0])


def test_history_walks_both_ways_and_survives_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    history = History(tmp_path / "deep" / "file")
    for statement in ("one", "two", "two"):
        history.add(statement)
    assert [history.older("draft"), history.older(""), history.older("")] == ["two", "one", "one"]
    assert [history.newer(), history.newer(), history.newer()] == ["two", "draft", "draft"]
    assert History(tmp_path / "deep" / "file").statements == ["one", "two"]
    (tmp_path / "file").touch()
    unwritable = History(tmp_path / "file" / "below")
    unwritable.add("kept in memory")
    assert unwritable.older("") == "kept in memory"


def test_the_nearest_slice_keeps_what_it_can() -> None:
    ours = Slice("own", "ewt", "ckasim", "default", "last", "activations")
    theirs = Slice("paper", "ptb", "ckasim", "published", None, "activations")
    other = Slice("paper", "ptb", "svsim", "published", None, "activations")
    slices = {ours: 1, other: 1, theirs: 1}
    assert nearest(slices, Slice("paper", "ewt", "ckasim", "default", "last", "activations"), "source") == theirs
    assert nearest(slices, ours, "source") == ours and nearest({}, ours) is None


@pytest.mark.parametrize("zoom", ZOOMS)
def test_every_line_of_a_map_fits_and_shows_its_values(zoom: object) -> None:
    rows = tuple(Layer("f", model, layer) for model in ("first-model", "second") for layer in range(5))
    values = np.linspace(-0.2, 1, 100).reshape(10, 10)
    values[0, 1] = np.nan
    assert zoom in ZOOMS
    painter = Painter(Matrix(rows, rows, values), (7, 3), ZOOMS[ZOOMS.index(zoom)], room=40)  # type: ignore[arg-type]
    width, height = painter.size
    for x in range(width - painter.margin):
        for y, at in itertools.product(range(height - 2), range(6)):
            assert sum(len(segment.text) for segment in painter.line(at, x, y, 40)) <= 40
    text = ["".join(segment.text for segment in painter.line(at, 0, 0, width)) for at in range(height)]
    assert "fir" in text[0] and "sec" in text[0] and any(line.startswith("second") for line in text[2:])
    if zoom == ZOOMS[0]:
        assert "    =    · -.18" in text[2] and number(values[9, 8]) in text[11]


def test_numbers_never_touch_and_are_no_wider_than_they_need() -> None:
    rows = tuple(Layer("f", "m", layer) for layer in range(3))
    for values, line in (
        (np.full((3, 3), -0.5), "   1  -.50    = -.50"),
        (np.full((3, 3), 0.5), "   1  .50   = .50"),
    ):
        painter = Painter(Matrix(rows, rows, values), (0, 0), ZOOMS[0], room=40)
        assert "".join(segment.text for segment in painter.line(3, 0, 0, 40)) == line
        assert painter.cell_at(painter.margin + painter.place_of(0, 2)[0], 2) == (0, 2)


@pytest.mark.parametrize(
    ("value", "said"), [(0.874, ".87"), (1.0, "1.0"), (0.996, "1.0"), (0.0, ".00"), (-0.05, "-.05"), (-1.0, "-1.0")]
)
def test_values_take_four_characters(value: float, said: str) -> None:
    assert number(value) == said and len(said) <= 4
