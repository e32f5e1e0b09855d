"""Pictures: really in their format, never blank, equal whenever the rows are, and drawing the rows' values."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import catalogs
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.image import imread

from layeratlas.queries.core.matrix import Layer, Matrix, blocks
from layeratlas.queries.core.scale import scale
from layeratlas.queries.core.scope import Measured, Scope
from layeratlas.queries.core.table import Table
from layeratlas.queries.figures import (
    agreement,
    clusters,
    correspondence,
    families,
    finetuning,
    heatmap,
    localization,
    plots,
    style,
)
from layeratlas.queries.figures.charts import Dots, Group, Line, Lines, Panel, Point
from layeratlas.queries.questions import QUESTIONS
from layeratlas.store.catalog import reading

ROOT = Path(__file__).resolve().parent.parent
EWT = Scope("own", "on ewt", "default", (Measured("ckasim", "activations", "last", (25, 25)),))
OF = "on ewt · 25 words · source own"


def pairs(models: dict[str, tuple[str, int]], right: dict[str, tuple[str, int]] | None = None) -> Matrix:
    """All pairs of layers, none with itself, with values that differ."""
    rows, columns = (tuple(sorted(Layer(f, m, n) for m, (f, count) in side.items() for n in range(count + 1)))
                     for side in (models, right or models))  # fmt: skip
    values = np.random.default_rng(0).uniform(0.1, 0.9, (len(rows), len(columns)))
    values[[[a == b for b in columns] for a in rows]] = np.nan
    return Matrix(rows, columns, values, "All layers", EWT)


SEVEN = {"bert-base": ("bert", 12), "bert-large": ("bert", 24), "a-transformer-with-a-long-name": ("elmo", 6),
         "elmo-wide": ("elmo", 4), "elmo": ("elmo", 2), "gpt": ("gpt", 12), "xlnet": ("xlnet", 24)}  # fmt: skip
FAMILIES = Table("families",
                 ("measure", "same_model", "same_family", "across", "difference", "low", "high", "p"),
                 [("ckasim", 0.8, 0.7, 0.4, 0.3, 0.1, 0.35, 0.01), ("neuronsim", 0.5, 0.2, 0.25, -0.05, -0.1, 0.1, 0.7),
                  ("svsim", 0.6, None, 0.5, None, None, None, None)], EWT, "one of two")  # fmt: skip
PLACES = Table("places", ("model", "layer", "family", "localization"),
               [("bert-base", 0, "bert", 1.5), ("bert-base", 1, "bert", -0.5), ("gpt", 0, "gpt", 0.25)],
               EWT, "most local: bert-base")  # fmt: skip
MATCHES = Table("matches",
                ("model", "layer", "depth", "other", "other_family", "best", "best_depth", "value"),
                [(a, layer, layer / 4, b, "f", 4 - layer, 1 - layer / 4, 0.5) for a in "xyz" for b in "xyz" if a != b
                 for layer in range(5)], EWT)  # fmt: skip
TUNED = Table("", ("model", "finetuned_from", "layer", "layers", "value"),
              [(f"{origin}-{task}", origin, layer, 4, 1 - layer * fall) for origin in ("bert", "gpt2")
               for task, fall in (("pos", 0.1), ("domain", 0.2)) for layer in range(5)])  # fmt: skip
GROUPED = Table("groups", ("place", "model", "layer", "family", "cluster", "joins", "x", "y"),
                [(place, model, layer, family, 1 + (family == "gpt"), place / 20 or None, place / 9, -layer / 5)
                 for place, (model, family, layer) in enumerate(
                     (model, family, layer) for model, family in (("bert-base", "bert"), ("gpt_one", "gpt"))
                     for layer in range(4))], EWT, "two groups", notes=("average linkage of 1 − ckasim",),
                ordered=pairs({"bert-base": ("bert", 3), "gpt_one": ("gpt", 3)}))  # fmt: skip
FIGURES = {
    "heatmap": lambda: heatmap.draw(pairs(SEVEN)),
    "two models": lambda: heatmap.draw(pairs({"bert-base": ("bert", 3)}, {"gpt": ("gpt", 5)})),
    "families": lambda: plots.draw(families.chart(FAMILIES)),
    "localization": lambda: plots.draw(localization.chart(PLACES)),
    "correspondence": lambda: plots.draw(correspondence.chart(MATCHES)),
    "finetuning": lambda: plots.draw(finetuning.chart(TUNED)),
    "clusters": lambda: clusters.draw(GROUPED),
    "map": lambda: plots.draw(clusters.chart(GROUPED)),
}


def drawn(name: str) -> Figure:
    with style.drawing():
        return FIGURES[name]()


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("suffix", style.SUFFIXES)
def test_a_picture_is_what_its_suffix_says_and_shows_something(tmp_path: Path, name: str, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    style.picture(path, FIGURES[name])
    content = path.read_bytes()
    if suffix == ".png":
        image = imread(io.BytesIO(content), format="png")
        assert min(image.shape[:2]) > 400
        assert len(np.unique(image[..., :3].reshape(-1, 3), axis=0)) > 30, "blank"
        edge = np.concatenate([image[:8, :, :3].ravel(), image[-8:, :, :3].ravel(), image[:, :8, :3].ravel()])
        assert (edge == 1).all(), "something touches the edge: it is cut off"
    elif suffix == ".svg":
        assert ET.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"
    else:
        assert content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF") and len(content) > 4000
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("suffix", style.SUFFIXES)
def test_the_same_rows_give_the_same_bytes(tmp_path: Path, name: str, suffix: str) -> None:
    for part in ("a", "b"):
        style.picture(tmp_path / f"{part}{suffix}", FIGURES[name])
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "heatmap",
            [
                *SEVEN,
                "bert",
                "elmo",
                "xlnet",
                "All layers, ckasim (default)",
                f"{OF} · 8,190 scores",
                "row towards",
                "10",
                "22",
            ],
        ),
        ("two models", ["bert-base", "gpt", f"{OF} · 24 scores", "0", "5"]),
        (
            "families",
            [
                "ckasim",
                "neuronsim",
                "svsim",
                "within a family",
                "across families",
                "same model",
                "on ewt · 25 words · source own",
            ],
        ),
        ("localization", ["bert-base", "gpt", "bert", "layer", OF]),
        (
            "correspondence",
            [
                "x",
                "y",
                "z",
                "depth of the layer",
                "depth of its match",
                "0.0",
                "1.0",
                f"ckasim (default) · {OF}",
            ],
        ),
        ("finetuning", ["bert", "gpt2", "domain", "pos", "layer", "0", "4"]),
        ("clusters", ["bert-base 0", "gpt_one 3", "bert", "gpt", "average linkage of 1 − ckasim", "0.3"]),
        (
            "map",
            ["bert-base 3", "gpt_one 3", "bert", "gpt", f"ckasim (default) · {OF} · average linkage of 1 − ckasim"],
        ),
    ],
)
def test_names_and_numbers_are_text_in_the_svg(tmp_path: Path, name: str, says: list[str]) -> None:
    style.picture(tmp_path / "picture.svg", FIGURES[name])
    root = ET.parse(tmp_path / "picture.svg").getroot()
    texts = ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert set(says) <= set(texts), set(says) - set(texts)


def test_the_colours_of_a_heatmap_are_the_values_of_the_matrix() -> None:
    (mesh,) = (child for child in drawn("heatmap").axes[0].get_children() if isinstance(child, QuadMesh))
    shown = np.ma.getdata(mesh.get_array()), np.ma.getmaskarray(mesh.get_array())
    assert shown[0].shape == (91, 91) and (shown[1] == np.eye(91, dtype=bool)).all(), "only the diagonal is unknown"
    assert (np.where(shown[1], 0, shown[0]) == np.nan_to_num(pairs(SEVEN).values)).all()
    assert mesh.get_clim() == (0, 1) and mesh.get_cmap().name == "viridis"


def test_no_two_labels_of_the_large_heatmap_overlap() -> None:
    figure = drawn("heatmap")
    axes = figure.axes[0]
    with style.drawing():
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
        for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
            boxes = [label.get_window_extent(renderer) for label in labels]
            assert len(boxes) > 30
            assert not any(a.overlaps(b) for index, a in enumerate(boxes) for b in boxes[index + 1 :])


def test_a_matrix_of_two_models_is_not_square() -> None:
    found = pairs({"b": ("x", 1)}, {"a": ("x", 2)})
    assert found.values.shape == (2, 3) and not np.isnan(found.values).any() and not found.is_square
    assert [(block.model, block.layers) for block in blocks(found.columns)] == [("a", (0, 1, 2))]


def test_scales_are_those_of_the_measure_unless_values_leave_them() -> None:
    def ends(values: list[float], low: float | None = 0, high: float | None = 1, **how: bool) -> tuple[float, float]:
        found = scale(replace(EWT.first, low=low, high=high), values, **how)
        return found.low, found.high

    assert ends([0.3, 0.5]) == (0, 1) and ends([0.3, 0.5], -1) == (-1, 1)
    assert ends([0.3, 0.5], stretch=True) == (0.3, 0.5)
    assert ends([-0.2, 0.5]) == (-0.2, 0.5) and ends([3, 5], 0, None) == (3, 5)
    low, high = ends([0.4, 0.4], stretch=True)
    assert low < 0.4 < high
    near, far = (scale(replace(EWT.first, direction="distance"), []).position(value) for value in (0.1, 0.9))
    assert near == pytest.approx(0.9) and far == pytest.approx(0.1)


def test_captions_say_what_the_rows_say() -> None:
    assert families.chart(FAMILIES).caption == (
        "One of two. The widest gap: ckasim, 0.70 within against 0.40 across. Bars: 95 % intervals of the difference."
    )
    assert finetuning.chart(TUNED).caption == (
        "The upper half of the layers changed more than the lower in 4 of 4 fine-tuned models. The most changed layer "
        "is layer 4 of bert-domain: 0.20."
    )
    assert localization.chart(PLACES).caption.endswith("in standard deviations; most local: bert-base.")
    assert (
        "Over 30 matches the two depths correlate at -1.00 and lie 0.60 apart" in correspondence.chart(MATCHES).caption
    )
    assert finetuning.chart(TUNED).series == ("domain", "pos")


def test_points_and_intervals_stand_where_their_values_are() -> None:
    chart = Dots("x", "t", "c", "axis", ("one", "two"),
                 (Group("g", (Point(0, 0.25, 0.2, 0.3), Point(1, 0.75), Point(1, 0.1, is_joined=False))),),
                 FAMILIES, "note")  # fmt: skip
    with style.drawing():
        lines = plots.draw(chart).axes[0].get_lines()
    assert [list(line.get_xdata()) for line in lines] == [[0.25, 0.75], [0.2, 0.3], [0.25], [0.75], [0.1]]
    many = Lines("x", "t", "c", "layer", "axis", ("one",), tuple(
        Panel(str(n), (Line(0, ((0.0, 0.1 * n), (1.0, 0.2)),),)) for n in range(4)), FAMILIES, "note")  # fmt: skip
    with style.drawing():
        figure = plots.draw(many)
    assert [list(axes.get_lines()[0].get_ydata()) for axes in figure.axes] == [[0.1 * n, 0.2] for n in range(4)]


def test_correspondence_of_all_models_is_of_base_models_and_finetuning_of_copies(store: Path) -> None:
    with reading(store) as catalog:
        tuned = QUESTIONS["finetuning"].ask(catalog)
        matches = QUESTIONS["correspondence"].ask(catalog).records()
    name, (_, blocks_of, origin) = next((name, row) for name, row in catalogs.MODELS.items() if row[2])
    assert [row[:4] for row in tuned.rows] == [(origin, name, blocks_of, layer) for layer in range(blocks_of + 1)]
    base = {name: blocks for name, (_, blocks, origin) in catalogs.MODELS.items() if origin is None}
    assert len(matches) == sum((blocks + 1) * (len(base) - 1) for blocks in base.values())
    for match in matches:
        there = {layer: catalogs.score("ckasim", match["model"], match["layer"], match["other"], layer)
                 for layer in range(base[match["other"]] + 1)}  # fmt: skip
        assert match["value"] == pytest.approx(max(there.values())) == there[match["best"]]
        assert match["best_depth"] == match["best"] / base[match["other"]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return catalogs.build(tmp_path_factory.mktemp("pictures") / "store")


def atlas(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "cli.py", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)  # fmt: skip


def test_heatmaps_from_the_command_line(store: Path, tmp_path: Path) -> None:
    for name, models in (("all", ()), ("one", ("bert-a",)), ("two", ("bert-a", "xlnet-a"))):
        path = tmp_path / f"{name}.svg"
        done = atlas("plot", "heatmap", *models, "--measure", "svsim", "-o", path, "--store", store)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        text = path.read_text()
        assert "svsim" in text and "tiny-corpus" in text and ("xlnet-a" in text) == (name != "one")
    pair = [f">{catalogs.score('svsim', 'bert-a', i, 'xlnet-a', j):.2f}<" for i in range(5) for j in range(4)]
    assert re.findall(r">0\.\d\d<", (tmp_path / "two.svg").read_text())[: len(pair)] == pair


def test_charts_from_the_command_line(store: Path, tmp_path: Path) -> None:
    for name, says in (
        ("families", ["ckasim", "svsim", "within a family"]),
        ("localization", ["bert-b", "xlnet-a"]),
        ("finetuning", ["tuned-on-tags", "bert-a"]),
        ("correspondence", ["bert-b", "gpt-a", "depth of its match"]),
        ("correspondence bert-b gpt-a", ["bert-b", "gpt-a"]),
        ("measures", ["ckasim", "svsim", "1.00"]),
    ):
        done = atlas("plot", *name.split(), "-o", tmp_path / "x.svg", "--store", store)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        text = (tmp_path / "x.svg").read_text()
        assert all(f">{said}<" in text for said in says), (name, says)
        assert "tiny-corpus" in text and "1,234 words" in text


def test_figures_show_the_numbers_of_their_questions(store: Path) -> None:
    with reading(store) as catalog:
        kin, places = (QUESTIONS[name].ask(catalog) for name in ("families", "localization"))
        assert QUESTIONS["localization"].ask(catalog, curve=False).rows == [row[:8] for row in places.rows]
    for group, row in zip(families.chart(kin).groups, kin.records(), strict=True):
        assert [point.value for point in group.points] == [
            row[name] for name in ("across", "same_family", "same_model", "difference")
        ]
        assert (group.points[-1].low, group.points[-1].high) == (row["low"], row["high"]) != (None, None)
    chart = localization.chart(places)
    shown = {(panel.name, chart.series[line.series], *point) for panel in chart.panels for line in panel.lines
             for point in line.points}  # fmt: skip
    assert shown == {(r["family"], r["model"], r["layer"], r["localization"]) for r in places.records()}


def test_a_grid_of_measures_puts_those_that_agree_side_by_side() -> None:
    rows = [
        ("a", "b", 0.1, 9),
        ("a", "c", 0.9, 9),
        ("a", "d", None, 9),
        ("b", "c", 0.2, 9),
        ("b", "d", 0.8, 9),
        ("c", "d", -1.0, 9),
    ]
    grid = agreement.chart(Table("x", ("measure", "other", "spearman", "layer_pairs"), rows))
    order = "".join(grid.names)
    assert {order[:2], order[2:]} <= {"ac", "ca", "bd", "db"}
    at = grid.names.index
    assert grid.values[at("c")][at("d")] == grid.values[at("d")][at("c")] == -1.0
    assert grid.values[at("a")][at("d")] is None and grid.values[at("b")][at("b")] == 1.0


@pytest.mark.parametrize(("command", "output"), [(["plot", "heatmap"], "x.png"), (["report"], "x.html")])
def test_drawing_does_not_import_torch(store: Path, tmp_path: Path, command: list[str], output: str) -> None:
    arguments = ["layeratlas", *command, "-o", str(tmp_path / output), "--store", str(store)]
    code = f"import sys, cli; sys.argv = {arguments!r}; cli.main(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_without_matplotlib_one_line_says_what_to_install(store: Path, tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ImportError('not here')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "cli.py", "plot", "heatmap", "-o", tmp_path / "x.png", "--store", store],
                          cwd=ROOT, capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": path})  # fmt: skip
    assert (done.returncode, done.stderr) == (
        1,
        "layeratlas: pictures need matplotlib: pip install 'layeratlas[pictures]'\n",
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("-o", "x.gif"), "ends in .png, .svg or .pdf, got '.gif'"),
        (("-o", "picture"), "ends in .png, .svg or .pdf, got nothing"),
        (("-o", "nowhere/x.png"), "no folder nowhere"),
        (("nobody", "-o", "x.png"), "unknown model 'nobody'"),
        (("bert-a", "gpt-a", "bert-b", "-o", "x.png"), "of no, one or two"),
        (("--measure", "ckasm", "-o", "x.png"), "did you mean ckasim"),
        (("--source", "wu", "-o", "x.png"), "unknown source 'wu'; there is: own"),
    ],
)
def test_a_mistake_is_one_clear_line(store: Path, arguments: tuple[str, ...], says: str) -> None:
    done = atlas("plot", "heatmap", *arguments, "--store", store)
    assert done.returncode == 2 and says in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
    assert not (ROOT / "x.png").exists()
