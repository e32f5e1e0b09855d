"""What a corpus's format does not allow, said with its line."""

from __future__ import annotations


class MalformedLineError(ValueError):
    """A line, or a row, that its format does not allow; the path is added by whoever knows it."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


def word(line: int, given: object, position: int) -> str:
    """Return a word as it is. Raises MalformedLineError for what is none."""
    if not isinstance(given, str) or not given.strip():
        raise MalformedLineError(line, f"word {position} must be a text that is not blank, got {given!r}")
    try:
        given.encode()
    except UnicodeEncodeError:
        raise MalformedLineError(line, f"word {position} holds half a surrogate pair: {given!r}") from None
    return given
