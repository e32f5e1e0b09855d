"""Places on this machine, as they may be shown to others: catalogs and reports are published."""

from __future__ import annotations

import re
from pathlib import Path

_ABSOLUTE = re.compile(r"(?<![\w./~:-])(?:~|/(?=[^\s/]))[^\s'\"(),;]*")


def shown_path(path: str | Path) -> str:
    """Return a path relative to the current folder where it is below it, else its last part alone, after `…/`.

    What is no absolute path (a hub id, `./x`, `package:NAME/FOLDER`) stays as it is.
    """
    text = str(path)
    if not text.startswith(("/", "~")):
        return text
    whole = Path(text)
    try:
        return str(whole.relative_to(Path.cwd()))
    except ValueError:
        return f"…/{whole.name}"


def without_places(text: str) -> str:
    """Return a text with every absolute path in it as `shown_path` has it."""
    return _ABSOLUTE.sub(lambda found: shown_path(found[0]), text)
