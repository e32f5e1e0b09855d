"""Corpora: sentences of words, streamed from plain text, CoNLL-U, JSONL or CSV, each also gzipped, Parquet or Arrow.

- `.txt`: one sentence a line, words between white space (any that Unicode knows, no-break spaces included).
- `.conllu`: the words are the syntactic words, the lines whose id is a whole number. Multi-word ranges (`3-4`) and
  empty nodes (`5.1`) are skipped: "don't" is the two words "do" and "n't", as the treebank counts them.
- `.jsonl`: an object a line, `{"text": "…"}` split at white space, or `{"words": [...]}` (or `"tokens"`) as given.
- ids of rows that are no words (images, sentences, cells), whatever the file is called: one a line, each once. Each is
  a sentence of one word.
- `.csv`, `.tsv`, with a line of names; `.parquet`, `.arrow`, or a folder of these as `datasets` saves it: one column of
  texts, or of lists of words.

A sentence without words (a blank line) is skipped and gets no number. Words are kept as they stand: no Unicode
normalisation, inner spaces allowed where the format allows them.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from layeratlas.extract.malformed import MalformedLineError, word
from layeratlas.extract.segmenting import Segment, segmenter
from layeratlas.extract.tables import column_rows, csv_rows, files
from layeratlas.store.errors import BadRequest
from layeratlas.store.files import Remembered
from layeratlas.store.identity import SCHEME
from layeratlas.store.study import CorpusSpec

Lines = Iterator[tuple[int, str]]


@dataclass(frozen=True)
class CorpusFacts:
    """A corpus by its content: `corpus` is the fingerprint of its words in their sentences, not of the file.

    longest: the most bytes of a sentence, as `size` counts them.
    """

    corpus: str
    sentences: int
    words: int
    longest: int


def read(spec: CorpusSpec) -> Iterator[list[str]]:
    """Stream a corpus's sentences, each a non-empty list of non-empty words.

    Raises BadRequest, naming file and line, for what the format does not allow.
    """
    try:
        yield from islice((words for words in _sentences(spec) if words), spec.limit)
    except MalformedLineError as error:
        raise BadRequest(f"{spec.path}:{error.line}: {error}") from None
    except FileNotFoundError:
        raise BadRequest(f"there is no corpus file {spec.path}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadRequest(f"{spec.path} is no whole gzip file: {error}") from None


def _sentences(spec: CorpusSpec) -> Iterator[list[str]]:
    if spec.ids:
        with _open(spec.path) as file:
            yield from _ids(_lines(file))
        return
    form = _format(spec.path)
    if spec.path.is_dir() or form in _COLUMNS:
        yield from _values(column_rows(spec.path, spec.column), segmenter(spec.words))
        return
    if (form == ".conllu" and (spec.column or spec.words)) or (form == ".txt" and spec.column):
        option = "column" if spec.column else "words"
        raise BadRequest(f"{spec.path.name} has no {option} to be chosen: leave {option} out")
    with _open(spec.path) as file:
        lines = _lines(file)
        if form in _DELIMITERS:
            rows = csv_rows(spec.path, lines, spec.column, delimiter=_DELIMITERS[form])
            yield from _values(rows, segmenter(spec.words))
        elif form == ".jsonl":
            yield from _jsonl(lines, spec.column, segmenter(spec.words))
        else:
            yield from _conllu(lines) if form == ".conllu" else _text(lines, segmenter(spec.words))


def facts(spec: CorpusSpec, remembered: Remembered) -> CorpusFacts:
    """Return a corpus's fingerprint and counts; read once, then remembered while the file does not change.

    Raises BadRequest for a malformed or an empty corpus.
    """
    if not spec.ids:
        _format(spec.path)
    what = f"facts-{SCHEME}{'-ids' if spec.ids else ''}" if spec.limit is None else f"facts-{SCHEME}-first-{spec.limit}"
    what += "".join(f"-{name}-{value}" for name, value in (("column", spec.column), ("words", spec.words)) if value)
    if spec.path.is_dir():  # whose own time does not tell of changes within its files
        within = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files(spec.path)]
        what += "-" + hashlib.sha256(repr(within).encode()).hexdigest()
    try:
        known = remembered.of(spec.path, what, lambda path: json.dumps(asdict(facts_of(read(spec), spec.path))))
    except FileNotFoundError:
        raise BadRequest(f"there is no corpus file {spec.path}") from None
    return _facts_of(known) or facts_of(read(spec), spec.path)


def _facts_of(known: str) -> CorpusFacts | None:
    """Read what was remembered; None where it is something else."""
    try:
        found = CorpusFacts(**json.loads(known))
    except (ValueError, TypeError, RecursionError):
        return None
    return found if [type(value) for value in asdict(found).values()] == [str, int, int, int] else None


def facts_of(corpus: Iterable[list[str]], title: object) -> CorpusFacts:
    """Return the fingerprint and the counts of sentences. Raises BadRequest, with this title, when there are none."""
    digest, sentences, words, longest = hashlib.sha256(), 0, 0, 0
    for sentence in corpus:
        digest.update(json.dumps(sentence, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        sentences += 1
        words += len(sentence)
        longest = max(longest, size(sentence))
    if not sentences:
        raise BadRequest(f"{title} holds no sentence: expected at least one with a word")
    return CorpusFacts(f"{SCHEME}:{digest.hexdigest()}", sentences, words, longest)


def listed(ids: Iterable[str]) -> Iterator[list[str]]:
    """Stream ids as a corpus, a sentence of one word each. Raises BadRequest for one that is blank or there twice."""
    try:
        yield from _ids(enumerate(ids))
    except MalformedLineError as error:
        raise BadRequest(f"id {error.line}: {error}") from None


def size(sentence: list[str]) -> int:
    """How many bytes a sentence has, with a space a word: as many tokens at most, unless a tokenizer rewrites it."""
    return sum(len(word.encode()) + 1 for word in sentence)


def _format(path: Path) -> str:
    """Return the ending that tells the format; of a folder, none. Raises BadRequest."""
    if path.is_dir():
        return ""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    if not suffixes or suffixes[-1] not in FORMATS:
        raise BadRequest(
            f"cannot tell the format of {path.name}: name it {', '.join(FORMATS)}, or one of the first five + .gz"
        )
    return suffixes[-1]


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix.lower() == ".gz" else path.open("rb")


def _lines(file: BinaryIO) -> Lines:
    for number, raw in enumerate(file, start=1):
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise MalformedLineError(number, f"not UTF-8: {error.reason} at byte {error.start + 1}") from None
        yield number, line.rstrip("\r\n")


def _ids(lines: Lines) -> Iterator[list[str]]:
    seen: set[str] = set()
    for number, line in lines:
        own = word(number, line.strip(), 1)
        if own in seen:
            raise MalformedLineError(number, f"the id {own!r} is there twice: every row has its own")
        seen.add(own)
        yield [own]


def _text(lines: Lines, segment: Segment) -> Iterator[list[str]]:
    for _, line in lines:
        yield segment(line)


def _values(rows: Iterator[tuple[int, Any]], segment: Segment) -> Iterator[list[str]]:
    """Make sentences of a column's values: texts, lists of words, or nothing."""
    for number, value in rows:
        if isinstance(value, str):
            yield [word(number, one, i) for i, one in enumerate(segment(value), start=1)]
        elif isinstance(value, list):
            yield [word(number, one, i) for i, one in enumerate(value, start=1)]
        elif value is not None:
            raise MalformedLineError(number, f"expected a text or a list of words, got {type(value).__name__}")


