"""Licences and citations: stated in a study or by an option, or read from a model card; later statements count."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from layeratlas import running
from layeratlas.cli import cli
from layeratlas.extract.locate import cards
from layeratlas.store.errors import BadRequest
from layeratlas.store.files import sha256_file
from layeratlas.store.log import COLUMNS, Log
from layeratlas.store.provenance import now
from layeratlas.store.store import Store
from layeratlas.store.study import load_study

ROOT = Path(__file__).resolve().parent.parent
ZOO = ROOT / "zoo" / "models"
TEXT = "The lobsters sing at night .\nA lobster sang .\n"


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: mit\n---\n# A model", "mit"),
        ("---\nlanguage: en\nlicense: 'apache-2.0'  # both\ntags: [a]\n---\n", "apache-2.0"),
        ("---\nlicense:\n- mit\n- gpl-3.0\ntags:\n- other\n---\n", "mit, gpl-3.0"),
        ("---\nlicense: [mit, 'gpl-3.0']\n---\n", "mit, gpl-3.0"),
        ("---\r\nlicense: other\r\nlicense_name: one, of ours\r\nlicense_link: LICENSE\r\n---\r\n", "one, of ours"),
        ("---\nlicense: other\n---\n", "other"),
        ("---\nlicense_name: alone\n---\n", None),
        ("---\nmodel:\n  license: of a part\n---\n", None),
        ("license: mit\n", None),
        ("---\nlicense: mit\n", None),
        ("---\nlicense:\n---\n", None),
        ("", None),
    ],
)  # fmt: skip
def test_a_model_card_states_its_licence_in_its_head(tmp_path: Path, card: str, licence: str | None) -> None:
    (tmp_path / "README.md").write_bytes(card.encode())
    assert cards.licence(tmp_path) == licence


def test_no_card_and_a_strange_one_state_nothing(tmp_path: Path) -> None:
    assert cards.licence(tmp_path) is None and cards.licence(tmp_path / "vectors.txt") is None
    (tmp_path / "README.md").write_bytes(b"---\n" + b"\xff\x00license: \xfe" * 100_000 + b"\n---\n")
    assert cards.licence(tmp_path) is None
    (tmp_path / "README.md").unlink()
    (tmp_path / "README.md").mkdir()
    assert cards.licence(tmp_path) is None


def test_the_models_and_corpora_that_ship_have_theirs() -> None:
    assert {cards.licence(folder) for folder in ZOO.iterdir()} == {"mit"}
    for name in ("demo", "demo-attention", "wu2020"):
        for corpus in load_study(ROOT / "studies" / f"{name}.toml").corpora:
            assert corpus.licence == "CC BY-SA 4.0" and "Leland Stanford" in str(corpus.citation)
    stated = {spec.name: spec.licence for spec in load_study(ROOT / "studies" / "demo.toml").models}
    assert stated["minilm"] == "Apache-2.0" and stated["bert-tiny"] is None


def study(folder: Path, *, model: str = "", corpus: str = "") -> Path:
    (folder / "text.txt").write_text(TEXT)
    file = folder / "study.toml"
    file.write_text(
        f'[[models]]\nid = "{ZOO}/bert-tiny"\n{model}[[models]]\nid = "{ZOO}/bert-tiny"\nuntrained = true\n'
        f'[[corpora]]\npath = "text.txt"\n{corpus}[extraction]\nlayers = [0, 1]\n[[measures]]\nname = "ckasim"\n'
    )
    return file


def kept(store: Store) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    models = "SELECT model, licence, citation FROM models ORDER BY 1"
    return store.rows(models), store.rows("SELECT corpus, licence, citation FROM corpora")


def test_a_study_states_them_and_a_later_one_otherwise_and_who_says_nothing_changes_nothing(tmp_path: Path) -> None:
    store = running.open_store(tmp_path / "store")
    control = ("bert-tiny-untrained-0", None, None)
    running.run(study(tmp_path), store=store)
    assert kept(store) == ([("bert-tiny", "mit", None), control], [("text", None, None)])
    stated = study(tmp_path, model='licence = "Apache-2.0"\n', corpus='licence = "CC0"\ncitation = "Us, 2026"\n')
    said = running.run(stated, store=store).lines()
    assert "bert-tiny: licence is now Apache-2.0, it was mit" in said
    assert "text: citation is now Us, 2026, it was not stated" in said
    known = ([("bert-tiny", "Apache-2.0", None), control], [("text", "CC0", "Us, 2026")])
    assert kept(store) == known
    assert len(running.run(stated, store=store).lines()) == 1  # nothing to say again
    file = study(tmp_path)
    file.write_text(file.read_text().replace("[0, 1]", "[0, 1, 2]"))
    running.run(file, store=store)  # extracts, and registers both anew
    assert kept(store) == known
    store.rebuild()
    assert kept(store) == known


def test_the_command_line_states_them_and_status_and_report_show_them(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT)
    root = tmp_path / "store"
    stated = ["--licence", "ours", "--citation", "A", "--corpus-licence", "CC0", "--corpus-citation", "B"]
    arguments = [f"{ZOO}/bert-tiny", "--corpus", str(tmp_path / "text.txt"), "--layer", "0", "--layer", "1", *stated]
    assert CliRunner().invoke(cli, ["extract", *arguments, "--store", str(root)]).exit_code == 0
    assert kept(Store(root)) == ([("bert-tiny", "ours", "A")], [("text", "CC0", "B")])
    assert CliRunner().invoke(cli, ["measure", "--measure", "ckasim", "--store", str(root)]).exit_code == 0
    status = CliRunner().invoke(cli, ["status", "--format", "json", "--store", str(root)])
    assert [(row["licence"], row["corpus_licence"]) for row in json.loads(status.stdout)] == [("ours", "CC0")]
    assert "licence" not in CliRunner().invoke(cli, ["status", "--store", str(root)]).stdout
    page = tmp_path / "report.html"
    assert CliRunner().invoke(cli, ["report", "-o", str(page), "--store", str(root)]).exit_code == 0
    assert "<td>ours</td>" in page.read_text() and "<td>CC0</td>" in page.read_text()


def test_a_licence_that_is_no_text_is_refused(tmp_path: Path) -> None:
    for wrong in ({"model": "licence = 4\n"}, {"corpus": 'citation = ["a"]\n'}):
        with pytest.raises(BadRequest, match=r"study.toml:\d+: (licence|citation) must be a text"):
            load_study(study(tmp_path, **wrong))


def former_segments(root: Path, *, count: int) -> None:
    """Write models as the release before did, without licence and citation."""
    log = Log(root)
    rows = pa.table({
        name: pa.array([{"weights": "v1:a", "name": "a", "family": "f", "layers": 1, "source": "own"}.get(name)],
                       pa.string() if kind == "string" else pa.int64())
        for name, kind in COLUMNS["models"].items() if kind in ("string", "int32", "int64")
    })  # fmt: skip
    for number in range(count):
        log.write_table("models", rows, store=f"s{number}")
    for segment in log.segments(["models"]):
        table = pq.read_table(segment.path, partitioning=None).drop_columns(["licence", "citation"])
        segment.path.unlink()
        pq.write_table(table, segment.path)
        digest = sha256_file(segment.path)
        segment.path.rename(segment.path.with_name(f"{segment.path.name.split('-')[0]}-{digest}.parquet"))


def test_segments_of_the_release_before_are_read_and_compacted_with_new_ones(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    former_segments(store.root, count=3)
    store.merge()
    assert store.rows("SELECT model, licence FROM models") == [("a", None)]
    for number in range(20):
        store.write("models", [{"weights": "v1:a", "licence": f"licence {number}", "written": now()}])
    store.merge()
    assert len(store.log.segments(["models"])) < 5
    for _ in range(2):
        assert store.rows("SELECT model, family, licence FROM models") == [("a", "f", "licence 19")]
        store.rebuild()
