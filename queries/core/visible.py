"""Names come from anywhere: what a terminal would obey instead of showing is shown."""

from __future__ import annotations

import re

#: Control characters but tab and newline, and marks that turn the direction of text.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """Return a text with control characters as Python writes them: \\x1b for the one that begins escape sequences."""
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], text)