def _conllu(lines: Lines) -> Iterator[list[str]]:
    words: list[str] = []
    for number, line in lines:
        if not line.strip():
            yield words
            words = []
        elif not line.startswith("#"):
            form = _conllu_word(number, line, expected=len(words) + 1)
            if form is not None:
                words.append(form)
    yield words


def _conllu_word(number: int, line: str, *, expected: int) -> str | None:
    """Return the form of a syntactic word, None for a multi-word range or an empty node."""
    columns = line.split("\t")
    if len(columns) != 10:
        raise MalformedLineError(number, f"expected the 10 tab-separated columns of CoNLL-U, got {len(columns)}")
    identifier, form = columns[0], columns[1]
    if all(part.isdecimal() for part in identifier.replace("-", ".").split(".", 1)) and not identifier.isdecimal():
        return None
    if identifier != str(expected):
        raise MalformedLineError(number, f"expected word {expected} of the sentence, got id '{identifier}'")
    return word(number, form, expected)


def _jsonl(lines: Lines, column: str | None, segment: Segment) -> Iterator[list[str]]:
    keys = (column,) if column else ("text", "words", "tokens")
    for number, line in lines:
        if line.strip():
            yield _json_words(number, line, keys, segment)


def _json_words(number: int, line: str, keys: Sequence[str], segment: Segment) -> list[str]:
    try:
        entry = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise MalformedLineError(number, f"not JSON: {error}") from None
    given = [key for key in keys if isinstance(entry, dict) and key in entry]
    if len(given) != 1:
        *others, last = (f'"{key}"' for key in keys)
        one = f"one of {', '.join(others)} or {last}" if others else last
        raise MalformedLineError(number, f"expected an object with {one}")
    key, value = given[0], entry[given[0]]
    if isinstance(value, str) and key not in _LISTS:
        return [word(number, one, i) for i, one in enumerate(segment(value), start=1)]
    if isinstance(value, list) and key != "text":
        return [word(number, one, i) for i, one in enumerate(value, start=1)]
    wanted = "a text" if key == "text" else "a list of words" if key in _LISTS else "a text or a list of words"
    raise MalformedLineError(number, f'expected "{key}" to be {wanted}, got {type(value).__name__}')


_LISTS = ("words", "tokens")
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_COLUMNS = (".parquet", ".arrow")
FORMATS = (".txt", ".conllu", ".jsonl", *_DELIMITERS, *_COLUMNS)
