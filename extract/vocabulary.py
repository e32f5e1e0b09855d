"""How much of a corpus a model's vocabulary lacks, counted while it is cut into tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from layeratlas.extract.encoders.base import Encoder, Piece
from layeratlas.extract.leftout import LeftOut
from layeratlas.store.errors import LayeratlasError

NOTED, REFUSED = 0.03, 0.5  # shares of unknown tokens
_FIRST = 512  # sentences that are looked at before any forward pass


@dataclass
class Unknown:
    """Tokens of a corpus, and those that stand for what the vocabulary lacks. piece: that token, or None."""

    piece: Piece | None
    tokens: int = 0
    unknown: int = 0
    words: LeftOut = field(default_factory=LeftOut)

    @property
    def share(self) -> float:
        """Of the tokens, from 0 to 1."""
        return self.unknown / self.tokens if self.tokens else 0.0

    def add(self, sentence: Sequence[str], pieces: Sequence[Sequence[Piece]]) -> None:
        """Count one sentence, whose words have these pieces."""
        for word, own in zip(sentence, pieces, strict=True):
            self.tokens += len(own)
            if self.piece is not None and self.piece in own:
                self.unknown += own.count(self.piece)
                self.words.add(word)

    @property
    def found(self) -> dict[str, int]:
        """What is kept with an artifact; nothing for a model that can write everything."""
        return {} if self.piece is None else {"tokens": self.tokens, "unknown_tokens": self.unknown}

    def notes(self) -> list[str]:
        """What to tell the user; nothing while few are unknown."""
        return [self._said] if self.share > NOTED else []

    def refuse(self, name: str) -> None:
        """Raise LayeratlasError when most tokens are unknown."""
        if self.share > REFUSED:
            raise LayeratlasError(
                f"{name}: {self._said}: it is no model of this corpus's language or script, or its tokenizer's files "
                'are another model\'s; to extract it all the same, set unknown_tokens = "keep"'
            )

    @property
    def _said(self) -> str:
        examples = ", ".join(self.words.examples)
        return (
            f"{self.unknown:,} of {self.tokens:,} tokens ({self.share:.0%}) are unknown to its vocabulary, "
            f"in {self.words.count:,} words such as {examples}"
        )


def refuse_early(encoder: Encoder, sentences: Iterable[list[str]], name: str) -> None:
    """Raise, before any forward pass, what `Unknown.refuse` would raise at the end.

    No more is read as soon as half of what was read is known: what comes after that is counted in the pass itself.
    """
    rest = iter(sentences)
    seen = Unknown(getattr(encoder, "unknown", None))
    if seen.piece is None:
        return
    doubtful = True
    while doubtful and (several := list(islice(rest, _FIRST))):
        for sentence, pieces in zip(several, encoder.pieces(several), strict=True):
            seen.add(sentence, pieces)
        doubtful = seen.share > REFUSED
    seen.refuse(name)
