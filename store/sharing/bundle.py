"""A bundle: one file that holds a store, or part of one. Outside a zip without compression, inside Parquet.

Unpacked it is a folder as a store has it, with `manifest.json` (hash and sizes of every file; models and corpora with
licences; who and when) and a `README.md`. What is read from one is checked first: nothing in it can name a place
outside, be larger than it says, or be anything but what a store holds.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from layeratlas.store.errors import BadRequest
from layeratlas.store.files import Part, receive, sha256_file
from layeratlas.store.identity import is_place
from layeratlas.store.kinds import KINDS
from layeratlas.store.log import FOLDER, is_name
from layeratlas.store.sharing.arrivals import ArrivalRefused, Expected, decoded_bytes, inspect

FORMAT = 1
MANIFEST, SIGNATURE, CARD = "manifest.json", "manifest.json.sig", "README.md"
ENDING = ".atlas.zip"
_LARGEST_MANIFEST = 2**26  # bytes
_HEADER = struct.Struct("<4s5H3L2H")  # of a member, where its bytes begin
_SLACK = 2**20  # bytes of memory that a file may take beyond what its sender counted
_HASH = 64  # letters of the hash of what is no data, which a bundle has as the comment of its zip
_END = 22  # bytes of the record that ends a zip


class Bundle:
    """A bundle that is read, as a place. Raises ArrivalRefused for whatever is not as it must be."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_checked = False
        with _refusing(path):
            self._members = _members(path)
            self.manifest = _manifest(self._bytes(MANIFEST))
            self._check_sizes()
            _check_frame(path, [self._members[name] for name in self.manifest["files"]])

    @property
    def title(self) -> str:
        return self.path.name

    @property
    def address(self) -> str:
        return str(self.path.resolve())

    @property
    def signature(self) -> bytes | None:
        """What `ssh-keygen` made of the manifest, if it is signed."""
        return self._bytes(SIGNATURE) if SIGNATURE in self._members else None

    @property
    def manifest_bytes(self) -> bytes:
        """The manifest as it stands in the file, which is what a signature is of."""
        return self._bytes(MANIFEST)

    def sizes(self, folder: str) -> dict[str, int]:
        return {name: size for name, (_, size) in self._members.items() if name.startswith(f"{folder}/")}

    def open(self, name: str) -> io.BufferedIOBase:
        if name not in self._members:
            raise FileNotFoundError(name)
        return io.BufferedReader(Part(self.path, *self._members[name]))

    def fetch(self, name: str, to: Path) -> str:
        with self.open(name) as source:
            return receive(source, to)

    def put(self, file: Path, name: str) -> None:
        raise BadRequest(f"{self.path} is finished: `layeratlas export` writes another")

    def check(self, advance: Callable[[int], None] = lambda size: None) -> None:
        """Hash every file, and read every value in a process with limits."""
        files = self.manifest["files"]

        def check_hash(name: str) -> None:
            with self.open(name) as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != files[name]["sha256"]:
                    raise ArrivalRefused(f"{self.title}: {name} is not what its manifest says; nothing of it was taken")
            advance(files[name]["bytes"])

        with _refusing(self.path), ThreadPoolExecutor(2) as pool:
            list(pool.map(check_hash, files))
        inspect([self._expected(name, said) for name, said in files.items()])
        self.is_checked = True

    def _expected(self, name: str, said: Mapping[str, Any]) -> Expected:
        given = {
            "title": f"{self.title}: {name}", "path": str(self.path), "part": self._members[name],
            "decoded": said["decoded"] + said["decoded"] // 50 + _SLACK,
        }  # fmt: skip
        first = name.split("/")
        if first[0] == FOLDER:
            return Expected(table=first[1], **given)
        fingerprint = first[-1].removesuffix(".parquet").replace("-", ":")
        return Expected(artifact=fingerprint, kind=first[0], **given)

    def _check_sizes(self) -> None:
        files, there = self.manifest["files"], {name: size for name, (_, size) in self._members.items()}
        data = there.keys() - {MANIFEST, SIGNATURE, CARD}
        if data != files.keys():
            raise ArrivalRefused(f"its manifest and its files differ: {sorted(data ^ files.keys())[0]}")
        for name, said in files.items():
            if said["bytes"] != there[name]:
                raise ArrivalRefused(f"{name} has {there[name]:,} bytes, its manifest says {said['bytes']:,}")

    def _bytes(self, name: str) -> bytes:
        with self.open(name) as file:
            return file.read(_LARGEST_MANIFEST)


class BundleWriter:
    """A bundle that is being written, as a place."""

    is_checked = True
    title = address = "the bundle"

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "x", zipfile.ZIP_STORED)
        self._lock = threading.Lock()
        self._files: dict[str, dict[str, Any]] = {}

    def sizes(self, folder: str) -> dict[str, int]:
        return {}

    def open(self, name: str) -> io.BufferedIOBase:
        raise FileNotFoundError(name)

    def fetch(self, name: str, to: Path) -> str:
        raise FileNotFoundError(name)

    def put(self, file: Path, name: str) -> None:
        said = {"bytes": file.stat().st_size, "sha256": sha256_file(file), "decoded": decoded_bytes(file)}
        with self._lock:
            self._zip.write(file, name)
            self._files[name] = said

    def finish(self, manifest: Mapping[str, Any], card: str, sign: Callable[[bytes], bytes] | None) -> None:
        """Write the manifest of what was put, with what else it says, its signature, and the README."""
        content = json.dumps({**manifest, "files": dict(sorted(self._files.items()))}, indent=1).encode()
        self._zip.writestr(MANIFEST, content)
        if sign:
            self._zip.writestr(SIGNATURE, sign(content))
        self._zip.writestr(CARD, card)
        self._zip.comment = b"0" * _HASH
        self._zip.close()
        path = Path(str(self._zip.filename))
        members = _members(path)
        frame = _hash_frame(path, [members[name] for name in self._files])
        with path.open("r+b") as file:
            file.seek(-_HASH, io.SEEK_END)
            file.write(frame.encode())


