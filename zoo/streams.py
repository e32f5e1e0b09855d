"""Text as one long run of numbers, from which rows are cut."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from transformers import PreTrainedTokenizerFast

from layeratlas.extract.encoders.elmo import BOUNDARY_WORD
from zoo.objectives import Rows
from zoo.specs import POSITIONS
from zoo.text import UNKNOWN, Words

ROW = 64  # pieces
_BATCH = 1024  # pieces in all


@dataclass(frozen=True)
class Stream:
    """Pieces [pieces] of all sentences one after another, and where each sentence begins, [sentences]."""

    pieces: Tensor
    starts: Tensor
    words: int

    def crops(self, draw: Generator) -> Rows:
        """A random batch of 1,024 pieces.

        Half begin with a sentence at position 0, as extraction does. The others begin anywhere in the text and at
        any position, so that late positions are trained as well. One in four has rows twice as long.
        """
        length = 2 * ROW if torch.rand((), generator=draw) < 0.25 else ROW
        last = len(self.pieces) - length
        if torch.rand((), generator=draw) < 0.5:
            chosen = torch.randint(len(self.starts), (_BATCH // length,), generator=draw)
            return self._cut(self.starts[chosen].clamp(max=last), length, 0)
        offset = int(torch.randint(POSITIONS - length + 1, (), generator=draw))
        return self._cut(torch.randint(last + 1, (_BATCH // length,), generator=draw), length, offset)

    def batches(self, limit: int | None = None, rows: int = 32) -> Iterable[Rows]:
        """The text in order, cut into whole rows of 64 pieces (`limit` rows at most), `rows` of them a batch."""
        whole = self.pieces[: len(self.pieces) // ROW * ROW].view(-1, ROW)[:limit]
        return (Rows(batch) for batch in torch.split(whole, rows))

    def _cut(self, begin: Tensor, length: int, offset: int) -> Rows:
        return Rows(self.pieces[begin[:, None] + torch.arange(length)], offset)


def piece_stream(tokenizer: PreTrainedTokenizerFast, sentences: list[Words]) -> Stream:
    """Sentences as the family's tokenizer gives them, special pieces included."""
    unknown = tokenizer.unk_token
    known = [[unknown if word == UNKNOWN else word for word in words] for words in sentences]
    encoded = tokenizer(known, is_split_into_words=True, verbose=False)["input_ids"]
    if tokenizer.num_special_tokens_to_add() == 0:  # GPT-2: nothing else would part one sentence from the next
        encoded = [[*ids, tokenizer.eos_token_id] for ids in encoded]
    return _joined(encoded, sum(map(len, sentences)))


def lexicon(sentences: Iterable[Words], vocabulary: Words) -> Words:
    """Every word of the sentences, those of `vocabulary` first and in its order."""
    known = set(vocabulary)
    return [*vocabulary, *dict.fromkeys(word for words in sentences for word in words if word not in known)]


def frequent_words(sentences: Iterable[Words], size: int) -> Words:
    """The boundary word, the unknown, then the most frequent words, `size` in all."""
    counts = Counter(word for words in sentences for word in words if word != UNKNOWN)
    return [BOUNDARY_WORD, UNKNOWN, *(word for word, _ in counts.most_common(size - 2))]


def word_stream(words: Words, sentences: list[Words]) -> Stream:
    """Sentences as numbers in a lexicon, with the boundary word between them."""
    number = {word: index for index, word in enumerate(words)}
    encoded = [[number[word] for word in (*sentence, BOUNDARY_WORD)] for sentence in sentences]
    return _joined(encoded, sum(map(len, sentences)))


def _joined(encoded: list[list[int]], words: int) -> Stream:
    lengths = torch.tensor([0, *map(len, encoded)])
    pieces = torch.tensor([piece for ids in encoded for piece in ids])
    return Stream(pieces, lengths.cumsum(0)[:-1], words)
