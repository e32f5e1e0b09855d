"""The Python API: an open store answers as the command line does, in frames that know what they are of."""

from __future__ import annotations

import inspect
import json
import math
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import toy
from click.testing import CliRunner

import layeratlas as la
from docs import _generate
from layeratlas.cli import cli
from layeratlas.measures import MEASURES
from layeratlas.measures.registry import configure
from layeratlas.queries.commands.options import SHARED
from layeratlas.queries.core.registry import Argument, Option, Question
from layeratlas.queries.notebook import methods
from layeratlas.queries.notebook.answer import Answer
from layeratlas.queries.questions import QUESTIONS
from layeratlas.store.catalog import WRITE_PATIENCE, writing
from layeratlas.store.errors import LayeratlasError
from layeratlas.store.store import Store

ROOT = Path(__file__).resolve().parent.parent
NAMED = {
    "layer": "bee:1",
    "pair": ("ant", "bee"),
    "model_a": "ant",
    "model_b": "bee",
    "base": "bert_base_cased",
    "figures": (),
    "pairs": ("bee:1", "ant:1", "bee:1", "cat:0"),
    "ends": ("bee:1", "ant:1"),
}
TEXTS = {"within": "a-family"}  # for options that take a text


@pytest.fixture(scope="module")
def root(stores: dict[str, Path]) -> Path:
    """A store of our own scores and of what was published."""
    return stores["both"]


@pytest.fixture(scope="module")
def store(root: Path) -> la.Atlas:
    return la.open(root)


@pytest.fixture(autouse=True)
def no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever another test has left in the environment: nothing here is cut to a width."""
    monkeypatch.delenv("COLUMNS", raising=False)


def command_line(root: Path, *arguments: str) -> tuple[int, str]:
    """What a question answers on the command line: exit code, and JSON or the error's line."""
    done = CliRunner().invoke(cli, ["query", *arguments, "--store", str(root), "--format", "json"])
    if isinstance(done.exception, LayeratlasError):
        return done.exception.exit_code, str(done.exception)
    return done.exit_code, done.stdout if done.exit_code == 0 else done.output


def ways(question: Question) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """Every way in which a question is asked here: plainly, with each of its options, with shared ones."""
    words, given = [], {}
    for argument in question.arguments:
        value = NAMED[argument.name]  # what is new: add it to NAMED
        words += value if isinstance(value, tuple) else [value]
        given[argument.name] = value
    yield words, given
    for option in question.options:
        spelled = "--" + option.name.replace("_", "-")
        value = of_option(option)
        yield [*words, spelled] + ([] if value is True else [str(value)]), {**given, option.name: value}
    for shared in (
        {"source": "wu2020-ewt", "limit": 3}, {"measure": "svsim", "model": "ant", "origin": "own"},
        {"family": "b-family", "kind": "activations", "limit": 2, "pooling": "last", "configuration": "default"},
        {"corpus": "nowhere"},
    ):  # fmt: skip
        yield [*words, *(f"--{name}={value}" for name, value in shared.items())], {**given, **shared}


def of_option(option: Option) -> Any:
    if option.kind is bool:
        return True
    if isinstance(option.kind, tuple):
        return option.kind[0]
    return TEXTS[option.name] if option.kind is str else option.kind((option.least or 0) + 1)


def asked(store: la.Atlas, question: Question, given: dict[str, Any]) -> Answer:
    """Ask by the method of that name, its arguments by place."""
    given, places = dict(given), []
    for argument in question.arguments:
        value = given.pop(argument.name)
        places += value if isinstance(value, tuple) else [value]
    found = getattr(store, question.name.replace("-", "_"))(*places, **given)
    assert isinstance(found, Answer)
    return found


