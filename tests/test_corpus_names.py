"""One corpus name is one content: another is refused, and those that a store has under one name are told apart."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
from catalogs import build
from extract_tiny import SENTENCES, save_model

from layeratlas import running
from layeratlas.queries.questions.status import overview
from layeratlas.store import catalog
from layeratlas.store.errors import BadRequest
from layeratlas.store.store import Store
from layeratlas.store.study import load_study, study_of

TEXT = "\n".join(" ".join(sentence) for sentence in SENTENCES)
ONE, OTHER = "a1b2c3d4", "9f8e7d6c"  # two contents


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model("bert", tmp_path_factory.mktemp("models") / "bert-a")


def mixed(root: Path, *, reverse: bool = False) -> Store:
    """A store whose log has two contents that were both called train.txt."""
    for content in sorted((ONE, OTHER), reverse=reverse):
        build(root, corpus=content)
    store = Store(root)
    store.write("corpora", [{"corpus": f"v1:{content}", "name": "train"} for content in (ONE, OTHER)])
    store.merge()
    return store


def names(store: Store) -> dict[str, str]:
    return {row.corpus: row.name for row in store.corpora()}


def extract(store: Store, model: Path, *corpora: Path, **options: object) -> running.Outcome:
    return running.extract(store, study_of([str(model)], corpora, **options), running.Means("cpu"))  # type: ignore[arg-type]


def test_corpora_of_one_name_are_told_apart_in_whatever_order_they_came(tmp_path: Path) -> None:
    told = {f"v1:{ONE}": f"train@{ONE}", f"v1:{OTHER}": f"train@{OTHER}"}
    first = mixed(tmp_path / "first")
    assert names(first) == names(mixed(tmp_path / "second", reverse=True)) == told
    first.rebuild()
    assert names(first) == told


def test_no_answer_mixes_them_and_status_counts_each_once(tmp_path: Path) -> None:
    store = mixed(tmp_path)
    with store.catalog() as connection:
        extracted = overview(connection)[0]
        asked = "SELECT corpus, count(*) FROM layer_pairs GROUP BY 1 ORDER BY 1"
        pairs = connection.execute(asked).fetchall()
    layers = [(row["model"], row["corpus"], row["layers"], row["of"]) for row in extracted.records()]
    assert all(layers_there <= of for *_, layers_there, of in layers)
    assert len(layers) == len(set(layers))
    assert [name for name, _ in pairs] == [f"train@{OTHER}", f"train@{ONE}"] and pairs[0][1] == pairs[1][1] > 0


def test_a_catalog_of_the_version_before_tells_them_apart_when_it_is_opened(tmp_path: Path) -> None:
    store = mixed(tmp_path)
    with duckdb.connect(str(tmp_path / catalog.FILE)) as connection:  # back to what that version left
        connection.execute("UPDATE base.corpora SET name = stated")
        connection.execute("ALTER TABLE base.corpora DROP COLUMN stated")
        connection.execute("DELETE FROM schema_migrations WHERE number = 11")
    assert sorted(names(store).values()) == [f"train@{OTHER}", f"train@{ONE}"]


def test_a_source_of_results_may_call_a_corpus_as_we_do(tmp_path: Path) -> None:
    build(tmp_path, corpus=ONE)
    build(tmp_path, corpus=OTHER, source="published")
    store = Store(tmp_path)
    store.write("corpora", [{"corpus": f"v1:{content}", "name": "train"} for content in (ONE, OTHER)])
    store.merge()
    assert store.rows("SELECT DISTINCT source, corpus FROM layer_pairs ORDER BY ALL") == [
        ("own", "train"), ("published", "train")
    ]  # fmt: skip
    with store.catalog() as connection:
        assert all(row["layers"] == row["of"] for row in overview(connection)[0].records())


def test_one_from_which_nothing_was_extracted_takes_no_name_away(tmp_path: Path) -> None:
    store = Store(build(tmp_path, corpus=ONE))
    store.write("corpora", [{"corpus": f"v1:{OTHER}", "name": ONE}])
    store.merge()
    assert names(store) == {f"v1:{ONE}": ONE, f"v1:{OTHER}": f"{ONE}@{OTHER}"}


def test_an_edited_file_is_refused_until_it_has_a_name_of_its_own(model: Path, tmp_path: Path) -> None:
    store, corpus = Store(tmp_path / "store"), tmp_path / "train.txt"
    corpus.write_text(TEXT, "utf-8")
    extract(store, model, corpus)
    corpus.write_text(f"{TEXT}\nOne more .", "utf-8")
    with pytest.raises(BadRequest, match=r"there is a corpus 'train' with other words already: .*--corpus-name NAME"):
        extract(store, model, corpus)
    extract(store, model, corpus, corpus_name="longer")
    assert sorted(names(store).values()) == ["longer", "train"]
    extract(store, model, corpus)  # known by its words now, it goes by its name
    assert sorted(names(store).values()) == ["longer", "train"]


def test_two_files_of_one_name_in_one_command_are_refused(model: Path, tmp_path: Path) -> None:
    files = [tmp_path / folder / "train.txt" for folder in ("a", "b")]
    for number, file in enumerate(files):
        file.parent.mkdir()
        file.write_text(TEXT + "\nMore ." * number, "utf-8")
    with pytest.raises(BadRequest, match="with other words already"):
        extract(Store(tmp_path / "store"), model, *files)
    with pytest.raises(BadRequest, match="can be the name of one corpus only, 2 are given"):
        extract(Store(tmp_path / "store"), model, *files, corpus_name="both")


def test_a_name_of_its_own_in_a_study_ends_the_mixture(model: Path, tmp_path: Path) -> None:
    store, files = Store(tmp_path / "store"), []
    for number in range(2):
        files.append(tmp_path / f"{number}.txt")
        files[-1].write_text(TEXT + "\nMore ." * number, "utf-8")
    extract(store, model, *files)
    store.write("corpora", [{"corpus": row.corpus, "name": "train"} for row in store.corpora()])  # as it was possible
    store.merge()
    assert all(name.startswith("train@") for name in names(store).values())
    corpora = "".join(f"[[corpora]]\npath = {json.dumps(str(f))}\nname = 'train-{f.stem}'\n" for f in files)
    (tmp_path / "s.toml").write_text(f"[[models]]\nid = {json.dumps(str(model))}\n{corpora}")
    said = running.extract(store, load_study(tmp_path / "s.toml"), running.Means("cpu")).lines()
    assert any("is now called train-0" in line for line in said), said
    assert sorted(names(store).values()) == ["train-0", "train-1"]


def test_a_damaged_log_keeps_what_a_corpus_was_called(tmp_path: Path) -> None:
    store = mixed(tmp_path)
    for segment in store.log.segments(["corpora"]):
        segment.path.write_bytes(b"damaged")
    store.check_log()
    assert sorted(row.stated for row in store.corpora()) == ["train", "train"]
    assert sorted(names(store).values()) == [f"train@{OTHER}", f"train@{ONE}"]
