"""Corpora: formats, fingerprints and what is refused."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layeratlas.extract import corpora
from layeratlas.store.errors import BadRequest, MissingPackage
from layeratlas.store.files import Remembered
from layeratlas.store.study import CorpusSpec

EWT = Path(__file__).parent.parent / "corpora/ewt/en_ewt-ud-dev.conllu.gz"


def spec(path: Path, text: str | bytes, limit: int | None = None) -> CorpusSpec:
    raw = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return CorpusSpec(path, "it", limit)


def conllu(*rows: tuple[str, str]) -> str:
    return "".join("\t".join([number, form, *"_" * 8]) + "\n" for number, form in rows)


def test_ewt_has_its_published_counts(tmp_path: Path) -> None:
    facts = corpora.facts(CorpusSpec(EWT, "ewt"), Remembered(tmp_path / "r.json"))
    assert (facts.sentences, facts.words) == (2001, 25147)
    assert facts.corpus == "v1:47c4cc0d32e91171259ebe6adaae26c44cbd0d67d6f5e0ebf57e1f4694d896cc"


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_formats_agree_by_content(tmp_path: Path, ending: str) -> None:
    sentences = [["I", "do", "n't"], ["Yes"]]
    texts = {
        "a.txt": "I do n't\r\n\n  \nYes",
        "b.conllu": "# text = I don't\n" + conllu(("1", "I"), ("2-3", "don't"), ("2", "do"), ("3", "n't"), ("3.1", "x"))
        + "\n\n" + conllu(("1", "Yes")),
        "c.jsonl": '{"text": "I do n\'t"}\n\n{"words": []}\n{"words": ["Yes"]}\n',
        "d.jsonl": '{"tokens": ["I", "do", "n\'t"]}\n{"text": "Yes", "id": 3}',
    }  # fmt: skip
    specs = [spec(tmp_path / (name + ending), text) for name, text in texts.items()]
    assert all(list(corpora.read(each)) == sentences for each in specs)
    assert len({corpora.facts(each, Remembered(tmp_path / "r.json")).corpus for each in specs}) == 1


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.txt", b"good\nb\xffad\n", "a.txt:2: not UTF-8"),
        ("a.conllu", conllu(("1", "I")) + "2\tdo\n", "a.conllu:2: expected the 10 tab-separated columns"),
        ("a.conllu", conllu(("1", "I"), ("3", "do")), "a.conllu:2: expected word 2 of the sentence, got id '3'"),
        ("a.conllu", conllu(("1", "I"), ("x-y", "do")), "a.conllu:2: expected word 2"),
        ("a.conllu", conllu(("1", " ")), "a.conllu:1: word 1 must be a text that is not blank"),
        ("a.jsonl", '{"text": "x"}\nnonsense', "a.jsonl:2: not JSON"),
        ("a.jsonl", "[1]", 'a.jsonl:1: expected an object with one of "text"'),
        ("a.jsonl", '{"text": "x", "words": ["x"]}', 'a.jsonl:1: expected an object with one of "text"'),
        ("a.jsonl", '{"text": ["x"]}', 'expected "text" to be a text, got list'),
        ("a.jsonl", '{"words": ["x", ""]}', "a.jsonl:1: word 2 must be a text that is not blank, got ''"),
        ("a.jsonl", '{"words": ["x", 3]}', "word 2 must be a text that is not blank, got 3"),
        ("a.jsonl", '{"words": ["\\ud800"]}', "half a surrogate pair"),
        ("a.doc", "x", "cannot tell the format of a.doc"),
        ("a.txt", "\n \n", "holds no sentence"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, text: str | bytes, complaint: str) -> None:
    with pytest.raises(BadRequest, match=complaint.replace("[", r"\[").replace("(", r"\(")):
        corpora.facts(spec(tmp_path / name, text), Remembered(tmp_path / "r.json"))


def test_a_cut_gzip_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    whole = spec(tmp_path / "a.txt.gz", "word " * 1000).path
    whole.write_bytes(whole.read_bytes()[:-12])
    with pytest.raises(BadRequest, match="no whole gzip file"):
        list(corpora.read(CorpusSpec(whole, "it")))
    with pytest.raises(BadRequest, match="there is no corpus file"):
        corpora.facts(CorpusSpec(tmp_path / "none.txt", "it"), Remembered(tmp_path / "r.json"))


def test_a_limit_is_another_corpus_unless_it_takes_all(tmp_path: Path) -> None:
    remembered = Remembered(tmp_path / "r.json")
    path = spec(tmp_path / "a.txt", "a b\n\nc\nd\n").path
    facts = {limit: corpora.facts(CorpusSpec(path, "it", limit), remembered) for limit in (None, 2, 3, 9)}
    assert facts[2].sentences == 2 and facts[2].words == 3
    assert facts[None] == facts[3] == facts[9] != facts[2]


@given(st.lists(st.lists(st.text().filter(str.strip), min_size=1, max_size=5), min_size=1, max_size=5))
def test_any_words_survive_jsonl(tmp_path_factory: pytest.TempPathFactory, sentences: list[list[str]]) -> None:
    path = tmp_path_factory.mktemp("any") / "a.jsonl"
    for ascii_only in (True, False):
        path.write_text("".join(json.dumps({"words": s}, ensure_ascii=ascii_only) + "\n" for s in sentences), "utf-8")
        assert list(corpora.read(CorpusSpec(path, "it"))) == sentences


@given(st.binary(max_size=200), st.sampled_from(["a.txt", "a.conllu", "a.jsonl", "a.txt.gz"]))
def test_any_bytes_give_words_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes, name: str
) -> None:
    path = tmp_path_factory.mktemp("bytes") / name
    path.write_bytes(raw)
    try:
        sentences = list(corpora.read(CorpusSpec(path, "it")))
    except BadRequest as error:
        assert name in str(error)
    else:
        assert all(sentence and all(word.strip() for word in sentence) for sentence in sentences)


FACTS = '{"corpus": "v1:x", "sentences": 1, "words": "2", "longest": 3}'


@pytest.mark.parametrize(
    "garbage",
    [b"\xff\xfe\x00", b"[" * 100_000, b"[]", b"7", b"", b'{"a": 1}', b"{", b'"\xed\xa0\x80"', b"1" * 5000, None,
     "1", '"text"', "[1, 2]", "[1, 2, 3]", "[1.5, 2, null]", '{"0": 1}', f"[SIZE, TIME, {json.dumps(FACTS)}]",
     '[SIZE, TIME, "no JSON"]', '[SIZE, TIME, "[1]"]', f'[SIZE, TIME, "{"[" * 5000}"]'],
)  # fmt: skip
def test_what_is_remembered_is_made_anew_where_it_cannot_be_read(tmp_path: Path, garbage: bytes | str | None) -> None:
    corpus, cache = spec(tmp_path / "c.txt", "cats sleep\n"), tmp_path / "r.json"
    os.utime(corpus.path, (1, 1))  # long ago, so that it is remembered
    found = corpora.facts(corpus, Remembered(cache))
    (key,) = json.loads(cache.read_text())
    if garbage is None:
        cache.unlink()
        cache.mkdir()
    elif isinstance(garbage, bytes):
        cache.write_bytes(garbage)
    else:
        state = corpus.path.stat()
        garbage = garbage.replace("SIZE", str(state.st_size)).replace("TIME", str(state.st_mtime_ns))
        cache.write_text(f"{{{json.dumps(key)}: {garbage}}}")
    assert corpora.facts(corpus, Remembered(cache)) == found


ROWS = ["The cats , too", "", "Dogs slept", None, "It's «so»"]
WORDS = [row.split() for row in ROWS if row]


def tables(folder: Path) -> dict[str, CorpusSpec]:
    """The same sentences in every format of tables."""
    folder.mkdir(exist_ok=True)
    table = pa.table({"id": range(5), "text": ROWS, "split": [None if row is None else row.split() for row in ROWS]})
    pq.write_table(table, folder / "a.parquet", row_group_size=2)
    with pa.OSFile(str(folder / "file.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    saved = folder / "saved"
    saved.mkdir(exist_ok=True)
    for number, rows in enumerate((table.slice(0, 3), table.slice(3))):
        name = f"data-{number:05}-of-00002.arrow"
        with pa.OSFile(str(saved / name), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(rows)
    names = [{"filename": f"data-{number:05}-of-00002.arrow"} for number in range(2)]
    (saved / "state.json").write_text(json.dumps({"_data_files": names}))
    quoted = (
        '"' + '","'.join(["id", "text"]) + '"\r\n' + "".join(f'{i},"{row or ""}"\r\n' for i, row in enumerate(ROWS))
    )
    return {
        "csv": spec(folder / "a.csv", "\ufeff" + quoted),
        "csv.gz": spec(folder / "b.csv.gz", quoted),
        "tsv": spec(folder / "a.tsv", "id\ttext\n" + "".join(f"{i}\t{row or ''}\n" for i, row in enumerate(ROWS))),
        "parquet": CorpusSpec(folder / "a.parquet", "it"),
        "arrow": CorpusSpec(folder / "file.arrow", "it"),
        "saved": CorpusSpec(saved, "it"),
        "lists": CorpusSpec(folder / "a.parquet", "it", column="split"),
        "named": CorpusSpec(saved, "it", column="text"),
    }


def test_tables_have_the_same_words_in_every_format(tmp_path: Path) -> None:
    for name, each in tables(tmp_path / "t").items():
        assert list(corpora.read(each)) == WORDS, name
    found = {corpora.facts(each, Remembered(tmp_path / "r.json")).corpus for each in tables(tmp_path / "t").values()}
    assert found == {corpora.facts(spec(tmp_path / "a.txt", "\n".join(filter(None, ROWS))), Remembered(tmp_path / "r"))
                     .corpus}  # fmt: skip


def test_a_folder_whose_files_change_is_read_again(tmp_path: Path) -> None:
    folder, remembered = tmp_path / "parts", Remembered(tmp_path / "r.json")
    folder.mkdir()
    for name, text in (("b.parquet", "two"), ("a.parquet", "one")):
        pq.write_table(pa.table({"text": [text]}), folder / name)
    long_ago = 1_000_000_000
    for file in (*folder.iterdir(), folder):
        os.utime(file, (long_ago, long_ago))
    assert list(corpora.read(CorpusSpec(folder, "it"))) == [["one"], ["two"]]
    before = corpora.facts(CorpusSpec(folder, "it"), remembered)
    pq.write_table(pa.table({"text": ["three more words"]}), folder / "b.parquet")
    os.utime(folder, (long_ago, long_ago))
    after = corpora.facts(CorpusSpec(folder, "it"), remembered)
    assert before.words == 2 and after.words == 4


@pytest.mark.parametrize(
    ("name", "content", "column", "complaint"),
    [
        ("a.csv", "id,text\n1,a\n2\n", None, "a.csv:3: expected 2 columns, got 1"),
        ("a.csv", 'text\n"a\n', None, "not CSV: unexpected end of data"),
        ("a.csv", "x,y\n1,a\n", None, r"say which column holds the sentences, with --column .*there is: x, y"),
        ("a.csv", "text,words\n1,a\n", None, "say which column"),
        ("a.csv", "id,body\n1,a\n", "bdy", "unknown column 'bdy'; did you mean body"),
        ("a.txt", "a\n", "text", "a.txt has no column to be chosen: leave column out"),
        ("a.jsonl", '{"text": "a"}\n', "body", 'a.jsonl:1: expected an object with "body"'),
        ("a.parquet", "PAR1 not", None, "a.parquet cannot be read"),
        ("a.arrow", "ARROW1 not", None, "a.arrow cannot be read"),
    ],
)
def test_what_is_wrong_with_a_table_is_one_line(
    tmp_path: Path, name: str, content: str, column: str | None, complaint: str
) -> None:
    each = replace(spec(tmp_path / name, content), column=column)
    with pytest.raises(BadRequest, match=complaint) as found:
        list(corpora.read(each))
    assert "\n" not in str(found.value)


def test_columns_of_numbers_and_folders_of_splits_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "a.parquet")
    with pytest.raises(BadRequest, match=r"a.parquet:1: expected a text or a list of words, got int"):
        list(corpora.read(CorpusSpec(tmp_path / "a.parquet", "it")))
    splits = tmp_path / "splits"
    tables(splits)
    (splits / "dataset_dict.json").write_text('{"splits": ["saved"]}')
    with pytest.raises(BadRequest, match="holds several splits: name one of its folders, saved"):
        list(corpora.read(CorpusSpec(splits, "it")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadRequest, match=r"a folder without .parquet or .arrow files"):
        corpora.facts(CorpusSpec(tmp_path / "empty", "it"), Remembered(tmp_path / "r.json"))


def test_words_of_scripts_without_spaces_are_icus(tmp_path: Path) -> None:
    lines = "我爱北京天安门。\nThe cats, 'too'\n𝒜 สวัสดีชาวโลก"
    each = replace(spec(tmp_path / "a.txt", lines), words="icu")
    if find_spec("icu") is None:
        with pytest.raises(MissingPackage, match=r"pip install 'layeratlas\[words\]' \(or PyICU\)"):
            list(corpora.read(each))
        return
    chinese, english, thai = corpora.read(each)
    assert chinese == ["我", "爱", "北京", "天安门", "。"] and english == ["The", "cats", ",", "'", "too", "'"]
    assert "".join(thai) == "𝒜สวัสดีชาวโลก" and len(thai) > 2
    assert corpora.facts(each, Remembered(tmp_path / "r.json")) != corpora.facts(
        replace(each, words=None), Remembered(tmp_path / "r.json")
    )
