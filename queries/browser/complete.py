"""Typing SQL: what a word can become, and what was asked before."""

from __future__ import annotations

import os
import re
from pathlib import Path

KEYWORDS = (
    "SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "LIMIT", "JOIN", "USING", "DISTINCT", "HAVING", "DESC", "AND",
    "OR", "NOT", "IN", "AS", "WITH", "CASE WHEN", "DESCRIBE", "SUMMARIZE",
    "avg(", "count(*)", "max(", "min(", "median(", "stddev(",
)  # fmt: skip
REMEMBERED = 500  # statements
_WORD = re.compile(r"[\w.]*$")


def complete(text: str, names: dict[str, list[str]]) -> list[str]:
    """Return what the word at the end of `text` can become: views after FROM and JOIN, else columns, views, keywords.

    Columns of views that the statement names come first; a word in capitals, or of two letters, may be a keyword.
    """
    found = _WORD.search(text)
    word = found.group() if found else ""
    before = text[: len(text) - len(word)]
    if "." in word:
        return _after_a_dot(word, text, names)
    if re.search(r"\b(from|join|describe|summarize)\s+$", before, re.IGNORECASE):
        return [view for view in names if view.startswith(word.lower())]
    if not word:
        return []
    known = [*_columns(text, names), *names, *KEYWORDS]
    fitting = [each for each in dict.fromkeys(known) if each.lower().startswith(word.lower()) and each != word]
    return sorted(fitting, key=lambda each: each in KEYWORDS and not word.isupper())


def _columns(text: str, names: dict[str, list[str]]) -> list[str]:
    used = [view for view in names if re.search(rf"\b{re.escape(view)}\b", text)]
    return [column for view in used or names for column in names[view]]


def _after_a_dot(word: str, text: str, names: dict[str, list[str]]) -> list[str]:
    owner, _, start = word.rpartition(".")
    alias = re.search(rf"\b(\w+)\s+(?:as\s+)?{re.escape(owner)}\b", text, re.IGNORECASE)
    view = owner if owner in names else alias.group(1) if alias else ""
    return [f"{owner}.{column}" for column in names.get(view, []) if column.startswith(start.lower())]


def completed(text: str, choice: str) -> str:
    """Return `text` with the word at its end become `choice`."""
    return _WORD.sub("", text, count=1) + choice


class History:
    """Statements in the order in which they were asked; kept in a file of the user, never in the store."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.statements = self._load()
        self._place = len(self.statements)
        self._draft = ""

    def add(self, statement: str) -> None:
        """Remember a statement as the newest."""
        if not self.statements or self.statements[-1] != statement:
            self.statements.append(statement)
            self._save()
        self._place = len(self.statements)

    def older(self, current: str) -> str:
        """Return the statement before; what is being typed is kept for the way back."""
        if self._place == len(self.statements):
            self._draft = current
        self._place = max(self._place - 1, 0)
        return self.statements[self._place] if self.statements else current

    def newer(self) -> str:
        """Return the statement after, at the end what was being typed."""
        self._place = min(self._place + 1, len(self.statements))
        return self.statements[self._place] if self._place < len(self.statements) else self._draft

    def _load(self) -> list[str]:
        if self._path is None or not self._path.is_file():
            return []
        return self._path.read_text(encoding="utf-8", errors="replace").splitlines()[-REMEMBERED:]

    def _save(self) -> None:
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text("".join(f"{line}\n" for line in self.statements[-REMEMBERED:]), encoding="utf-8")
        except OSError:  # a home that cannot be written costs the history of later sessions, nothing else
            self._path = None


def history_file() -> Path:
    """Return where a user's statements are kept: $XDG_STATE_HOME/layeratlas/sql_history, else in ~/.local/state."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "layeratlas" / "sql_history"
