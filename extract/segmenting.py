"""Words of a text: between white space, or, for scripts without spaces, where Unicode's ICU says that words end."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from layeratlas.store.errors import MissingPackage

Segment = Callable[[str], list[str]]


def segmenter(words: str | None) -> Segment:
    """Return what cuts texts into words: at white space, or by `icu`. Raises MissingPackage."""
    if words is None:
        return str.split
    try:
        import icu
    except ImportError:
        raise MissingPackage(
            "words = icu needs PyICU, and the library ICU: pip install 'layeratlas[words]' (or PyICU)"
        ) from None
    boundaries = icu.BreakIterator.createWordInstance(icu.Locale.getRoot())

    def cut(text: str) -> list[str]:
        whole = icu.UnicodeString(text)  # whose places are counted in UTF-16, as the boundaries are
        boundaries.setText(whole)
        ends = [0, *boundaries]
        pieces = (str(whole[start:end]) for start, end in pairwise(ends))
        return [piece for piece in pieces if piece.strip()]

    return cut
