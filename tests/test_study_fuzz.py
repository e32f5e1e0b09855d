"""Whatever a study file holds, it is a study or one clear line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from layeratlas.extract.locate import locate
from layeratlas.measures.plan import chosen_measures
from layeratlas.measures.registry import configuration
from layeratlas.store.errors import BadRequest
from layeratlas.store.files import Remembered
from layeratlas.store.results import read_results
from layeratlas.store.study import ModelSpec, Study, load_study, study_of

ROOT = Path(__file__).resolve().parent.parent
SMALL = """\
[[models]]
id = "./m"
name = "one"
family = "bert"
finetuned_from = "two"
[[models]]
id = "./m"
name = "two"
revision = "main"
untrained = true
seed = 1
trust_remote_code = false
[[corpora]]
path = "c.txt"
name = "c"
limit = 5
[extraction]
pooling = "last"
long_sentences = "split"
window = 8
precision = "float32"
storage = "float32"
layers = [0, 1]
batch_tokens = 64
kinds = ["activations", "attention"]
special_tokens = "drop"
[[measures]]
name = "svsim"
variance = 0.95
[[measures]]
name = "attsim"
preset = "wu2020"
similarity = "pearson"
causal = true
[[results]]
file = "r.csv"
name = "theirs"
models = "r.toml"
"""
DEMO = (ROOT / "studies" / "demo.toml").read_text("utf-8").replace("../", f"{ROOT}/")
ABOUT = """\
citation = "who"
tolerance = 0.1
[[models]]
name = "a"
family = "f"
layers = 1
neurons = 4
parameters = 10
[[corpora]]
name = "c"
words = 3
[[measures]]
name = "x"
direction = "distance"
low = 0.0
high = 2.0
"""
TABLE = "corpus,measure,model_a,layer_a,model_b,layer_b,value\nc,x,a,0,a,1,0.5\nc,x,a,1,a,0,0.5\n"

HOSTILE = [
    "-1", "0", "1", "2", "99999999999999999999", "-9223372036854775809", "2147483648", "9" * 5000, "0x" + "f" * 20_000,
    "1.5", "nan", "-inf", "1e400", "true", '""', '"x"', '"\\u0000"', '"a\\u0000b.txt"', "[]", "[1]", "[-1]", "[true]",
    '["x"]', "[[1]]", '[["activations"]]', "{}", "{a = 1}", "[{a = [1]}]", "1979-05-27", "1979-05-27T07:32:00Z",
    "07:32:00", "[" * 3000 + "]" * 3000, "{a=" * 400 + "1" + "}" * 400, "[" * 60 + "]" * 60, f'"{"x" * 5000}"',
    '"~nobody/x"', '"~"', '"package:__main__"', '"package:os"', '"package:os.path/x"', '"package:"', '"/"', '"."',
    '"../../.."', '"\\U0001F600"', '"\\u202e[/x]\\u001b[31m"', '"/proc/self/mem"', '"wu2020"', '"""\n\n"""', "'", '"',
    "=", "",
]  # fmt: skip
DEEP = ".a" * 1200
LINES = [
    f"a{DEEP} = 1", f"id{DEEP} = 1", f"revision{DEEP} = 1", f"variance{DEEP} = 1", f"[a{DEEP}]", "[[[",
    "extraction = 1", "models = 1", "models = [1]", "measures = {}", "[extraction.x]",
    "[[extraction]]", "[measures]", "name = {a = 1}", '"\\u0000" = 1', '"" = 1', "\x00", "\ufeff", "\r", "# \x1b[31m",
    "[[models]]", "[[corpora]]", "[[measures]]", "[[results]]", "variance = 1e-400", "standardise = 1",
]  # fmt: skip


@st.composite
def harmed(draw: st.DrawFn, text: str) -> str:
    """A text with some values, lines and letters replaced."""
    lines = text.splitlines()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        way = draw(st.sampled_from(["value", "value", "value", "line", "drop", "twice", "letters"]))
        if way == "value" and "=" in lines[at]:
            lines[at] = f"{lines[at].partition('=')[0]}= {draw(st.sampled_from(HOSTILE))}"
        elif way == "line":
            lines.insert(at, draw(st.sampled_from(LINES)))
        elif way == "drop" and len(lines) > 1:
            del lines[at]
        elif way == "twice":
            lines.insert(at, lines[draw(st.integers(0, len(lines) - 1))])
        else:
            place = draw(st.integers(0, len(lines[at])))
            letters = draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=3))
            lines[at] = lines[at][:place] + letters + lines[at][place + draw(st.integers(0, 3)) :]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("studies")
    (made / "m").mkdir()
    (made / "c.txt").write_text("cats sleep\n")
    (made / "r.csv").write_text(TABLE)
    (made / "r.toml").write_text(ABOUT)
    return made


def check(folder: Path, text: str) -> None:
    """Read a study; what it names can be asked for, or is refused in words that name the file."""
    path = folder / "study.toml"
    path.write_bytes(text.encode())
    try:
        study = load_study(path)
    except BadRequest as error:
        assert str(path) in str(error) and len(str(error)) < 10_000
        return
    assert isinstance(study, Study)
    try:
        for measure in chosen_measures(study.measures, study.kinds):
            assert configuration(measure).configuration
    except BadRequest as error:
        assert str(path) in str(error)
    for spec in study.models:
        if spec.id.startswith("package:"):
            _located(spec, folder)


def _located(spec: ModelSpec, folder: Path) -> None:
    try:
        locate(spec, Remembered(folder / "remembered.json"))
    except BadRequest as error:
        assert spec.id in str(error) or "no model folder" in str(error)


quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
long = settings(quick, max_examples=400, phases=[Phase.explicit, Phase.generate])


@quick
@given(text=harmed(SMALL))
def test_any_small_study_is_a_study_or_one_clear_error(folder: Path, text: str) -> None:
    check(folder, text)


@pytest.mark.slow
@long
@given(text=st.one_of(harmed(SMALL), harmed(SMALL), harmed(DEMO)))
def test_any_of_many_studies_is_a_study_or_one_clear_error(folder: Path, text: str) -> None:
    check(folder, text)


def test_every_key_with_every_value(folder: Path) -> None:
    lines = SMALL.splitlines()
    for at, line in enumerate(lines):
        if "=" in line:
            for value in HOSTILE:
                check(folder, "\n".join([*lines[:at], f"{line.partition('=')[0]}= {value}", *lines[at + 1 :]]))
    for at in (0, 3, 16, 20, 28):
        for line in LINES:
            check(folder, "\n".join([*lines[:at], line, *lines[at:]]))


@pytest.mark.slow
def test_the_descriptions_of_results_are_read_as_carefully(folder: Path) -> None:
    lines = ABOUT.splitlines()
    changed = [[*lines[:at], f"{line.partition('=')[0]}= {value}", *lines[at + 1 :]]
               for at, line in enumerate(lines) if "=" in line for value in HOSTILE]  # fmt: skip
    changed += [[*lines[:at], line, *lines[at:]] for at in (0, 3, 9, 14) for line in LINES]
    for text in changed:
        (folder / "other.toml").write_bytes("\n".join(text).encode())
        try:
            read_results(folder / "r.csv", folder / "other.toml")
        except BadRequest as error:
            assert re.search(r"other\.toml|r\.csv", str(error)), str(error)


@pytest.mark.parametrize(
    ("line", "value", "says"),
    [
        ('preset = "wu2020"', "preset = 7", "29: preset must be a text, got 7"),
        ("limit = 5", "limit = -1", "16: limit must be at least 1, got -1"),
        ("limit = 5", f"limit = {2**64}", f"16: limit must be at most 9,223,372,036,854,775,807, got {2**64}"),
        ("seed = 1", f"seed = {2**40}", "11: seed must be at most 2,147,483,647, got 1099511627776"),
        ("window = 8", "window = 0", "20: window must be at least 3, got 0"),
        ('path = "c.txt"', r'path = "\u0000"', "14: there is no corpus \0"),
        ('file = "r.csv"', r'file = "a\u0000b"', "34: there is no file a\0b"),
        ('id = "./m"', r'id = "./\u0000"', "2: there is no model folder or file ./\0"),
        ("variance = 0.95", f"variance = {'[' * 5000}", "28: brackets stand within brackets, too many of them"),
        ("limit = 5", f"limit = {'9' * 5000}", "16: a number has thousands of digits"),
        ("limit = 5", f"limit = 0x{'f' * 9999}", "16: limit must be at most 9,223,372,036,854,775,807, got what no"),
        ('kinds = ["activations", "attention"]', "kinds = [[1]]", "25: kinds must name some of"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_file_line_and_key(folder: Path, line: str, value: str, says: str) -> None:
    (folder / "wrong.toml").write_text(SMALL.replace(line, value, 1))
    with pytest.raises(BadRequest) as error:
        load_study(folder / "wrong.toml")
    assert f"{folder}/wrong.toml:" in str(error.value)
    assert says.partition(": ")[2] in str(error.value), str(error.value)


def test_a_folder_of_the_users_home_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    (folder / "home.toml").write_text('[[models]]\nid = "~/m"\n[[corpora]]\npath = "c.txt"\n')
    assert load_study(folder / "home.toml").models[0].folder == folder / "m"


def test_a_seed_that_the_catalog_cannot_hold_is_refused_on_the_command_line() -> None:
    with pytest.raises(BadRequest, match="seed must be from"):
        study_of(["m"], [], untrained=True, seed=2**40)
