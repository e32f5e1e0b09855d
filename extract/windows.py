"""Sentences into windows that fit a model, and windows into batches of like length."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from layeratlas.extract.corpora import size
from layeratlas.extract.encoders.base import Batching, Encoder, Piece
from layeratlas.extract.leftout import LeftOut
from layeratlas.extract.vocabulary import Unknown
from layeratlas.store.errors import BadRequest, LayeratlasError
from layeratlas.store.identity import Settings

_SHORT = 1024  # bytes: for sentences up to this long nobody asks whether there is memory


@dataclass(frozen=True)
class Window:
    """Words of one sentence that a model sees together. `words[i]` has `lengths[i]` of the pieces, at least one.

    whole: these are all of the sentence's words that have a token.
    """

    sentence: int
    words: list[int]
    lengths: list[int]
    pieces: list[Piece] = field(repr=False)
    whole: bool = True


@dataclass(frozen=True)
class Words:
    """Words of consecutive sentences, in corpus order: sentence and place in it, and how they are written."""

    sentence: npt.NDArray[np.int32]  # [words]
    word: npt.NDArray[np.int32]  # [words]
    token: list[str] = field(repr=False)  # [words]

    @classmethod
    def of(cls, windows: Sequence[Window], texts: Mapping[int, list[str]]) -> Words:
        """Return the words of some windows; `texts` are the sentences by their numbers."""
        numbers = np.array([window.sentence for window in windows], np.int32)
        return cls(
            np.repeat(numbers, [len(window.words) for window in windows]),
            np.array([word for window in windows for word in window.words], np.int32),
            [texts[window.sentence][word] for window in windows for word in window.words],
        )


class Windowing:
    """Cuts sentences for one model under one setting.

    `without_token` and `too_long` count words that are left out, `split` the sentences that took several windows,
    `vocabulary` the tokens that are unknown.
    """

    def __init__(self, encoder: Encoder, settings: Settings, name: str) -> None:
        self._encoder, self._settings, self._name = encoder, settings, name
        self._limit = _limit(encoder, settings, name)
        self._most: int | None = None  # pieces in one pass that memory is there for
        self.without_token, self.too_long, self.split = LeftOut(), LeftOut(), LeftOut()
        self.vocabulary = Unknown(getattr(encoder, "unknown", None))

    def windows(self, numbered: Sequence[tuple[int, list[str]]]) -> list[Window]:
        """Return the windows of some sentences, in order; a sentence that is not split is one window.

        Raises LayeratlasError, naming sentence and model, for one that does not fit under `refuse`.
        """
        cut = self._encoder.pieces([sentence for _, sentence in numbered])
        found: list[Window] = []
        for (number, sentence), pieces in zip(numbered, cut, strict=True):
            self.vocabulary.add(sentence, pieces)
            self._require_memory(number, sentence, pieces)
            found.extend(self._sentence(number, sentence, pieces))
        return found

    def refuse_early(self, sentences: Iterable[list[str]], longest: float = math.inf) -> None:
        """Raise what `windows` would raise, before any forward pass, having cut only sentences that may be too long.

        longest: the `size` of the longest sentence; where that fits, sentences are not read.
        A token covers at least a byte of what the tokenizer sees; normalisation may lengthen that, and is caught later.
        """
        if longest > _SHORT:
            self._most = self._encoder_allows()
        refusing = self._settings.long_sentences == "refuse"
        limits = [self._limit if refusing else None, self._most]
        least = min((limit for limit in limits if limit is not None), default=math.inf)
        if longest <= least:
            return
        for number, sentence in enumerate(sentences):
            if size(sentence) > least:
                pieces = self._encoder.pieces([sentence])[0]
                if refusing:
                    self._refuse(number, sentence, sum(map(len, pieces)))
                self._require_memory(number, sentence, pieces)

    def _encoder_allows(self) -> int | None:
        """How many pieces memory is there for; None where it is enough for any window, or nobody knows."""
        asked = getattr(self._encoder, "most_tokens", None)
        most = None if asked is None else asked(self._settings.window)
        return None if most is None else max(0, most - self._encoder.specials)

    def _require_memory(self, number: int, sentence: list[str], pieces: list[list[Piece]]) -> None:
        together = sum(map(len, pieces))
        if self._limit is not None:
            together = min(together, self._limit)
        if self._most is not None and together > self._most:
            self._refuse_for_memory(number, sentence, sum(map(len, pieces)), self._most)

    def _sentence(self, number: int, sentence: list[str], pieces: list[list[Piece]]) -> Iterator[Window]:
        if self._settings.long_sentences == "refuse":
            self._refuse(number, sentence, sum(map(len, pieces)))
        room = self._limit
        whole = room is None or sum(map(len, pieces)) <= room
        if not whole:
            self.split.add(" ".join(sentence[:4]) + " …")
        window = Window(number, [], [], [], whole)
        for word, own in enumerate(pieces):
            if not own:
                self.without_token.add(sentence[word])
            elif room is not None and len(own) > room:
                self.too_long.add(sentence[word])
            else:
                if room is not None and len(window.pieces) + len(own) > room:
                    yield window
                    window = Window(number, [], [], [], whole)
                window.words.append(word)
                window.lengths.append(len(own))
                window.pieces.extend(own)
        if window.words:
            yield window

    def _refuse(self, number: int, sentence: list[str], length: int) -> None:
        if self._limit is not None and length > self._limit:
            raise LayeratlasError(
                f"{self._name} sees {self._limit} tokens of a sentence, but sentence {number} "
                f'("{" ".join(sentence[:6])} …", {len(sentence)} words) has {length}: set long_sentences = "split" '
                "to split it between words, or take it out of the corpus"
            )

    def _refuse_for_memory(self, number: int, sentence: list[str], length: int, most: int) -> NoReturn:
        fits = 2 ** max(3, int(math.log2(max(8, min(most, 512)))))
        raise LayeratlasError(
            f"there is memory for about {most:,} tokens in one pass of {self._name}, but sentence {number} "
            f'("{" ".join(sentence[:6])[:60]} …", {len(sentence):,} words) has {length:,}: set window = {fits} and '
            'long_sentences = "split" to split such sentences between words, or take it out of the corpus'
        )


def batches(
    windows: Sequence[Window], tokens: int, specials: int, squares: float = math.inf, batching: Batching = "padded"
) -> Iterator[list[Window]]:
    """Group windows by length, longest first, so that a padded batch has at most `tokens` tokens, or one window.

    squares: the most (query, key) pairs of tokens in a batch. batching: which windows may share one at all.
    """
    if batching == "ordered":
        yield from ([window] for window in windows)
        return
    batch: list[Window] = []
    for window in sorted(windows, key=lambda window: -len(window.pieces)):
        if batch:
            longest, many = len(batch[0].pieces) + specials, len(batch) + 1
            apart = batching == "alone" or (batching == "equal" and len(window.pieces) < len(batch[0].pieces))
            if apart or many * longest > tokens or many * longest**2 > squares:
                yield batch
                batch = []
        batch.append(window)
    if batch:
        yield batch


def _limit(encoder: Encoder, settings: Settings, name: str) -> int | None:
    """Return how many pieces fit, special tokens not counted; None when any number does."""
    own, wanted = encoder.window, settings.window
    if wanted is not None and own is not None and wanted > own:
        raise BadRequest(
            f"window = {wanted} is more than the {own} tokens that {name} can see: lower it or leave it out"
        )
    window = own if wanted is None else wanted
    if window is None:
        return None
    if window <= encoder.specials:
        raise BadRequest(f"window = {window} leaves no room beside the {encoder.specials} special tokens of {name}")
    return window - encoder.specials
