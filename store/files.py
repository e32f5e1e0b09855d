"""Files that are whole or absent, and hashes that are not computed twice."""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

TEMPORARY = ".tmp-"
_RACY_SECONDS = 2.0  # a file changed this recently may change again within its clock tick: not remembered


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; when the block ends well it is synced and renamed, else removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Force a file, or a folder's list of names, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class HashedFile(io.BufferedWriter):
    """A new file whose SHA-256 is taken of the bytes as they are written, so that they need not be read again."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, "x"))
        self._sha256 = hashlib.sha256()

    def write(self, content: Buffer) -> int:
        """Append bytes, all of them."""
        self._sha256.update(content)
        return super().write(content)

    @property
    def sha256(self) -> str:
        """Of all that was written, in hexadecimal."""
        return self._sha256.hexdigest()


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_orphans(folder: Path) -> int:
    """Remove temporary files that dead processes of this machine left below `folder`; return how many."""
    removed = 0
    for path in folder.rglob(f"{TEMPORARY}*"):
        process = path.name.removeprefix(TEMPORARY).split("-", 1)[0]
        if process.isdigit() and not _alive(int(process)):
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Remembered:
    """What was computed from files, by their path, size and time of change; kept as JSON in the store.

    Losing the file costs time, never a wrong answer.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, list[object]] = self._load()

    def of(self, path: Path, what: str, compute: Callable[[Path], str]) -> str:
        """Return `compute(path)`, from memory when the file has not changed since. `what` names the computation."""
        stat = path.stat()
        key, state = f"{what}:{path.resolve()}", [stat.st_size, stat.st_mtime_ns]
        known = self._known.get(key)
        if known and known[:2] == state:
            return str(known[2])
        value = compute(path)
        if time.time() - stat.st_mtime > _RACY_SECONDS:
            self._known[key] = [*state, value]
            self._save()
        return value

    def _load(self) -> dict[str, list[object]]:
        try:
            loaded = json.loads(self._path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return loaded if isinstance(loaded, dict) else {}

    def _save(self) -> None:
        with whole_file(self._path) as temporary:
            temporary.write_text(json.dumps(self._known))
