"""TOML files that people write: what cannot be read is one clear line, whatever it is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from layeratlas.store.errors import BadRequest

INTEGERS = (-(2**63), 2**63 - 1)  # what TOML promises, and what the catalog holds
_DIGITS = re.compile(r"\d[\d_]{4000}")  # Python reads 4,300 digits
_SHOWN = 80  # characters of a value in a message


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """Return a file's text and what it says. Raises BadRequest, naming the file and, where it is known, the line."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"{path}: {error}") from None
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: {error.strerror}") from None
    return text, parse_toml(text, path)


def parse_toml(text: str, path: Path) -> dict[str, Any]:
    """Return what a text says; `path` is said in errors. Raises BadRequest."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadRequest(f"{path}: {_short(str(error))}") from None
    except ValueError:
        line = next((at for at, line in enumerate(text.splitlines(), start=1) if _DIGITS.search(line)), 1)
        raise BadRequest(f"{path}:{line}: a number has thousands of digits") from None
    except RecursionError:
        line = max(enumerate(text.splitlines(), start=1), key=lambda each: len(re.findall(r"[\[{]", each[1])))[0]
        raise BadRequest(f"{path}:{line}: brackets stand within brackets, too many of them") from None


def shown(value: object) -> str:
    """Return a value as a message quotes it: in short, and whatever it is."""
    try:
        said = repr(value)
    except (RecursionError, ValueError):  # of tables within tables, of thousands of digits
        return f"what no line has room for, of the type {type(value).__name__}"
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…"


def _short(message: str) -> str:
    """What the parser says, without the middle of what it quotes: the line stands at its end."""
    return message if len(message) <= 3 * _SHOWN else f"{message[: 2 * _SHOWN]}…{message[-_SHOWN // 2 :]}"
