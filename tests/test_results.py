"""Results from elsewhere: imported once, kept apart, refused in one line when they are wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from layeratlas.measures import MEASURES, configure
from layeratlas.measures.registry import configuration_row
from layeratlas.queries.core.scope import Asked
from layeratlas.queries.questions.top_pairs import top_pairs
from layeratlas.store import catalog
from layeratlas.store.errors import BadRequest
from layeratlas.store.results import ensure_results, read_results
from layeratlas.store.store import Store
from layeratlas.store.study import ResultsSpec, load_study

ROOT = Path(__file__).resolve().parent.parent
PUBLISHED = ROOT / "studies" / "published"
SYMMETRIC = {name: kind.symmetric for name, kind in MEASURES.items()}
HEADER = "corpus,measure,model_a,layer_a,model_b,layer_b,value\n"
ROWS = "c,ckasim,m,0,m,1,0.5\nc,ckasim,m,0,n,0,0.25\nc,mine,m,0,n,0,0.75\nc,mine,n,0,m,0,0.5\n"
TOML = '[[models]]\nname = "m"\nfamily = "f"\nlayers = 1\n[[models]]\nname = "n"\nfamily = "g"\nlayers = 1\n'


def atlas(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "importtime", "cli.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def written(folder: Path, rows: str = ROWS, toml: str = TOML, header: str = HEADER) -> Path:
    (folder / "r.csv").write_text(header + rows)
    (folder / "r.toml").write_text(toml)
    return folder / "r.csv"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(tmp_path_factory.mktemp("published"))
    for spec in load_study(ROOT / "studies" / "wu2020-published.toml").results:
        assert ensure_results(store, spec, symmetric=SYMMETRIC).startswith("imported ")
    return store


def test_every_published_figure_is_in_the_catalog_as_it_stands_in_the_file(published: Store) -> None:
    columns = "corpus, measure, model_a, layer_a, model_b, layer_b, value"
    for source, file in (("wu2020-ewt", "wu2020_ewt"), ("wu2020-finetuned", "wu2020_finetuned_bert")):
        found = published.rows(f"SELECT {columns} FROM layer_pairs WHERE source = ? ORDER BY ALL", source)
        given = duckdb.sql(f"SELECT {columns} FROM '{PUBLISHED / file}.parquet' ORDER BY ALL").fetchall()
        assert found == given
    assert published.rows("SELECT count(*), sum(layers + 1) FROM models WHERE source = 'wu2020-ewt'") == [(7, 91)]
    assert published.rows("SELECT DISTINCT measure FROM layer_pairs WHERE is_symmetric ORDER BY 1") == [
        ("ckasim",), ("svsim",),
    ]  # fmt: skip
    assert published.rows("SELECT source, tolerance FROM sources ORDER BY 1")[0] == ("wu2020-ewt", 0.002)


def test_the_study_runs_without_torch_and_twice_does_nothing_new(tmp_path: Path) -> None:
    first = atlas("run", "studies/wu2020-published.toml", "--store", tmp_path / "s")
    assert first.returncode == 0 and "imported 40,950 scores of 7 models" in first.stderr
    assert "| torch" not in first.stderr and "transformers" not in first.stderr
    before = (tmp_path / "s" / "catalog.duckdb").read_bytes()
    again = atlas("run", "studies/wu2020-published.toml", "--store", tmp_path / "s")
    assert again.returncode == 0 and again.stderr.count("nothing to do: ") == 2
    assert (tmp_path / "s" / "catalog.duckdb").read_bytes() == before


def test_what_is_missing_measured_and_verified_leaves_results_from_elsewhere_alone(published: Store) -> None:
    assert published.artifacts() == [] and published.models() == []
    measured = atlas("measure", "--store", published.root)
    assert measured.returncode == 3 and "nothing is extracted yet" in measured.stderr
    assert "wu2020" not in atlas("status", "--store", published.root).stdout
    assert atlas("verify", "--store", published.root).returncode == 0
    published.write("configurations", [configuration_row(configure("ckasim"))])
    published.merge()
    newer = Store(published.root, dict.fromkeys(MEASURES, 99))  # raising a version of ours makes none of theirs stale
    assert newer.rows("SELECT version FROM base.versions WHERE measure = 'ckasim'") == [(99,)]
    assert published.rows("SELECT count(*) FROM layer_pairs") == [(45_110,)]


def test_one_direction_of_a_symmetric_measure_is_enough_and_others_are_kept_as_given(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    ensure_results(store, ResultsSpec(written(tmp_path), "theirs"), symmetric=SYMMETRIC)
    found = store.rows("SELECT measure, model_a, layer_a, model_b, layer_b, value, is_symmetric FROM layer_pairs")
    assert sorted(found) == [
        ("ckasim", "m", 0, "m", 1, 0.5, True), ("ckasim", "m", 0, "n", 0, 0.25, True),
        ("ckasim", "m", 1, "m", 0, 0.5, True), ("ckasim", "n", 0, "m", 0, 0.25, True),
        ("mine", "m", 0, "n", 0, 0.75, False), ("mine", "n", 0, "m", 0, 0.5, False),
    ]  # fmt: skip


def test_other_results_under_a_known_name_are_refused_unless_they_replace(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    ensure_results(store, ResultsSpec(written(tmp_path), "theirs"), symmetric=SYMMETRIC)
    spec = ResultsSpec(written(tmp_path, "c,ckasim,m,0,n,0,0.125\n"), "theirs")
    with pytest.raises(BadRequest, match="--replace"):
        ensure_results(store, spec, symmetric=SYMMETRIC)
    ensure_results(store, spec, symmetric=SYMMETRIC, replace=True)
    assert store.rows("SELECT model_a, model_b, value FROM layer_pairs ORDER BY 1") == [
        ("m", "n", 0.125), ("n", "m", 0.125),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "toml", "header", "says"),
    [
        (ROWS, TOML, HEADER.replace("value", "score"), "r.csv lacks the columns value; it has corpus, layer_a"),
        (ROWS + ROWS[:21] + "\n", TOML, HEADER, "ckasim of m layer 0 towards m layer 1 on c 2 times"),
        ("c,ckasim,m,0,n,0,nan\n", TOML, HEADER, "row 1: value must be a number, got 'nan'"),
        ("c,ckasim,m,0,n,0,\n", TOML, HEADER, "row 1: value must be a number, got None"),
        ("c,ckasim,m,-1,n,0,0.5\n", TOML, HEADER, "row 1: layer_a must be a layer, counted from 0, got '-1'"),
        ("c,ckasim,m,0,n,2,0.5\n", TOML, HEADER, "layer 2 of 'n', but r.toml gives it only 1 layers"),
        ("c,ckasim,m,0,o,0,0.5\n", TOML, HEADER, "a model that r.toml does not describe: 'o'"),
        ("c,ckasim,m,0,m,1,0.5\n", TOML, HEADER, "r.toml: unknown model 'n'"),
        ("", TOML, HEADER, "r.csv has no rows"),
        (ROWS, TOML + "width = 3\n", HEADER, "unknown key 'width'"),
        (ROWS, TOML.replace("layers = 1", 'layers = "1"', 1), HEADER, "layers must be a whole number, got '1'"),
        (ROWS, TOML.replace('family = "f"\n', ""), HEADER, "model 'm' needs family"),
        (ROWS, "tolerance = 2\n" + TOML, HEADER, "tolerance must be a number from 0 to 1"),
        (ROWS, "[[models]\n", HEADER, "r.toml: "),
    ],
)
def test_bad_results_are_one_clear_line(tmp_path: Path, rows: str, toml: str, header: str, says: str) -> None:
    with pytest.raises(BadRequest) as error:
        read_results(written(tmp_path, rows, toml, header), symmetric=SYMMETRIC)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_files_that_are_not_there_or_not_results(tmp_path: Path) -> None:
    file = written(tmp_path)
    (tmp_path / "r.parquet").write_text("no")
    for path, says in ((tmp_path / "x.csv", "there is no file"), (tmp_path / "r.parquet", "cannot be read"),
                       (file.rename(tmp_path / "q.csv"), "there is no ")):  # fmt: skip
        with pytest.raises(BadRequest, match=says):
            read_results(path, symmetric=SYMMETRIC)
    with pytest.raises(BadRequest, match="choose another --name"):
        ensure_results(Store(tmp_path / "s"), ResultsSpec(file, "own"), symmetric=SYMMETRIC)


def test_a_study_names_the_line_of_results_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text('[[results]]\nname = "x"\nfile = "nowhere.parquet"\n')
    with pytest.raises(BadRequest, match=r"s\.toml:3: there is no file nowhere\.parquet"):
        load_study(tmp_path / "s.toml")
    (tmp_path / "s.toml").write_text('[[results]]\nname = "x"\n')
    with pytest.raises(BadRequest, match=r"s\.toml:1: this \[\[results\]\] needs file"):
        load_study(tmp_path / "s.toml")


def test_a_catalog_from_before_is_brought_up_to_date(tmp_path: Path) -> None:
    file = ROOT / "store" / "migrations" / "0001_catalog.sql"
    with duckdb.connect() as older:
        older.execute(f"ATTACH '{tmp_path / 'catalog.duckdb'}' AS catalog (STORAGE_VERSION 'v1.0.0')")
        older.execute("USE catalog")
        older.execute("CREATE TABLE schema_migrations (number INTEGER, name VARCHAR, applied TIMESTAMP)")
        older.execute(file.read_text())
        older.execute("INSERT INTO schema_migrations VALUES (1, '0001_catalog.sql', now()::TIMESTAMP)")
    store = Store(tmp_path)
    assert store.rows("SELECT direction FROM layer_pairs") == []
    with catalog.reading(tmp_path) as connection:
        assert catalog.is_current(connection, {})
    ensure_results(store, ResultsSpec(written(tmp_path), "theirs"), symmetric=SYMMETRIC)
    with catalog.reading(tmp_path) as connection:
        assert top_pairs(connection, Asked()).records()[0]["value"] == 0.5


DISTANCE = '[[measures]]\nname = "mine"\ndirection = "distance"\nhigh = 2\n'


def test_results_state_what_their_values_mean_or_are_similarities_from_0_to_1(tmp_path: Path) -> None:
    rows = ROWS.replace("0.75", "1.75") + "c,loose,m,0,n,0,1.001\nc,open,m,0,n,0,-0.5\n"
    file = written(tmp_path, rows, "tolerance = 0.002\n" + TOML + DISTANCE)
    store = Store(tmp_path / "store")
    ensure_results(store, ResultsSpec(file, "elsewhere"), symmetric={})
    found = store.rows("SELECT DISTINCT measure, direction, low, high FROM layer_pairs ORDER BY 1")
    assert found == [
        ("ckasim", "similarity", 0, 1), ("loose", "similarity", 0, 1), ("mine", "distance", 0, 2),
        ("open", "similarity", None, 1),
    ]  # fmt: skip
    assert store.rows("SELECT model_a FROM layer_pairs WHERE measure = 'mine' ORDER BY closeness DESC") == [
        ("n",), ("m",),
    ]  # fmt: skip
    (tmp_path / "r.toml").write_text(TOML)  # the same figures, of which less is known
    ensure_results(store, ResultsSpec(file, "elsewhere"), symmetric={}, replace=True)
    assert store.rows("SELECT DISTINCT measure, direction, low, high FROM layer_pairs WHERE measure = 'mine'") == [
        ("mine", "similarity", 0, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("stated", "problem"),
    [
        ('name = "mine"\nhigh = 0.6', "r.toml: measure 'mine' is bounded by 0.6, but its values run from 0.5 to 0.75"),
        ('name = "mine"\nlow = 0.6', "r.toml: measure 'mine' is bounded by 0.6"),
        ('name = "mine"\nlow = "none"', "measures 'mine': low must be a number, got 'none'"),
        ('name = "mine"\nhigh = nan', "measures 'mine': high must be a number, got nan"),
        ('name = "mine"\ndirection = "up"', "direction must be similarity or distance, got 'up'"),
        ('name = "mind"', "unknown measure 'mind'; did you mean mine"),
        ('name = "mine"\nrange = 1', "unknown key 'range'"),
    ],
)
def test_a_range_that_cannot_be_is_refused_in_one_line(tmp_path: Path, stated: str, problem: str) -> None:
    file = written(tmp_path, toml=f"{TOML}[[measures]]\n{stated}\n")
    with pytest.raises(BadRequest, match=re.escape(problem)):
        read_results(file)
