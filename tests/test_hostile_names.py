"""Every question and every face, over names that were made to do harm: shown as text, and nothing is obeyed."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import hostile
import pytest
from browser_drive import drive, loaded, shown, state, until
from click.testing import CliRunner, Result
from hostile import CORPUS, LABEL, NAMES, REASON, SOURCE
from playwright.sync_api import sync_playwright
from terminals import in_a_terminal
from textual.pilot import Pilot

from layeratlas import cli
from layeratlas.queries.browser.sql import Statement
from layeratlas.queries.core.visible import visible
from layeratlas.queries.questions import QUESTIONS
from layeratlas.queries.terminal.fit import padded, shortened, wide

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
LAYER = f"{NAMES[2]}:1"
#: What each question is told; all that can be is named, so that every title holds it.
TOLD: dict[str, list[str]] = {
    "nearest": [LAYER], "neurons": [LAYER], "heads": [LAYER], "finetuning": [NAMES[0]],
    "correspondence": [NAMES[2], NAMES[7]],
}  # fmt: skip
ALL = ["--corpus", CORPUS, "--configuration", LABEL, "--limit", "100000"]
FORMS = ("table", "json", "csv", "markdown")
#: All but those that need intervals, which this store has none of.
ANSWERED = [name for name in QUESTIONS if name not in ("compare-pairs", "power")]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile.build(tmp_path_factory.mktemp("hostile") / "s")


def atlas(store: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli.cli, arguments, env={"COLUMNS": "900", "LAYERATLAS_STORE": str(store)})


def asking(name: str) -> list[str]:
    said = [*ALL[:2], *ALL[4:]] if name == "layers" else ALL  # figures are under no configuration
    return ["query", name, *said, "--", *TOLD.get(name, [])]


def obeyed(text: str) -> list[str]:
    """The characters that a terminal would obey, apart from the ends of lines."""
    return [each for each in text.replace("\r\n", "\n") if each != "\n" and not each.isprintable()]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ANSWERED)
def test_every_question_in_every_format(store: Path, name: str, form: str) -> None:
    ask = asking(name)
    done = atlas(store, *ask[:2], "--format", form, *ask[2:])
    assert done.exit_code == 0, done.output
    if form == "csv":  # exact, for programs
        rows = list(csv.DictReader(io.StringIO(done.stdout, newline="")))
        assert all(row.get("model", NAMES[0]) in NAMES for row in rows) and bool(rows) == (name != "consistency")
        return
    assert not obeyed(done.stdout)
    if form == "json":
        assert all(row.get("model_a", NAMES[0]) in NAMES for row in json.loads(done.stdout))
    elif name in ("models", "coverage", "localization") or (name, form) == ("heatmap", "markdown"):
        assert all(visible(model).replace("|", "\\|" * (form == "markdown") or "|") in done.stdout for model in NAMES)
    if form == "table" and name not in ("measures", "disagreements", "layers"):  # whose titles are of no one scope
        assert f"({visible(LABEL)}) · {visible(CORPUS)} · 1,234 words" in done.stdout


@pytest.mark.parametrize("name", [name for name in ANSWERED if name != "heatmap"])
def test_explained_sql_is_shown_as_text_and_can_be_asked(store: Path, name: str) -> None:
    ask = asking(name)
    named = [f"--model={model}" for model in NAMES] + [f"--family={family}" for family in hostile.FAMILIES]
    explained = atlas(store, *ask[:2], "--explain", *named, *ask[2:])
    assert explained.exit_code == 0, explained.output
    assert not obeyed(explained.stdout)
    assert atlas(store, "sql", explained.stdout).exit_code == 0


#: Run in one process, each as its own command line.
MANY = """
import json, sys
from layeratlas import cli
for arguments in json.loads(sys.argv[1]):
    print("##", *map(ascii, arguments[:2]))
    sys.argv[1:] = arguments
    try:
        cli.main()
    except SystemExit as ended:
        print("ended", ended.code)
