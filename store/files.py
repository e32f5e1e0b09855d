"""Files that are whole or absent, and hashes that are not computed twice."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

_Thing = TypeVar("_Thing")
TEMPORARY = ".tmp-"  # then <process>@<host>-<random>-<name>: process_name()
_LONG_DEAD = 24 * 3600.0  # seconds; nobody writes a file for that long without touching it
_LONGEST_HOST = 64  # characters
_LONGEST_KEPT = 200  # characters of a name that gets an ending
_CHUNK = 2**24  # bytes read and written at a time: of an object store, one request
_RACY_SECONDS = 2.0  # a file changed this recently may change again within its clock tick: not remembered


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; when the block ends well it is synced and renamed, else removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{process_name()}-{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def make_room(path: Path, root: Path) -> list[Path]:
    """Take out of a file's way what else has its place: a folder at `path`, or a file where a folder below `root` goes.

    An empty folder is removed; anything else is somebody's, and is kept beside, under the names that are returned.
    """
    kept = []
    below = [parent for parent in path.parents if parent.is_relative_to(root)]
    for place in [*reversed(below), path]:
        is_wrong = place.is_dir() if place == path else os.path.lexists(place) and not place.is_dir()
        if is_wrong and not _removed_as_empty(place):
            beside = place.with_name(f"{place.name[:_LONGEST_KEPT]}.kept-{secrets.token_hex(4)}")
            kept.append(place.rename(beside))
    return kept


def _removed_as_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:  # it holds something, or is a file
        return False
    return True


def together(things: Iterable[_Thing], size: Callable[[_Thing], int], limit: int) -> Iterator[list[_Thing]]:
    """Cut things into runs whose sizes sum to no more than a limit, but of one thing at least."""
    group: list[_Thing] = []
    so_far = 0
    for thing in things:
        own = size(thing)
        if group and so_far + own > limit:
            yield group
            group, so_far = [], 0
        group.append(thing)
        so_far += own
    if group:
        yield group


def process_name() -> str:
    """Return `<process>@<host>`, by which files tell whose they are; the host is written without `@`, `-` and `/`."""
    return f"{os.getpid()}@{_this_host()}"


def is_of_this_host(name: str) -> bool:
    """Tell whether `name` is the `process_name` of a process of this host."""
    return name.partition("@")[2] == _this_host()


def _this_host() -> str:
    host = quote(platform.node(), safe="").replace("-", "%2D")
    return host if len(host) <= _LONGEST_HOST else hashlib.sha256(host.encode()).hexdigest()[:32]


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


class _Buffer(threading.local):
    def __init__(self) -> None:
        self.of_thread = memoryview(bytearray(_CHUNK))


_BUFFER = _Buffer()


def receive(source: io.BufferedIOBase, path: Path) -> str:
    """Write to a file, and to disk, what a stream gives; return its SHA-256, taken as the bytes pass.

    A thread uses one buffer for all of its streams: fresh memory for each would cost as much time as the copy.
    """
    digest, buffer = hashlib.sha256(), _BUFFER.of_thread
    with path.open("wb") as target:  # buffered: writes all of a part, or raises
        while count := source.readinto(buffer):
            digest.update(buffer[:count])
            target.write(buffer[:count])
        target.flush()
        os.fsync(target.fileno())
    return digest.hexdigest()


class Part(io.RawIOBase):
    """Some bytes of a file, read as if they were one: a member of a bundle."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        self._file = path.open("rb")
        self._start, self._size, self._at = start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        self._file.seek(self._start + self._at)
        got = self._file.readinto(view[: max(0, self._size - self._at)])
        self._at += got
        return got

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def readable_size(count: int) -> str:
    """Return bytes as people read them."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_orphans(folder: Path, of: str = "") -> int:
    """Remove temporary files that were left below `folder`, or in it of one file alone; return how many."""
    found = orphans(folder, of)
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def orphans(folder: Path, of: str = "") -> list[Path]:
    """Return temporary files below `folder`, or in it of one file alone, that nobody writes any more.

    Of this host those whose process is dead. Whether another host's process lives cannot be asked: its files, and those
    that do not say whose they are, go when they have not been touched for a day by the file system's own clock.
    """
    dead, others = [], []
    for path in folder.glob(f"{TEMPORARY}*-{of}") if of else folder.rglob(f"{TEMPORARY}*"):
        process, _, host = path.name.removeprefix(TEMPORARY).partition("-")[0].partition("@")
        if host != _this_host() or not process.isdecimal():
            others.append(path)
        elif not _alive(int(process)):
            dead.append(path)
    if others:
        now = _clock(folder)
        dead += [path for path in others if (touched := _touched(path)) and now - touched > _LONG_DEAD]
    return dead


def _clock(folder: Path) -> float:
    """Return the time that a file gets that is written now: by the clock of whoever keeps the files."""
    probe = folder / f"{TEMPORARY}{process_name()}-{secrets.token_hex(4)}-clock"
    try:
        probe.touch(exist_ok=False)
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _touched(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # its process has just finished it
        return None


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


_Known = tuple[int, int, str]  # a file's size and time of change, and what was computed then


class Remembered:
    """What was computed from files, by their path, size and time of change; kept as JSON in the store.

    Losing the file costs time, never a wrong answer; so does what cannot be read in it, or a disk without room for it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = self._load()

    def of(self, path: Path, what: str, compute: Callable[[Path], str]) -> str:
        """Return `compute(path)`, from memory when the file has not changed since. `what` names the computation."""
        stat = path.stat()
        key, state = f"{what}:{path.resolve()}", (stat.st_size, stat.st_mtime_ns)
        known = self._known.get(key)
        if known and known[:2] == state:
            return known[2]
        value = compute(path)
        if time.time() - stat.st_mtime > _RACY_SECONDS:
            self._known[key] = (*state, value)
            self._save()
        return value

    def _load(self) -> dict[str, _Known]:
        try:
            loaded = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(loaded, dict):
            return {}
        return {key: (each[0], each[1], each[2]) for key, each in loaded.items() if _is_known(each)}

    def _save(self) -> None:
        with suppress(OSError), whole_file(self._path) as temporary:
            temporary.write_text(json.dumps(self._known), "utf-8")


def _is_known(value: object) -> bool:
    return isinstance(value, list) and [type(each) for each in value] == [int, int, str]
