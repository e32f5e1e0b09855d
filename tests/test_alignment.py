"""Alignment: every token belongs to the word it came from, for every family's own tokenizer and any word."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import transformers
from extract_tiny import FAMILIES, SENTENCES, save_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from layeratlas.extract.tokens import WordTokenizer, _fast, _slow
from layeratlas.extract.windows import Windowing, batches
from layeratlas.store.errors import BadRequest, LayeratlasError
from layeratlas.store.identity import Settings

CLASSES = sorted({tokenizer for _, _, tokenizer in FAMILIES.values()})
ODD = [
    "\u200b",
    "\u00ad",
    "naïve",
    "na\u0308ive",
    "new york",
    "10\u00a0000",
    "\ufeff",
    "👩‍👩‍👧",
    "\u0301",
    "ﷺ",
    "[SEP]",
    "</s>",
    "▁",
    "Ġ",
]


@cache
def tokenizer(name: str) -> Any:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        save_tokenizer(name, Path(folder))
        return transformers.AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("name", CLASSES)
def test_the_tokens_are_those_of_the_running_text(name: str) -> None:
    words = WordTokenizer(tokenizer(name), name)
    for sentence, pieces in zip(SENTENCES, words.pieces(SENTENCES), strict=True):
        running = tokenizer(name)(" ".join(sentence))["input_ids"]
        assert [*words.prefix, *(piece for word in pieces for piece in word), *words.suffix] == running


@pytest.mark.parametrize("name", CLASSES)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_a_word_has_the_same_tokens_whatever_its_neighbours(name: str, data: st.DataObject) -> None:
    words = WordTokenizer(tokenizer(name), name)
    word = st.one_of(st.sampled_from(ODD), st.text(min_size=1, max_size=6).filter(str.strip), st.sampled_from(["cats"]))
    sentence = data.draw(st.lists(word, min_size=1, max_size=6))
    pieces = words.pieces([["cats", *sentence], ["No"]])
    assert [len(each) for each in pieces] == [len(sentence) + 1, 1]
    assert pieces[1] == words.pieces([["No"]])[0]
    for word_, own in zip(sentence, pieces[0][1:], strict=True):
        assert own == words.pieces([["dogs", word_, "dogs"]])[0][1]


def test_a_word_that_the_tokenizer_eats_has_no_token_and_shifts_nothing() -> None:
    words = WordTokenizer(tokenizer("BertTokenizer"), "bert")
    with_eaten, without = words.pieces([["cats", "\u200b", "\u00ad", "dogs"], ["cats", "dogs"]])
    assert with_eaten == [without[0], [], [], without[1]]


def test_the_slow_way_cuts_as_the_fast_one_does() -> None:
    words = WordTokenizer(tokenizer("BertTokenizer"), "bert")
    slow = _slow(tokenizer("BertTokenizer"), spaced=False)
    assert slow(SENTENCES) == words.pieces(SENTENCES)
    assert slow([["\u200b"]]) == [[[]]]
    gpt2 = _slow(tokenizer("GPT2Tokenizer"), spaced=True)
    assert gpt2(SENTENCES) == WordTokenizer(tokenizer("GPT2Tokenizer"), "gpt2").pieces(SENTENCES)


def test_a_tokenizer_in_python_alone_works(tmp_path: Path) -> None:
    fast = tokenizer("BertTokenizer")
    vocabulary = sorted(fast.get_vocab(), key=fast.get_vocab().get)
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    legacy = pytest.importorskip("transformers.models.bert.tokenization_bert_legacy")
    slow = legacy.BertTokenizerLegacy(str(tmp_path / "vocab.txt"))
    assert not slow.is_fast
    ours, theirs = WordTokenizer(slow, "slow"), WordTokenizer(fast, "fast")
    assert ours.pieces(SENTENCES) == theirs.pieces(SENTENCES)
    assert (ours.prefix, ours.suffix) == (theirs.prefix, theirs.suffix)


def test_the_tokenizers_own_truncation_is_switched_off() -> None:
    backend = tokenizer("GPTNeoXTokenizer").backend_tokenizer
    backend.enable_truncation(4)
    backend.enable_padding(length=9)
    assert len(_fast(backend, spaced=True)([["cats"] * 50])[0]) == 50
    assert all(_fast(backend, spaced=True)([["cats"] * 50])[0])


def test_a_tokenizer_that_joins_words_is_refused() -> None:
    crossing = transformers.LlamaTokenizer().train_new_from_iterator(["The cats saw 42 dogs"] * 9, 300)
    assert len(crossing("The cats saw 42 dogs")["input_ids"]) == 1
    with pytest.raises(LayeratlasError, match="does not keep words apart"):
        WordTokenizer(crossing, "crossing")


class OnePieceALetter:
    """An encoder that sees five tokens, two of them special."""

    window: int | None = 5
    specials = 2
    shape = None
    run = None

    def pieces(self, sentences: Any) -> list[list[list[int]]]:
        return [[[ord(letter) for letter in word if letter != "-"] for word in sentence] for sentence in sentences]


def windowing(**settings: Any) -> Windowing:
    encoder: Any = OnePieceALetter()
    return Windowing(encoder, Settings(**settings), "tiny")


def test_long_sentences_split_between_words() -> None:
    cut = windowing(long_sentences="split")
    windows = cut.windows([(7, ["a", "bc", "-", "d", "abcd", "efg"]), (8, ["-"])])
    assert [(w.sentence, w.words, w.lengths, len(w.pieces)) for w in windows] == [
        (7, [0, 1], [1, 2], 3), (7, [3], [1], 1), (7, [5], [3], 3),
    ]  # fmt: skip
    assert (cut.without_token.count, cut.too_long.examples) == (2, ["'abcd'"])


def test_long_sentences_are_refused_by_name_and_early() -> None:
    message = "tiny sees 3 tokens of a sentence, but sentence 1 .*ab cd.* has 4: set long_sentences"
    with pytest.raises(LayeratlasError, match=message):
        windowing().windows([(0, ["a"]), (1, ["ab", "cd"])])
    with pytest.raises(LayeratlasError, match=message):
        windowing().refuse_early([["a"], ["ab", "cd"]])
    windowing(window=4).refuse_early([["a"], ["-"]])
    with pytest.raises(LayeratlasError, match="sees 2 tokens"):
        windowing(window=4).windows([(0, ["abc"])])


@pytest.mark.parametrize(("window", "complaint"), [(6, "more than the 5 tokens"), (2, "leaves no room")])
def test_a_window_that_does_not_fit_is_refused(window: int, complaint: str) -> None:
    with pytest.raises(BadRequest, match=complaint):
        windowing(window=window)


def test_batches_hold_every_window_once_within_the_bound() -> None:
    windows = windowing(long_sentences="split").windows([(i, ["abc"[: i % 3 + 1]]) for i in range(20)])
    grouped = list(batches(windows, 12, 2))
    assert sorted(w.sentence for batch in grouped for w in batch) == list(range(20))
    assert all(len(batch) * (max(len(w.pieces) for w in batch) + 2) <= 12 for batch in grouped)
    assert [len(batch) for batch in batches(windows, 1, 2)] == [1] * 20