"""


def watched(store: Path, *commands: list[str], columns: int = 900) -> str:
    """What a terminal without colours gets of some commands."""
    return in_a_terminal("-c", MANY, json.dumps(commands), TERM="dumb", COLUMNS=str(columns),
                         LAYERATLAS_STORE=str(store))  # fmt: skip


@pytest.mark.parametrize("columns", [80, 900])
def test_a_terminal_is_given_text_and_nothing_to_obey(store: Path, columns: int) -> None:
    commands = [asking(name) for name in QUESTIONS]
    commands += [["query", name, "--format", "csv", *asking(name)[2:]] for name in QUESTIONS]
    commands += [["query", "findings"], ["status"], ["verify"], ["query", "top-pairs", "--source", SOURCE],
                 ["sql", "SELECT model, family FROM models"], ["sql", "SELECT model FROM nowhere\n, 'a\x1b'"],
                 ["sql", "SELECT CAST(model AS INT) FROM models"], ["query", "models", "--model", "\x1b[31m"],
                 ["query", "nearest", "\x1b[31m"], ["query", "nearest", f"{NAMES[2]}:9"],
                 ["query", "models", "--measure", "\x9b"], ["query", "models", "--corpus", "\u202e"],
                 ["query", "models", "--source", "\n"], ["query", "\x1b[31m"], ["query", "models", "--\x1b[31m"],
                 ["measure", "--measure", "\x1b["], ["extract", "./\x1b[31m", "--corpus", "\x1b[31m.txt"],
                 ["run", "\x1b[31m.toml"]]  # fmt: skip
    said = watched(store, *commands, columns=columns)
    assert not obeyed(said) and "Traceback" not in said, said
    if columns == 900:
        assert all(visible(name) in said for name in (*NAMES, REASON, CORPUS, LABEL))


def test_bytes_that_are_no_text_are_one_clear_line(store: Path) -> None:
    given = ["-c", "import sys; from layeratlas import cli; sys.argv = ['x', 'query', 'models', '--model', '\\udcff',"
             " '--store', sys.argv[1]]; cli.main()", store]  # fmt: skip
    said = in_a_terminal(*given, code=2)
    assert said.splitlines() == [r"layeratlas: '\udcff' is no text in UTF-8: call it by another name, or a link to it"]


def test_progress_and_notes_show_names_as_text() -> None:
    work = (
        "from hostile import NAMES\nfrom layeratlas.queries.terminal.progress import TerminalProgress\n"
        "progress = TerminalProgress()\n"
        "for name in NAMES:\n"
        "    with progress.task(f'extract {name}', 3) as advance:\n"
        "        progress.note(f'{name} failed')\n"
        "        advance(3)\n"
    )
    said = in_a_terminal("-c", f"import sys; sys.path.insert(0, 'tests')\n{work}", COLUMNS="200", NO_COLOR="1")
    assert all(f"{visible(name)} failed" in said and f"extract {visible(name)}" in said for name in NAMES)
    assert not any(name in said for name in NAMES if name != visible(name))


def test_what_a_run_says_of_its_parts_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    from layeratlas.running import Outcome

    cli._finish(Outcome(tuple(f"not extracted: {name}: {REASON}" for name in NAMES)))
    said = capsys.readouterr().err
    assert not obeyed(said) and len(said.splitlines()) == len(NAMES)


PICTURES = (["heatmap"], ["heatmap", NAMES[2], NAMES[4]], ["families"], ["localization"], ["finetuning"],
            ["correspondence"], ["correspondence", NAMES[2], NAMES[7]])  # fmt: skip


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: "-".join(map(ascii, picture)))
def test_every_picture_has_the_names(store: Path, tmp_path: Path, picture: list[str]) -> None:
    done = atlas(store, "plot", picture[0], *ALL[:4], "-o", str(tmp_path / "x.svg"), "--", *picture[1:])
    assert done.exit_code == 0, done.output
    text = (tmp_path / "x.svg").read_text(encoding="utf-8")
    there = "".join(ET.fromstring(text).itertext())
    assert not obeyed(text) and visible(CORPUS) in there
    if len(picture) == 1 and picture[0] in ("heatmap", "localization", "correspondence"):
        names = NAMES if picture[0] == "heatmap" else hostile.FAMILIES  # more models than colours
        assert [name for name in names if visible(name) not in there] == []
    if picture == ["finetuning"]:  # a name that begins with an underscore stands in the legend
        assert "_hidden" in there


def test_letters_that_no_font_has_are_one_note(store: Path, tmp_path: Path) -> None:
    done = atlas(store, "plot", "heatmap", "-o", str(tmp_path / "x.png"))
    lines = done.stderr.splitlines()
    assert done.exit_code == 0 and lines[-1].startswith("wrote") and len(lines) <= 2, done.stderr
    assert len(lines) == 1 or lines[0].startswith("note: no font here has 模型")


def test_the_report_has_the_names_as_text(store: Path, tmp_path: Path) -> None:
    done = atlas(store, "report", "-o", str(tmp_path / "r.html"))
    assert done.exit_code == 0, done.output
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert not obeyed(page)
    data = page.partition('<script type="application/json" id="data">')[2].partition("</script>")[0]
    blocks = json.loads(data)["parts"][0]["measured"][0]["blocks"]
    assert {block["model"] for block in blocks} == set(NAMES), "programs get the exact names"
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (Debian: apt install chromium)")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened, errors = browser.new_page(), []
        opened.on("pageerror", lambda error: errors.append(str(error)))
        opened.on("dialog", lambda dialog: errors.append(dialog.message))
        opened.goto((tmp_path / "r.html").as_uri())
        opened.wait_for_selector("#plot svg text")
        options = opened.locator("#rows option").all_text_contents()
        assert set(options) == {"all models", *map(visible, NAMES)} and errors == []
        for name in NAMES:
            opened.select_option("#rows", value=name)
            assert visible(name) in (opened.text_content("#heading") or "")
        assert not obeyed("".join(opened.locator("main, header").all_text_contents())) and errors == []
        browser.close()


@pytest.mark.slow
def test_the_browser_shows_names_as_text(store: Path) -> None:
    seen: list[str] = []

    def look(pilot: Pilot[None]) -> None:
        seen.append(shown(pilot))
        assert not obeyed(seen[-1]), seen[-1]

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        look(pilot)
        for _ in state(pilot).matrix.rows[::8]:
            await pilot.press(*["down"] * 8)
            await pilot.pause(0.15)
            look(pilot)
        for key in ("f", "c", "n", "s"):
            await pilot.press(key)
            await pilot.pause(0.1)
            look(pilot)
            await pilot.press("escape")
        await pilot.press("enter")
        await until(pilot, "mixedsim")
        look(pilot)
        await pilot.press("e")
        await pilot.pause(0.2)
        look(pilot)
        await pilot.press("escape", "escape", "colon")
        await pilot.pause(0.1)
        for statement in ("SELECT model, family FROM models", "SELECT CAST(model AS INT) FROM models"):
            pilot.app.screen.query_one(Statement).value = statement
            await pilot.press("enter")
            await pilot.pause(0.6)
            look(pilot)

    drive(store, steps, size=(180, 60))
    assert [name for name in NAMES if not any(visible(name) in screen for screen in seen)] == []


def test_visible_is_what_python_writes_and_keeps_what_can_be_read() -> None:
    for code in range(sys.maxunicode + 1):
        each = chr(code)
        assert visible(each) == (each if each.isprintable() else repr(each)[1:-1])
    assert visible("a\tb\nc\r", lines=True) == "a\tb\nc\\r"


@pytest.mark.parametrize("size", range(1, 20))
@pytest.mark.parametrize("name", ["模型" * 8, "a模b型c" * 4, "plain-name-that-is-long"])
def test_wide_names_are_shortened_by_what_they_take(name: str, size: int) -> None:
    short = shortened(name, size)
    assert size - 2 <= wide(short) <= size and wide(padded(short, size)) == size
