"""The report in a real browser, offline: what it shows is what the catalog holds. Skipped without Chromium."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import catalogs
import duckdb
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: apt install chromium)")
LAYERS = [(model, layer) for model in sorted(catalogs.MODELS, key=lambda name: (catalogs.MODELS[name][0], name))
          for layer in range(catalogs.MODELS[model][1] + 1)]  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return catalogs.build(tmp_path_factory.mktemp("report") / "store")


@pytest.fixture(scope="module")
def written(store: Path) -> Path:
    path = store.parent / "report.html"
    done = atlas("report", "-o", path, "--store", store)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@dataclass
class Opened:
    """The report in a window, with everything it asked for and complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def hover(self, row: int, column: int, *, of: int, by: int) -> str:
        """Point at a cell of an of × by heatmap and return what the tooltip says."""
        canvas = self.page.locator("#plot canvas")
        box = canvas.bounding_box()
        assert box is not None
        canvas.hover(position={"x": (column + 0.5) * box["width"] / by, "y": (row + 0.5) * box["height"] / of})
        return self.page.inner_text("#tip")

    def top(self) -> list[tuple[str, str, str]]:
        """The rows of the table of most similar pairs."""
        rows = self.page.locator("#top tbody tr").all()
        found = [[cell.inner_text() for cell in row.locator("td").all()] for row in rows]
        return [(a, b, value) for a, b, value in found]


@pytest.fixture(params=[(1600, 1000)])
def report(written: Path, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Opened]:
    width, height = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
    opened = Opened(context.new_page())
    opened.page.on("request", lambda sent: opened.requests.append(sent.url))
    opened.page.on("pageerror", lambda error: opened.errors.append(str(error)))
    opened.page.on("console", lambda said: opened.errors.append(said.text))
    opened.page.goto(written.as_uri())
    opened.page.wait_for_selector("#plot svg text")
    yield opened
    context.close()
    assert [url for url in opened.requests if not url.startswith("data:")] == [written.as_uri()]
    assert opened.errors == []


def atlas(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "cli.py", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)  # fmt: skip


def value(store: Path, measure: str, a: tuple[str, int], b: tuple[str, int]) -> str:
    with duckdb.connect(str(store / "catalog.duckdb"), read_only=True) as catalog:
        sql = "SELECT value FROM layer_pairs WHERE (measure, model_a, layer_a, model_b, layer_b) = (?, ?, ?, ?, ?)"
        (found,) = catalog.execute(sql, [measure, *a, *b]).fetchall()
    return f"{found[0]:.4f}"


@in_a_browser
@pytest.mark.parametrize("measure", ["ckasim", "neuronsim"])
def test_pointing_at_a_cell_says_models_layers_and_the_catalogs_value(
    report: Opened, store: Path, measure: str
) -> None:
    report.page.select_option("#measure", label=measure)
    for row, column in ((0, 7), (7, 0), (25, 3), (12, 20)):
        a, b = LAYERS[row], LAYERS[column]
        said = report.hover(row, column, of=26, by=26).splitlines()
        assert said == [value(store, measure, a, b), f"{a[0]} layer {a[1]}", f"towards {b[0]} layer {b[1]}", measure]
    assert report.hover(4, 4, of=26, by=26).splitlines()[0] == "itself"


@in_a_browser
def test_a_measure_that_is_not_symmetric_shows_each_direction(report: Opened) -> None:
    report.page.select_option("#measure", label="mixedsim")
    there, back = (report.hover(*cell, of=26, by=26).splitlines()[0] for cell in ((4, 17), (17, 4)))
    assert there != back
    assert "similarity of its row towards its column" in report.page.inner_text("#caption")


@in_a_browser
def test_without_a_family_its_cells_are_gone(report: Opened, store: Path) -> None:
    assert "650 scores of 5 models in 3 families" in report.page.inner_text("#caption")
    report.page.uncheck("#families input[value=bert]")
    assert "72 scores of 2 models in 2 families" in report.page.inner_text("#caption")
    assert "bert" not in (report.page.text_content("#plot svg") or "")
    assert report.hover(0, 8, of=9, by=9).splitlines()[0] == value(store, "ckasim", ("gpt-a", 0), ("xlnet-a", 3))
    for family in ("gpt2", "xlnet"):
        report.page.uncheck(f"#families input[value={family}]")
    assert report.page.is_visible("#empty") and not report.page.is_visible("#plot")


