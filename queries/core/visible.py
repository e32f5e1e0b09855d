"""Names come from anywhere: what a terminal would obey, or not show at all, is shown as text."""

from __future__ import annotations

import json
from typing import Any


def visible(text: str, *, lines: bool = False) -> str:
    r"""Return a text with every character that prints nothing of its own as Python writes it: \x1b, \n, \u202e.

    These are control characters, marks that turn the direction of text, those without width, surrogates, and blanks
    other than the space. `lines`: the text has lines of its own, and keeps them and its tabs.
    """
    if text.isprintable():
        return text
    kept = "\n\t" if lines else ""
    return "".join(each if each.isprintable() or each in kept else ascii(each)[1:-1] for each in text)


def as_json(found: Any, *, indent: int | None = None) -> str:
    """Write what JSON has, with such characters as its escapes: whoever reads it has the same texts."""
    text = json.dumps(found, indent=indent, ensure_ascii=False, separators=None if indent else (",", ":"))
    if text.replace("\n", "").isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text)