def _check_frame(path: Path, data: Sequence[tuple[int, int]]) -> None:
    """Refuse a bundle of which a byte has changed that is no file's. One that was packed anew has no hash of these."""
    with zipfile.ZipFile(path) as archive:
        comment = archive.comment
    with path.open("rb") as file:
        file.seek(-len(comment) - _END, io.SEEK_END)
        ends = file.read(4) == b"PK\x05\x06"
    if not ends or (comment and comment.decode("latin-1") != _hash_frame(path, data)):
        raise ArrivalRefused("its list of files has changed since it was written")


def _hash_frame(path: Path, data: Sequence[tuple[int, int]]) -> str:
    """Return the hash of a bundle's bytes outside its data and before this hash, which is its comment."""
    digest, at, end = hashlib.sha256(), 0, path.stat().st_size - _HASH
    with path.open("rb") as file:
        for start, size in [*sorted(data), (end, 0)]:
            file.seek(at)
            digest.update(file.read(max(0, start - at)))
            at = start + size
    return digest.hexdigest()


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Turn what a file that is no bundle makes of its readers into ArrivalRefused."""
    try:
        yield
    except ArrivalRefused as error:
        said = str(error)
        raise ArrivalRefused(said if said.startswith(path.name) else f"{path.name} is refused: {said}") from error
    except FileNotFoundError:
        raise
    except (
        zipfile.BadZipFile, struct.error, ValueError, KeyError, TypeError, AttributeError, NotImplementedError,
        RecursionError, OverflowError, OSError,
    ) as error:  # fmt: skip
        raise ArrivalRefused(f"{path.name} is refused: it is no bundle of layeratlas ({error})") from error


def _members(path: Path) -> dict[str, tuple[int, int]]:
    """Return where the bytes of each member begin and how many there are. Raises ArrivalRefused."""
    found: dict[str, tuple[int, int]] = {}
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
            _check_member(info)
            if info.filename in found:
                raise ArrivalRefused(f"it holds {info.filename!r} twice")
            start = _start(file, info)
            if found and start < sum(next(reversed(found.values()))):
                raise ArrivalRefused(f"{info.filename} lies over another file")
            found[info.filename] = (start, info.file_size)
    if any(start + size > path.stat().st_size for start, size in found.values()):
        raise ArrivalRefused("it is cut off")
    if len({name.casefold() for name in found}) < len(found):
        raise ArrivalRefused("two of its names differ in case alone")
    if MANIFEST not in found:
        raise ArrivalRefused(f"it has no {MANIFEST}")
    return found


def _check_member(info: zipfile.ZipInfo) -> None:
    name, kind = info.filename, info.external_attr >> 28  # of the file types of Unix: 8 is a file, 0 is not said
    parts = name.split("/")
    is_segment = len(parts) == 3 and parts[0] == FOLDER and is_name(parts[1], parts[2])
    if not (name in (MANIFEST, SIGNATURE, CARD) or is_segment or (is_place(name) and parts[0] in KINDS)):
        raise ArrivalRefused(f"it holds {name[:200]!r}, which no store holds")
    if kind not in (0, 8):
        raise ArrivalRefused(f"{name} is a link or another thing that is no file")
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 0x1 or info.compress_size != info.file_size:
        raise ArrivalRefused(f"{name} is compressed or encrypted")
    if name == MANIFEST and info.file_size > _LARGEST_MANIFEST:
        raise ArrivalRefused(f"its manifest has {info.file_size:,} bytes")


def _start(file: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Return where a member's bytes begin, from its own header, which must not contradict the list at the end."""
    file.seek(info.header_offset)
    mark, *fields = _HEADER.unpack(file.read(_HEADER.size))
    name, extra = int(fields[-2]), int(fields[-1])
    if mark != b"PK\x03\x04" or fields[2] != zipfile.ZIP_STORED or file.read(name) != info.filename.encode():
        raise ArrivalRefused(f"{info.filename} is called otherwise where it stands")
    return info.header_offset + _HEADER.size + name + extra


def _manifest(content: bytes) -> dict[str, Any]:
    found = json.loads(content)
    if not isinstance(found, dict) or not isinstance(found.get("files"), dict):
        raise ArrivalRefused("its manifest lists no files")
    if found.get("format") != FORMAT:
        raise ArrivalRefused(f"its format is {str(found.get('format'))[:20]}, this layeratlas reads {FORMAT}")
    for name, said in found["files"].items():
        sizes = [said[each] for each in ("bytes", "decoded")]
        if not (isinstance(said["sha256"], str) and all(type(size) is int and 0 <= size < 2**50 for size in sizes)):
            raise ArrivalRefused(f"its manifest says no size or hash of {name[:200]!r}")
    return found