@in_a_browser
def test_a_click_shows_two_models_and_escape_shows_all(report: Opened, store: Path) -> None:
    report.hover(0, 20, of=26, by=26)
    report.page.mouse.down()
    report.page.mouse.up()
    assert report.page.inner_text("#heading") == "ckasim: bert-a towards gpt-a"
    assert report.hover(4, 0, of=5, by=5).splitlines()[0] == value(store, "ckasim", ("bert-a", 4), ("gpt-a", 0))
    cells = [text for text in report.page.locator("#plot svg text").all_text_contents() if "." in text]
    expected = [f"{float(value(store, 'ckasim', ('bert-a', i), ('gpt-a', j))):.2f}" for i in range(5) for j in range(5)]
    assert cells == expected
    report.page.keyboard.press("Escape")
    assert report.page.inner_text("#heading") == "ckasim: all layers towards all layers"


@in_a_browser
def test_the_heatmap_can_be_read_with_the_keyboard(report: Opened, store: Path) -> None:
    report.page.focus("#plot canvas")
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowDown"):
        report.page.keyboard.press(key)
    expected = value(store, "ckasim", ("bert-a", 1), ("bert-a", 2))
    assert report.page.inner_text("#spoken") == f"bert-a layer 1 towards bert-a layer 2: {expected}"
    assert "Arrow keys move over the cells" in (report.page.get_attribute("#plot canvas", "aria-label") or "")
    report.page.keyboard.press("Enter")
    assert report.page.inner_text("#heading") == "ckasim: bert-a towards bert-a"


@in_a_browser
@pytest.mark.parametrize("measure", ["svsim", "pwsim"])
@pytest.mark.parametrize("between", ["families", "models"])
def test_the_most_similar_pairs_are_those_of_the_query(report: Opened, store: Path, measure: str, between: str) -> None:
    report.page.select_option("#measure", label=measure)
    report.page.select_option("#between", between)
    asked = atlas("query", "top-pairs", "--measure", measure, "--across", between, "--limit", "15", "--format", "csv",
                   "--store", store).stdout.splitlines()[1:]  # fmt: skip
    values = [f"{float(line.split(',')[7]):.4f}" for line in asked]
    assert [row[2] for row in report.top()] == values
    for of, towards, number in report.top():
        a, b = (re.fullmatch(r"(\S+) layer (\d+)", text) for text in (of, towards))
        assert a and b and number == value(store, measure, (a[1], int(a[2])), (b[1], int(b[2])))


def hover_mark(report: Opened, figure: str, number: int) -> list[str]:
    report.page.locator(f"[data-figure={figure}] .mark").nth(number).hover()
    return report.page.inner_text("#tip").splitlines()


@in_a_browser
def test_charts_say_their_values_and_follow_the_measure(report: Opened, store: Path) -> None:
    with duckdb.connect(str(store / "catalog.duckdb"), read_only=True) as catalog:
        sql = ("SELECT avg(value) FROM layer_pairs WHERE measure = ? AND family_a <> family_b "
               "AND model_a NOT LIKE '%tuned%' AND model_b NOT LIKE '%tuned%'")  # fmt: skip
        across = {name: catalog.execute(sql, [name]).fetchall()[0][0] for name in catalogs.MEASURES}
    first = sorted(catalogs.MEASURES)[0]
    assert hover_mark(report, "families", 0) == [f"{across[first]:.4f}", f"{first}, across families"]
    asked = ("--limit", "99", "--format", "json", "--store", store)
    (row,) = json.loads(atlas("query", "families", "--measure", first, *asked).stdout)
    says, of, interval = hover_mark(report, "families", 3)
    assert (says, of) == (f"{row['difference']:.4f}", f"{first}, difference: within less across")
    assert interval.endswith(f"models drawn with replacement: {row['low']:.4f} to {row['high']:.4f}")
    layers = {(row["model"], row["layer"]): row for row in json.loads(atlas("query", "localization", *asked).stdout)}
    last = f"{layers['xlnet-a', 3]['localization']:.4f}"
    assert hover_mark(report, "localization", len(layers) - 1) == [last, "xlnet-a, layer 3", "xlnet"]
    for measure in ("ckasim", "pwsim"):
        report.page.select_option("#measure", label=measure)
        tuned = value(store, measure, ("bert-a-tuned-on-tags", 3), ("bert-a", 3))
        assert hover_mark(report, "finetuning", 3) == [tuned, "tuned-on-tags, layer 3", "bert-a"]
        assert measure in report.page.inner_text("[data-figure=correspondence] .note")
    report.page.click("[data-figure=finetuning] summary")
    assert tuned in report.page.inner_text("[data-figure=finetuning] table")
    assert len(report.page.get_attribute("[data-figure=families] svg[role=img]", "aria-label") or "") > 80


