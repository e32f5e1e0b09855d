"""Word alignment: which tokens belong to which word, without ever looking at character offsets.

Every word is cut alone, so that no token can belong to two words and none can shift. What is cut is the word as it
stands in the running sentence: tokenizers that mark the space before a word (byte-level BPE) get " word" for all words
but the first, others get "word". Which of the two, and whether the fast tokenizer can be used, is not looked up by
family: on loading, each way is tried on a probe, and the first whose tokens are those of the running text is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from layeratlas.extract.encoders.base import Piece
from layeratlas.extract.foreign import foreign
from layeratlas.store.errors import LayeratlasError

PROBE = ("The", "cats", "saw", "42", "dogs", ",", "too", "!")

Cut = Callable[[Sequence[Sequence[str]]], list[list[list[Piece]]]]


class WordTokenizer:
    """Cuts words into token ids, and knows the special tokens around them.

    prefix, suffix: special tokens before and after. prefix_types, suffix_types: their token types, None for a
    tokenizer that gives none (the words' own type is 0). unknown: the piece of what the vocabulary lacks, or None.
    cls: where the token that stands for a sentence is, in the prefix, or from the end, below 0; None without one.
    Raises LayeratlasError for a tokenizer whose tokens cross the spaces between words.
    """

    def __init__(self, tokenizer: Any, name: str) -> None:
        running = tokenizer(" ".join(PROBE), truncation=False, padding=False)
        ids, types = list(running["input_ids"]), running.get("token_type_ids")
        for cut in _ways(tokenizer):
            words = cut([PROBE])[0]
            content = [piece for word in words for piece in word]
            start = _find(content, ids)
            if start is not None and all(words):
                break
        else:
            raise LayeratlasError(
                f"{name}'s tokenizer does not keep words apart: the tokens of running text are not those of its words, "
                "so no activation belongs to one word"
            )
        end = start + len(content)
        self._cut, self._name = cut, name
        self.unknown: Piece | None = getattr(tokenizer, "unk_token_id", None)
        self.prefix, self.suffix = ids[:start], ids[end:]
        cls = getattr(tokenizer, "cls_token_id", None)
        self.cls = self.prefix.index(cls) if cls in self.prefix else None
        if cls in self.suffix:  # XLNet's
            self.cls = self.suffix.index(cls) - len(self.suffix)
        self.prefix_types = None if types is None else list(types[:start])
        self.suffix_types = None if types is None else list(types[end:])

    def pieces(self, sentences: Sequence[Sequence[str]]) -> list[list[list[Piece]]]:
        """Cut words. Raises LayeratlasError for whatever the tokenizer's own code raises."""
        with foreign(lambda reason: f"{self._name}'s tokenizer fails: {reason}"):
            return self._cut(sentences)


def _ways(tokenizer: Any) -> list[Cut]:
    ways: list[Cut] = []
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None and hasattr(backend, "encode_batch"):
        ways += [_fast(backend, spaced=False), _fast(backend, spaced=True)]
    return [*ways, _slow(tokenizer, spaced=False), _slow(tokenizer, spaced=True)]


def _spaced(sentence: Sequence[str]) -> list[str]:
    return [word if i == 0 else " " + word for i, word in enumerate(sentence)]


def _fast(backend: Any, *, spaced: bool) -> Cut:
    def cut(sentences: Sequence[Sequence[str]]) -> list[list[list[Piece]]]:
        backend.no_truncation()  # tokenizer.json may bring a truncation of its own, and would cut silently
        backend.no_padding()
        given = [_spaced(sentence) if spaced else list(sentence) for sentence in sentences]
        encodings = backend.encode_batch(given, is_pretokenized=True, add_special_tokens=False)
        return [_by_word(encoding, len(sentence)) for encoding, sentence in zip(encodings, sentences, strict=True)]

    return cut


def _by_word(encoding: Any, words: int) -> list[list[Piece]]:
    pieces: list[list[Piece]] = [[] for _ in range(words)]
    for piece, word in zip(encoding.ids, encoding.word_ids, strict=True):
        if word is not None:
            pieces[word].append(piece)
    return pieces


def _slow(tokenizer: Any, *, spaced: bool) -> Cut:
    @lru_cache(maxsize=100_000)
    def one(text: str) -> tuple[Piece, ...]:
        return tuple(tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text)))

    def cut(sentences: Sequence[Sequence[str]]) -> list[list[list[Piece]]]:
        return [[list(one(text)) for text in (_spaced(s) if spaced else s)] for s in sentences]

    return cut


def _find(part: list[Piece], whole: list[Piece]) -> int | None:
    """Return where `part` stands in `whole`, None when it does not."""
    for start in range(len(whole) - len(part) + 1):
        if whole[start : start + len(part)] == part:
            return start
    return None
