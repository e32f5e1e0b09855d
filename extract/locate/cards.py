"""Model cards: what the lines of YAML at the head of a model's README.md say of its licence. No part of an identity."""

from __future__ import annotations

import re
from pathlib import Path

CARD = "README.md"
_LARGEST = 2**16  # bytes that are read
_SAID = re.compile(r"^(license(?:_name)?)[ \t]*:[ \t]*(.*)((?:\n[ \t]*-[ \t].*)*)", re.MULTILINE)
_ELSEWHERE = "other"  # the hub's word where `license_name` has the licence


def licence(folder: Path) -> str | None:
    """Return the licence that a folder's model card states; None where there is no card, or it states none."""
    said = {key: _texts(value.strip(), below) for key, value, below in _SAID.findall(_front_matter(folder / CARD))}
    texts = said.get("license", [])
    return ", ".join(said.get("license_name", texts) if texts == [_ELSEWHERE] else texts) or None


def _front_matter(card: Path) -> str:
    """Return the lines between the two `---` at a card's head."""
    try:
        with card.open("rb") as file:
            lines = [line.rstrip() for line in file.read(_LARGEST).decode("utf-8", "replace").splitlines()]
    except OSError:  # no card, or no folder: word vectors are a file
        return ""
    if lines[:1] != ["---"] or "---" not in lines[1:]:
        return ""
    return "\n".join(lines[1 : lines.index("---", 1)])


def _texts(value: str, below: str) -> list[str]:
    """Return what stands behind a key: one text, `[several, of them]`, or a list in the lines below it."""
    if value.startswith("["):
        texts = value.strip("[]").split(",")
    else:
        texts = [value, *(line.strip().removeprefix("-") for line in below.splitlines())]
    return [text for text in map(_text, texts) if text]


def _text(value: str) -> str:
    """Return a plain or quoted text of YAML, without a comment behind it."""
    bare = re.sub(r"(^|\s)#.*", "", value).strip()
    return bare[1:-1].strip() if bare[:1] in ("'", '"') and bare[-1:] == bare[:1] and len(bare) > 1 else bare