def as_json(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as JSON has them: what is not finite is null."""
    return [{name: None if isinstance(value, float) and not math.isfinite(value) else value
             for name, value in row.items()} for row in rows]  # fmt: skip


def rounded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows less the last digits, which DuckDB's threads sum in an order of their own."""
    return [{name: round(value, 10) if isinstance(value, float) else value for name, value in row.items()}
            for row in rows]  # fmt: skip


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_method_answers_as_its_command_does(name: str, root: Path, store: la.Atlas) -> None:
    answered = 0
    for words, given in ways(QUESTIONS[name]):
        code, said = command_line(root, name, *words)
        if code:
            with pytest.raises(LayeratlasError) as refused:
                asked(store, QUESTIONS[name], given)
            assert (refused.value.exit_code, str(refused.value)) == (code, said)
            continue
        answered += 1
        found, expected = asked(store, QUESTIONS[name], given), json.loads(said)
        assert as_json(found.records()) == as_json(found.polars().to_dicts()) == as_json(found.arrow().to_pylist())
        assert rounded(as_json(found.records())) == rounded(expected)
    assert answered or name in ("heads", "compare-pairs", "power")  # test_python_layers.py has what they need


def test_the_methods_are_those_of_the_registry() -> None:
    written = Path(methods.__file__).read_text()
    assert f"\n{_generate.methods()}\n    # [[[end]]]" in written, (
        "a question has changed: `make docs` writes its method"
    )
    own = {name for name in vars(la.Atlas) if not name.startswith("_")}
    assert not own & {name.replace("-", "_") for name in QUESTIONS}  # a method of the store hides no question


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_method_has_types_a_default_and_help_for_all_it_takes(name: str) -> None:
    method = getattr(la.Atlas, name.replace("-", "_"))
    taken = inspect.signature(method, eval_str=True).parameters
    shared = [option.opts[0].removeprefix("--") for option in _generate._bare(*SHARED).params]
    wanted = {option.name for option in QUESTIONS[name].options} | set(shared) | {"limit"}
    assert wanted <= set(taken)
    assert taken["limit"].default == QUESTIONS[name].limit
    for option in QUESTIONS[name].options:
        assert taken[option.name].default == option.default
    help = inspect.getdoc(method) or ""
    assert all(f"{option}: " in help for option in wanted) and f"store.{method.__name__}(" in help


def test_a_question_that_is_new_becomes_a_method() -> None:
    def roots(catalog: object, asked: object, *, layer: str, deep: int = 3, how: str | None = None) -> None:
        """What is below.

        Example: layeratlas query roots bert:2 --deep 4
        """

    import click

    told = (Option("deep", int, "So deep.", default=3), Option("how", ("fast", "slow"), "In which way."))
    question = Question("roots", roots, (Argument("layer", metavar="MODEL:LAYER"),), told)  # type: ignore[arg-type]
    command = click.Command("roots", params=[
        click.Argument(["layer"]), click.Option(["--deep", "deep"], type=int), click.Option(["--how", "how"]),
    ])  # fmt: skip
    written = _generate._method(question, command)
    assert "def roots(\n        self, of: str, layer: int | None = None, *, deep: int = 3," in written
    assert 'how: Literal["fast", "slow"] | None = None' in written
    assert 'Example: store.roots("bert", 2, deep=4)' in written
    assert 'return self._answer("roots", asked, layer=model_layer(of, layer), deep=deep, how=how)' in written


def test_a_layer_is_named_in_either_way(store: la.Atlas) -> None:
    one, two, three = store.nearest("bee:1"), store.nearest("bee", 1), store.nearest("bee", layer=1)
    assert one.records() == two.records() == three.records()
    assert store.nearest("bee", 1, measure="ckasim", limit=None).polars().height > 5


def test_an_answer_is_every_kind_of_frame(store: la.Atlas) -> None:
    found = store.top_pairs(measure=["ckasim", "svsim"], limit=4)
    assert isinstance(found.polars(), pl.DataFrame) and isinstance(found.pandas(), pd.DataFrame)
    assert found.polars().shape == found.pandas().shape == (8, len(found.columns))
    np.testing.assert_array_equal(found.numpy()["value"], found["value"].to_numpy())
    assert pl.DataFrame(found).equals(found.polars())  # what takes Arrow takes an answer
    assert _with(found).execute("SELECT count(*) FROM t").fetchone() == (8,)
    kept = found.filter(pl.col("value") > 0.9, measure="ckasim")
    assert kept.records() == [row for row in found if row["value"] > 0.9 and row["measure"] == "ckasim"] != []
    assert kept.scope == found.scope and "filtered" in kept.title and not kept.says
    with pytest.raises(la.BadRequest, match="no column 'worth'; there is: measure, model_a"):
        found["worth"]


def _with(found: Answer) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.register("t", found.arrow())
    return connection


def test_an_answer_knows_its_scope_and_provenance(root: Path, store: la.Atlas) -> None:
    found = store.top_pairs(across="families", measure="svsim", source="wu2020-ewt")
    assert found.scope is not None and found.scope.source == "wu2020-ewt" and found.scope.names == ["svsim"]
    about = json.loads(found.arrow().schema.metadata[b"layeratlas"])
    assert (about["store"], about["question"], about["title"]) == (str(root), "top-pairs", found.title)
    again = store.sql(found.sql).records()
    assert [row["value"] for row in again] == [row["value"] for row in found]


def test_what_is_shown_is_what_the_terminal_shows(root: Path, store: la.Atlas) -> None:
    found = store.top_pairs(across="families")
    printed = CliRunner().invoke(cli, ["query", "top-pairs", "--across", "families", "--store", str(root)]).stdout
    assert repr(found) == printed.rstrip("\n")
    page = found._repr_html_()
    assert found.title in page and f"⇒ {found.says}" in page and found.says in printed and page.count("<tr>") == 11
    assert "10 of" not in page and "30 of 45" in store.scores()._repr_html_()


def test_a_title_speaks_for_all_rows_not_for_those_that_are_shown(store: la.Atlas) -> None:
    scores = store.scores(source="wu2020-ewt")
    assert scores.title == "Scores of ordered layer pairs" and "measure" in repr(scores).splitlines()[1]
    long = store.nearest("bert_base_cased", 1, limit=None)
    assert len(set(long["measure"])) > 1 and "measure" in repr(long).splitlines()[1]
    assert f"30 of {len(long)} rows" in repr(long) and repr(long).splitlines()[0] == long.title


def test_names_that_are_markup_or_commands_of_a_terminal_are_shown_as_text() -> None:
    from layeratlas.queries.core.table import Table

    found = Answer(Table("<b>What</b>", ("<i>", "value"), [("<script>\x1b[31m", 1.0)], says="a & b"))
    page = found._repr_html_()
    assert "<script>" not in page and "&lt;script&gt;" in page and "\x1b" not in page + repr(found)
    assert "&lt;b&gt;What&lt;/b&gt;" in page and "a &amp; b" in page


def test_a_heatmap_is_a_matrix_and_draws_itself(store: la.Atlas) -> None:
    found = store.heatmap("ant", "bee", measure="ckasim")
    assert found.numpy().shape == (4, 5)
    for row in found:
        assert found.numpy()[row["layer_a"], row["layer_b"]] == row["value"]
    assert [layer.title for layer in found.layers] == ["ant 0", "ant 1", "ant 2", "ant 3"]
    assert "data:image/svg+xml;base64," in found._repr_html_() and found.plot().svg.startswith("<?xml")
    assert repr(found).count("\n") == 6 and found.title in repr(found)
    whole = store.heatmap(source="wu2020-ewt")
    assert whole.numpy().shape == (91, 91) and np.isnan(np.diag(whole.numpy())).all()
    assert "a cell 2 × 2 layers" in repr(whole) or "bert" in repr(whole)


@pytest.mark.parametrize(("name", "arguments"), [
    ("families", ()), ("layers", ()), ("layers", ("anisotropy",)), ("localization", ()), ("correspondence", ()),
    ("clusters", ()), ("correspondence", ("ant", "bee")), ("finetuning", ()), ("finetuning", ("bert_base_cased",)),
])  # fmt: skip
def test_an_answer_with_a_chart_draws_itself(
    name: str, arguments: tuple[str, ...], store: la.Atlas, tmp_path: Path
) -> None:
    found = getattr(store, name)(*arguments)
    assert "data:image/svg+xml;base64," in found._repr_html_() and "<details>" in found._repr_html_()
    assert found.plot().save(tmp_path / "picture.png").stat().st_size > 5000
    assert found.plot()._repr_svg_().count("</svg>") == 1


def test_groups_are_a_tree_with_their_scores_and_a_map(store: la.Atlas, tmp_path: Path) -> None:
    found = store.clusters(source="wu2020-ewt")
    assert found.plot().save(tmp_path / "tree.png").stat().st_size > 5000
    assert "map" in found.map().svg and found.map().svg != found.plot().svg
    assert "░" in repr(found) and "┐" in repr(found)
    with pytest.raises(la.BadRequest, match="families has no map"):
        store.families().map()


def test_what_has_no_picture_says_so(store: la.Atlas, tmp_path: Path) -> None:
    with pytest.raises(la.BadRequest, match="top-pairs has no picture"):
        store.top_pairs().plot()
    with pytest.raises(la.BadRequest, match="a picture's name ends in"):
        store.families().plot().save(tmp_path / "picture.bmp")


def test_scores_are_the_view_or_what_is_named_of_it(store: la.Atlas) -> None:
    assert len(store.scores()) == store.sql("SELECT count(*) AS n FROM layer_pairs")["n"][0]
    some = store.scores(measure="svsim", model=["ant", "bee"], source="own")
    assert set(some["measure"]) == {"svsim"} and set(some["model_a"]) | set(some["model_b"]) == {"ant", "bee"}
    assert len(some) == len(store.scores().filter(
        pl.col("model_a").is_in(["ant", "bee"]), pl.col("model_b").is_in(["ant", "bee"]), measure="svsim", source="own",
    ))  # fmt: skip
    assert store.sql(some.sql).polars().equals(some.polars())
    with pytest.raises(la.BadRequest, match="unknown measure 'svdsim'; did you mean svsim"):
        store.scores(measure="svdsim")


def test_sql_is_bound_read_only_and_in_its_own_words(store: la.Atlas, tmp_path: Path) -> None:
    found = store.sql("SELECT measure, count(*) AS n, sum(layer_a) AS s FROM layer_pairs WHERE measure = $m GROUP BY 1",
                      m="ckasim")  # fmt: skip
    assert found["n"].dtype == found["s"].dtype == pl.Int64 and found["measure"].to_list() == ["ckasim"]
    for wrong, said in (
        ("SELECT", "SQL: Parser Error"), ("SELECT 1; SELECT 2", "one SQL statement"),
        ("DROP TABLE base.scores", "SQL: "),
        (f"COPY (SELECT 1) TO '{tmp_path}/x.csv'", "SQL: Permission Error"), ("SELECT $m", "SQL: "),
    ):  # fmt: skip
        with pytest.raises(la.BadRequest, match=said):
            store.sql(wrong)
    with pytest.raises(la.BadRequest, match="two columns have one name"):
        store.sql("SELECT 1 AS a, 2 AS a").polars()


@pytest.mark.parametrize("given", [
    {"across": "family"}, {"layer": -1}, {"layer": "2"}, {"min_words": 1.5}, {"least": 1}, {"limit": 0},
    {"limit": True}, {"kind": "words"}, {"measure": 3}, {"model": [None]}, {"within": 7},
])  # fmt: skip
def test_what_the_command_line_would_not_take_is_refused_in_one_line(store: la.Atlas, given: dict[str, Any]) -> None:
    with pytest.raises(la.BadRequest) as refused:
        store.top_pairs(**given)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 200


def test_nothing_is_printed(root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(root, tmp_path / "run")
    store = la.open(root)
    for found in (store.top_pairs(), store.heatmap(), store.families(), store.status(), store.findings()):
        assert repr(found) and found._repr_html_()
    with pytest.raises(la.NothingYet, match="there is no catalog"):
        la.open(tmp_path / "none").models()
    assert not (tmp_path / "none").exists()
    la.run("wu2020-published", store=tmp_path / "run")
    assert capfd.readouterr() == ("", "")


def test_an_answer_takes_no_more_time_than_a_process_has() -> None:
    script = (
        "import sys, time; begun = time.process_time(); import layeratlas; taken = time.process_time() - begun\n"
        "print(taken, [name for name in ('torch', 'polars', 'duckdb', 'pyarrow', 'numpy') if name in sys.modules])\n"
        "layeratlas.open; layeratlas.BadRequest; layeratlas.Study\n"
        "print([name for name in ('torch', 'polars', 'pandas', 'transformers') if name in sys.modules])"
    )
    runs = [subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
            for _ in range(3)]  # fmt: skip
    assert {run.split(" ", 1)[1] for run in runs} == {"[]\n[]\n"}
    assert min(float(run.split()[0]) for run in runs) < 0.15


def test_asking_loads_neither_torch_nor_polars(root: Path) -> None:
    script = (
        f"import sys, layeratlas\nfound = layeratlas.open({str(root)!r}).top_pairs()\n"
        "repr(found); found._repr_html_()\n"
        "assert not {'torch', 'polars', 'pandas'} & set(sys.modules); found.polars(); assert 'polars' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_no_bar_is_drawn_at_a_prompt(root: Path, tmp_path: Path) -> None:
    script = (
        "from layeratlas.store import catalog; from pathlib import Path\n"
        "said = 'SELECT current_setting($$enable_progress_bar$$)'\n"
        f"with catalog.reading(Path({str(root)!r})) as c: print(c.execute(said).fetchall())\n"
        f"with catalog.writing(Path({str(tmp_path)!r})) as c: print(c.execute(said).fetchall())\n"
        "import duckdb; print(duckdb.connect().execute(said).fetchall())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[(False,)]", "[(False,)]", "[(True,)]"]  # a process of `-c` counts as a prompt


def test_threads_share_a_store(store: la.Atlas) -> None:
    alone = store.top_pairs(limit=5).records()
    with ThreadPoolExecutor(8) as pool:
        found = list(
            pool.map(lambda _: (store.top_pairs(limit=5).records(), repr(store.heatmap("ant", "bee"))), range(60))
        )
    assert all(rows == alone for rows, _ in found) and len({text for _, text in found}) == 1


def _in_worker(store: la.Atlas) -> Any:
    found = store.top_pairs(limit=5)
    with pytest.raises(LayeratlasError, match="polars hangs in a process that was forked"):
        found.polars()
    return found.records(), found.arrow().num_rows, repr(found)


def test_forked_workers_share_a_store(root: Path) -> None:
    store = la.open(root)
    found = store.top_pairs(limit=5)
    assert found.polars().height == 5
    with multiprocessing.get_context("fork").Pool(2) as pool:
        asked = pool.map_async(_in_worker, [la.open(root)] * 4).get(timeout=60)
    assert asked == [(found.records(), 5, repr(found))] * 4


def test_reading_and_writing_wait_for_one_another_within_a_process(tmp_path: Path) -> None:
    own = toy.make(tmp_path)
    store, stop, seen = la.open(tmp_path), threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            seen.append(len(store.top_pairs(limit=5)))

    begun = time.monotonic()

    readers = [threading.Thread(target=ask) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(5):
        own.write("failures", [{"model": f"m{number}", "corpus": "v1:c", "reason": "made up", "run": "toy"}])
        own.merge()
    with writing(tmp_path):
        pass
    stop.set()
    for reader in readers:
        reader.join()
    assert set(seen) == {5} and time.monotonic() - begun < WRITE_PATIENCE
    assert own.waiting() == 0 and len(own.rows("SELECT * FROM base.failures")) == 5


def test_a_study_in_python_is_the_study_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "my.conllu").touch()
    (tmp_path / "study.toml").write_text(
        'figures = "all"\n[[models]]\nid = "bert-base-cased"\n[[models]]\nid = "./mine"\nname = "tuned"\n'
        'finetuned_from = "bert-base-cased"\n[[corpora]]\npath = "my.conllu"\n[extraction]\npooling = "mean"\n'
        'layers = [0, 2]\n[[measures]]\nname = "ckasim"\n[[measures]]\nname = "gulp"\nlambda = 0.01\n'
    )
    from dataclasses import asdict

    from layeratlas.store.study import load_study

    tuned = {"id": Path("mine"), "name": "tuned", "finetuned_from": "bert-base-cased"}
    study = la.Study(
        models=["bert-base-cased", {**tuned, "id": "./mine"}], corpora=[Path("my.conllu")],
        measures=["ckasim", "gulp:lambda=0.01"], figures="all", pooling="mean", layers=(0, 2),
    )  # fmt: skip
    written = asdict(load_study(Path("study.toml")))
    for spec in written["measures"]:
        spec["where"] = ""
        spec["parameters"] = {name.rstrip("_"): value for name, value in spec["parameters"].items()}
    mine = asdict(study)
    for spec in mine["measures"]:
        spec["parameters"] = {name.rstrip("_"): value for name, value in spec["parameters"].items()}
    assert mine == written
    for wrong, said in (
        ({"models": ["./nowhere"], "corpora": ["my.conllu"]}, r"models\[0\]: there is no model folder"),
        ({"models": ["bert"], "corpora": ["my.txt"]}, r"corpora\[0\]: there is no corpus my.txt"),
        ({"models": ["bert"], "corpora": ["my.conllu"], "pooling": "median"}, "pooling must be one of last"),
        ({"models": ["bert"], "corpora": ["my.conllu"], "poling": "mean"}, "unknown key 'poling'; did you mean po"),
        ({"models": ["bert"]}, r"a study needs at least one \[\[corpora\]\]"),
        ({"models": [{"id": "bert", "seed": "x"}], "corpora": ["my.conllu"]}, r"models\[0\]: seed must be a whole"),
    ):  # fmt: skip
        with pytest.raises(la.BadRequest, match=said):
            la.Study(**wrong)


def test_arrays_of_all_libraries_compare() -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((200, 6))
    b = a @ rng.standard_normal((6, 4)) + rng.standard_normal((200, 4))
    import torch

    expected = la.compare(a, b, measure="ckasim").value
    names = [f"n{i}" for i in range(4)]
    arrow = pa.table(dict(zip(names, b.T, strict=True)))
    for other in (torch.tensor(b), torch.tensor(b, requires_grad=True), pl.DataFrame(b, schema=names),
                  pd.DataFrame(b, columns=names), arrow, b.tolist()):  # fmt: skip
        assert la.compare(a, other, measure="ckasim").value == pytest.approx(expected, abs=1e-12), type(other)
    with pytest.raises(la.MeasureError, match="b must be numbers"):
        la.compare(a, pd.DataFrame({"token": ["x"] * 200}), measure="ckasim")


def test_compare_all_is_a_mapping_a_table_and_matrices() -> None:
    rng = np.random.default_rng(0)
    arrays = {name: rng.standard_normal((100, 4)) for name in "xyz"}
    found = la.compare_all(arrays, ["ckasim", "procrustes", "neuronsim"])
    assert found["ckasim", "x", "y"].value == la.compare(arrays["x"], arrays["y"], measure="ckasim").value
    assert found.polars().columns == ["measure", "a", "b", "value", "words"] and found.polars().height == 3 * 6
    matrix = found.matrix("neuronsim")
    assert matrix.shape == (3, 3) and np.diag(matrix).tolist() == [1.0] * 3
    assert matrix[0, 1] == found["neuronsim", "x", "y"].value != matrix[1, 0] == found["neuronsim", "y", "x"].value
    with pytest.raises(la.BadRequest, match="name one measure"):
        found.matrix()
    assert "<table>" in found._repr_html_()
    complement = configure("ckasim", parameters={"form": "complement"})
    assert np.diag(la.compare_all(arrays, [complement]).matrix()).tolist() == [0.0] * 3
    with pytest.raises(la.BadRequest, match="2 sets of parameters"):
        la.compare_all(arrays, ["ckasim", complement])


def test_what_measures_there_are_is_a_table() -> None:
    assert set(la.measures()["measure"]) == set(MEASURES)
    assert len(la.measures("resi")) == len(la.measures(group="resi")) < len(MEASURES)
    from layeratlas import measures

    assert measures.compare is la.compare and len(measures()) == len(la.measures())
    with pytest.raises(la.BadRequest, match="unknown group"):
        la.measures("nobody's")


@pytest.mark.parametrize("name", la.__all__)
def test_all_that_is_offered_is_there_and_says_what_it_is(name: str) -> None:
    assert name in dir(la) and inspect.getdoc(getattr(la, name))


@pytest.mark.proof
def test_a_users_script_is_typed(tmp_path: Path) -> None:
    environment = {**os.environ, "MYPYPATH": str(ROOT / ".venv" / "src")}
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(ROOT / "tests" / "users_script.py")], cwd=ROOT,
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_a_users_script_runs(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "store")
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "users_script.py"), str(tmp_path / "store")], capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["bert_base_cased 0.7988", "(13, 25)", "True"]


def test_a_store_says_where_it_is(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert repr(la.open(root)) == f"layeratlas.open('{root}')" and la.open(str(root)).root == root
    monkeypatch.setenv("LAYERATLAS_STORE", str(root))
    assert la.open().root == root and la.open(Store(root)).root == root