@in_a_browser
def test_colours_can_be_stretched(report: Opened) -> None:
    assert (report.page.inner_text("#low"), report.page.inner_text("#high")) == ("0", "1")
    report.page.check("#stretch")
    low, high = float(report.page.inner_text("#low")), float(report.page.inner_text("#high"))
    found = re.search(r"from ([\d.]+) to ([\d.]+)", report.page.inner_text("#caption"))
    assert found and (low, high) == (pytest.approx(float(found[1]), abs=6e-4), pytest.approx(float(found[2]), abs=6e-4))


@in_a_browser
@pytest.mark.parametrize("report", [(1600, 1000), (420, 860)], indirect=True)
def test_nothing_sticks_out_of_a_window_of_any_width(report: Opened) -> None:
    width = report.page.evaluate("innerWidth")
    assert report.page.evaluate("document.documentElement.scrollWidth") <= width
    for measure in catalogs.MEASURES:
        report.page.select_option("#measure", label=measure)
    box = report.page.locator("#plot canvas").bounding_box()
    assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width and box["width"] > width * 0.4
    names = report.page.inner_text("#key")
    assert ("bert-a-tuned-on-tags" in names) == (width < 500), "names that do not fit have a key"


@in_a_browser
def test_it_prints(report: Opened) -> None:
    report.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert report.page.locator("#plot canvas").evaluate("canvas => canvas.clientWidth") > 450, "as wide as the paper"
    report.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert report.page.locator("#plot canvas").evaluate("canvas => canvas.clientWidth") > 700
    printed = report.page.pdf(format="A4")
    assert printed.startswith(b"%PDF") and len(printed) > 20_000


def test_the_page_holds_the_exact_configuration_of_its_numbers(written: Path) -> None:
    page = written.read_text(encoding="utf-8")
    for said in ("3,250 scores: 26 layers of 5 models in 3 families", "v1:bert-a-tuned-on-tags-own",
                 "{&quot;variance&quot;:0.99}",
                 "layeratlas run tiny.toml", "v1:tiny-corpus", "&quot;torch&quot;:&quot;2.9.0&quot;"):  # fmt: skip
        assert said in page, said
    assert not re.search(r"(?:src|href)=(?![\"'](?:#|data:))", page), "nothing is loaded from elsewhere"
    assert len(page) < 200_000


def test_the_same_catalog_gives_the_same_page(store: Path, written: Path, tmp_path: Path) -> None:
    assert atlas("report", "-o", tmp_path / "again.html", "--store", store).returncode == 0
    assert (tmp_path / "again.html").read_bytes() == written.read_bytes()


@in_a_browser
def test_names_are_text_whatever_they_hold(browser: Browser, tmp_path: Path) -> None:
    evil = "</script><script>document.title='taken'</script><img src=x onerror=alert(1)>"
    models = {evil: ("f&<b>", 1, None), "plain": ("g", 1, None)}
    catalogs.build(tmp_path / "s", models=models, value=lambda *_: 0.5, corpus="<i>c</i>")
    assert atlas("report", "-o", tmp_path / "r.html", "--store", tmp_path / "s").returncode == 0
    page = browser.new_page()
    page.goto((tmp_path / "r.html").as_uri())
    page.wait_for_selector("#plot svg text")
    assert page.title() != "taken" and page.locator("img").count() == 0
    assert evil in page.inner_text("#rows") and "<i>c</i>" in page.inner_text("#caption")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--measure", "ckasm"), 2, "did you mean ckasim"),
        (("--configuration", "wu2020"), 2, "unknown configuration 'wu2020'; there is: default"),
        (("--corpus", "tiny"), 2, "did you mean tiny-corpus"),
        (("-o", "nowhere/report.html"), 2, "no folder nowhere"),
    ],
)
def test_a_mistake_is_one_clear_line(store: Path, arguments: tuple[str, ...], code: int, says: str) -> None:
    done = atlas("report", "--store", store, *arguments)
    assert done.returncode == code and says in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
